/**
 * A queue's engine over real tables, driven through a history and checked against the model after
 * every step. It plays the shell (one clock reading a turn, attempts handed to lanes, leases renewed)
 * and the dispatcher (attempts that succeed, fail, get lost, or are reported late and twice).
 *
 * What must hold:
 *  - tasks are conserved: what was acknowledged is listed until it finished, was exhausted, deleted,
 *    purged or expired, and is not listed after;
 *  - a task is never dispatched while another attempt holds it, unless RunTask asked for it; never
 *    before its schedule time, after its end, or from a paused queue; no attempt number comes twice;
 *  - dispatches stay within the token bucket and the concurrency cap, also across restarts;
 *  - an outcome counts exactly if it is that of the last attempt, and once;
 *  - the name of a task that is gone is refused for the tombstone's time, and free after;
 *  - the queue wakes no later than its earliest deadline, and never spins;
 *  - of a transaction nothing is to be seen before its decision has come, and then all or nothing.
 */
import type { AttemptOrder, AttemptOutcome } from "../../src/core/attempt.ts";
import { encodeMeta, type QueueSettings, type TaskRecord } from "../../src/core/model.ts";
import type { Result } from "../../src/core/result.ts";
import { backoffUs } from "../../src/core/retry-policy.ts";
import type { Engine } from "../../src/queue/engine.ts";
import { LEASE_US } from "../../src/queue/flights.ts";
import type { TransactionOutcome } from "../../src/queue/service.ts";
import type { Step, StepKind } from "./history.ts";
import { type GivenAttempt, isHeld, Model, type ModelLease, type ModelTask } from "./model.ts";
import { pick } from "./random.ts";
import { ASKED_WITHIN_US, Transactions } from "./transactions.ts";

const SECOND_US = 1e6;
export const START_US = 1_790_000_000 * SECOND_US;
/** How often the shell renews the leases of running attempts, and what they have left after it. */
const RENEW_EVERY_US = 8 * SECOND_US;
const RENEWED_AT_LEAST_US = LEASE_US - RENEW_EVERY_US;
/** A throttled queue is back to its rate by then, and a kept bucket lies at most so far ahead. */
const THROTTLED_US = 40 * SECOND_US;
const KEPT_AHEAD_US = 2 * SECOND_US;
const LANES = 4;
const LANE_WIDTH = 3;
const REMEMBERED_ATTEMPTS = 60;

const NAMES = ["alpha", "beta", "gamma", "delta", "4711", "17900000000000001200000000"];
const QUEUE = { project: "p", location: "us-central1", queue: "simulated" };

/** Broken promises are this error; anything else thrown is a bug of the engine too. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

/** Makes an engine over the tables as a new life of the object would. */
export type MakeEngine = (nowUs: number) => Engine;

export interface World {
  readonly makeEngine: MakeEngine;
  /** Runs a turn whose writes are undone, as in a crash before the commit. */
  readonly undone: (turn: () => void) => void;
}

export class Simulation {
  readonly #world: World;
  readonly #model: Model;
  readonly #transactions = new Transactions();
  #engine: Engine;
  #nowUs = START_US;
  /** Tokens that gathered unseen may be lost to a step back, so the model knows no least any more. */
  #hasSteppedBack = false;
  /** The latest moment that the clock ever showed. */
  #latestUs = START_US;
  #given: GivenAttempt[] = [];
  #nextLane = 0;
  #bodies = 0;
  /** What happened, a line a step, for the report of a failure. */
  readonly log: string[] = [];

  constructor(world: World) {
    this.#world = world;
    const settings = chooseSettings(0.5, 0.5, 0.5);
    this.#engine = world.makeEngine(this.#nowUs);
    this.#model = new Model(settings, this.#nowUs);
    expectOk(this.#engine.configure(QUEUE, settings, this.#nowUs));
  }

  /** Plays one step and checks everything. */
  play(step: Step): void {
    const [a, b, c] = step.shares;
    const told = this.#steps[step.kind](a, b, c);
    this.log.push(`${this.#clock()} ${step.kind}${told === undefined ? "" : `: ${told}`}`);
    this.#turn();
    this.#checkWake();
  }

  /** Lifts all limits and runs everything to success: whatever was acknowledged must get done. */
  settle(): void {
    const settings: QueueSettings = {
      ...this.#model.settings,
      rateLimits: { maxDispatchesPerSecond: 500, maxBurstSize: 100, maxConcurrentDispatches: 1000 },
    };
    this.#changeSettings(settings);
    this.#setState("RUNNING");
    this.log.push(`${this.#clock()} settle`);
    // Nobody tells the queue: it asks by itself.
    for (const id of this.#transactions.doubts) this.#transactions.decide(id, "COMMITTED");
    const isLeft = () => this.#model.live().length > 0 || this.#transactions.doubts.length > 0;
    for (let rounds = 0; isLeft(); rounds++) {
      check(rounds < 3000, () => `${this.#describeLive()} still wait after ${rounds} rounds`);
      this.#turn();
      let settled = 0;
      for (const attempt of this.#running()) {
        this.#report(attempt, { kind: "response", status: 200 });
        settled++;
      }
      if (settled > 0) continue;
      if (!isLeft()) break;
      const wakeUs = this.#engine.wakeAtUs(this.#nowUs);
      check(wakeUs < Number.POSITIVE_INFINITY, () => `nothing wakes ${this.#describeLive()}`);
      this.#advance(Math.max(wakeUs, this.#nowUs + 1));
    }
    this.#checkList();
  }

  /** The moment and the tasks that live, for the report of a failure. */
  describe(): string {
    return `${this.#clock()} is now; ${this.#describeLive()}`;
  }

  // --- the steps -----------------------------------------------------------------------------

  readonly #steps: Readonly<
    Record<StepKind, (a: number, b: number, c: number) => string | undefined>
  > = {
    create: () => this.#create({}),
    createNamed: (a, b) =>
      this.#create({
        id: pick(NAMES, a) ?? "name",
        ...(b < 0.5 ? {} : { scheduleTimeUs: this.#nowUs + Math.floor((b - 0.5) * 20e6) }),
      }),
    createLater: (a, b) =>
      this.#create({
        scheduleTimeUs: this.#nowUs + Math.floor((a - 0.05) * (b < 0.7 ? 3e6 : 90e6)),
      }),
    createBatch: (a, b) => {
      const count = 1 + Math.floor(a * 30);
      for (let i = 0; i < count; i++) {
        this.#create(b < 0.5 ? {} : { scheduleTimeUs: this.#nowUs + Math.floor((b - 0.5) * 10e6) });
      }
      return `${count}`;
    },
    createBig: (a) =>
      this.#create({
        body: new Uint8Array(2000).fill(++this.#bodies % 256),
        ...(a < 0.5 ? {} : { scheduleTimeUs: this.#nowUs + Math.floor(a * 4e6) }),
      }),
    delete: (a, b) => this.#delete(a, b),
    run: (a) => this.#run(a),
    succeed: (a) => {
      const attempt = pick(this.#running(), a);
      if (attempt === undefined) return "nothing runs";
      return this.#report(attempt, { kind: "response", status: 200 });
    },
    fail: (a, b, c) => {
      const attempt = pick(this.#running(), a);
      if (attempt === undefined) return "nothing runs";
      return this.#report(attempt, chooseFailure(b), c < 0.1 ? Math.floor(c * 1e8) : undefined);
    },
    "report late": (a, b) => {
      const attempt = pick(this.#given, a);
      if (attempt === undefined) return "nothing ever ran";
      return this.#report(attempt, b < 0.5 ? { kind: "response", status: 200 } : chooseFailure(b));
    },
    "lose lane": (a) => {
      const lane = Math.floor(a * LANES);
      this.#engine.orphanLane(lane);
      for (const lease of this.#model.leases()) if (lease.lane === lane) lease.lane = null;
      return `${lane}`;
    },
    "advance a little": (a, b) =>
      this.#advance(this.#nowUs + Math.floor(a * (b < 0.5 ? 50e3 : 2e6))),
    "advance to wake": (a) => {
      const wakeUs = this.#engine.wakeAtUs(this.#nowUs);
      if (wakeUs === Number.POSITIVE_INFINITY) return "never";
      // A clock that stepped back does not come by the very microseconds again that it had been at.
      const lateUs = this.#nowUs < this.#latestUs ? Math.ceil(a * 999) : 0;
      return this.#advance(Math.max(this.#nowUs, Math.min(wakeUs, this.#nowUs + 600e6) + lateUs));
    },
    "advance far": (a) => this.#advance(this.#nowUs + Math.floor(a * 45e6)),
    "step clock": (a, b) => {
      const stepUs = Math.floor((a - 0.6) * (b < 0.5 ? 2e6 : 200e6));
      this.#model.fullest.tokens(this.#nowUs);
      this.#nowUs += stepUs;
      if (stepUs < 0) this.#stepBack();
      this.#model.expire(this.#nowUs);
      return undefined;
    },
    pause: () => this.#setState("PAUSED"),
    resume: () => this.#setState("RUNNING"),
    purge: () => {
      expectOk(this.#engine.purge(this.#nowUs));
      for (const task of this.#model.live()) {
        // What was created on a clock that has stepped back since lies ahead of the purge's time.
        const fate = task.createTimeUs < this.#nowUs ? "purged" : "expired";
        this.#model.end(task, fate, this.#nowUs);
      }
      return undefined;
    },
    "change settings": (a, b, c) => {
      this.#changeSettings(chooseSettings(a, b, c));
      return JSON.stringify(this.#model.settings.rateLimits);
    },
    restart: () => {
      this.#restart();
      return undefined;
    },
    "crash in turn": (a) => {
      // The turn's writes never became durable, so nobody was answered and nothing went out.
      this.#world.undone(() => {
        this.#engine.capacity = LANES * LANE_WIDTH;
        this.#engine.createTask({ meta: META }, this.#nowUs);
        const { pending } = this.#engine;
        const transaction = pick(this.#transactions.doubts, a);
        pending.prepare(transaction ?? "unheard of", [{ meta: META }], this.#nowUs);
        if (transaction !== undefined) pending.resolve(transaction, "COMMITTED", this.#nowUs);
        const attempt = pick(this.#running(), a);
        if (attempt !== undefined) {
          const end = { kind: "response", status: 200 } as const;
          this.#engine.recordOutcome(outcomeOf(attempt.order, end), this.#nowUs);
        }
        this.#engine.tick(this.#nowUs);
      });
      this.#restart();
      return undefined;
    },
    list: () => {
      this.#checkList();
      return undefined;
    },
    prepare: (a, b, c) => this.#prepare(a, b, c),
    decide: (a, b, c) => {
      const id = pick(this.#transactions.doubts, a);
      if (id === undefined) return "nothing to decide";
      const outcome = this.#transactions.decide(id, b < 0.7 ? "COMMITTED" : "ROLLED_BACK");
      const isTold = c < 0.6;
      if (isTold) this.#resolve(id, outcome);
      return `${id} ${outcome}, ${isTold ? "told" : "untold"}`;
    },
  };

  // --- transactions --------------------------------------------------------------------------

  #prepare(a: number, b: number, c: number): string {
    const id = this.#transactions.choose(a);
    const specs = Array.from({ length: 1 + Math.floor(b * 4) }, (_, n) => ({
      meta: META,
      ...(c < 0.5 ? {} : { scheduleTimeUs: this.#nowUs + Math.floor((c - 0.6) * 20e6) }),
      ...(n === 1 ? { body: new Uint8Array(2000) } : {}),
    }));
    const prepared = expectOk(this.#engine.pending.prepare(id, specs, this.#nowUs));
    const tasks = prepared.map(expectOk);
    for (const task of tasks) {
      check(!this.#model.tasks.has(task.id), () => `id ${task.id} was given twice`);
    }
    this.#transactions.add(id, tasks);
    return `${tasks.map((task) => task.id).join(", ")} in ${id}`;
  }

  /** The queue hears a decision, and follows. */
  #resolve(id: string, outcome: TransactionOutcome): void {
    const followed = expectOk(this.#engine.pending.resolve(id, outcome, this.#nowUs));
    const tasks = this.#transactions.settle(id);
    check(followed === tasks.length, () => `${id} had ${tasks.length} tasks, not ${followed}`);
    if (outcome === "ROLLED_BACK") return;
    for (const task of tasks) {
      const record = expectOk(this.#engine.getTask(task.id, false, this.#nowUs));
      const { createTimeUs, scheduleTimeUs } = record;
      check(scheduleTimeUs === task.scheduleTimeUs, () => `${task.id} is at ${scheduleTimeUs}`);
      this.#model.tasks.set(task.id, newTask(task.id, false, createTimeUs, scheduleTimeUs));
    }
  }

  /** The queue asks what it is in doubt about. */
  #ask(): void {
    for (const question of this.#engine.pending.takeQuestions(this.#nowUs)) {
      const { outcome, openUntilUs } = this.#transactions.answer(question.transaction, this.#nowUs);
      if (outcome !== undefined) this.#resolve(question.transaction, outcome);
      this.#engine.pending.answered(question, outcome === undefined ? openUntilUs : undefined);
    }
  }

  #create(spec: { id?: string; scheduleTimeUs?: number; body?: Uint8Array }): string {
    this.#grantCapacity();
    const created = this.#engine.createTask({ ...spec, meta: META }, this.#nowUs);
    if (spec.id !== undefined) {
      const taken = this.#nameIsTaken(spec.id);
      if (taken === true) check(!created.ok, () => `the name ${spec.id} was given twice`);
      if (taken === false) check(created.ok, () => `the free name ${spec.id} was refused`);
    }
    if (!created.ok) {
      check(created.error.code === "ALREADY_EXISTS", () => `refused: ${created.error.message}`);
      return `${spec.id} refused`;
    }
    const { id, scheduleTimeUs, createTimeUs } = created.value;
    check(!this.#model.tasks.has(id) || spec.id !== undefined, () => `id ${id} was given twice`);
    const expectedUs = Math.max(this.#nowUs, spec.scheduleTimeUs ?? 0);
    check(scheduleTimeUs === expectedUs, () => `${id} is scheduled for ${scheduleTimeUs}`);
    this.#model.tasks.set(id, newTask(id, spec.id !== undefined, createTimeUs, scheduleTimeUs));
    this.#handOut(null);
    return `${id} at ${this.#offset(scheduleTimeUs)}`;
  }

  /** Whether a name must be refused, must be accepted, or may be either. */
  #nameIsTaken(id: string): boolean | undefined {
    const known = this.#model.tasks.get(id);
    if (known?.fate === "live") return true;
    const buried = this.#model.buried.get(id);
    if (buried === undefined) return known === undefined ? false : undefined;
    if (buried.fate === "expired") return undefined;
    if (this.#nowUs < buried.goneUs + this.#model.settings.tombstoneTtlUs) return true;
    // The row of a purged task is swept some time later, and the tombstone's time begins there.
    return buried.fate === "purged" ? undefined : false;
  }

  #delete(a: number, b: number): string {
    const candidates = b < 0.8 ? this.#model.live() : [...this.#model.tasks.values()];
    const task = pick(candidates, a);
    if (task === undefined) return "nothing there";
    const deleted = this.#engine.deleteTask(task.id, this.#nowUs);
    if (task.fate === "expired") return `${task.id} expired`;
    check(
      deleted.ok === (task.fate === "live"),
      () => `delete of ${task.fate} ${task.id} answers ${deleted.ok}`,
    );
    if (deleted.ok) this.#model.end(task, "deleted", this.#nowUs);
    return task.id;
  }

  #run(a: number): string {
    const task = pick(this.#model.live(), a);
    if (task === undefined) return "nothing there";
    const answer = expectOk(this.#engine.runTask(task.id, false, this.#nowUs));
    this.#handOut(task);
    check(
      answer.dispatchCount === task.attempts,
      () => `run answers ${answer.dispatchCount} dispatches of ${task.id}, not ${task.attempts}`,
    );
    return task.id;
  }

  #setState(state: "RUNNING" | "PAUSED"): undefined {
    expectOk(state === "PAUSED" ? this.#engine.pause() : this.#engine.resume());
    this.#model.state = state;
  }

  #changeSettings(settings: QueueSettings): void {
    expectOk(this.#engine.updateSettings(settings, this.#nowUs));
    this.#model.fullest.change(settings, this.#nowUs);
    this.#model.emptiest.change(settings, this.#nowUs);
    this.#model.settings = settings;
  }

  #stepBack(): void {
    this.#hasSteppedBack = true;
    this.#model.fullest.step(this.#nowUs);
    for (const lease of this.#model.leases()) lease.hasSteppedBack = true;
  }

  #restart(): void {
    // No restart is so quick that sequence numbers, which are times, could repeat.
    this.#nowUs += 1000;
    this.#engine = this.#world.makeEngine(this.#nowUs);
    this.#model.emptiest.emptyUntil(this.#nowUs + KEPT_AHEAD_US);
    for (const lease of this.#model.leases()) {
      lease.lane = null;
      // A lease from a clock that has stepped back since is cut to what it would last from now.
      lease.untilAtLeastUs = Math.min(lease.untilAtLeastUs, this.#nowUs + LEASE_US);
    }
  }

  /** Lets time pass as it does: the shell renews leases every few seconds meanwhile. */
  #advance(untilUs: number): string {
    while (untilUs - this.#nowUs > RENEW_EVERY_US && this.#engine.hasOwnFlights) {
      this.#nowUs += RENEW_EVERY_US;
      this.#turn();
    }
    this.#nowUs = untilUs;
    this.#model.expire(this.#nowUs);
    return this.#offset(untilUs);
  }

  // --- turns ---------------------------------------------------------------------------------

  /** What the shell does in every turn: tick, sweep, hand attempts over, renew leases. */
  #turn(): void {
    this.#latestUs = Math.max(this.#latestUs, this.#nowUs);
    this.#model.expire(this.#nowUs);
    this.#grantCapacity();
    this.#engine.tick(this.#nowUs);
    this.#engine.sweep(this.#nowUs);
    this.#handOut(null);
    this.#ask();
    this.#engine.renew(this.#nowUs);
    for (const lease of this.#model.leases()) {
      // What has expired stays so, also when the clock steps back.
      if (!isHeld(lease, this.#nowUs)) lease.untilAtLeastUs = Number.NEGATIVE_INFINITY;
      if (lease.lane === null) continue;
      const renewedUs = Math.max(lease.untilAtLeastUs, this.#nowUs + RENEWED_AT_LEAST_US);
      // A renewal after the clock stepped back may cut a lease to what it would last from now.
      lease.untilAtLeastUs = Math.min(renewedUs, this.#nowUs + LEASE_US);
      lease.untilAtMostUs = Math.max(lease.untilAtMostUs, this.#nowUs + LEASE_US);
    }
  }

  #grantCapacity(): void {
    this.#engine.capacity = Math.max(0, LANES * LANE_WIDTH - this.#running().length);
  }

  /** Attempts that lanes of this life run and whose task still waits for them. */
  #running(): GivenAttempt[] {
    return this.#given.filter(
      ({ order, task }) => task.lease?.attempt === order.attempt && task.lease.lane !== null,
    );
  }

  #handOut(forced: ModelTask | null): void {
    for (const order of this.#engine.takeOrders()) this.#accept(order, forced);
  }

  #accept(order: AttemptOrder, forced: ModelTask | null): void {
    const task = this.#model.tasks.get(order.taskId);
    const name = `attempt ${order.attempt} of ${order.taskId}`;
    check(task !== undefined, () => `${name}: no such task`);
    check(task.fate === "live" || task.fate === "expired", () => `${name}: it is ${task.fate}`);
    check(order.attempt > task.attempts, () => `${name}: after attempt ${task.attempts}`);
    if (task.fate === "expired") task.scheduleTimeUs = order.scheduleTimeUs;
    check(order.scheduleTimeUs === task.scheduleTimeUs, () => `${name}: of another schedule time`);
    if (forced === null) this.#checkAllowed(task, name);
    else check(task === forced, () => `${name}: another was to be run`);
    const lane = this.#nextLane++ % LANES;
    task.attempts = order.attempt;
    task.open = true;
    task.lease = {
      attempt: order.attempt,
      forcedUs: forced === null ? null : this.#nowUs,
      lane,
      untilAtLeastUs: this.#nowUs + LEASE_US,
      untilAtMostUs: this.#nowUs + LEASE_US,
      hasSteppedBack: false,
    };
    this.#engine.assign(order, lane);
    this.#given.push({ order, task });
    if (this.#given.length > REMEMBERED_ATTEMPTS) this.#forgetAttempt();
  }

  /** Forgets the oldest attempt that is not running any more. */
  #forgetAttempt(): void {
    const running = new Set(this.#running());
    const oldest = this.#given.findIndex((attempt) => !running.has(attempt));
    if (oldest >= 0) this.#given.splice(oldest, 1);
  }

  /** Whether the queue may dispatch a task by itself now. */
  #checkAllowed(task: ModelTask, name: string): void {
    const { rateLimits } = this.#model.settings;
    check(this.#model.state === "RUNNING", () => `${name}: the queue is paused`);
    check(task.scheduleTimeUs <= this.#nowUs, () => `${name}: before its schedule time`);
    const held = task.lease !== null && isHeld(task.lease, this.#nowUs);
    check(!held, () => `${name}: attempt ${task.lease?.attempt} still holds the task`);
    task.lease = null;
    const others = this.#model.surelyHeld(this.#nowUs).length;
    check(
      others < rateLimits.maxConcurrentDispatches,
      () =>
        `${name}: ${others} others are under way, ${rateLimits.maxConcurrentDispatches} allowed`,
    );
    this.#model.emptiest.take(this.#nowUs);
    const tokens = this.#model.fullest.take(this.#nowUs);
    check(tokens > 1 - 1e-6, () => `${name}: the bucket holds ${tokens}`);
  }

  #report(attempt: GivenAttempt, end: AttemptOutcome["end"], retryAfterUs?: number): string {
    const { order, task } = attempt;
    const lease = task.lease;
    const counts = task.open && task.attempts === order.attempt;
    const outcome = outcomeOf(order, end, retryAfterUs);
    if (end.kind === "response" && end.status === 503) {
      this.#model.emptiest.emptyUntil(this.#nowUs + THROTTLED_US);
    }
    const settlement = this.#engine.recordOutcome(outcome, this.#nowUs);
    const told = `attempt ${order.attempt} of ${task.id}: ${JSON.stringify(end)}`;
    if (task.fate === "expired") {
      if (lease?.attempt === order.attempt) task.lease = null;
      return `${told}, may have expired`;
    }
    check(
      (settlement !== null) === counts,
      () => `${told}: ${settlement === null ? "ignored" : "counted"}, ${JSON.stringify(task)}`,
    );
    if (settlement === null) return `${told}, late`;
    check(settlement.taskId === task.id, () => `${told}: settled ${settlement.taskId}`);
    this.#settleTask(task, lease, outcome, settlement.result);
    return `${told}, ${settlement.result}`;
  }

  #settleTask(
    task: ModelTask,
    lease: ModelLease | null,
    outcome: AttemptOutcome,
    result: "completed" | "retried" | "exhausted",
  ): void {
    const { retryConfig } = this.#model.settings;
    const succeeded = outcome.end.kind === "response" && outcome.end.status === 200;
    const exhausted = retryConfig.maxAttempts >= 0 && outcome.attempt >= retryConfig.maxAttempts;
    const expected = succeeded ? "completed" : exhausted ? "exhausted" : "retried";
    check(result === expected, () => `${task.id} is ${result}, not ${expected}`);
    if (expected !== "retried") {
      this.#model.end(task, expected === "completed" ? "finished" : "exhausted", this.#nowUs);
      return;
    }
    const record = expectOk(this.#engine.getTask(task.id, false, this.#nowUs));
    this.#checkRetry(task, lease, outcome, record);
    task.scheduleTimeUs = record.scheduleTimeUs;
    task.open = false;
    task.lease = null;
  }

  /** A retry comes after the backoff, counted from the call of RunTask where that forced the attempt. */
  #checkRetry(
    task: ModelTask,
    lease: ModelLease | null,
    outcome: AttemptOutcome,
    record: TaskRecord,
  ): void {
    const backoff = backoffUs(outcome.attempt, this.#model.settings.retryConfig);
    const delayUs = Math.max(backoff, outcome.retryAfterUs ?? 0);
    // A new life of the object does not know any more that an attempt was forced.
    const bases = [this.#nowUs, ...(lease?.forcedUs == null ? [] : [lease.forcedUs])];
    const expected = bases.map((baseUs) => baseUs + delayUs);
    // A place in the schedule may be the task's own from before, or taken by a task whose number was
    // given twice because the clock stepped back: a retry then comes a few microseconds later.
    const isExpected = expected.some(
      (us) => record.scheduleTimeUs >= us && record.scheduleTimeUs <= us + 3,
    );
    check(isExpected, () => `${task.id} is retried at ${record.scheduleTimeUs}, not ${expected}`);
    check(
      record.dispatchCount === outcome.attempt,
      () => `${task.id} tells ${record.dispatchCount} dispatches, not ${outcome.attempt}`,
    );
  }

  // --- checks --------------------------------------------------------------------------------

  /** The queue lists exactly the tasks that live; those that may have expired may be there or not. */
  #checkList(): void {
    const listed = new Set<string>();
    let cursor: { scheduleTimeUs: number; sequence: number } | undefined;
    do {
      const page = expectOk(this.#engine.listTasks(7, cursor, false, this.#nowUs));
      for (const task of page.tasks) {
        check(!listed.has(task.id), () => `${task.id} is listed twice`);
        listed.add(task.id);
      }
      cursor = page.next;
    } while (cursor !== undefined);
    for (const task of this.#model.tasks.values()) {
      if (task.fate === "expired") continue;
      const isListed = listed.has(task.id);
      check(
        isListed === (task.fate === "live"),
        () => `${task.id} is ${task.fate}, listed: ${isListed}`,
      );
      if (!isListed) continue;
      const record = expectOk(this.#engine.getTask(task.id, false, this.#nowUs));
      check(
        record.dispatchCount === task.attempts,
        () => `${task.id} tells ${record.dispatchCount} dispatches, not ${task.attempts}`,
      );
    }
    for (const { id } of this.#transactions.hidden) {
      const found = this.#engine.getTask(id, false, this.#nowUs);
      check(!found.ok && found.error.cause === "NO_TASK", () => `${id} is seen before its time`);
    }
    if (![...this.#model.tasks.values()].some(({ fate }) => fate === "expired")) {
      const { tasksCount } = expectOk(this.#engine.getStats(this.#nowUs));
      check(tasksCount === listed.size, () => `${listed.size} tasks are counted as ${tasksCount}`);
    }
    for (const id of listed) check(this.#model.tasks.has(id), () => `${id} is listed from nowhere`);
  }

  /** The next wake is no later than the earliest thing to do, and turns without effect lead past now. */
  #checkWake(): void {
    let wakeUs = this.#engine.wakeAtUs(this.#nowUs);
    for (let turns = 0; wakeUs <= this.#nowUs; turns++) {
      check(turns < 100, () => "the queue asks to be woken now, again and again");
      this.#nowUs += 1;
      this.#turn();
      wakeUs = this.#engine.wakeAtUs(this.#nowUs);
    }
    check(
      this.#transactions.doubts.length === 0 ||
        this.#hasSteppedBack ||
        wakeUs <= this.#nowUs + ASKED_WITHIN_US,
      () => `wakes at ${this.#offset(wakeUs)}, though it is in doubt`,
    );
    if (this.#model.state !== "RUNNING") return;
    const { maxDispatchesPerSecond, maxConcurrentDispatches } = this.#model.settings.rateLimits;
    const running = this.#running().length;
    const hasRoom =
      running < LANES * LANE_WIDTH &&
      this.#model.maybeHeld(this.#nowUs).length < maxConcurrentDispatches;
    // Where nothing more may run, the end of an attempt wakes the queue.
    if (!hasRoom && running > 0) return;
    const waiting = this.#model.live().filter(({ lease }) => lease?.lane == null);
    const freeFrom = ({ scheduleTimeUs, lease }: ModelTask) =>
      Math.max(scheduleTimeUs, lease?.untilAtMostUs ?? 0);
    const isDue = waiting.some((task) => freeFrom(task) <= this.#nowUs);
    const expiries = waiting.flatMap(({ lease }) =>
      lease !== null && isHeld(lease, this.#nowUs) ? [lease.untilAtMostUs] : [],
    );
    // Without room it may take the end of every lease until something can be dispatched.
    const deadlines = hasRoom ? expiries : expiries.length > 0 ? [Math.max(...expiries)] : [];
    // Throttled to the least and just emptied, the bucket has its next token by then.
    const tokenUs = this.#nowUs + (64 / maxDispatchesPerSecond) * 1e6 + 2e6;
    if (isDue && hasRoom) deadlines.push(tokenUs);
    if (!isDue && hasRoom) deadlines.push(...waiting.map(freeFrom));
    const earliestUs = Math.min(...deadlines);
    const deadlineUs = this.#surelyHasToken() ? earliestUs : Math.max(earliestUs, tokenUs);
    check(
      wakeUs <= deadlineUs,
      () => `wakes at ${this.#offset(wakeUs)}, too late for ${this.#offset(deadlineUs)}`,
    );
  }

  /** Whether the bucket must hold a token by any reading of the rules. */
  #surelyHasToken(): boolean {
    return !this.#hasSteppedBack && this.#model.emptiest.tokens(this.#nowUs) >= 1;
  }

  #describeLive(): string {
    return this.#model
      .live()
      .slice(0, 5)
      .map((task) => JSON.stringify(task))
      .join(", ");
  }

  #clock(): string {
    return this.#offset(this.#nowUs).padStart(14);
  }

  #offset(timeUs: number): string {
    return `${((timeUs - START_US) / SECOND_US).toFixed(6)}s`;
  }
}

const META = encodeMeta({
  target: { kind: "http", url: "https://example.com/", method: "POST", headers: {} },
});

function newTask(
  id: string,
  named: boolean,
  createTimeUs: number,
  scheduleTimeUs: number,
): ModelTask {
  return {
    id,
    named,
    createTimeUs,
    scheduleTimeUs,
    fate: "live",
    goneUs: 0,
    attempts: 0,
    open: false,
    lease: null,
  };
}

function outcomeOf(
  order: AttemptOrder,
  end: AttemptOutcome["end"],
  retryAfterUs?: number,
): AttemptOutcome {
  const { scheduleTimeUs, sequence, attempt } = order;
  return {
    scheduleTimeUs,
    sequence,
    attempt,
    end,
    ...(retryAfterUs === undefined ? {} : { retryAfterUs }),
  };
}

function chooseFailure(share: number): AttemptOutcome["end"] {
  const ends: AttemptOutcome["end"][] = [
    { kind: "response", status: 500 },
    { kind: "response", status: 404 },
    { kind: "response", status: 503 },
    { kind: "timeout" },
    { kind: "unreachable", message: "connection refused" },
  ];
  return pick(ends, share) ?? { kind: "timeout" };
}

/** Settings of a small world: limits that are reached, delays that end, lives that expire. */
function chooseSettings(a: number, b: number, c: number): QueueSettings {
  return {
    type: "PUSH",
    rateLimits: {
      maxDispatchesPerSecond: pick([0.5, 5, 20, 300, 500], a) ?? 5,
      maxBurstSize: pick([1, 3, 10, 100], b) ?? 10,
      maxConcurrentDispatches: pick([1, 2, 5, 1000], c) ?? 5,
    },
    retryConfig: {
      maxAttempts: pick([-1, 2, 5, 100], (a * 7) % 1) ?? 5,
      maxRetryDurationUs: 0,
      minBackoffUs: pick([0, 100_000, 2_000_000], (b * 7) % 1) ?? 0,
      maxBackoffUs: pick([2_000_000, 20_000_000], (c * 7) % 1) ?? 2_000_000,
      maxDoublings: 3,
    },
    taskTtlUs: 1800 * SECOND_US,
    tombstoneTtlUs: 60 * SECOND_US,
  };
}

function expectOk<T>(result: Result<T>): T {
  if (!result.ok) throw new BrokenPromise(`unexpected refusal: ${result.error.message}`);
  return result.value;
}

function check(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new BrokenPromise(message());
}
