/** A key of Web Crypto: its type has another name in each runtime. */
export type WebKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;
