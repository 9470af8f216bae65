/**
 * The transactions of a simulated queue, and their object as far as the queue knows it: which tasks
 * were added, how it was decided, and whether the queue was told. An untold decision is what the
 * queue hears when it asks.
 */
import type { CreatedTask } from "../../src/core/model.ts";
import type { TransactionOutcome } from "../../src/queue/service.ts";
import { pick } from "./random.ts";

/** Transactions open at a time. */
const OPEN = 3;
/** How long, as the queue hears, a transaction may still be open. */
const OPEN_US = 1e6;
/** So long after it the queue asks again at the latest, microseconds. */
export const ASKED_WITHIN_US = 60e6;

export class Transactions {
  readonly #tasks = new Map<string, CreatedTask[]>();
  readonly #decided = new Map<string, TransactionOutcome>();
  #begun = 0;

  /** Those with tasks in the queue, told or not. */
  get doubts(): readonly string[] {
    return [...this.#tasks.keys()];
  }

  /** Tasks that nobody may see. */
  get hidden(): readonly CreatedTask[] {
    return [...this.#tasks.values()].flat();
  }

  /** One to add tasks to. */
  choose(share: number): string {
    const open = this.doubts.filter((id) => !this.#decided.has(id));
    return open.length < OPEN ? String(++this.#begun) : (pick(open, share) ?? "");
  }

  add(id: string, tasks: readonly CreatedTask[]): void {
    this.#tasks.set(id, [...(this.#tasks.get(id) ?? []), ...tasks]);
  }

  /** Decides, and tells nobody. */
  decide(id: string, outcome: TransactionOutcome): TransactionOutcome {
    const decided = this.#decided.get(id) ?? outcome;
    this.#decided.set(id, decided);
    return decided;
  }

  /** The queue followed the decision: the tasks that it had. */
  settle(id: string): readonly CreatedTask[] {
    const tasks = this.#tasks.get(id) ?? [];
    this.#tasks.delete(id);
    return tasks;
  }

  /** What the queue hears: the decision, or until when it may be open. */
  answer(id: string, nowUs: number): { outcome?: TransactionOutcome; openUntilUs: number } {
    const outcome = this.#decided.get(id);
    return { ...(outcome === undefined ? {} : { outcome }), openUntilUs: nowUs + OPEN_US };
  }
}
