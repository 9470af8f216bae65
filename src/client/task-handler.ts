/** The webhook's side of a push task: is it from the queue, what is it, how did it go. */
import { reporter } from "./report.ts";
import type { SeenIds } from "./signature.ts";
import { readTaskHeaders, TaskRequest, type Trust } from "./task-request.ts";

/** What a verifier finds. */
export type Verdict =
  | { readonly ok: true; readonly trust: Trust; readonly seen?: SeenIds }
  /** 401: nothing to go by, or nothing that holds; 403: genuine, but for or from somebody else. */
  | { readonly ok: false; readonly status: 401 | 403; readonly reason: string };

/** Says whether a request comes from the queue; see verifyOidc and verifySignature. */
export type Verifier = (request: Request, body: Uint8Array<ArrayBuffer>) => Promise<Verdict>;

export interface TaskHandlerOptions {
  /**
   * What a request must show to be believed; of a list one is enough. "none" believes everybody: for
   * handlers that nobody but the queue can reach, such as a Worker behind a service binding.
   */
  readonly verify: Verifier | readonly Verifier[] | "none";
  /**
   * Told what the handler and the verifiers throw, and why requests are refused. What it throws is
   * dropped.
   */
  readonly onError?: ((error: unknown, task?: TaskRequest) => void) | undefined;
  /** Bytes of a body, at most; 10 MiB. */
  readonly maxBodySize?: number | undefined;
}

/** Handles a task. A Response that it returns counts (200 to 299 means done), anything else is done. */
export type TaskFunction = (task: TaskRequest) => unknown;

/**
 * Thrown by a handler: the task is tried again, not before `retryAfter` seconds where they are given.
 * The status is what the queue is told, 300 to 599; 429 and 503 slow the whole queue down.
 */
export class RetryTask extends Error {
  readonly status: number;
  declare readonly retryAfter?: number;

  constructor(
    message: string,
    options: {
      readonly status?: number;
      readonly retryAfter?: number;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    const { status, retryAfter } = options;
    // Anything else would say that the task is done, or cannot be said at all.
    const isRefusal = status !== undefined && status >= 300 && status <= 599;
    this.status = isRefusal ? status : retryAfter === undefined ? 500 : 503;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }
}

/** Thrown by a handler: the task can never succeed, and is not tried again. */
export class DiscardTask extends Error {}
RetryTask.prototype.name = "RetryTask";
DiscardTask.prototype.name = "DiscardTask";

const MAX_BODY_SIZE = 10 * 1024 * 1024;

/**
 * A fetch handler for push tasks. It refuses what does not come from the queue (401, 403) or is no
 * task (400), and never reads the service's headers of a request that is not verified. Returning
 * means done (204, or the Response's own status); throwing means again (500, or as RetryTask says).
 *
 * @example
 * const handle = taskHandler(
 *   async (task) => {
 *     console.log(task.queueName, task.name, task.retryCount, task.params());
 *   },
 *   {
 *     verify: verifyOidc({
 *       baseUrl: "https://tasks.example.com",
 *       issuer: "https://tasks.example.com",
 *       audience: "https://my-app.example.com/work",
 *       serviceAccountEmail: "queue@my-project.iam.gserviceaccount.com",
 *     }),
 *   },
 * );
 * const response = await handle(new Request("https://my-app.example.com/work", { method: "POST" }));
 * console.log(response.status); // 401
 */
export function taskHandler(
  handle: TaskFunction,
  options: TaskHandlerOptions,
): (request: Request) => Promise<Response> {
  const { verify, maxBodySize = MAX_BODY_SIZE } = options;
  if (verify === undefined) throw new TypeError('taskHandler needs verify; "none" is one.');
  const report = reporter(options.onError);
  const answer = async (request: Request): Promise<Response> => {
    const payload = await readBody(request, maxBodySize);
    if (payload === undefined) return new Response(null, { status: 413 });
    const verdict = await judge(verify, request, payload);
    if (!verdict.ok) {
      report(new Error(`Request refused: ${verdict.reason}`));
      const headers = verdict.status === 401 ? { "www-authenticate": "Bearer" } : undefined;
      return new Response(null, { status: verdict.status, ...(headers ? { headers } : {}) });
    }
    const fields = readTaskHeaders(request.headers);
    if (fields === undefined) {
      report(new Error("Request refused: it has not the headers of a task."));
      return new Response(null, { status: 400 });
    }
    const { trust, seen } = verdict;
    const { messageId } = trust;
    if (messageId !== undefined && (await seen?.has(messageId))) return done();
    const task = new TaskRequest(request, payload, fields, trust);
    const response = await attempt(handle, task, report);
    if (response.ok && messageId !== undefined) await remember(messageId, seen, report, task);
    return response;
  };
  // Where the body breaks off, or a verifier fails itself, the queue sends the task again.
  return (request) =>
    answer(request).catch((error: unknown) => {
      report(error);
      return new Response(null, { status: 500 });
    });
}

type Report = (error: unknown, task?: TaskRequest) => void;

/** What is handled stays handled, be it forgotten. */
async function remember(
  messageId: string,
  seen: SeenIds | undefined,
  report: Report,
  task: TaskRequest,
): Promise<void> {
  try {
    await seen?.add(messageId);
  } catch (error) {
    report(error, task);
  }
}

/** The first verifier that vouches; else the refusal that knows most. */
async function judge(
  verify: TaskHandlerOptions["verify"],
  request: Request,
  body: Uint8Array<ArrayBuffer>,
): Promise<Verdict> {
  if (verify === "none") return { ok: true, trust: { by: "none" } };
  const verifiers = typeof verify === "function" ? [verify] : verify;
  let refusal: Verdict = { ok: false, status: 401, reason: "no verifier is set" };
  for (const [index, verifier] of verifiers.entries()) {
    const verdict = await verifier(request, body);
    if (verdict.ok) return verdict;
    if (index === 0 || verdict.status === 403) refusal = verdict;
  }
  return refusal;
}

async function attempt(handle: TaskFunction, task: TaskRequest, report: Report): Promise<Response> {
  try {
    const outcome = await handle(task);
    return outcome instanceof Response ? outcome : done();
  } catch (error) {
    report(error, task);
    if (error instanceof DiscardTask) return done();
    if (!(error instanceof RetryTask)) return new Response(null, { status: 500 });
    const { status, retryAfter } = error;
    const headers =
      retryAfter === undefined ? {} : { "retry-after": String(Math.ceil(retryAfter)) };
    return new Response(null, { status, headers });
  }
}

function done(): Response {
  return new Response(null, { status: 204 });
}

/** The body; undefined where it is too large, of which no more is then read. */
async function readBody(
  request: Request,
  max: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > max) return undefined;
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done: isDone, value } = await reader.read();
    if (isDone) break;
    size += value.length;
    if (size > max) {
      await reader.cancel();
      return undefined;
    }
    pieces.push(value);
  }
  const body = new Uint8Array(size);
  let offset = 0;
  for (const piece of pieces) {
    body.set(piece, offset);
    offset += piece.length;
  }
  return body;
}
