/** The bench's side of the target thread: what it is told, and what it tells. */
import { Worker } from "node:worker_threads";

export type ReceiverCommand =
  | { readonly kind: "expect"; readonly expected: number; readonly delayMs: number }
  | { readonly kind: "count" }
  | { readonly kind: "stop" };

/** Times are epoch milliseconds. */
export type ReceiverEvent =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "ready" }
  | { readonly kind: "count"; readonly done: number; readonly inFlight: number }
  | ReceiverSummary;

export interface ReceiverSummary {
  readonly kind: "done";
  readonly maxInFlight: number;
  readonly lastDoneMs: number;
  readonly arrivals: readonly { readonly atMs: number; readonly path: string }[];
}

export class Receiver {
  readonly port: number;
  readonly #thread: Worker;

  private constructor(thread: Worker, port: number) {
    this.#thread = thread;
    this.port = port;
  }

  static async start(): Promise<Receiver> {
    const thread = new Worker(new URL("./receiver-thread.ts", import.meta.url));
    const { port } = await next(thread, "listening");
    return new Receiver(thread, port);
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /**
   * Forgets what came so far and awaits that many requests, answering each after `delayMs`. The
   * returned promise of `all` rejects when they have not come within `withinMs`.
   */
  async expect(
    expected: number,
    delayMs: number,
    withinMs: number,
  ): Promise<{ readonly all: Promise<ReceiverSummary> }> {
    const ready = next(this.#thread, "ready");
    this.#thread.postMessage({ kind: "expect", expected, delayMs } satisfies ReceiverCommand);
    await ready;
    const all = next(this.#thread, "done", withinMs).catch(async (error) => {
      const counted = next(this.#thread, "count");
      this.#thread.postMessage({ kind: "count" } satisfies ReceiverCommand);
      const { done } = await counted;
      throw new Error(`${done} of ${expected} tasks came within ${withinMs} ms`, { cause: error });
    });
    // Whoever never awaits it (a failed set-up) must not bring the process down.
    all.catch(() => {});
    return { all };
  }

  async stop(): Promise<void> {
    this.#thread.postMessage({ kind: "stop" } satisfies ReceiverCommand);
    await this.#thread.terminate();
  }
}

function next<K extends ReceiverEvent["kind"]>(
  thread: Worker,
  kind: K,
  withinMs?: number,
): Promise<Extract<ReceiverEvent, { kind: K }>> {
  return new Promise((resolve, reject) => {
    const timer =
      withinMs === undefined
        ? undefined
        : setTimeout(() => finish(() => reject(new Error(`no ${kind} event`))), withinMs);
    const onMessage = (event: ReceiverEvent) => {
      if (event.kind !== kind) return;
      finish(() => resolve(event as Extract<ReceiverEvent, { kind: K }>));
    };
    const onFailure = (error: unknown) => finish(() => reject(error));
    const finish = (then: () => void) => {
      clearTimeout(timer);
      thread.off("message", onMessage);
      thread.off("error", onFailure);
      then();
    };
    thread.on("message", onMessage);
    thread.on("error", onFailure);
  });
}
