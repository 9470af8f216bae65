/** Speaks to the Worker over its HTTP interface, as a client would. */
import { exports } from "cloudflare:workers";
import { expect } from "vitest";

export interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a client looks into an answer field by field.
  readonly body: any;
  readonly headers: Headers;
}

// The Worker's own entrypoint, which the generated types of `exports` do not know here.
const worker = (exports as unknown as { readonly default: Fetcher }).default;

/** Sends one request; `body` as JSON, or as it is when it is text or bytes. */
export async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const isRaw =
    typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream;
  const response = await worker.fetch(
    new Request(`http://localhost${path}`, {
      method,
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: isRaw ? (body as BodyInit) : JSON.stringify(body) }),
    }),
  );
  // Not text(): of a type that is no text the runtime warns.
  const text = new TextDecoder().decode(await response.arrayBuffer());
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return {
    status: response.status,
    body: isJson && text !== "" ? JSON.parse(text) : text,
    headers: response.headers,
  };
}

/** Sends, expects success, and gives the answer's body. */
export async function ok(method: string, path: string, body?: unknown) {
  const reply = await send(method, path, body);
  expect(reply, `${method} ${path}`).toMatchObject({ status: 200 });
  return reply.body;
}

/** What an error answer must be, with the status that belongs to its code. */
export function refusal(code: number, status: string, message: unknown, details?: unknown) {
  return {
    status: code,
    body: {
      error: { code, status, message, ...(details === undefined ? {} : { details }) },
    },
  };
}

let counter = 0;

/** A location that no other test of this run writes to. */
export function uniqueLocation(): string {
  return `projects/p-${crypto.randomUUID().slice(0, 8)}/locations/us-central1`;
}

/** Creates a queue; paused, so that its tasks stay where a test can look at them. */
export async function createQueue(settings: object = {}, isPaused = true): Promise<string> {
  const location = uniqueLocation();
  const name = `${location}/queues/q-${++counter}`;
  await ok("POST", `/v2/${location}/queues`, { name, ...settings });
  if (isPaused) await ok("POST", `/v2/${name}:pause`, {});
  return name;
}

/** A task that is well formed; a test states only what it is about. */
export function httpTask(changes: object = {}, request: object = {}) {
  return { task: { httpRequest: { url: "https://example.com/work", ...request }, ...changes } };
}

/** `Help` as an error's detail. */
export function help(description: string, url: string) {
  return { "@type": "type.googleapis.com/google.rpc.Help", links: [{ description, url }] };
}

/** `BadRequest` with one violation. */
export function violation(field: string | undefined, description: string) {
  return {
    "@type": "type.googleapis.com/google.rpc.BadRequest",
    fieldViolations: [field === undefined ? { description } : { field, description }],
  };
}

/** Everything of a queue that a refused request could have changed. */
export async function snapshot(queue: string) {
  const location = queue.slice(0, queue.indexOf("/queues/"));
  return {
    queue: await ok("GET", `/v2/${queue}`),
    tasks: await ok("GET", `/v2/${queue}/tasks?responseView=FULL`),
    queues: await ok("GET", `/v2/${location}/queues`),
    operations: await ok("GET", `/v2/${location}/operations`),
  };
}
