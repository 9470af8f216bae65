/** Bytes in JSON, the same in every face: base64. */

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Base64, standard or URL-safe, padded or not. */
export function readBytes(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string" || !BASE64.test(value)) return undefined;
  const isUrlSafe = value.includes("-") || value.includes("_");
  const text = isUrlSafe ? value.replaceAll("-", "+").replaceAll("_", "/") : value;
  try {
    return Uint8Array.fromBase64(text.replace(/=+$/, ""));
  } catch {
    return undefined;
  }
}

/** Standard base64 with padding. */
export function writeBytes(bytes: Uint8Array): string {
  return bytes.toBase64();
}
