/**
 * The attempts that are under way: who holds which task, until when, and which row says so.
 *
 * Every attempt is a lease. Its durable form is one of two, and neither costs a row a task:
 *  - a task that is stored when it is already due carries the lease in its own row (`lease`);
 *  - tasks claimed later share one row of `claim`: their keys and one expiry.
 * While attempts run, their leases are renewed by writing all of their keys into one claim row.
 * A slot whose keys are all settled is written over by the next claim, so nothing is ever deleted.
 *
 * After a restart the attempts of the object's earlier life are `orphans`: nobody here runs them, yet
 * a dispatcher may still report them until their lease expires. Then they are `lost`, and due again.
 */
import type { TaskRow } from "./schema.ts";
import type { Place, Store } from "./store.ts";

/**
 * How long a lease lasts unless it is renewed: what was under way runs again within 30 s of a restart,
 * with room for a slow start.
 */
export const LEASE_US = 27e6;
/**
 * A lease with less than this left is renewed: what is left when the object is replaced in mid-flight
 * is the time in which a handler may still answer and not be repeated.
 */
const RENEW_BELOW_US = 23e6;

/** One attempt under way. */
export interface Flight extends Place {
  readonly attempt: number;
  readonly dispatchedUs: number;
  readonly taskId: string;
  /** The caller's name of the task, null for an unnamed one. */
  readonly name: string | null;
  /** Whether meta and body are kept in `payload`. */
  readonly apart: boolean;
  /** Bytes of body that the attempt holds in memory. */
  readonly bytes: number;
  /** When RunTask was called, for an attempt it forced; else null. */
  readonly forcedUs: number | null;
  until: number;
  /** The claim row that holds the lease; null while the task's own row does. */
  slot: number | null;
  /** The lane that runs it; null for an orphan. */
  lane: number | null;
}

/** An attempt whose lease expired with no outcome. Its number must not be given again. */
interface Lost {
  readonly attempt: number;
  readonly slot: number | null;
}

export class Flights {
  readonly #store: Store;
  readonly #idOf: (row: TaskRow) => string;
  readonly #flights = new Map<string, Flight>();
  readonly #orphans = new Set<Flight>();
  readonly #lost = new Map<string, Lost>();
  /** How many flights and lost attempts rely on each claim row. */
  readonly #uses = new Map<number, number>();
  readonly #freeSlots: number[] = [];
  #nextSlot = 1;
  #bytes = 0;

  constructor(store: Store, idOf: (row: TaskRow) => string) {
    this.#store = store;
    this.#idOf = idOf;
  }

  /** Whether nothing is known of any task: none is under way, and none got lost. */
  get isEmpty(): boolean {
    return this.#flights.size === 0 && this.#lost.size === 0;
  }

  get size(): number {
    return this.#flights.size;
  }

  /** Bytes of body held by attempts under way. */
  get bytes(): number {
    return this.#bytes;
  }

  get(place: Place): Flight | undefined {
    return this.#flights.get(keyOf(place));
  }

  /** The number of the attempt of a task that expired without outcome; 0 when there is none. */
  lostAttempt(place: Place): number {
    return this.#lost.get(keyOf(place))?.attempt ?? 0;
  }

  /** Adds an attempt whose lease is already written: in the task's row, or by writeClaims. */
  add(flight: Flight): void {
    this.remove(flight);
    this.#flights.set(keyOf(flight), flight);
    if (flight.lane === null) this.#orphans.add(flight);
    if (flight.slot !== null) this.#use(flight.slot);
    this.#bytes += flight.bytes;
  }

  /** Ends an attempt, or forgets the lost one, of a task that was settled or is gone. */
  remove(place: Place): Flight | undefined {
    const key = keyOf(place);
    const flight = this.#flights.get(key);
    if (flight !== undefined) {
      this.#flights.delete(key);
      this.#orphans.delete(flight);
      this.#bytes -= flight.bytes;
      if (flight.slot !== null) this.#release(flight.slot);
      return flight;
    }
    const lost = this.#lost.get(key);
    if (lost !== undefined) this.#forgetLost(key, lost);
    return undefined;
  }

  /** Forgets everything created before a sequence number: the attempts of purged tasks. */
  removeBefore(sequence: number): void {
    for (const flight of [...this.#flights.values()]) {
      if (flight.seq < sequence) this.remove(flight);
    }
    for (const [key, lost] of [...this.#lost]) {
      if (placeOf(key).seq < sequence) this.#forgetLost(key, lost);
    }
  }

  /** Claims attempts together: one row, one expiry. */
  claim(flights: readonly Flight[], untilUs: number): void {
    if (flights.length === 0) return;
    const slot = this.#takeSlot();
    for (const flight of flights) {
      flight.slot = slot;
      flight.until = untilUs;
      this.add(flight);
    }
    this.#store.writeClaim(slot, untilUs, encodeKeys(flights));
  }

  /** Says which lane runs an attempt. */
  assign(place: Place, lane: number): void {
    const flight = this.#flights.get(keyOf(place));
    if (flight === undefined) return;
    flight.lane = lane;
    this.#orphans.delete(flight);
  }

  /** A lane ended without reporting these: its attempts become orphans until their leases expire. */
  orphanLane(lane: number): void {
    for (const flight of this.#flights.values()) {
      if (flight.lane !== lane) continue;
      flight.lane = null;
      this.#orphans.add(flight);
    }
  }

  /** Whether any attempt is run by a lane of this object. */
  get hasOwn(): boolean {
    return this.#flights.size > this.#orphans.size;
  }

  /** Renews the leases of the attempts that lanes of this object run, by one row, if any needs it. */
  renew(nowUs: number): void {
    const own = [...this.#flights.values()].filter((flight) => flight.lane !== null);
    if (!own.some((flight) => flight.until - nowUs < RENEW_BELOW_US)) return;
    const slot = this.#takeSlot();
    const until = nowUs + LEASE_US;
    for (const flight of own) {
      if (flight.slot !== null) this.#release(flight.slot);
      flight.slot = slot;
      flight.until = until;
      this.#use(slot);
    }
    this.#store.writeClaim(slot, until, encodeKeys(own));
  }

  /** Turns orphans whose lease expired into lost attempts; answers their places. */
  expire(nowUs: number): Place[] {
    const places: Place[] = [];
    for (const orphan of [...this.#orphans]) {
      if (orphan.until > nowUs) continue;
      this.#keepLost(orphan);
      this.remove(orphan);
      places.push({ at: orphan.at, seq: orphan.seq });
    }
    return places;
  }

  /** When the next orphan's lease expires; Infinity when there is none. */
  nextExpiryUs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const orphan of this.#orphans) next = Math.min(next, orphan.until);
    return next;
  }

  /** Reads what an earlier life of the object left under way; once, before anything else. */
  load(nowUs: number): void {
    for (const row of this.#store.readClaims()) {
      this.#nextSlot = Math.max(this.#nextSlot, row.slot + 1);
      // A clock that stepped back must not stretch a lease: none lasts longer than from now.
      const until = Math.min(row.until, nowUs + LEASE_US);
      for (const [at, seq, attempt] of JSON.parse(row.keys) as [number, number, number][]) {
        const task = this.#store.taskAt(at, seq);
        if (task !== undefined) this.#loadTask(task, attempt, until, row.slot);
      }
    }
    // A task stored leased is due when it is stored, so the lease tells how far back to look.
    for (const task of this.#store.leasedTasks(nowUs - LEASE_US, nowUs)) {
      this.#loadTask(task, 1, task.lease ?? nowUs, null);
    }
    // Keys found in two rows freed the older one on the way: no slot may be free twice.
    this.#freeSlots.length = 0;
    for (let slot = 1; slot < this.#nextSlot; slot++) {
      if (!this.#uses.has(slot)) this.#freeSlots.push(slot);
    }
    this.expire(nowUs);
  }

  #loadTask(task: TaskRow, attempt: number, until: number, slot: number | null): void {
    // Rows of earlier claims stay until they are written over: the latest attempt counts, and of
    // one attempt the latest renewal.
    const known = this.get(task);
    if (known !== undefined) {
      if (known.attempt > attempt) return;
      if (known.attempt === attempt && known.until >= until) return;
    }
    this.add({
      at: task.at,
      seq: task.seq,
      attempt,
      dispatchedUs: until - LEASE_US,
      taskId: this.#idOf(task),
      name: task.name,
      apart: task.meta === null,
      bytes: 0,
      forcedUs: null,
      until,
      slot,
      lane: null,
    });
  }

  #keepLost(flight: Flight): void {
    this.#lost.set(keyOf(flight), { attempt: flight.attempt, slot: flight.slot });
    if (flight.slot !== null) this.#use(flight.slot);
  }

  #forgetLost(key: string, lost: Lost): void {
    this.#lost.delete(key);
    if (lost.slot !== null) this.#release(lost.slot);
  }

  #takeSlot(): number {
    return this.#freeSlots.pop() ?? this.#nextSlot++;
  }

  #use(slot: number): void {
    this.#uses.set(slot, (this.#uses.get(slot) ?? 0) + 1);
  }

  #release(slot: number): void {
    const uses = (this.#uses.get(slot) ?? 0) - 1;
    if (uses > 0) {
      this.#uses.set(slot, uses);
      return;
    }
    this.#uses.delete(slot);
    this.#freeSlots.push(slot);
  }
}

function keyOf(place: Place): string {
  return `${place.at}.${place.seq}`;
}

function placeOf(key: string): Place {
  const [at, seq] = key.split(".");
  return { at: Number(at), seq: Number(seq) };
}

function encodeKeys(flights: readonly Flight[]): string {
  return JSON.stringify(flights.map((flight) => [flight.at, flight.seq, flight.attempt]));
}
