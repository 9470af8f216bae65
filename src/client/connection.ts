/** The way to a server: where it is, who calls, and when a call is made again. */
import { type ServiceAccountKey, ServiceAccountTokens } from "./credentials.ts";
import {
  DeadlineExceededError,
  errorOf,
  InternalError,
  InvalidDeadlineError,
  PermissionDeniedError,
  type TaskQueueError,
  TransientError,
  type WireError,
} from "./errors.ts";
import { type Platform, platform } from "./platform.ts";
import { Queue } from "./queue.ts";
import { runTransaction, type Transaction, type TransactionOptions } from "./transaction.ts";

/** What stands in for the global fetch. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** A service binding of a Worker, as far as it is used. */
export interface Binding {
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

/** How often a call that changes nothing when it is repeated is made. */
export interface RetrySettings {
  /** Tries in all; 4 where it is not given. */
  readonly attempts?: number | undefined;
  /** Milliseconds before the second try, at most; doubles from try to try. 100. */
  readonly firstMs?: number | undefined;
  /** Milliseconds between tries, at most. 5000. */
  readonly maxMs?: number | undefined;
}

interface CommonOptions {
  readonly project: string;
  /** A location of Cloud Tasks, such as `us-central1`. */
  readonly location: string;
  /** Seconds a call may take, its repetitions included; 20. */
  readonly deadline?: number | undefined;
  readonly retry?: RetrySettings | false | undefined;
  /** Clock, chance and timers; for tests. */
  readonly platform?: Partial<Platform> | undefined;
}

interface NoCredential {
  readonly token?: undefined;
  readonly credentials?: undefined;
}

interface TokenCredential {
  /** The bearer token of each call, or what gives it; what that throws the call throws. */
  readonly token: string | (() => string | Promise<string>);
  readonly credentials?: undefined;
}

interface KeyCredential {
  /** A service account's key, which signs a token of an hour. */
  readonly credentials: ServiceAccountKey;
  readonly token?: undefined;
}

type Credential = NoCredential | TokenCredential | KeyCredential;

interface NetworkOptions {
  /** e.g. `https://tasks.example.com`; a path in it is kept. */
  readonly baseUrl: string | URL;
  /** Instead of the global fetch. */
  readonly fetch?: Fetch | undefined;
  readonly binding?: undefined;
}

interface BindingOptions {
  /** A service binding to the entrypoint `BoundApi` of the server's Worker: it needs no token. */
  readonly binding: Binding;
  readonly baseUrl?: undefined;
  readonly fetch?: undefined;
}

export type ConnectionOptions = CommonOptions & Credential & (NetworkOptions | BindingOptions);

/** What every call takes. */
export interface CallOptions {
  /** Gives the call up; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Seconds the call may take. InvalidDeadlineError when it is not above 0. */
  readonly deadline?: number | undefined;
}

/** One call as the parts of this library make it. */
export interface CallRequest extends CallOptions {
  readonly method?: "GET" | "POST";
  readonly body?: unknown;
  /** Whether it may be repeated when nobody knows if it was done. */
  readonly idempotent: boolean;
  /** Seconds the server may wait before it answers. */
  readonly wait?: number | undefined;
}

const DEFAULT_DEADLINE_S = 20;
/** A binding has no host; this one a server takes for itself. */
const BINDING_URL = "http://localhost";

/**
 * A connection to a server for one project and location. It holds no socket: there is nothing to
 * close.
 *
 * @example
 * const tasks = new Connection({
 *   baseUrl: "http://127.0.0.1:8787",
 *   token: "anything",
 *   project: "my-project",
 *   location: "us-central1",
 * });
 * await tasks.queue().add(new Task({ url: "/work" }));
 */
export class Connection {
  readonly project: string;
  readonly location: string;
  /** Clock, chance and timers. */
  readonly platform: Platform;
  readonly #send: Fetch;
  readonly #base: string;
  readonly #token: (() => string | Promise<string>) | undefined;
  readonly #retry: Required<{ [K in keyof RetrySettings]: number }>;
  readonly #deadline: number;

  constructor(options: ConnectionOptions) {
    const { binding, baseUrl, token, credentials, project, location } = options;
    if ((binding === undefined) === (baseUrl === undefined)) {
      throw new TypeError("A connection has a baseUrl or a binding.");
    }
    if (token !== undefined && credentials !== undefined) {
      throw new TypeError("A connection has a token or credentials, not both.");
    }
    if (!project || !location) throw new TypeError("A connection has a project and a location.");
    this.project = project;
    this.location = location;
    this.platform = { ...platform, ...options.platform };
    const send = options.fetch ?? ((url, init) => fetch(url, init));
    this.#send = binding === undefined ? send : (url, init) => binding.fetch(url, init);
    const root = baseUrl === undefined ? BINDING_URL : String(new URL(baseUrl)).replace(/\/+$/, "");
    const path = [project, location].map(encodeURIComponent).join("/locations/");
    this.#base = `${root}/edgetasks/v1/projects/${path}`;
    this.#token = tokenSource(token, credentials, this.platform);
    const { attempts = 4, firstMs = 100, maxMs = 5000 } = options.retry || {};
    this.#retry = { attempts: options.retry === false ? 1 : (attempts ?? 4), firstMs, maxMs };
    this.#deadline = checkDeadline(options.deadline ?? DEFAULT_DEADLINE_S);
  }

  /** A queue of this project and location; InvalidQueueNameError. */
  queue(name?: string): Queue {
    return new Queue(name, this);
  }

  /**
   * Runs a function whose tasks are added all or none: they are there when it has returned. Where it
   * throws, or a task of the transaction is refused, none is. Answers what the function returns.
   *
   * @example
   * await connection.transaction(async (tx) => {
   *   await tx.add(new Task({ url: "/charge" }));
   *   await tx.add(new Task({ url: "/ship" }), connection.queue("shipping"));
   * });
   */
  transaction<T>(
    work: (transaction: Transaction) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<T> {
    return runTransaction(this, undefined, work, options);
  }

  /**
   * Makes one call, `path` below the location. Throws the error that a refusal stands for;
   * TransientError where the server cannot be reached, DeadlineExceededError.
   */
  async call<T>(path: string, request: CallRequest): Promise<T> {
    const { idempotent, wait = 0, signal } = request;
    const seconds = checkDeadline(request.deadline ?? this.#deadline + wait);
    signal?.throwIfAborted();
    const timer = AbortSignal.timeout(Math.ceil(seconds * 1000));
    const ends = signal === undefined ? timer : AbortSignal.any([timer, signal]);
    const { attempts, firstMs, maxMs } = this.#retry;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#try<T>(path, request, ends);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (timer.aborted) throw overdue(seconds, error);
        const again = error instanceof Refused ? error.error : error;
        if (!idempotent || attempt >= attempts || !isTransient(again)) throw again;
        const most = Math.min(maxMs, firstMs * 2 ** (attempt - 1));
        const asked = error instanceof Refused ? error.retryAfterMs : 0;
        await this.platform.sleep(Math.max(asked, most * this.platform.random()), ends);
        if (signal?.aborted) throw signal.reason;
        if (timer.aborted) throw overdue(seconds, again);
      }
    }
  }

  async #try<T>(path: string, request: CallRequest, signal: AbortSignal): Promise<T> {
    const { method = "POST", body, wait = 0 } = request;
    const headers: Record<string, string> = {};
    if (method === "POST") headers["content-type"] = "application/json";
    if (wait > 0) headers["prefer"] = `wait=${Math.ceil(wait)}`;
    if (this.#token !== undefined) {
      headers["authorization"] = `Bearer ${await unlessAborted(this.#token(), signal)}`;
    }
    const init = {
      method,
      headers,
      signal,
      ...(method === "POST" ? { body: JSON.stringify(body ?? {}) } : {}),
    };
    const { response, text } = await this.#exchange(`${this.#base}/${path}`, init);
    if (response.ok) return parse(text) as T;
    throw new Refused(refusalOf(response.status, text), response.headers.get("retry-after"));
  }

  /** Sends a request and reads the answer to its end. TransientError where either breaks off. */
  async #exchange(
    url: string,
    init: RequestInit,
  ): Promise<{ readonly response: Response; readonly text: string }> {
    try {
      const response = await this.#send(url, init);
      return { response, text: await response.text() };
    } catch (cause) {
      // Runtimes throw a TypeError, a DOMException or a bare Error: nobody knows if it was carried out.
      throw new TransientError("The server cannot be reached.", { cause });
    }
  }
}

/** A refusal on its way to who decides whether the call is made again. */
class Refused {
  readonly error: TaskQueueError;
  readonly retryAfterMs: number;

  constructor(error: TaskQueueError, retryAfter: string | null) {
    this.error = error;
    const seconds = Number(retryAfter ?? 0);
    this.retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
  }
}

function tokenSource(
  token: TokenCredential["token"] | undefined,
  credentials: ServiceAccountKey | undefined,
  { now }: Platform,
): (() => string | Promise<string>) | undefined {
  if (credentials !== undefined) {
    const tokens = new ServiceAccountTokens(credentials, now);
    return () => tokens.token();
  }
  return typeof token === "string" ? () => token : token;
}

function checkDeadline(seconds: number): number {
  if (typeof seconds !== "number" || Number.isNaN(seconds)) {
    throw new TypeError("deadline must be a number of seconds.");
  }
  if (seconds > 0) return Math.min(seconds, MAX_TIMER_S);
  throw new InvalidDeadlineError("deadline must be above 0 s.");
}

/** The longest that timers of every runtime can be set for: 2^31 - 1 ms. */
const MAX_TIMER_S = 2_147_483;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TransientError("The answer broke off, or is not the server's.", { cause });
  }
}

function refusalOf(status: number, text: string): TaskQueueError {
  try {
    const { error } = JSON.parse(text) as { readonly error?: WireError };
    if (typeof error === "object" && error !== null) return errorOf(error);
  } catch {
    // What stands between here and the server answers in words of its own.
  }
  const message = `The server answered HTTP status ${status}.`;
  if (status === 401 || status === 403) return new PermissionDeniedError(message);
  const isBusy = [429, 502, 503, 504].includes(status);
  return isBusy ? new TransientError(message) : new InternalError(message);
}

/** What becomes of a promise, unless the signal aborts before; then it rejects with its reason. */
function unlessAborted<T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason);
    signal.addEventListener("abort", giveUp);
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", giveUp));
  });
}

function isTransient(error: unknown): boolean {
  return error instanceof TransientError || error instanceof DeadlineExceededError;
}

function overdue(seconds: number, cause: unknown): DeadlineExceededError {
  return new DeadlineExceededError(`The call took longer than ${seconds} s.`, { cause });
}
