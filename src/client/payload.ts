/** Payloads and parameters, and the bytes they become. */
import { InvalidTaskError, ValueError } from "./errors.ts";

/**
 * What a task carries: text, bytes, a form, or an object or array, which becomes JSON. Forms with
 * files and other things that must be read first go through Task.from.
 */
export type Payload =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | URLSearchParams
  | FormData
  | readonly unknown[]
  | { readonly [key: string]: unknown };

type ParamValue = string | number | boolean;

/** Parameters by name; a list is a name that is repeated. */
export type Params =
  | URLSearchParams
  | { readonly [name: string]: ParamValue | readonly ParamValue[] };

export interface EncodedPayload {
  readonly bytes: Uint8Array;
  /** What the bytes are, where the payload tells. */
  readonly contentType?: string;
}

export const FORM_TYPE = "application/x-www-form-urlencoded";

/** The bytes of a payload. InvalidTaskError for what cannot be one. */
export function encodePayload(payload: Payload): EncodedPayload {
  if (typeof payload === "string") {
    return { bytes: bytesOf(payload), contentType: "text/plain; charset=utf-8" };
  }
  if (payload instanceof ArrayBuffer) return { bytes: new Uint8Array(payload.slice(0)) };
  if (ArrayBuffer.isView(payload)) {
    const { buffer, byteOffset, byteLength } = payload;
    return { bytes: new Uint8Array(buffer, byteOffset, byteLength).slice() };
  }
  if (payload instanceof URLSearchParams) {
    return { bytes: bytesOf(payload.toString()), contentType: FORM_TYPE };
  }
  if (payload instanceof FormData) return encodeForm(payload);
  return encodeJson(payload);
}

function encodeJson(payload: unknown): EncodedPayload {
  const prototype = payload === null ? undefined : Object.getPrototypeOf(payload);
  const isPlain =
    typeof payload === "object" &&
    (prototype === Object.prototype || prototype === null || Array.isArray(payload));
  if (!isPlain && typeof (payload as { toJSON?: unknown } | null)?.toJSON !== "function") {
    throw new InvalidTaskError(
      "payload must be text, bytes, a form, or an object or array for JSON; what must be read " +
        "first goes through Task.from.",
    );
  }
  return { bytes: bytesOf(JSON.stringify(payload)), contentType: "application/json" };
}

/** multipart/form-data as a browser writes it (RFC 7578). */
function encodeForm(form: FormData): EncodedPayload {
  const boundary = `edgetasks-${crypto.randomUUID()}`;
  let text = "";
  for (const [name, value] of form) {
    if (typeof value !== "string") {
      throw new InvalidTaskError("A form with files is read first: use Task.from.");
    }
    const escaped = name.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
    const lines = value.replace(/\r\n|\r|\n/g, "\r\n");
    text += `--${boundary}\r\nContent-Disposition: form-data; name="${escaped}"\r\n\r\n${lines}\r\n`;
  }
  return {
    bytes: bytesOf(`${text}--${boundary}--\r\n`),
    contentType: `multipart/form-data; boundary=${boundary}`,
  };
}

/** `a=1&b=x+y`, repeated names in the order of their list. */
export function encodeParams(params: Params): string {
  if (params instanceof URLSearchParams) return params.toString();
  const encoded = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) encoded.append(name, String(one));
  }
  return encoded.toString();
}

/** What encodeParams made, in names and values; repeated names are lists. ValueError. */
export function decodeParams(text: string): Record<string, string | string[]> {
  const params = new Map<string, string | string[]>();
  if (text !== "") {
    for (const field of text.split("&")) {
      const equals = field.indexOf("=");
      if (equals === -1) throw new ValueError(`Not a parameter: ${JSON.stringify(cut(field))}`);
      const name = decode(field.slice(0, equals));
      const value = decode(field.slice(equals + 1));
      const known = params.get(name);
      params.set(name, known === undefined ? value : [known, value].flat());
    }
  }
  return Object.fromEntries(params);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new ValueError(`Not URL-encoded: ${JSON.stringify(cut(text))}`);
  }
}

function cut(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}

/** The text of bytes. ValueError where they are not UTF-8. */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ValueError("The payload is not UTF-8 text.");
  }
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}
