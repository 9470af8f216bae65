/**
 * A lane: up to `width` attempts at a time for one queue, in one invocation of the dispatcher.
 *
 *   orders ──► start ──► attempt ends ──► outcomes ──(0 ms)──► report ──► further orders ──► …
 *
 * Attempts that end in the same moment share one report. The queue's object may keep a report
 * waiting ("parked") while the lane still runs attempts, and answers it with nothing once a newer
 * one arrives; so the newest report alone says how many attempts the lane can take. Free places that
 * no report offers would stay empty while attempts take long, so after a moment the lane offers them
 * in a report without outcomes. The lane ends when nothing runs, nothing is left to tell and no
 * report is unanswered.
 *
 * Outcomes reach the queue at least once: a report that fails is sent again with the outcomes that
 * came since, and the queue ignores what it already knows. Given up only when the leases of its
 * attempts are about to expire anyway.
 */
import type { AttemptOrder, AttemptOutcome } from "../core/attempt.ts";
import {
  LANE_ATTEMPTS,
  LANE_LIFE_MS,
  LANE_OFFER_MS,
  REPORT_PATIENCE_MS,
  REPORT_RETRIES_MS,
} from "../core/limits.ts";
import type { LaneReport } from "../queue/service.ts";
import { failureText } from "./outcome.ts";

/** What a lane needs from the platform. */
export interface LanePorts {
  /** Makes one attempt. */
  readonly attempt: (order: AttemptOrder) => Promise<AttemptOutcome>;
  /** Tells the queue; rejects when the object cannot be reached. */
  readonly report: (report: LaneReport) => Promise<readonly AttemptOrder[]>;
  /** Milliseconds of any clock that moves forward. */
  readonly nowMs: () => number;
  /** Calls back once after a delay; the answer cancels it. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

export interface LaneOptions extends Pick<LaneReport, "lane" | "incarnation"> {
  /** Attempts at a time. */
  readonly width: number;
}

/** Runs a lane to its end. Never rejects: what one task or one report does wrong stays with it. */
export function runLane(
  ports: LanePorts,
  options: LaneOptions,
  orders: readonly AttemptOrder[],
): Promise<void> {
  return new Promise((resolve) => new Lane(ports, options, resolve).begin(orders));
}

interface Untold {
  readonly outcome: AttemptOutcome;
  readonly endedMs: number;
}

class Lane {
  readonly #ports: LanePorts;
  readonly #options: LaneOptions;
  readonly #resolve: () => void;
  readonly #startedMs: number;
  readonly #cancelRetirement: () => void;
  #cancelOffer: (() => void) | null = null;
  /** Orders that came while all places were taken: an answer crossed a newer report. */
  readonly #waiting: AttemptOrder[] = [];
  #running = 0;
  #taken = 0;
  /** Ended and not yet told. */
  #untold: Untold[] = [];
  #isReportDue = false;
  #unanswered = 0;
  #lastReport = 0;
  /** Whether the newest report is unanswered and offers places. */
  #isOffering = false;
  /** Whether the newest answer gave nothing while attempts run: the object wants no more offers. */
  #isDismissed = false;
  /** Reports that failed in a row. */
  #failures = 0;

  constructor(ports: LanePorts, options: LaneOptions, resolve: () => void) {
    this.#ports = ports;
    this.#options = options;
    this.#resolve = resolve;
    this.#startedMs = ports.nowMs();
    this.#cancelRetirement = ports.after(LANE_LIFE_MS, () => this.#retire());
  }

  begin(orders: readonly AttemptOrder[]): void {
    this.#take(orders);
    this.#endIfDone();
  }

  #take(orders: readonly AttemptOrder[]): void {
    this.#taken += orders.length;
    this.#waiting.push(...orders);
    this.#fillPlaces();
    this.#offerLater();
  }

  #offerLater(): void {
    if (this.#cancelOffer !== null || this.#isDismissed || this.#freePlaces() === 0) return;
    this.#cancelOffer = this.#ports.after(LANE_OFFER_MS, () => {
      this.#cancelOffer = null;
      const isNeeded = this.#running > 0 && !this.#isOffering && !this.#isDismissed;
      if (isNeeded && this.#freePlaces() > 0) this.#reportAfter(0);
    });
  }

  #fillPlaces(): void {
    while (this.#running < this.#options.width) {
      const order = this.#waiting.shift();
      if (order === undefined) return;
      this.#running += 1;
      void this.#run(order);
    }
  }

  async #run(order: AttemptOrder): Promise<void> {
    const outcome = await this.#attempt(order);
    this.#running -= 1;
    this.#untold.push({ outcome, endedMs: this.#ports.nowMs() });
    this.#fillPlaces();
    this.#reportAfter(0);
  }

  /** A bug met by one task must not take the lane's other tasks with it. */
  async #attempt(order: AttemptOrder): Promise<AttemptOutcome> {
    try {
      return await this.#ports.attempt(order);
    } catch (error) {
      const { scheduleTimeUs, sequence, attempt } = order;
      const message = failureText(error);
      return { scheduleTimeUs, sequence, attempt, end: { kind: "refused", message } };
    }
  }

  /** One report is due at a time; what ends until then goes with it. */
  #reportAfter(delayMs: number): void {
    if (this.#isReportDue) return;
    this.#isReportDue = true;
    this.#ports.after(delayMs, () => {
      this.#isReportDue = false;
      void this.#report();
    });
  }

  async #report(): Promise<void> {
    const untold = this.#untold;
    this.#untold = [];
    const free = this.#freePlaces();
    const number = ++this.#lastReport;
    this.#isOffering = free > 0;
    this.#unanswered += 1;
    try {
      const orders = await this.#ports.report({
        lane: this.#options.lane,
        incarnation: this.#options.incarnation,
        outcomes: untold.map(({ outcome }) => outcome),
        free,
        running: this.#running + this.#waiting.length,
      });
      this.#failures = 0;
      this.#noteAnswer(number, orders.length > 0);
      this.#take(orders);
    } catch {
      this.#noteAnswer(number, false);
      this.#reportAgain(untold);
    }
    this.#unanswered -= 1;
    this.#endIfDone();
  }

  #noteAnswer(number: number, gave: boolean): void {
    if (number !== this.#lastReport) return;
    this.#isOffering = false;
    this.#isDismissed = !gave;
  }

  /**
   * Older reports that are unanswered will give nothing, so only what runs here takes places;
   * orders wait only while all places are taken.
   */
  #freePlaces(): number {
    if (this.#isRetired()) return 0;
    const free = this.#options.width - this.#running;
    return Math.max(0, Math.min(free, LANE_ATTEMPTS - this.#taken));
  }

  #reportAgain(untold: readonly Untold[]): void {
    const nowMs = this.#ports.nowMs();
    const kept = untold.filter(({ endedMs }) => nowMs - endedMs < REPORT_PATIENCE_MS);
    this.#untold = [...kept, ...this.#untold];
    if (this.#untold.length === 0) return;
    const last = REPORT_RETRIES_MS.length - 1;
    const delayMs = REPORT_RETRIES_MS[Math.min(this.#failures, last)] ?? 0;
    this.#failures += 1;
    this.#reportAfter(delayMs);
  }

  #isRetired(): boolean {
    return this.#taken >= LANE_ATTEMPTS || this.#ports.nowMs() - this.#startedMs >= LANE_LIFE_MS;
  }

  /** Takes back the places that a parked report offers: it could bring work at any later time. */
  #retire(): void {
    if (this.#isOffering) this.#reportAfter(0);
  }

  #endIfDone(): void {
    const isBusy = this.#running > 0 || this.#waiting.length > 0 || this.#untold.length > 0;
    if (isBusy || this.#isReportDue || this.#unanswered > 0) return;
    this.#cancelRetirement();
    this.#cancelOffer?.();
    this.#resolve();
  }
}
