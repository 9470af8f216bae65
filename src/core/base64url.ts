/** Unpadded base64url (RFC 7515 §2), as JSON Web Tokens are written. */
export function encodeBase64url(bytes: Uint8Array | ArrayBuffer): string {
  return new Uint8Array(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
}
