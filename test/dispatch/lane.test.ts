/** The lane loop; queue, targets and clock do exactly what the test says. */
import { describe, expect, it } from "vitest";
import type { AttemptOrder, AttemptOutcome } from "../../src/core/attempt.ts";
import {
  LANE_ATTEMPTS,
  LANE_LIFE_MS,
  LANE_OFFER_MS,
  REPORT_PATIENCE_MS,
} from "../../src/core/limits.ts";
import { encodeMeta } from "../../src/core/model.ts";
import { runLane } from "../../src/dispatch/lane.ts";
import type { LaneReport } from "../../src/queue/service.ts";
import { httpMeta } from "../support/factory.ts";

const META = encodeMeta(httpMeta());

function order(sequence: number): AttemptOrder {
  return { scheduleTimeUs: 1000, sequence, attempt: 1, taskId: `t${sequence}`, meta: META };
}

function orders(first: number, count: number): AttemptOrder[] {
  return Array.from({ length: count }, (_, index) => order(first + index));
}

interface Call<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** A lane with everything around it in the test's hands. */
class Rig {
  now = 0;
  hasEnded = false;
  /** Sequence numbers of the attempts that run, in the order they began. */
  readonly running: number[] = [];
  mostRunning = 0;
  /** Reports sent; those with a call in `answers` wait for the queue. */
  readonly reports: LaneReport[] = [];
  readonly answers: (Call<readonly AttemptOrder[]> | null)[] = [];
  readonly #attempts = new Map<number, Call<AttemptOutcome>>();
  #timers: { at: number; callback: () => void }[] = [];

  start(initial: readonly AttemptOrder[], width = 2): Promise<void> {
    const ports = {
      attempt: ({ sequence }: AttemptOrder) => {
        this.running.push(sequence);
        this.mostRunning = Math.max(this.mostRunning, this.running.length);
        return new Promise<AttemptOutcome>((resolve, reject) => {
          this.#attempts.set(sequence, { resolve, reject });
        });
      },
      report: (report: LaneReport) => {
        this.reports.push(report);
        return new Promise<readonly AttemptOrder[]>((resolve, reject) => {
          this.answers.push({ resolve, reject });
        });
      },
      nowMs: () => this.now,
      after: (delayMs: number, callback: () => void) => {
        const timer = { at: this.now + delayMs, callback };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((other) => other !== timer);
        };
      },
    };
    const lane = runLane(ports, { lane: 7, incarnation: "i", width }, initial);
    void lane.then(() => {
      this.hasEnded = true;
    });
    return this.advance(0);
  }

  /** Attempts end, all in one moment. */
  async end(...sequences: number[]): Promise<void> {
    for (const sequence of sequences) {
      this.#takeAttempt(sequence).resolve({
        ...{ scheduleTimeUs: 1000, sequence, attempt: 1 },
        end: { kind: "response", status: 200 },
      });
    }
    await this.advance(0);
  }

  async breakAttempt(sequence: number, error: unknown): Promise<void> {
    this.#takeAttempt(sequence).reject(error);
    await this.advance(0);
  }

  #takeAttempt(sequence: number): Call<AttemptOutcome> {
    const call = this.#attempts.get(sequence);
    if (call === undefined) throw new Error(`attempt ${sequence} does not run`);
    this.#attempts.delete(sequence);
    this.running.splice(this.running.indexOf(sequence), 1);
    return call;
  }

  /** The queue answers report number `index`. */
  async answer(index: number, given: readonly AttemptOrder[] = []): Promise<void> {
    this.#takeAnswer(index).resolve(given);
    await this.advance(0);
  }

  async breakReport(index: number): Promise<void> {
    this.#takeAnswer(index).reject(new Error("Durable Object reset"));
    await this.advance(0);
  }

  #takeAnswer(index: number): Call<readonly AttemptOrder[]> {
    const call = this.answers[index];
    if (call === undefined || call === null) throw new Error(`report ${index} does not wait`);
    this.answers[index] = null;
    return call;
  }

  /** Lets time pass, timer by timer, and everything that follows from it happen. */
  async advance(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      await drain();
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.now = Math.max(this.now, next.at);
      next.callback();
    }
    this.now = until;
  }

  get timers(): number {
    return this.#timers.length;
  }

  told(index: number): number[] {
    return (this.reports[index]?.outcomes ?? []).map(({ sequence }) => sequence);
  }

  places(index: number): Pick<LaneReport, "free" | "running"> | undefined {
    const report = this.reports[index];
    return report && { free: report.free, running: report.running };
  }
}

/** Promise callbacks run in turns of their own; a lane's longest chain is far shorter than this. */
async function drain(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe("attempts", () => {
  it("begin at once, no more than the lane is wide", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 5), 3);
    expect(rig.running).toEqual([1, 2, 3]);
    await rig.end(2);
    expect(rig.running).toEqual([1, 3, 4]);
    expect(rig.places(0)).toEqual({ free: 0, running: 4 });
  });

  it("that end in the same moment are told in one report, with everyone's lane and incarnation", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 3), 3);
    await rig.end(1, 3);
    expect(rig.reports).toEqual([
      {
        lane: 7,
        incarnation: "i",
        outcomes: [1, 3].map((sequence) => ({
          ...{ scheduleTimeUs: 1000, sequence, attempt: 1 },
          end: { kind: "response", status: 200 },
        })),
        free: 2,
        running: 1,
      },
    ]);
  });

  it("that end later are told in a report of their own while the first one is parked", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 3), 3);
    await rig.end(1);
    await rig.end(2);
    expect([rig.told(0), rig.told(1)]).toEqual([[1], [2]]);
  });

  it("given with an answer begin at once", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.end(1);
    await rig.answer(0, [order(3)]);
    expect(rig.running).toEqual([2, 3]);
    await rig.end(2, 3);
    expect(rig.told(1)).toEqual([2, 3]);
  });

  it("that break are refused, and the others do not notice", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.breakAttempt(1, new Error("a bug"));
    expect(rig.reports[0]?.outcomes).toEqual([
      {
        ...{ scheduleTimeUs: 1000, sequence: 1, attempt: 1 },
        end: { kind: "refused", message: "a bug" },
      },
    ]);
    await rig.end(2);
    expect(rig.told(1)).toEqual([2]);
  });
});

describe("free places", () => {
  it("are what is neither running nor waiting here", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 4), 6);
    await rig.end(1);
    expect(rig.places(0)).toEqual({ free: 3, running: 3 });
  });

  it("count again in a newer report, since an older one that is parked gets nothing", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 3), 3);
    await rig.end(1);
    await rig.end(2);
    expect([rig.places(0), rig.places(1)]).toEqual([
      { free: 1, running: 2 },
      { free: 2, running: 1 },
    ]);
  });

  it("never grow past the width where an answer crossed a newer report", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.end(1);
    await rig.end(2);
    await rig.answer(0, [order(3)]);
    await rig.answer(1, orders(4, 2));
    expect(rig.running).toEqual([3, 4]);
    await rig.end(3);
    expect(rig.running).toEqual([4, 5]);
    expect(rig.places(2)).toEqual({ free: 0, running: 2 });
    await rig.end(4);
    expect(rig.places(3)).toEqual({ free: 1, running: 1 });
    expect(rig.mostRunning).toBe(2);
  });

  it("that no report offers are offered while attempts take long", async () => {
    const rig = new Rig();
    await rig.start([order(1)], 3);
    await rig.advance(LANE_OFFER_MS);
    expect(rig.told(0)).toEqual([]);
    expect(rig.places(0)).toEqual({ free: 2, running: 1 });
    await rig.answer(0, [order(2)]);
    await rig.advance(LANE_OFFER_MS);
    expect(rig.places(1)).toEqual({ free: 1, running: 2 });
    await rig.answer(1, [order(3)]);
    await rig.advance(LANE_OFFER_MS);
    expect(rig.reports.length).toBe(2);
  });

  it("cost no call of their own where attempts are short, or a parked report has them", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2), 3);
    await rig.advance(LANE_OFFER_MS - 1);
    await rig.end(1);
    await rig.advance(10 * LANE_OFFER_MS);
    expect(rig.reports.length).toBe(1);
    expect(rig.places(0)).toEqual({ free: 2, running: 1 });
  });

  it("are not offered again to an object that gave nothing, nor to one that is gone", async () => {
    for (const isGone of [false, true]) {
      const rig = new Rig();
      await rig.start([order(1)], 3);
      await rig.advance(LANE_OFFER_MS);
      await (isGone ? rig.breakReport(0) : rig.answer(0));
      await rig.advance(10 * LANE_OFFER_MS);
      expect(rig.reports.length).toBe(1);
      await rig.end(1);
      expect(rig.told(1)).toEqual([1]);
      await rig.answer(1);
      expect(rig.hasEnded).toBe(true);
      expect(rig.timers).toBe(0);
    }
  });

  it("are none once the lane has lived its time", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.advance(LANE_LIFE_MS);
    await rig.end(1);
    expect(rig.places(0)).toEqual({ free: 0, running: 1 });
  });

  it("of a parked report are taken back when the lane has lived its time", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.end(1);
    await rig.advance(LANE_LIFE_MS - 1);
    expect(rig.reports.length).toBe(1);
    await rig.advance(1);
    expect(rig.told(1)).toEqual([]);
    expect(rig.places(1)).toEqual({ free: 0, running: 1 });
    await rig.answer(0);
    await rig.answer(1);
    expect(rig.hasEnded).toBe(false);
  });

  it("run out after as many attempts as an invocation should make", async () => {
    const rig = new Rig();
    const width = 1200;
    await rig.start(orders(0, width), width);
    const offered = [];
    for (let taken = width; ; ) {
      const index = rig.reports.length;
      await rig.end(...rig.running);
      const free = rig.places(index)?.free ?? 0;
      offered.push(free);
      await rig.answer(index, orders(taken, free));
      taken += free;
      if (free === 0) break;
    }
    expect(offered).toEqual([width, LANE_ATTEMPTS - 2 * width, 0]);
    expect(rig.hasEnded).toBe(true);
  });
});

describe("the end", () => {
  it("comes when nothing runs and the last report is answered with nothing", async () => {
    const rig = new Rig();
    await rig.start([order(1)]);
    await rig.end(1);
    expect(rig.hasEnded).toBe(false);
    await rig.answer(0);
    expect(rig.hasEnded).toBe(true);
    expect(rig.timers).toBe(0);
  });

  it("waits for every report, also an older one", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.end(1);
    await rig.end(2);
    await rig.answer(1);
    expect(rig.hasEnded).toBe(false);
    await rig.answer(0);
    expect(rig.hasEnded).toBe(true);
  });

  it("waits for what an answer brought", async () => {
    const rig = new Rig();
    await rig.start([order(1)]);
    await rig.end(1);
    await rig.answer(0, [order(2)]);
    expect(rig.hasEnded).toBe(false);
    await rig.end(2);
    await rig.answer(1);
    expect(rig.hasEnded).toBe(true);
  });

  it("comes at once to a lane that is given nothing, without a report", async () => {
    const rig = new Rig();
    await rig.start([]);
    expect(rig.hasEnded).toBe(true);
    expect(rig.reports).toEqual([]);
  });
});

describe("a report that fails", () => {
  it("is sent again after 50 ms, 200 ms, 1 s, 2 s and then every 5 s", async () => {
    const rig = new Rig();
    await rig.start([order(1)]);
    await rig.end(1);
    const gaps = [50, 200, 1000, 2000, 5000, 5000];
    for (const [index, gap] of gaps.entries()) {
      await rig.breakReport(index);
      await rig.advance(gap - 1);
      expect(rig.reports.length).toBe(index + 1);
      await rig.advance(1);
      expect(rig.reports.length).toBe(index + 2);
      expect(rig.told(index + 1)).toEqual([1]);
    }
    await rig.answer(gaps.length);
    expect(rig.hasEnded).toBe(true);
  });

  it("takes along what ended in the meantime, in order", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 3), 3);
    await rig.end(1);
    await rig.breakReport(0);
    await rig.end(2);
    expect(rig.reports.length).toBe(1);
    await rig.advance(50);
    expect(rig.told(1)).toEqual([1, 2]);
  });

  it("together with a parked one: every outcome is told again, in one report", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 3), 3);
    await rig.end(1);
    await rig.end(2);
    await rig.breakReport(0);
    await rig.breakReport(1);
    await rig.advance(50);
    expect(rig.reports.length).toBe(3);
    expect(rig.told(2).sort()).toEqual([1, 2]);
  });

  it("goes back to the short pause after a success", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.end(1);
    await rig.breakReport(0);
    await rig.advance(50);
    await rig.breakReport(1);
    await rig.advance(200);
    await rig.answer(2);
    await rig.end(2);
    await rig.breakReport(3);
    await rig.advance(50);
    expect(rig.told(4)).toEqual([2]);
  });

  it("is given up when the leases are about to expire, and the lane ends", async () => {
    const rig = new Rig();
    await rig.start([order(1)]);
    await rig.end(1);
    while (!rig.hasEnded && rig.now < 10 * REPORT_PATIENCE_MS) {
      await rig.breakReport(rig.reports.length - 1);
      await rig.advance(5000);
    }
    expect(rig.hasEnded).toBe(true);
    expect(rig.now).toBeGreaterThanOrEqual(REPORT_PATIENCE_MS);
    expect(rig.now).toBeLessThan(REPORT_PATIENCE_MS + 10_000);
  });

  it("given up, still tells what ended later", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.end(1);
    while (rig.now < REPORT_PATIENCE_MS - 5000) {
      await rig.breakReport(rig.reports.length - 1);
      await rig.advance(5000);
    }
    await rig.end(2);
    while (rig.told(rig.reports.length - 1).includes(1)) {
      await rig.breakReport(rig.reports.length - 1);
      await rig.advance(5000);
    }
    expect(rig.told(rig.reports.length - 1)).toEqual([2]);
  });

  it("without outcomes is not repeated", async () => {
    const rig = new Rig();
    await rig.start(orders(1, 2));
    await rig.end(1);
    await rig.advance(LANE_LIFE_MS);
    expect(rig.told(1)).toEqual([]);
    await rig.answer(0);
    await rig.breakReport(1);
    await rig.advance(60_000);
    expect(rig.reports.length).toBe(2);
    await rig.end(2);
    expect(rig.told(2)).toEqual([2]);
  });
});
