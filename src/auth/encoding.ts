/** Texts and bytes of credentials: base64url (RFC 7515 §2), hashes. */

import { encodeBase64url } from "../core/base64url.ts";

const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** Undefined for anything but the one text that these bytes are written as. */
export function decodeBase64url(text: string): Uint8Array | undefined {
  if (!BASE64URL.test(text)) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
    return encodeBase64url(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** The object in base64url JSON. Undefined: it is not one. */
export function decodeJson(text: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = decodeBase64url(text);
  if (bytes === undefined) return undefined;
  try {
    const json = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(json);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export function encodeJson(value: unknown): string {
  return encodeBase64url(utf8(JSON.stringify(value)));
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function sha256(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", utf8(text));
}
