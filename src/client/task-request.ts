/** A task as its webhook sees it: the service's headers, read (push.md §1). */
import { decodeParams, textOf } from "./payload.ts";

/** How a request was found to come from the queue. */
export interface Trust {
  /** What vouches for it: an identity token, a signature, or nothing at all. */
  readonly by: "oidc" | "signature" | "none";
  /** The account that an identity token speaks for. */
  readonly email?: string;
  /** The id that a signature covers; the same for all attempts of a message. */
  readonly messageId?: string;
}

/** A task that a webhook is called for. */
export class TaskRequest {
  /** Which headers it came with: `http` X-CloudTasks-, `appEngine` X-AppEngine-. */
  readonly kind: "http" | "appEngine";
  readonly queueName: string;
  readonly name: string;
  /** Attempts before this one, those that never reached a handler included. */
  readonly retryCount: number;
  /** Attempts before that got an answer (push.md §1.1). */
  readonly executionCount: number;
  /** Seconds since the epoch at which the task was to run. */
  readonly etaPosix: number;
  /** HTTP status of the attempt before; retries only. */
  declare readonly previousResponse?: number;
  declare readonly retryReason?: string;
  /** Whether the task fails at once where no instance is there (App Engine). */
  readonly failFast: boolean;
  readonly trust: Trust;
  /** The request, its body taken out: it is `payload`. */
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly payload: Uint8Array;
  /** Aborts when the queue gives the attempt up, where the runtime tells. */
  readonly signal: AbortSignal;

  constructor(request: Request, payload: Uint8Array, fields: TaskFields, trust: Trust) {
    this.kind = fields.kind;
    this.queueName = fields.queueName;
    this.name = fields.name;
    this.retryCount = fields.retryCount;
    this.executionCount = fields.executionCount;
    this.etaPosix = fields.etaPosix;
    if (fields.previousResponse !== undefined) this.previousResponse = fields.previousResponse;
    if (fields.retryReason !== undefined) this.retryReason = fields.retryReason;
    this.failFast = fields.failFast;
    this.trust = trust;
    this.method = request.method;
    this.url = new URL(request.url);
    this.headers = new Headers(request.headers);
    this.payload = payload;
    this.signal = request.signal;
  }

  /** When the task was to run. */
  get eta(): Date {
    return new Date(Math.floor(this.etaPosix * 1000));
  }

  /** The payload as text. ValueError where it is not UTF-8. */
  text(): string {
    return textOf(this.payload);
  }

  /** The payload as JSON. SyntaxError where it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: what JSON holds is the caller's to know.
  json<T = any>(): T {
    return JSON.parse(this.text()) as T;
  }

  /** The parameters: of a POST's payload, else of the query. ValueError. */
  params(): Record<string, string | string[]> {
    return decodeParams(this.method === "POST" ? this.text() : this.url.search.slice(1));
  }
}

export type TaskFields = Pick<
  TaskRequest,
  | "kind"
  | "queueName"
  | "name"
  | "retryCount"
  | "executionCount"
  | "etaPosix"
  | "previousResponse"
  | "retryReason"
  | "failFast"
>;

/** Reads the service's headers; undefined where they are not those of a task. */
export function readTaskHeaders(headers: Headers): TaskFields | undefined {
  const kind = headers.has("x-cloudtasks-queuename") ? "http" : "appEngine";
  const prefix = kind === "http" ? "x-cloudtasks-" : "x-appengine-";
  const queueName = headers.get(`${prefix}queuename`);
  const name = headers.get(`${prefix}taskname`);
  const numbers = ["taskretrycount", "taskexecutioncount", "tasketa"].map((field) =>
    readNumber(headers.get(prefix + field)),
  );
  const [retryCount, executionCount, etaPosix] = numbers;
  if (!queueName || !name) return undefined;
  if (retryCount === undefined || executionCount === undefined || etaPosix === undefined) {
    return undefined;
  }
  const previousResponse = readNumber(headers.get(`${prefix}taskpreviousresponse`));
  const retryReason = headers.get(`${prefix}taskretryreason`);
  return {
    kind,
    queueName,
    name,
    retryCount,
    executionCount,
    etaPosix,
    ...(previousResponse === undefined ? {} : { previousResponse }),
    ...(retryReason ? { retryReason } : {}),
    failFast: headers.has(`${prefix}failfast`),
  };
}

function readNumber(text: string | null): number | undefined {
  return text !== null && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}
