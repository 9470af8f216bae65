/**
 * How a task that was leased together with many others is found by its id. A task that moves in the
 * schedule costs a row in an index, so that it can be found again; of many that move to one expiry it
 * is enough to know the expiry, since the id tells the other half of the place. One row a batch then
 * stands for an index row a task. A row is written over once nothing is left at its expiry.
 */
import type { Store } from "./store.ts";

/** Batches known at a time, and so probes to find an id that is none of their tasks'. */
export const MAX_BATCHES = 256;
/** Fewer tasks than this for each expiry are better kept in the index. */
export const MIN_TASKS = 10;
/** Rows looked at for one that can be written over. */
const TRIES = 8;

export class LeaseBatches {
  readonly #store: Store;
  /** Expiry and highest sequence number by slot; slots are numbered from 0 without gaps. */
  readonly #batches: { at: number; top: number }[] = [];
  #nextTry = 0;

  constructor(store: Store) {
    this.#store = store;
    for (const { slot, at, top } of store.readBatches()) this.#batches[slot] = { at, top };
  }

  /** Expiries at which tasks may stand that no index leads to. */
  get expiries(): readonly number[] {
    return this.#batches.map(({ at }) => at);
  }

  /** The highest sequence number in any batch; 0 when there is none. */
  get highestSequence(): number {
    return this.#batches.reduce((highest, { top }) => Math.max(highest, top), 0);
  }

  /**
   * Whether tasks, the highest numbered `top`, may be leased to these expiries without an index: writes
   * down what is needed for that.
   */
  hold(expiries: readonly number[], tasks: number, top: number): boolean {
    if (tasks < MIN_TASKS * expiries.length) return false;
    return expiries.every((at) => this.#holdOne(at, top, expiries));
  }

  #holdOne(at: number, top: number, together: readonly number[]): boolean {
    const known = this.#batches.findIndex((batch) => batch.at === at);
    if (known >= 0 && (this.#batches[known]?.top ?? 0) >= top) return true;
    const slot = known >= 0 ? known : this.#freeSlot(together);
    if (slot === null) return false;
    this.#batches[slot] = { at, top };
    this.#store.writeBatch(slot, at, top);
    return true;
  }

  /** A slot to write to: none of those held `together`, where the tasks are yet to come. */
  #freeSlot(together: readonly number[]): number | null {
    for (let tries = Math.min(TRIES, this.#batches.length); tries > 0; tries--) {
      this.#nextTry = (this.#nextTry + 1) % this.#batches.length;
      const batch = this.#batches[this.#nextTry];
      if (batch === undefined || together.includes(batch.at)) continue;
      if (!this.#store.hasTaskAt(batch.at)) return this.#nextTry;
    }
    return this.#batches.length < MAX_BATCHES ? this.#batches.length : null;
  }
}
