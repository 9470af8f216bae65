/** Acknowledges tasks; those that are done while a call is under way go together with the next. */
import { acknowledgeLeases } from "./lease-calls.ts";
import { MAX_NAMES_PER_REQUEST } from "./limits.ts";
import type { Queue } from "./queue.ts";
import type { Task } from "./task.ts";

interface Entry {
  readonly task: Task;
  readonly settled: () => void;
}

export class AcknowledgeLine {
  readonly #queue: Queue;
  readonly #report: (error: unknown, task?: Task) => void;
  #waiting: Entry[] = [];
  #isSending = false;

  constructor(queue: Queue, report: (error: unknown, task?: Task) => void) {
    this.#queue = queue;
    this.#report = report;
  }

  /** Resolves when the task is acknowledged, or cannot be; then it comes again. */
  add(task: Task): Promise<void> {
    return new Promise((settled) => {
      this.#waiting.push({ task, settled });
      if (!this.#isSending) void this.#send();
    });
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    // What is done in this same turn goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#sendBatch(this.#waiting.splice(0, MAX_NAMES_PER_REQUEST));
    }
    this.#isSending = false;
  }

  async #sendBatch(batch: readonly Entry[]): Promise<void> {
    const { connection, name } = this.#queue;
    try {
      const tasks = batch.map(({ task }) => task);
      const errors = await acknowledgeLeases(connection, name, tasks, {});
      for (const [index, { task }] of batch.entries()) {
        if (errors[index] !== undefined) this.#report(errors[index], task);
      }
    } catch (error) {
      for (const { task } of batch) this.#report(error, task);
    }
    for (const { settled } of batch) settled();
  }
}
