/** Bytes of messages that stand for text, and the other way round. */

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ENCODER = new TextEncoder();

/** The text, undefined when the bytes are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return DECODER.decode(bytes);
  } catch {
    return undefined;
  }
}

export function bytesOf(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** The text of a header: UTF-8, or else the bytes one by one as HTTP once had them. */
export function headerTextOf(bytes: Uint8Array): string {
  return textOf(bytes) ?? Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
