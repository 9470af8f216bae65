/**
 * Batches: many requests in the body of one, each answered by this same service (the `batchPath` of
 * discovery documents), as `multipart/mixed` with parts of `application/http`.
 *
 * The parts are independent: their order of execution is not told, each has a status of its own,
 * and one that cannot be read fails alone. Headers of the batch count for every part that does not
 * bring its own, except those that describe the batch's body or its connection.
 */
import { type DomainError, fail } from "../core/result.ts";
import { readBounded } from "./bounded-body.ts";
import { boundaryOf, type Headed, readHeaders, splitMultipart, takeLine } from "./multipart.ts";

/** The largest batch taken, in bytes. */
export const MAX_BATCH_SIZE = 16 * 1024 * 1024;
/** Parts of a batch: what Google's client libraries send at most. */
export const MAX_BATCH_PARTS = 1000;
/** Parts under way at a time: their answers are in memory until they are sent. */
const CONCURRENT_PARTS = 8;
/** Longest Content-ID, in characters: it goes back with the answer. */
const MAX_CONTENT_ID = 500;

export interface BatchService {
  /** Answers one part. */
  readonly execute: (request: Request) => Promise<Response> | Response;
  /** Whether parts may ask for a path. */
  readonly accepts: (path: string) => boolean;
  /** An error as the interface of the batch shows it. */
  readonly refuse: (
    error: DomainError,
    status?: number,
    headers?: Record<string, string>,
  ) => Response;
}

const partRequests = new WeakSet<Request>();

/** Whether a request came in a batch, beside others whose answers need memory as well. */
export function isBatchPart(request: Request): boolean {
  return partRequests.has(request);
}

/** Answers a batch. Its parts are sent as they are done, in the order in which they came. */
export async function answerBatch(request: Request, service: BatchService): Promise<Response> {
  if (request.method !== "POST") {
    const { error } = fail("UNIMPLEMENTED", "A batch must be sent with POST.");
    return service.refuse(error, 405, { allow: "POST" });
  }
  const parts = await readParts(request);
  if (typeof parts === "string") return service.refuse(fail("INVALID_ARGUMENT", parts).error);
  const boundary = `batch_${crypto.randomUUID()}`;
  const chunks = writeParts(parts, boundary, (part) => answerPart(part, request, service));
  return new Response(streamOf(chunks), {
    headers: { "content-type": `multipart/mixed; boundary=${boundary}` },
  });
}

/** The parts of a batch, or why there are none. */
async function readParts(request: Request): Promise<readonly Uint8Array[] | string> {
  if (isBatchPart(request)) return "A batch cannot be part of a batch.";
  const boundary = boundaryOf(request.headers.get("content-type"));
  if (boundary === undefined) {
    return "The Content-Type of a batch must be multipart/mixed with a boundary.";
  }
  const body = await readBounded(request, MAX_BATCH_SIZE);
  if (body === undefined) return `The batch exceeds the limit of ${MAX_BATCH_SIZE} bytes.`;
  const parts = splitMultipart(body, boundary, MAX_BATCH_PARTS);
  if (parts === undefined || parts.length === 0) {
    return "Failed to parse the batch: its body has no parts between lines of its boundary.";
  }
  if (parts.length > MAX_BATCH_PARTS) {
    return `The batch has more than ${MAX_BATCH_PARTS} parts.`;
  }
  return parts;
}

// ---- One part --------------------------------------------------------------------------------

interface PartAnswer {
  readonly contentId: string | undefined;
  readonly response: Response;
}

async function answerPart(
  bytes: Uint8Array,
  batch: Request,
  service: BatchService,
): Promise<PartAnswer> {
  const part = readHeaders(bytes);
  const contentId = headerOf(part, "content-id")?.slice(0, MAX_CONTENT_ID);
  const request = part === undefined ? "Its headers cannot be read." : readRequest(part, batch);
  if (typeof request === "string") {
    const { error } = fail("INVALID_ARGUMENT", `Failed to parse a part of the batch: ${request}`);
    return { contentId, response: service.refuse(error) };
  }
  const { pathname } = new URL(request.url);
  if (!service.accepts(pathname)) {
    const { error } = fail("NOT_FOUND", "This batch does not take requests for that path.");
    return { contentId, response: service.refuse(error) };
  }
  partRequests.add(request);
  try {
    return { contentId, response: await service.execute(request) };
  } catch (error) {
    console.error("unexpected failure", String(error));
    return { contentId, response: service.refuse(fail("INTERNAL", "Internal error.").error) };
  }
}

/** The request in a part, or what is wrong with it. */
function readRequest(part: Headed, batch: Request): Request | string {
  const type = headerOf(part, "content-type") ?? "";
  if (!/^application\/http\s*(;|$)/i.test(type)) return "Its Content-Type is not application/http.";
  const encoding = headerOf(part, "content-transfer-encoding") ?? "binary";
  if (!/^(binary|7bit|8bit)$/i.test(encoding))
    return "Its Content-Transfer-Encoding is not binary.";
  const first = takeLine(skipEmptyLine(part.rest));
  const message = first === undefined ? undefined : readHeaders(first.rest);
  if (first === undefined || message === undefined) return "Its HTTP headers cannot be read.";
  // The version may be left out, as Google's own examples do.
  const [, method = "", target = ""] =
    /^([A-Z]+) +(\S+)(?: +HTTP\/[\d.]+)?\s*$/.exec(first.line) ?? [];
  const url = urlOf(target, batch.url);
  if (url === undefined) return "Its first line is not METHOD PATH.";
  const body = bodyOf(message);
  if (body === undefined) return "Its body is shorter than its Content-Length.";
  try {
    const isBodied = method !== "GET" && method !== "HEAD" && body.length > 0;
    return new Request(url, {
      method,
      headers: headersOf(message, batch.headers),
      signal: batch.signal,
      ...(isBodied ? { body } : {}),
    });
  } catch {
    return "Its method or one of its headers is not allowed.";
  }
}

function headerOf(part: Headed | undefined, name: string): string | undefined {
  return part?.headers.find(([key]) => key === name)?.[1];
}

/** Some clients leave an empty line too much between a part's headers and its request. */
function skipEmptyLine(bytes: Uint8Array): Uint8Array {
  const first = takeLine(bytes);
  return first?.line === "" ? first.rest : bytes;
}

/** A path of this service; of an absolute URL the host does not matter. */
function urlOf(target: string, batchUrl: string): string | undefined {
  const { origin } = new URL(batchUrl);
  if (target.startsWith("/")) return `${origin}${target}`;
  const url = /^https?:\/\//i.test(target) ? URL.parse(target) : null;
  return url === null ? undefined : `${origin}${url.pathname}${url.search}`;
}

/**
 * The body, without the line break that may follow what its Content-Length tells. More than that is
 * taken whole: some clients count characters. Undefined: it is shorter than it tells.
 */
function bodyOf({ rest, headers }: Headed): Uint8Array | undefined {
  const declared = headers.find(([name]) => name === "content-length")?.[1];
  if (declared === undefined || !/^\d+$/.test(declared)) return rest;
  if (Number(declared) > rest.length) return undefined;
  const isBreak = rest.subarray(Number(declared)).every((byte) => byte === 0x0d || byte === 0x0a);
  return isBreak ? rest.subarray(0, Number(declared)) : rest;
}

/** Headers that belong to the batch alone, or to a connection. */
const NOT_PASSED_ON =
  /^(content-.*|host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|accept-encoding|x-http-method-override)$/;
/** And those that the platform alone may set, such as the address that a caller comes from. */
const NOT_TAKEN =
  /^(cf-.*|content-length|host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|accept-encoding)$/;

function headersOf(message: Headed, outer: Headers): Headers {
  const headers = new Headers();
  for (const [name, value] of outer) {
    if (!NOT_PASSED_ON.test(name)) headers.set(name, value);
  }
  const own = new Headers();
  for (const [name, value] of message.headers) {
    if (!NOT_TAKEN.test(name)) own.append(name, value);
  }
  for (const [name, value] of own) headers.set(name, value);
  return headers;
}

// ---- Answers ---------------------------------------------------------------------------------

/** Goes on as the client reads; one that goes away ends the batch. */
function streamOf(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
}

/** The answers' text, a few parts ahead of what has been sent. */
async function* writeParts(
  parts: readonly Uint8Array[],
  boundary: string,
  answer: (part: Uint8Array) => Promise<PartAnswer>,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const running: Promise<PartAnswer>[] = [];
  let next = 0;
  for (let done = 0; done < parts.length; done++) {
    while (running.length < CONCURRENT_PARTS && next < parts.length) {
      running.push(answer(parts[next++] as Uint8Array));
    }
    const { contentId, response } = (await running.shift()) as PartAnswer;
    const body = new Uint8Array(await response.arrayBuffer());
    yield encoder.encode(headOf(boundary, contentId, response, body.length));
    if (body.length > 0) yield body;
    yield encoder.encode("\r\n");
  }
  yield encoder.encode(`--${boundary}--\r\n`);
}

function headOf(
  boundary: string,
  contentId: string | undefined,
  response: Response,
  length: number,
): string {
  const lines = [`--${boundary}`, "Content-Type: application/http"];
  if (contentId !== undefined) lines.push(`Content-ID: ${responseId(contentId)}`);
  lines.push("", `HTTP/1.1 ${response.status} ${REASONS[response.status] ?? "Unknown"}`);
  for (const [name, value] of response.headers) {
    if (name !== "content-length" && name !== "transfer-encoding") lines.push(`${name}: ${value}`);
  }
  lines.push(`content-length: ${length}`, "", "");
  return lines.join("\r\n");
}

/** `<a+1>` is answered as `<response-a+1>`, by which clients find their request. */
function responseId(contentId: string): string {
  return contentId.startsWith("<") ? `<response-${contentId.slice(1)}` : `response-${contentId}`;
}

/** Reason phrases of the statuses that are answered; clients split the line at its blanks. */
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  429: "Too Many Requests",
  499: "Client Closed Request",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};
