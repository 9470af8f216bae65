/** The body of a request: bounded before it is read, JSON where a message is expected. */
import { fail, ok, type Result } from "../core/result.ts";
import { readBounded } from "./bounded-body.ts";
import { echo } from "./errors.ts";

/**
 * The largest request taken, in bytes: it must pass whole to the queue's object, whose calls hold
 * 32 MiB.
 */
export const MAX_REQUEST_SIZE = 32 * 1024 * 1024;

/** The body as bytes. INVALID_ARGUMENT when it is over the limit. */
export async function readBody(request: Request): Promise<Result<Uint8Array>> {
  const bytes = await readBounded(request, MAX_REQUEST_SIZE);
  return bytes === undefined ? tooLarge() : ok(bytes);
}

/**
 * The body as a JSON value. Nothing counts as an empty message, and so does `""`, which the
 * official Node client sends for a message without fields.
 */
export async function readJson(request: Request): Promise<Result<unknown>> {
  let text: string;
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) <= MAX_REQUEST_SIZE) {
    text = await request.text();
  } else {
    const bytes = await readBody(request);
    if (!bytes.ok) return bytes;
    text = new TextDecoder().decode(bytes.value);
  }
  return parseJson(text);
}

/** Parses a message's JSON text; see readJson. */
export function parseJson(text: string): Result<unknown> {
  if (text === "" || text === '""') return ok({});
  try {
    return ok(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof Error ? echo(error.message) : "Not JSON.";
    return fail("INVALID_ARGUMENT", `Invalid JSON payload received. ${reason}`);
  }
}

function tooLarge(): Result<never> {
  return fail(
    "INVALID_ARGUMENT",
    `Request payload size exceeds the limit: ${MAX_REQUEST_SIZE} bytes.`,
  );
}
