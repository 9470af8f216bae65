/**
 * A pull queue's engine over real tables, driven through a history and checked after every step against
 * a model that knows exactly what it should answer. Many workers lease, acknowledge, renew and cancel in
 * turn, on time and late, also with keys that stopped being theirs; others wait; the object dies between.
 *
 * What must hold:
 *  - a task never has two live leases, and is never leased before its time, after its end, from a paused
 *    queue, or more often than its retry limit allows;
 *  - a lease call takes exactly the tasks that became available first, in order, of its tag;
 *  - a key counts exactly for as long as its lease is the task's last;
 *  - tasks are conserved: what was acknowledged to its creator is found and listed until it ended, and
 *    the figures tell how many there are;
 *  - nobody waits while a task is there that was not promised to somebody before, those who came first
 *    are called first, and the queue wakes for the next task.
 */
import { encodeMeta, type QueueSettings, type TaskRecord } from "../../src/core/model.ts";
import type { Result } from "../../src/core/result.ts";
import type { Engine } from "../../src/queue/engine.ts";
import type { LeaseKey, LeaseSelection } from "../../src/queue/service.ts";
import type { Step, Weights } from "./history.ts";
import { pick } from "./random.ts";
import { BrokenPromise, START_US, type World } from "./world.ts";

const SECOND_US = 1e6;
const WORKERS = 32;
const TURN_US = SECOND_US;
const REMEMBERED_KEYS = 80;
const NAMES = ["alpha", "beta", "gamma", "4711"];
const TAGS = [null, "a", "b", ""] as const;
const QUEUE = { project: "p", location: "us-central1", queue: "pulled" };
const META = encodeMeta({ target: { kind: "pull" } });

/** How often each kind of step comes up, relative to the others. */
export const PULL_WEIGHTS = {
  create: 8,
  "create named": 3,
  "create later": 6,
  "create many": 3,
  lease: 16,
  acknowledge: 12,
  renew: 6,
  cancel: 5,
  "use an old key": 8,
  delete: 2,
  wait: 4,
  "stop waiting": 1,
  "lease when called": 6,
  "advance a little": 10,
  "advance to a time": 8,
  "advance far": 3,
  pause: 1,
  resume: 2,
  purge: 0.5,
  "change limit": 1,
  restart: 4,
  "crash in turn": 2,
  list: 3,
} as const satisfies Weights<string>;
export type PullStepKind = keyof typeof PULL_WEIGHTS;

interface PullTask {
  readonly id: string;
  readonly tag: string | null;
  readonly createTimeUs: number;
  /** When it is available: its schedule time, or the expiry of its last lease. */
  atUs: number;
  leases: number;
  /** Who leased it last. */
  worker: number | null;
}

interface GivenKey extends LeaseKey {
  readonly worker: number;
}

interface WaitingWorker {
  readonly place: string;
  readonly tag: string | null;
  readonly untilUs: number;
  calledUntilUs: number | null;
}

export class PullSimulation {
  readonly #world: World;
  #engine: Engine;
  #nowUs = START_US;
  #settings = settingsWith(-1);
  #isPaused = false;
  readonly #tasks = new Map<string, PullTask>();
  #keys: GivenKey[] = [];
  /** In order of arrival. */
  #waiting: WaitingWorker[] = [];
  #places = 0;
  #namesEnded = new Map<string, number>();
  readonly log: string[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#engine = world.makeEngine(this.#nowUs);
    expectOk(this.#engine.configure(QUEUE, this.#settings, this.#nowUs));
  }

  play(step: Step<PullStepKind>): void {
    const [a, b, c] = step.shares;
    const told = this.#steps[step.kind](a, b, c);
    this.log.push(
      `${this.#offset(this.#nowUs)} ${step.kind}${told === undefined ? "" : `: ${told}`}`,
    );
    this.#turn();
  }

  /** Whatever was stored must get done. */
  settle(): void {
    this.#setState(false);
    this.#changeLimit(-1);
    this.#waiting = [];
    this.#engine.waiters.dismiss();
    for (let rounds = 0; this.#tasks.size > 0; rounds++) {
      check(rounds < 200, () => `${this.describe()} are left after ${rounds} rounds`);
      this.#nowUs = Math.max(this.#nowUs, ...[...this.#tasks.values()].map(({ atUs }) => atUs));
      const leased = this.#lease(0, 500, { kind: "any" }, 10 * SECOND_US);
      check(leased.length > 0, () => `${this.describe()} are never leased`);
      for (const { id, scheduleTimeUs } of leased) {
        this.#end({ id, scheduleTimeUs, worker: 0 });
      }
    }
    this.#checkList();
  }

  describe(): string {
    const tasks = [...this.#tasks.values()].slice(0, 5).map((task) => JSON.stringify(task));
    return `${this.#offset(this.#nowUs)} is now; ${tasks.join(", ")}`;
  }

  // --- the steps -----------------------------------------------------------------------------

  readonly #steps: Readonly<
    Record<PullStepKind, (a: number, b: number, c: number) => string | undefined>
  > = {
    create: (a) => this.#create({ tag: a }),
    "create named": (a, b) => this.#create({ tag: a, id: pick(NAMES, b) ?? "name" }),
    "create later": (a, b) => this.#create({ tag: a, laterUs: Math.floor(b * b * 60e6) }),
    "create many": (a, b) => {
      const count = 5 + Math.floor(b * 40);
      for (let i = 0; i < count; i++) this.#create({ tag: (a + i / 7) % 1 });
      return `${count}`;
    },
    lease: (a, b, c) => {
      const worker = Math.floor(a * WORKERS);
      const max = b < 0.5 ? 1 + Math.floor(b * 8) : Math.floor(b * 60);
      const selection = chooseSelection(c);
      const durationUs = 1 + Math.floor(((a * 977) % 1) * 20) * 0.5 * SECOND_US;
      const leased = this.#lease(worker, max, selection, durationUs);
      return `worker ${worker}, ${max} of ${JSON.stringify(selection)}: ${leased.length}`;
    },
    acknowledge: (a) => {
      const key = pick(this.#currentKeys(), a);
      return key === undefined ? "nothing leased" : this.#end(key);
    },
    renew: (a, b) => {
      const key = pick(this.#currentKeys(), a);
      return key === undefined ? "nothing leased" : this.#renew(key, Math.floor(b * 30e6));
    },
    cancel: (a) => {
      const key = pick(this.#currentKeys(), a);
      return key === undefined ? "nothing leased" : this.#renew(key, 0);
    },
    "use an old key": (a, b) => {
      const key = pick(this.#keys, a);
      if (key === undefined) return "none was given";
      return b < 0.5 ? this.#end(key) : this.#renew(key, Math.floor(b * 10e6));
    },
    delete: (a) => {
      const task = pick([...this.#tasks.values()], a);
      if (task === undefined) return "nothing there";
      expectOk(this.#engine.deleteTask(task.id, this.#nowUs));
      this.#gone(task.id);
      return task.id;
    },
    wait: (a, b) => {
      const tag = a < 0.6 ? null : (pick(["a", "b"], (a * 31) % 1) ?? "a");
      const place = `w${++this.#places}`;
      const selection: LeaseSelection = tag === null ? { kind: "any" } : { kind: "tag", tag };
      const waitMs = 1 + Math.floor(b * 30e3);
      expectOk(this.#engine.pull.wait({ place, selection, waitMs }, this.#nowUs));
      const untilUs = this.#nowUs + waitMs * 1000;
      this.#waiting.push({ place, tag, untilUs, calledUntilUs: null });
      return `${place} for ${JSON.stringify(selection)}`;
    },
    "stop waiting": (a) => {
      const waiter = pick(this.#waiting, a);
      if (waiter === undefined) return "nobody waits";
      this.#engine.waiters.leave(waiter.place);
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      return waiter.place;
    },
    "lease when called": (a, b) => {
      const waiter = pick(
        this.#waiting.filter(({ calledUntilUs }) => calledUntilUs !== null),
        a,
      );
      if (waiter === undefined) return "nobody is called";
      const { place, tag } = waiter;
      const selection: LeaseSelection = tag === null ? { kind: "any" } : { kind: "tag", tag };
      const leased = this.#lease(Math.floor(b * WORKERS), 1, selection, 5 * SECOND_US, place);
      if (leased.length > 0) this.#waiting = this.#waiting.filter((other) => other !== waiter);
      return `${place}: ${leased.length}`;
    },
    "advance a little": (a) => this.#advance(Math.floor(a * 300e3)),
    "advance to a time": (a) => {
      const times = [...this.#tasks.values()].map(({ atUs }) => atUs - this.#nowUs);
      return this.#advance(
        pick(
          times.filter((us) => us > 0).sort((x, y) => x - y),
          a * a * a,
        ) ?? 0,
      );
    },
    "advance far": (a) => this.#advance(Math.floor(a * 30e6)),
    pause: () => this.#setState(true),
    resume: () => this.#setState(false),
    purge: () => {
      expectOk(this.#engine.purge(this.#nowUs));
      for (const id of [...this.#tasks.keys()]) this.#gone(id);
      return undefined;
    },
    "change limit": (a) => this.#changeLimit(pick([-1, -1, 1, 3, 10], a) ?? -1),
    restart: () => this.#restart(),
    "crash in turn": (a, b) => {
      // The turn's writes never became durable, so nobody was answered.
      this.#world.undone(() => {
        this.#engine.createTask({ meta: META }, this.#nowUs);
        const request = this.#request(30, chooseSelection(a), SECOND_US);
        this.#engine.pull.leaseTasks(request, this.#nowUs);
        const key = pick(this.#currentKeys(), b);
        if (key !== undefined) this.#engine.pull.acknowledge(key, this.#nowUs);
        this.#engine.keepFigures(this.#nowUs);
      });
      return this.#restart();
    },
    list: () => {
      this.#checkList();
      return undefined;
    },
  };

  #create(given: { tag: number; id?: string; laterUs?: number }): string {
    const tag = pick(TAGS, given.tag) ?? null;
    const created = this.#engine.createTask(
      {
        meta: META,
        ...(given.id === undefined ? {} : { id: given.id }),
        ...(tag === null ? {} : { tag }),
        ...(given.laterUs === undefined ? {} : { scheduleTimeUs: this.#nowUs + given.laterUs }),
      },
      this.#nowUs,
    );
    const isTaken = given.id !== undefined && this.#isTaken(given.id);
    if (isTaken !== undefined) check(created.ok !== isTaken, () => `${given.id}: ${created.ok}`);
    if (!created.ok) return `${given.id} refused`;
    const { id, scheduleTimeUs, createTimeUs } = created.value;
    check(!this.#tasks.has(id), () => `id ${id} was given twice`);
    this.#tasks.set(id, { id, tag, createTimeUs, atUs: scheduleTimeUs, leases: 0, worker: null });
    return `${id} at ${this.#offset(scheduleTimeUs)}`;
  }

  /** Whether a name is; undefined where a purged task is swept some time later, which begins its tombstone. */
  #isTaken(id: string): boolean | undefined {
    if (this.#tasks.has(id)) return true;
    const endedUs = this.#namesEnded.get(id);
    if (endedUs === undefined) return false;
    return this.#nowUs < endedUs + this.#settings.tombstoneTtlUs ? true : undefined;
  }

  #request(maxTasks: number, selection: LeaseSelection, leaseDurationUs: number) {
    return { maxTasks, selection, leaseDurationUs, withBody: false, maxBytes: 1e6 };
  }

  #lease(
    worker: number,
    maxTasks: number,
    selection: LeaseSelection,
    durationUs: number,
    place?: string,
  ): readonly TaskRecord[] {
    const request = {
      ...this.#request(maxTasks, selection, durationUs),
      ...(place === undefined ? {} : { place }),
    };
    const answer = this.#engine.pull.leaseTasks(request, this.#nowUs);
    if (this.#isPaused) {
      check(!answer.ok, () => "leased from a paused queue");
      return [];
    }
    const leased = expectOk(answer);
    for (const task of leased) this.#checkLeasable(task);
    const expected = this.#expectedLease(maxTasks, selection);
    check(
      leased.length === expected.length &&
        leased.every(({ id }, index) => id === expected[index]?.id),
      () => `leased ${leased.map(({ id }) => id)} instead of ${expected.map(({ id }) => id)}`,
    );
    for (const record of leased) this.#accept(record, worker, durationUs);
    if (place === undefined && leased.length > 0) this.#forgiveTurns();
    return leased;
  }

  #checkLeasable({ id }: TaskRecord): void {
    const task = this.#tasks.get(id);
    check(task !== undefined, () => `${id} is leased, but it is gone`);
    if (task.atUs <= this.#nowUs) return;
    const holder = `worker ${task.worker} holds it until ${this.#offset(task.atUs)}`;
    check(task.worker === null, () => `${id} has two live leases: ${holder}`);
    check(false, () => `${id} is leased before its time, ${this.#offset(task.atUs)}`);
  }

  /** Exactly the tasks that a lease call must take; those met whose leases are used up are gone. */
  #expectedLease(maxTasks: number, selection: LeaseSelection): PullTask[] {
    const { maxAttempts } = this.#settings.retryConfig;
    for (;;) {
      const available = this.#available();
      const oldest = available[0];
      if (oldest === undefined || maxTasks === 0) return [];
      const taken: PullTask[] = [];
      let usedUp = 0;
      for (const task of available) {
        if (selection.kind === "tag" && task.tag !== selection.tag) continue;
        if (selection.kind === "oldestTag" && task.tag !== oldest.tag) continue;
        if (maxAttempts >= 0 && task.leases > 0 && task.leases >= maxAttempts) {
          this.#gone(task.id);
          usedUp++;
          continue;
        }
        taken.push(task);
        if (taken.length === maxTasks) break;
      }
      if (taken.length > 0 || selection.kind !== "oldestTag" || usedUp === 0) return taken;
    }
  }

  /** Tasks that may be leased, in order. */
  #available(): PullTask[] {
    return [...this.#tasks.values()]
      .filter(({ atUs }) => atUs <= this.#nowUs)
      .sort((a, b) => a.atUs - b.atUs || a.createTimeUs - b.createTimeUs);
  }

  #accept(record: TaskRecord, worker: number, durationUs: number): void {
    const task = this.#tasks.get(record.id);
    check(task !== undefined, () => `${record.id} is answered, but it is gone`);
    const earliestUs = this.#nowUs + durationUs;
    check(
      record.scheduleTimeUs >= earliestUs && record.scheduleTimeUs < earliestUs + 2000,
      () => `${record.id} is leased until ${record.scheduleTimeUs}, not ${earliestUs}`,
    );
    task.leases++;
    check(
      record.dispatchCount === task.leases,
      () => `${record.id} tells ${record.dispatchCount} leases, not ${task.leases}`,
    );
    this.#moved(task, record, worker);
  }

  #moved(task: PullTask, { id, scheduleTimeUs }: TaskRecord, worker: number): void {
    task.atUs = scheduleTimeUs;
    task.worker = worker;
    this.#keys.push({ id, scheduleTimeUs, worker });
    if (this.#keys.length > REMEMBERED_KEYS) this.#keys.shift();
  }

  #currentKeys(): GivenKey[] {
    return this.#keys.filter((key) => this.#isLast(key));
  }

  #isLast({ id, scheduleTimeUs, worker }: GivenKey): boolean {
    const task = this.#tasks.get(id);
    return task !== undefined && task.atUs === scheduleTimeUs && task.worker === worker;
  }

  #end(key: GivenKey): string {
    const answer = this.#engine.pull.acknowledge(key, this.#nowUs);
    const told = `${key.id} by worker ${key.worker}: ${answer.ok}`;
    check(answer.ok === this.#isLast(key), () => `acknowledge ${told}, it counts otherwise`);
    if (answer.ok) this.#gone(key.id);
    return told;
  }

  #renew(key: GivenKey, durationUs: number): string {
    const answer = this.#engine.pull.renew(key, durationUs, false, this.#nowUs);
    const isLive = this.#isLast(key) && key.scheduleTimeUs > this.#nowUs;
    const told = `${key.id} by worker ${key.worker} for ${durationUs}: ${answer.ok}`;
    check(answer.ok === isLive, () => `renew ${told}, it counts otherwise`);
    const task = this.#tasks.get(key.id);
    if (!answer.ok || task === undefined) return told;
    const untilUs = answer.value.scheduleTimeUs;
    const lateUs = untilUs - (this.#nowUs + durationUs);
    const isExact = durationUs === 0 ? lateUs <= 0 && lateUs > -2000 : lateUs >= 0 && lateUs < 3000;
    check(isExact, () => `renew ${told}: until ${untilUs}`);
    this.#moved(task, answer.value, key.worker);
    return told;
  }

  #gone(id: string): void {
    this.#tasks.delete(id);
    if (NAMES.includes(id)) this.#namesEnded.set(id, this.#nowUs);
  }

  #setState(isPaused: boolean): undefined {
    expectOk(isPaused ? this.#engine.pause() : this.#engine.resume());
    this.#isPaused = isPaused;
  }

  #changeLimit(maxAttempts: number): string {
    this.#settings = settingsWith(maxAttempts);
    expectOk(this.#engine.updateSettings(this.#settings, this.#nowUs));
    return `${maxAttempts}`;
  }

  #restart(): undefined {
    this.#nowUs += 1000;
    this.#engine = this.#world.makeEngine(this.#nowUs);
    this.#waiting = [];
  }

  #advance(byUs: number): string {
    this.#nowUs += byUs;
    return this.#offset(this.#nowUs);
  }

  // --- turns ---------------------------------------------------------------------------------

  /** What the shell does in every turn. */
  #turn(): void {
    this.#engine.tick(this.#nowUs);
    check(this.#engine.takeOrders().length === 0, () => "a pull queue dispatches");
    this.#engine.sweep(this.#nowUs);
    this.#engine.keepFigures(this.#nowUs);
    this.#call();
    this.#checkNobodyWaitsInVain();
  }

  /** A lease that tells no place may have used up somebody's turn: it is not known whose. */
  #forgiveTurns(): void {
    for (const waiter of this.#waiting) {
      if (waiter.calledUntilUs !== null) this.#engine.waiters.leave(waiter.place);
    }
    this.#waiting = this.#waiting.filter(({ calledUntilUs }) => calledUntilUs === null);
  }

  #call(): void {
    const isOver = ({ calledUntilUs }: WaitingWorker) =>
      calledUntilUs !== null && calledUntilUs <= this.#nowUs;
    this.#waiting = this.#waiting.filter((waiter) => !isOver(waiter));
    let last = -1;
    for (const { place, isReady } of this.#engine.callWaiters(this.#nowUs)) {
      const index = this.#waiting.findIndex((waiter) => waiter.place === place);
      const waiter = this.#waiting[index];
      check(waiter !== undefined && waiter.calledUntilUs === null, () => `${place} does not wait`);
      if (!isReady) {
        check(waiter.untilUs <= this.#nowUs, () => `${place} is sent away too early`);
        this.#waiting.splice(index, 1);
        continue;
      }
      check(!this.#isPaused, () => `${place} is called to a paused queue`);
      check(index > last, () => `${place} is called after one that came later`);
      last = index;
      const isThere = this.#available().some(
        (task) => waiter.tag === null || task.tag === waiter.tag,
      );
      check(isThere, () => `${place} is called for nothing`);
      waiter.calledUntilUs = this.#nowUs + TURN_US;
    }
  }

  #checkNobodyWaitsInVain(): void {
    if (this.#isPaused) return;
    const called = this.#waiting.filter(({ calledUntilUs }) => calledUntilUs !== null).length;
    const wakeUs = this.#engine.memoryWakeAtUs;
    for (const { place, tag, calledUntilUs } of this.#waiting) {
      if (calledUntilUs !== null) continue;
      const times = [...this.#tasks.values()]
        .filter((task) => tag === null || task.tag === tag)
        .map(({ atUs }) => atUs);
      const available = times.filter((us) => us <= this.#nowUs).length;
      check(available <= called, () => `${place} waits though ${available} tasks are available`);
      const nextUs = Math.min(...times.filter((us) => us > this.#nowUs));
      check(
        wakeUs <= nextUs,
        () => `${place} waits though a task comes at ${this.#offset(nextUs)}`,
      );
    }
  }

  // --- checks --------------------------------------------------------------------------------

  #checkList(): void {
    const listed = new Set<string>();
    let cursor: { scheduleTimeUs: number; sequence: number } | undefined;
    do {
      const page = expectOk(this.#engine.listTasks(7, cursor, false, this.#nowUs));
      for (const { id } of page.tasks) {
        check(!listed.has(id), () => `${id} is listed twice`);
        listed.add(id);
      }
      cursor = page.next;
    } while (cursor !== undefined);
    for (const id of listed) check(this.#tasks.has(id), () => `${id} is listed, but it is gone`);
    for (const task of this.#tasks.values()) {
      check(listed.has(task.id), () => `${task.id} is not listed`);
      const record = expectOk(this.#engine.getTask(task.id, false, this.#nowUs));
      const told = [record.scheduleTimeUs, record.dispatchCount, record.tag ?? null];
      const expected = [task.atUs, task.leases, task.tag];
      check(`${told}` === `${expected}`, () => `${task.id} tells ${told}, not ${expected}`);
    }
    const { tasksCount } = expectOk(this.#engine.getStats(this.#nowUs));
    check(
      tasksCount === this.#tasks.size,
      () => `${tasksCount} are counted of ${this.#tasks.size}`,
    );
  }

  #offset(timeUs: number): string {
    return `${((timeUs - START_US) / SECOND_US).toFixed(6)}s`;
  }
}

function chooseSelection(share: number): LeaseSelection {
  if (share < 0.5) return { kind: "any" };
  if (share < 0.75) return { kind: "oldestTag" };
  return { kind: "tag", tag: pick(["a", "b", ""], (share * 13) % 1) ?? "a" };
}

/** Settings of a small world. Tasks live longer than any history. */
function settingsWith(maxAttempts: number): QueueSettings {
  return {
    type: "PULL",
    rateLimits: { maxDispatchesPerSecond: 500, maxBurstSize: 100, maxConcurrentDispatches: 1000 },
    retryConfig: {
      maxAttempts,
      maxRetryDurationUs: 0,
      minBackoffUs: 0,
      maxBackoffUs: 0,
      maxDoublings: 0,
    },
    taskTtlUs: 31 * 86_400 * SECOND_US,
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
