/** A single task. */
import type { Params, Payload } from "./payload.ts";
import { decodeParams, textOf } from "./payload.ts";
import { platform } from "./platform.ts";
import type { Queue } from "./queue.ts";
import type { TaskRetryOptions } from "./retry-options.ts";
import type { AnyTaskOptions, TaskMethod, TaskOptions } from "./task-options.ts";
import { settle, sizeOf } from "./task-rules.ts";
import { STATE, type TaskState } from "./task-state.ts";
import type { AddOptions } from "./transaction.ts";
import { defaultUrl } from "./wire.ts";

/** A payload that is read before a task is made of it. */
export type ReadablePayload = Payload | Blob | ReadableStream<Uint8Array> | Response | Request;

/** Options of a task whose payload is read first. */
export type ReadableTaskOptions = Omit<AnyTaskOptions, "payload"> & {
  readonly payload: ReadablePayload;
};

/**
 * A task: a request to a webhook (push), or a payload that a worker leases (pull). It is settled when
 * it is made, and can be added to one queue only.
 *
 * Throws InvalidTaskError, or one of its kinds: InvalidTaskNameError, InvalidUrlError,
 * InvalidEtaError, TaskTooLargeError; InvalidTagError, InvalidDispatchDeadlineError,
 * InvalidTaskRetryOptionsError.
 *
 * @example
 * const push = new Task({ url: "/work", params: { amount: 10 }, countdown: 30 });
 * const hook = new Task({ url: "https://example.com/hook", payload: { order: 17 } });
 * const pull = new Task({ method: "PULL", payload: "thumbnail 17", tag: "images" });
 * console.log(push.url, hook.headers, pull.size);
 */
export class Task {
  readonly [STATE]: TaskState;

  /** `now` is the clock that countdown counts from, milliseconds. */
  constructor(options: TaskOptions = {}, now: () => number = platform.now) {
    this[STATE] = options instanceof Restored ? options.state : settle(options, now());
  }

  /**
   * As the constructor, for payloads that must be read first: a Blob, a stream, a Request or
   * Response, a form with files.
   *
   * @example
   * const file = new Blob(["a,b\n1,2"], { type: "text/csv" });
   * const task = await Task.from({ url: "/import", payload: file });
   * console.log(task.headers["content-type"]); // text/csv
   */
  static async from(options: ReadableTaskOptions, now?: () => number): Promise<Task> {
    const { payload } = options;
    const mustRead =
      payload instanceof Blob ||
      payload instanceof ReadableStream ||
      payload instanceof Response ||
      payload instanceof Request ||
      payload instanceof FormData;
    if (!mustRead) return new Task(options as TaskOptions, now);
    const body =
      payload instanceof Response || payload instanceof Request ? payload : new Response(payload);
    const type = body.headers.get("content-type");
    const bytes = new Uint8Array(await body.arrayBuffer());
    const read = { ...options, payload: bytes } as TaskOptions;
    const task = new Task(read, now);
    // A pull task has no headers.
    if (type !== null && task.method !== "PULL")
      task[STATE].headers.setDefault("content-type", type);
    return task;
  }

  /** The name, chosen or given by the queue when the task was added. */
  get name(): string | undefined {
    return this[STATE].name;
  }

  /** The bytes that the webhook or worker gets. */
  get payload(): Uint8Array | undefined {
    return this[STATE].payload;
  }

  /** The payload as text. ValueError where it is not UTF-8. */
  text(): string {
    return textOf(this[STATE].payload ?? new Uint8Array());
  }

  /**
   * The payload as JSON. SyntaxError where it is none.
   *
   * @example
   * const task = new Task({ method: "PULL", payload: { order: 17 } });
   * console.log(task.json().order); // 17
   */
  // biome-ignore lint/suspicious/noExplicitAny: what JSON holds is the caller's to know.
  json<T = any>(): T {
    return JSON.parse(this.text()) as T;
  }

  /** The HTTP method, or PULL. */
  get method(): TaskMethod {
    return this[STATE].method;
  }

  /**
   * The URL, with the parameters that are its query. Without one of its own: the queue's, once the
   * task is in a queue. Undefined for pull tasks.
   */
  get url(): string | undefined {
    const { url, queueName, method } = this[STATE];
    if (method === "PULL") return undefined;
    if (url !== undefined && !url.startsWith("?")) return url;
    return queueName === undefined ? url : defaultUrl(queueName) + (url ?? "");
  }

  /** Whether the task runs on its queue's own URL (push tasks only). */
  get onQueueUrl(): boolean {
    const { url, method } = this[STATE];
    return method !== "PULL" && (url === undefined || url.startsWith("?"));
  }

  /** A copy of the headers (push tasks only); a repeated one is a list. */
  get headers(): Record<string, string | string[]> {
    return this[STATE].headers.toObject();
  }

  /** When the task runs or may be leased; of a leased task, when its lease ends. */
  get eta(): Date {
    return new Date(Math.floor(this[STATE].etaUs / 1000));
  }

  /** The same in seconds since the epoch, to the microsecond. */
  get etaPosix(): number {
    return this[STATE].etaUs / 1e6;
  }

  /** The service and version that the task runs on. */
  get target(): string | undefined {
    return this[STATE].target;
  }

  /** The tag (pull tasks only). */
  get tag(): string | undefined {
    return this[STATE].tag;
  }

  get retryOptions(): TaskRetryOptions | undefined {
    return this[STATE].retryOptions;
  }

  /** Retries, or leases of a pull task, as of when the task was read. */
  get retryCount(): number {
    return this[STATE].retryCount;
  }

  /** Seconds in which the webhook must answer. */
  get dispatchDeadline(): number | undefined {
    const { dispatchDeadlineUs } = this[STATE];
    return dispatchDeadlineUs === undefined ? undefined : dispatchDeadlineUs / 1e6;
  }

  /** The same in microseconds. */
  get dispatchDeadlineUsec(): number | undefined {
    return this[STATE].dispatchDeadlineUs;
  }

  /** The queue that the task is in. */
  get queueName(): string | undefined {
    return this[STATE].queueName;
  }

  /** Bytes of method, payload, URL and headers. */
  get size(): number {
    return sizeOf(this[STATE]);
  }

  /** Whether the task has been added to a queue. */
  get wasEnqueued(): boolean {
    return this[STATE].wasEnqueued;
  }

  /** Whether the task has been deleted through this object. */
  get wasDeleted(): boolean {
    return this[STATE].wasDeleted;
  }

  /**
   * Adds the task to a queue; see Queue.add.
   *
   * @example
   * await new Task({ url: "/work" }).add(connection.queue());
   */
  async add(queue: Queue, options?: AddOptions): Promise<this> {
    await queue.add(this, options);
    return this;
  }

  /**
   * The parameters: of the payload for POST and pull tasks, else of the URL's query. A name that is
   * repeated has a list. Empty where there is no payload or query.
   *
   * ValueError where the payload or query holds no parameters.
   *
   * @example
   * const task = new Task({ url: "/work", params: { id: 17, tag: ["a", "b"] } });
   * console.log(task.extractParams()); // { id: "17", tag: ["a", "b"] }
   */
  extractParams(): Record<string, string | string[]> {
    const { method, payload, url = "" } = this[STATE];
    if (method === "POST" || method === "PULL") {
      return decodeParams(payload === undefined ? "" : textOf(payload));
    }
    const query = url.indexOf("?");
    return decodeParams(query === -1 ? "" : url.slice(query + 1));
  }
}

/** Stands in for options where a task is not made but read. */
class Restored {
  readonly state: TaskState;

  constructor(state: TaskState) {
    this.state = state;
  }
}

/** A task as it was read from a queue. */
export function restoreTask(state: TaskState): Task {
  return new Task(new Restored(state) as unknown as TaskOptions);
}

export type { Params, Payload };
