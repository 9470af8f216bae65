/**
 * Multipart bodies (RFC 2046 §5.1) and the header blocks of their parts, as batches carry them.
 *
 * Written here because clients end their lines with a bare LF as often as with CRLF (Python's email
 * generator, hand-made requests), which parsers made for forms refuse, and because each part holds
 * an HTTP request, whose header block is read by the same rules.
 */

const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;

/** Largest header block, in bytes. */
const MAX_HEADER_BYTES = 16_384;

/**
 * The boundary in a content type of `multipart/mixed`; undefined: it is another type or has none.
 */
export function boundaryOf(contentType: string | null): string | undefined {
  if (!/^\s*multipart\/mixed\s*;/i.test(contentType ?? "")) return undefined;
  const match = /;\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))(?=[\s;]|$)/i.exec(
    contentType ?? "",
  );
  return match?.[1] ?? match?.[2];
}

/**
 * The contents of the parts, at most `max` and one more. Undefined: there is no boundary line, or
 * none that ends the last part.
 */
export function splitMultipart(
  body: Uint8Array,
  boundary: string,
  max: number,
): Uint8Array[] | undefined {
  const delimiter = new TextEncoder().encode(`--${boundary}`);
  const parts: Uint8Array[] = [];
  let start: number | undefined;
  for (let line = 0; line < body.length; line = nextLine(body, line)) {
    if (!isDelimiter(body, line, delimiter)) continue;
    if (start !== undefined) parts.push(body.subarray(start, beforeBreak(body, start, line)));
    const isLast = isClosing(body, line + delimiter.length);
    if (isLast || parts.length > max) return start === undefined ? undefined : parts;
    start = nextLine(body, line);
  }
  return undefined;
}

/** A line of the delimiter, perhaps with two dashes, and nothing more than blanks after it. */
function isDelimiter(body: Uint8Array, at: number, delimiter: Uint8Array): boolean {
  if (body[at] !== DASH) return false;
  for (let index = 1; index < delimiter.length; index++) {
    if (body[at + index] !== delimiter[index]) return false;
  }
  const end = at + delimiter.length;
  for (let index = isClosing(body, end) ? end + 2 : end; index < body.length; index++) {
    if (body[index] === LF) return true;
    if (!isBlank(body[index])) return false;
  }
  return true;
}

function isClosing(body: Uint8Array, at: number): boolean {
  return body[at] === DASH && body[at + 1] === DASH;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === CR;
}

/** Where the line after the one at `at` begins; the end of the body when there is none. */
function nextLine(body: Uint8Array, at: number): number {
  const end = body.indexOf(LF, at);
  return end === -1 ? body.length : end + 1;
}

/** The line break before a delimiter belongs to the delimiter. */
function beforeBreak(body: Uint8Array, start: number, line: number): number {
  const end = line - 1;
  return Math.max(start, body[end - 1] === CR ? end - 1 : end);
}

/** What begins with a block of headers: a part, or an HTTP message after its first line. */
export interface Headed {
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** What follows the empty line. */
  readonly rest: Uint8Array;
}

/** Reads a block of headers. Undefined: a line is no header, or the block is too long. */
export function readHeaders(bytes: Uint8Array): Headed | undefined {
  const headers: [string, string][] = [];
  let at = 0;
  while (at < bytes.length) {
    const next = nextLine(bytes, at);
    if (next > MAX_HEADER_BYTES) return undefined;
    const line = lineOf(bytes.subarray(at, next));
    at = next;
    if (line === "") break;
    const last = headers.at(-1);
    // A line that begins with a blank goes on with the one before (RFC 5322 §2.2.3).
    if (/^[ \t]/.test(line) && last !== undefined) {
      last[1] += ` ${line.trim()}`;
      continue;
    }
    const [, name, value = ""] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):(.*)$/s.exec(line) ?? [];
    if (name === undefined) return undefined;
    headers.push([name.toLowerCase(), value.trim()]);
  }
  return { headers, rest: bytes.subarray(at) };
}

/** The first line of a message and what follows it. Undefined: the line is too long. */
export function takeLine(bytes: Uint8Array): { line: string; rest: Uint8Array } | undefined {
  const next = nextLine(bytes, 0);
  if (next > MAX_HEADER_BYTES) return undefined;
  return { line: lineOf(bytes.subarray(0, next)), rest: bytes.subarray(next) };
}

function lineOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replace(/\r?\n$/, "");
}
