/**
 * The dispatcher lanes of a queue's object: calls to the Dispatcher that each run a few attempts at a
 * time and ask for more with every report. A report for which there is no work yet is parked, so that
 * work that turns up later goes to a lane with a free place rather than to a new call.
 */
import type { AttemptOrder } from "../core/attempt.ts";
import type { LaneReport } from "./service.ts";

interface Lane {
  /** Answers the parked report; null while none is parked. */
  answer: ((orders: readonly AttemptOrder[]) => void) | null;
  /** Places free in the parked report. */
  free: number;
  /** Attempts still running when it was parked. */
  running: number;
  /** Attempts given to the lane and not yet reported. */
  held: number;
  /** Gets no more attempts: what they have in common has changed since it was opened. */
  isRetired: boolean;
}

/** Opens a dispatcher call with its first attempts; the promise ends with the lane. */
export type OpenLane = (lane: number, orders: readonly AttemptOrder[]) => Promise<void>;

export class Lanes {
  readonly #open: OpenLane;
  readonly #closed: (lane: number) => void;
  readonly #assign: (order: AttemptOrder, lane: number) => void;
  readonly #lanes = new Map<number, Lane>();
  readonly #maxLanes: number;
  readonly #width: number;
  #lastLane = 0;

  constructor(options: {
    readonly maxLanes: number;
    readonly width: number;
    readonly open: OpenLane;
    readonly closed: (lane: number) => void;
    readonly assign: (order: AttemptOrder, lane: number) => void;
  }) {
    this.#maxLanes = options.maxLanes;
    this.#width = options.width;
    this.#open = options.open;
    this.#closed = options.closed;
    this.#assign = options.assign;
  }

  /** Attempts that could start now: in lanes with a parked report, and in lanes not opened yet. */
  get capacity(): number {
    let free = (this.#maxLanes - this.#lanes.size) * this.#width;
    for (const lane of this.#lanes.values()) if (lane.answer !== null) free += lane.free;
    return Math.max(0, free);
  }

  /** Parks a report, in place of an older one of its lane; false when the lane is not known here. */
  park(report: LaneReport, answer: (orders: readonly AttemptOrder[]) => void): boolean {
    const lane = this.#lanes.get(report.lane);
    if (lane === undefined || lane.isRetired) return false;
    lane.answer?.([]);
    lane.answer = answer;
    lane.held = Math.max(report.running, lane.held - report.outcomes.length);
    // Attempts given in an answer that crossed this report take places that it thought were free.
    const crossed = lane.held - report.running;
    lane.free = Math.max(0, report.free - crossed);
    lane.running = report.running;
    return true;
  }

  /** Gives no more attempts to the lanes there are; each ends with the attempts it runs. */
  retire(): void {
    for (const lane of this.#lanes.values()) {
      lane.isRetired = true;
      lane.answer?.([]);
      lane.answer = null;
    }
  }

  /** Hands out attempts: to parked lanes first, then to new ones; lets lanes without work end. */
  give(orders: readonly AttemptOrder[]): void {
    let given = 0;
    for (const [id, lane] of this.#lanes) {
      if (lane.answer === null) continue;
      const share = orders.slice(given, given + lane.free);
      if (share.length === 0 && lane.running > 0) continue;
      given += share.length;
      for (const order of share) this.#assign(order, id);
      lane.held += share.length;
      lane.answer(share);
      lane.answer = null;
    }
    for (; given < orders.length; given += this.#width) {
      this.#start(orders.slice(given, given + this.#width));
    }
  }

  #start(orders: readonly AttemptOrder[]): void {
    const id = ++this.#lastLane;
    const held = orders.length;
    this.#lanes.set(id, { answer: null, free: 0, running: 0, held, isRetired: false });
    for (const order of orders) this.#assign(order, id);
    const close = () => {
      this.#lanes.delete(id);
      this.#closed(id);
    };
    this.#open(id, orders).then(close, close);
  }
}
