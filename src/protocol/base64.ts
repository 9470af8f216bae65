/** Bytes in JSON, the same in every face: base64. */

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Base64, standard or URL-safe, padded or not. */
export function readBytes(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string" || !BASE64.test(value)) return undefined;
  const isUrlSafe = value.includes("-") || value.includes("_");
  const text = isUrlSafe ? value.replaceAll("-", "+").replaceAll("_", "/") : value;
  let binary: string;
  try {
    binary = atob(text.replace(/=+$/, ""));
  } catch {
    return undefined;
  }
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** Characters put together at a time: a call with more arguments could overflow the stack. */
const CHUNK = 0x2000;

/** Standard base64 with padding. */
export function writeBytes(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  }
  return btoa(binary);
}
