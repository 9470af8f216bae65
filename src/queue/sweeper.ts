/**
 * Removes, a slice at a time, what no reader sees any more: rows of purged and expired tasks, and
 * tombstones whose time is over. Work in one run is bounded; wakeAtUs asks for the next.
 */
import type { Flights } from "./flights.ts";
import type { Place, Store } from "./store.ts";
import type { Tally } from "./tally.ts";

/** Rows looked at in one run. */
const SLICE_ROWS = 2000;
/** Tombstones are swept at most this often, unless an alarm comes along that has nothing to do. */
const TOMBSTONE_SWEEP_US = 3600e6;
/** How long after a sweep such an alarm does not begin another: each reads all tombstones. */
const TOMBSTONE_REST_US = 900e6;
/** Expired tasks are removed at most this often: each pass reads all tasks. */
const REMOVAL_REST_US = 3600e6;

export class Sweeper {
  /** When the next pass over the tasks may begin on its own. */
  restsUntilUs = Number.NEGATIVE_INFINITY;
  readonly #store: Store;
  readonly #flights: Flights;
  readonly #tally: Tally;
  /** Where the pass over the tasks stands; null while there is none. */
  #taskCursor: Place | null = null;
  /** Where the pass over the tombstones stands; null while there is none. */
  #nameCursor: string | null = null;
  /** When the next pass over the tombstones begins; null: not known yet. */
  #nextNamesUs: number | null = null;
  #namesSweptUs = Number.NEGATIVE_INFINITY;

  constructor(store: Store, flights: Flights, tally: Tally) {
    this.#store = store;
    this.#flights = flights;
    this.#tally = tally;
  }

  get isRemoving(): boolean {
    return this.#taskCursor !== null;
  }

  /** Begins a pass over the tasks. */
  startRemoval(): void {
    this.#taskCursor = { at: -1, seq: 0 };
  }

  /** Begins a pass over the tombstones: the shell calls it when an alarm found nothing else to do. */
  startTombstones(nowUs: number): void {
    if (nowUs - this.#namesSweptUs >= TOMBSTONE_REST_US) this.#nameCursor ??= "";
  }

  /** One slice of each pass that is under way. Tasks created before the horizon are removed. */
  run(horizonUs: number, tombstoneTtlUs: number, nowUs: number): void {
    if (this.#taskCursor !== null)
      this.#removeTasks(this.#taskCursor, horizonUs, tombstoneTtlUs, nowUs);
    if (this.#nameCursor === null && nowUs >= this.#nextNames(nowUs)) this.#nameCursor = "";
    if (this.#nameCursor !== null) this.#removeTombstones(this.#nameCursor, nowUs);
  }

  /** When to run next; Infinity when nothing is left to sweep. */
  wakeAtUs(nowUs: number): number {
    if (this.#taskCursor !== null || this.#nameCursor !== null) return nowUs;
    return this.#nextNames(nowUs);
  }

  /** A name was buried: there is something to sweep one day. */
  noticeTombstone(nowUs: number): void {
    if (this.#nextNamesUs === null || this.#nextNamesUs === Number.POSITIVE_INFINITY) {
      this.#nextNamesUs = nowUs + TOMBSTONE_SWEEP_US;
    }
  }

  #nextNames(nowUs: number): number {
    this.#nextNamesUs ??=
      this.#store.tombstonesAfter("", 1).length === 0
        ? Number.POSITIVE_INFINITY
        : nowUs + TOMBSTONE_SWEEP_US;
    return this.#nextNamesUs;
  }

  #removeTasks(cursor: Place, horizonUs: number, tombstoneTtlUs: number, nowUs: number): void {
    const places = this.#store.placesAfter(cursor, SLICE_ROWS);
    for (const place of places) {
      if (place.seq >= horizonUs) continue;
      this.#flights.remove(place);
      if (this.#store.deleteTask(place.at, place.seq, place.apart === 1)) {
        this.#tally.removed(place.seq, nowUs);
      }
      if (place.name === null || tombstoneTtlUs === 0) continue;
      this.#store.writeTombstone(place.name, nowUs + tombstoneTtlUs);
      this.noticeTombstone(nowUs);
    }
    this.#taskCursor = places.length < SLICE_ROWS ? null : (places.at(-1) ?? null);
    if (this.#taskCursor === null) this.restsUntilUs = nowUs + REMOVAL_REST_US;
  }

  #removeTombstones(after: string, nowUs: number): void {
    const slice = this.#store.tombstonesAfter(after, SLICE_ROWS);
    const last = slice.at(-1);
    if (last !== undefined && slice.some((tombstone) => tombstone.until <= nowUs)) {
      this.#store.deleteTombstones(after, last.name, nowUs);
    }
    if (last !== undefined && slice.length === SLICE_ROWS) {
      this.#nameCursor = last.name;
      return;
    }
    this.#nameCursor = null;
    this.#nextNamesUs = null;
    this.#namesSweptUs = nowUs;
  }
}
