/**
 * Callers that wait for tasks of a pull queue, first come, first served. A waiter is called when a task
 * it may lease is available and promised to nobody before it; then it has a moment to lease. A promise
 * keeps a task from other waiters only, never from whoever leases without waiting, so a waiter that
 * has gone away takes none with it. All of it is memory: a waiter lives no longer than its call.
 *
 * Nobody is looked at in vain: waiters stand in groups by what they wait for, and a group is looked at
 * when a task that concerns it has changed its time, or that time has come.
 */
import type { Result } from "../core/result.ts";
import { fail, ok } from "../core/result.ts";
import type { LeaseSelection } from "./service.ts";
import type { Place, Store } from "./store.ts";

/** Waiters of one queue at a time. */
export const MAX_WAITERS = 1000;
/** How long a called waiter has to lease before its turn goes to the next. */
export const TURN_US = 1e6;

interface Waiter {
  readonly place: string;
  /** Order of arrival; kept when it waits again. */
  readonly arrival: number;
  readonly group: Group;
  /** End of its wait, or of its turn once it is called. */
  untilUs: number;
  state: "waiting" | "called" | "served";
  /** The row that it was called for. */
  promised: Row | null;
}

/** An available row. */
interface Row {
  readonly key: string;
  readonly tag: string | null;
}

interface Group {
  readonly key: string;
  /** Null: any task. */
  readonly tag: string | null;
  readonly waiters: Set<Waiter>;
  /** Whether something that concerns it changed since it was looked at. */
  isStale: boolean;
  /** When its next task becomes available, as far as it was known when looked at. */
  nextAtUs: number;
}

/** What a waiter is told: true to lease now, false when its time is over. */
export interface Call {
  readonly place: string;
  readonly isReady: boolean;
}

export class Waiters {
  readonly #store: Store;
  readonly #byPlace = new Map<string, Waiter>();
  readonly #groups = new Map<string, Group>();
  #arrivals = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  get isEmpty(): boolean {
    return this.#byPlace.size === 0;
  }

  /** Begins to wait, or goes on waiting at the same place. RESOURCE_EXHAUSTED when too many do. */
  enter(place: string, selection: LeaseSelection, untilUs: number): Result<null> {
    const before = this.#byPlace.get(place);
    if (before === undefined && this.#byPlace.size >= MAX_WAITERS) {
      return fail("RESOURCE_EXHAUSTED", "Too many calls are waiting for tasks of this queue.");
    }
    this.leave(place);
    const group = this.#groupOf(selection);
    const waiter: Waiter = {
      place,
      arrival: before?.arrival ?? ++this.#arrivals,
      group,
      untilUs,
      state: "waiting",
      promised: null,
    };
    group.waiters.add(waiter);
    group.isStale = true;
    this.#byPlace.set(place, waiter);
    return ok(null);
  }

  /** Gives up a place; what was promised to it goes to the next. */
  leave(place: string): void {
    const waiter = this.#byPlace.get(place);
    if (waiter === undefined) return;
    this.#byPlace.delete(place);
    waiter.group.waiters.delete(waiter);
    this.#release(waiter);
    if (waiter.group.waiters.size === 0) this.#groups.delete(waiter.group.key);
  }

  /**
   * A call leased something: its turn is used. Where it did not say which place is its own, it is
   * taken for the one that was called first for the same tasks; should it have been another, that
   * one keeps its place in the order if it waits again in time.
   */
  finish(place: string | undefined, selection: LeaseSelection): void {
    if (place !== undefined) {
      this.leave(place);
      return;
    }
    const key = keyOf(selection);
    const first = this.#inOrder(
      (waiter) => waiter.state === "called" && waiter.group.key === key,
    )[0];
    if (first === undefined) return;
    first.state = "served";
    this.#release(first);
  }

  /** Whether a caller must let others go first: they came before it for the same tasks. */
  mustYield(place: string, selection: LeaseSelection): boolean {
    const own = this.#byPlace.get(place);
    if (own !== undefined && own.state !== "waiting") return false;
    const key = keyOf(selection);
    for (const { arrival, group, state } of this.#byPlace.values()) {
      if (state === "served" || arrival >= (own?.arrival ?? Number.POSITIVE_INFINITY)) continue;
      if (key === ANY || group.key === ANY || group.key === key) return true;
    }
    return false;
  }

  /** A task with this tag, or without one, got another time. */
  notice(tag: string | null): void {
    if (this.isEmpty) return;
    for (const key of tag === null ? [ANY] : [ANY, tagKey(tag)]) {
      const group = this.#groups.get(key);
      if (group !== undefined) group.isStale = true;
    }
  }

  /** Anything may have changed. */
  noticeAll(): void {
    for (const group of this.#groups.values()) group.isStale = true;
  }

  /**
   * Calls those whose task is available, in order of arrival, and sends away those whose time is over.
   * `isOpen`: whether tasks may be leased at all; `isFree`: whether a row may be.
   */
  serve(
    nowUs: number,
    horizonUs: number,
    isOpen: boolean,
    isFree: (place: Place) => boolean,
  ): Call[] {
    const calls: Call[] = [];
    if (this.isEmpty) return calls;
    this.#endTurns(nowUs);
    if (isOpen) this.#callNext(nowUs, horizonUs, isFree, calls);
    for (const waiter of [...this.#byPlace.values()]) {
      if (waiter.state !== "waiting" || waiter.untilUs > nowUs) continue;
      this.leave(waiter.place);
      calls.push({ place: waiter.place, isReady: false });
    }
    return calls;
  }

  /** Sends everybody to try: there is no more queue to wait for. */
  dismiss(): Call[] {
    const calls = this.#inOrder((waiter) => waiter.state === "waiting").map(({ place }) => ({
      place,
      isReady: true,
    }));
    this.#byPlace.clear();
    this.#groups.clear();
    return calls;
  }

  /** When to serve again; Infinity when nobody waits. */
  nextUs(isOpen: boolean): number {
    let next = Number.POSITIVE_INFINITY;
    for (const waiter of this.#byPlace.values()) next = Math.min(next, waiter.untilUs);
    if (!isOpen) return next;
    for (const group of this.#groups.values()) next = Math.min(next, group.nextAtUs);
    return next;
  }

  // --- leaves --------------------------------------------------------------------------------

  /** What was promised to a waiter is free for the next. */
  #release(waiter: Waiter): void {
    if (waiter.promised === null) return;
    this.notice(waiter.promised.tag);
    waiter.promised = null;
  }

  #endTurns(nowUs: number): void {
    for (const waiter of [...this.#byPlace.values()]) {
      if (waiter.state !== "waiting" && waiter.untilUs <= nowUs) this.leave(waiter.place);
    }
  }

  #callNext(
    nowUs: number,
    horizonUs: number,
    isFree: (place: Place) => boolean,
    calls: Call[],
  ): void {
    const due = [...this.#groups.values()].filter(
      (group) => group.isStale || group.nextAtUs <= nowUs,
    );
    if (due.length === 0) return;
    const promised = new Set<string>();
    for (const waiter of this.#byPlace.values()) {
      if (waiter.state === "called" && waiter.promised !== null) promised.add(waiter.promised.key);
    }
    const free = new Map<Group, Row[]>();
    for (const group of due) {
      free.set(group, this.#look(group, promised.size, nowUs, horizonUs, isFree));
    }
    for (const waiter of this.#inOrder(
      ({ state, group }) => state === "waiting" && free.has(group),
    )) {
      const row = free.get(waiter.group)?.find(({ key }) => !promised.has(key));
      if (row === undefined) continue;
      promised.add(row.key);
      waiter.promised = row;
      waiter.state = "called";
      waiter.untilUs = nowUs + TURN_US;
      calls.push({ place: waiter.place, isReady: true });
    }
  }

  /** The rows that a group's waiters could be called for now; also learns when the next comes. */
  #look(
    group: Group,
    promised: number,
    nowUs: number,
    horizonUs: number,
    isFree: (place: Place) => boolean,
  ): Row[] {
    const limit = group.waiters.size + promised + 1;
    const rows: Row[] = [];
    group.isStale = false;
    group.nextAtUs = Number.POSITIVE_INFINITY;
    for (const row of this.#store.nextTasks(group.tag, horizonUs, limit)) {
      if (row.at > nowUs) {
        group.nextAtUs = row.at;
        break;
      }
      if (isFree(row)) rows.push({ key: `${row.at}.${row.seq}`, tag: row.tag });
    }
    return rows;
  }

  #inOrder(isWanted: (waiter: Waiter) => boolean): Waiter[] {
    return [...this.#byPlace.values()].filter(isWanted).sort((a, b) => a.arrival - b.arrival);
  }

  #groupOf(selection: LeaseSelection): Group {
    const key = keyOf(selection);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = {
        key,
        tag: selection.kind === "tag" ? selection.tag : null,
        waiters: new Set(),
        isStale: true,
        nextAtUs: Number.POSITIVE_INFINITY,
      };
      this.#groups.set(key, group);
    }
    return group;
  }
}

/** Whoever waits for the oldest task's tag waits for any task: the first to come is the oldest. */
const ANY = "any";

function tagKey(tag: string): string {
  return `tag ${tag}`;
}

function keyOf(selection: LeaseSelection): string {
  return selection.kind === "tag" ? tagKey(selection.tag) : ANY;
}
