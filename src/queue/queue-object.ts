/**
 * The Durable Object of one queue: a thin shell around the engine. It reads the clock, gathers what
 * arrives together into one turn (and so one commit), hands attempts to dispatcher lanes, and sees to
 * it that something wakes it in time. It decides nothing about tasks and never holds a fetch itself.
 */
import { DurableObject } from "cloudflare:workers";
import type { AttemptOrder, LaneContext } from "../core/attempt.ts";
import { readConfig } from "../core/config.ts";
import type {
  CreatedTask,
  OperationRecord,
  QueueName,
  QueueRecord,
  QueueSettings,
  TaskParts,
  TaskRecord,
  TaskSpec,
} from "../core/model.ts";
import { specOf } from "../core/model.ts";
import { queueObjectName } from "../core/names.ts";
import type { Result } from "../core/result.ts";
import { signingOf } from "../core/webhook-signing.ts";
import type { Env, Exports } from "../env.ts";
import { hasTables } from "../object-schema.ts";
import { transactionStub } from "../stubs.ts";
import type { CoordinatorService, TransactionName } from "../transaction/service.ts";
import { Engine } from "./engine.ts";
import { Lanes } from "./lanes.ts";
import type { Pending, Question } from "./pending.ts";
import type { LeaseRequest, WaitRequest } from "./pull.ts";
import { migrate } from "./schema.ts";
import type {
  LaneReport,
  LeaseKey,
  ParticipantService,
  PullService,
  QueueAdmin,
  QueueReports,
  QueueService,
  QueueStats,
  TransactionOutcome,
} from "./service.ts";
import { Store } from "./store.ts";
import { missingEntity, missingQueue } from "./task-table.ts";
import { Waker } from "./waker.ts";

/** How often the leases of running attempts are looked at. */
const RENEW_EVERY_MS = 3_000;
/**
 * A turn of at least so many operations makes the next one wait a little, so that more share its
 * commit: under load the fsync counts for more than the wait. A quiet queue never waits.
 */
const BUSY_TURN_OPERATIONS = 8;
const BUSY_GATHER_MS = 2;
/** How long an alarm stays open for the attempts it started, to spare a watchdog alarm. */
const ALARM_LINGER_MS = 5_000;

type ListRequest = Parameters<QueueService["listTasks"]>[0];

export class QueueObject
  extends DurableObject<Env>
  implements QueueAdmin, QueueReports, PullService, ParticipantService
{
  /** Microseconds since the epoch; tests put another clock here. */
  clock: () => number = () => Date.now() * 1000;
  /** Chance, for log sampling; tests put another source here. */
  random: () => number = Math.random;

  /** Null while the queue does not exist: an object that was only asked about keeps no tables. */
  #engine: Engine | null = null;
  readonly #incarnation = crypto.randomUUID();
  readonly #lanes: Lanes;
  readonly #waker: Waker;
  /** What the next turn will do, gathered since it was scheduled. */
  #reports: (() => void)[] = [];
  #operations: ((nowUs: number) => void)[] = [];
  #turnScheduled = false;
  #gatherMs = 0;
  #renewTimer: ReturnType<typeof setTimeout> | null = null;
  /** The overrides that the present lanes were opened with, as JSON. */
  #laneOverrides = "";
  /** How to answer those who wait for tasks, by their place. */
  readonly #waiting = new Map<string, (called: Result<boolean>) => void>();
  #memoryTimer: ReturnType<typeof setTimeout> | null = null;
  /** Ends the wait of an alarm for the attempts it started; null while no alarm waits. */
  #endLinger: (() => void) | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const config = readConfig(env);
    this.#lanes = new Lanes({
      maxLanes: config.dispatchCalls,
      width: config.dispatchFetches,
      open: (lane, orders) => this.#openLane(lane, orders),
      closed: (lane) => {
        this.#engine?.orphanLane(lane);
        this.#schedule();
      },
      assign: (order, lane) => this.#engine?.assign(order, lane),
    });
    this.#waker = new Waker(ctx.storage, () => this.#schedule());
    ctx.blockConcurrencyWhile(async () => {
      if (!hasTables(ctx.storage.sql)) return;
      this.#open();
      await this.#waker.load();
      this.#schedule();
    });
  }

  // --- QueueService --------------------------------------------------------------------------

  async getQueue(): Promise<Result<QueueRecord>> {
    return this.#engine?.getQueue() ?? missingQueue();
  }

  async createTask(...parts: TaskParts): Promise<Result<CreatedTask>> {
    const spec = specOf(parts);
    return this.#turn((engine, nowUs) => this.#logged("create", engine.createTask(spec, nowUs)));
  }

  async createTasks(specs: readonly TaskSpec[]): Promise<Result<readonly Result<CreatedTask>[]>> {
    return this.#turn((engine, nowUs) => {
      if (engine.queue === null) return missingQueue();
      const value = specs.map((spec) => this.#logged("create", engine.createTask(spec, nowUs)));
      return { ok: true, value };
    });
  }

  async getTask(id: string, withBody: boolean): Promise<Result<TaskRecord>> {
    return this.#engine?.getTask(id, withBody, this.clock()) ?? missingQueue();
  }

  async listTasks(request: ListRequest): ReturnType<QueueService["listTasks"]> {
    const { pageSize, cursor, withBody } = request;
    return this.#engine?.listTasks(pageSize, cursor, withBody, this.clock()) ?? missingQueue();
  }

  async deleteTask(id: string): Promise<Result<null>> {
    return this.#turn((engine, nowUs) => this.#logged("delete", engine.deleteTask(id, nowUs), id));
  }

  async deleteTasks(ids: readonly string[]): Promise<Result<readonly Result<null>[]>> {
    return this.#turn((engine, nowUs) => {
      if (engine.queue === null) return missingQueue();
      const value = ids.map((id) => this.#logged("delete", engine.deleteTask(id, nowUs), id));
      return { ok: true, value };
    });
  }

  async runTask(id: string, withBody: boolean): Promise<Result<TaskRecord>> {
    return this.#turn((engine, nowUs) =>
      this.#logged("run", engine.runTask(id, withBody, nowUs), id),
    );
  }

  async findOperation(requestId: string): Promise<Result<OperationRecord | null>> {
    return this.#engine?.findOperation(requestId) ?? missingQueue();
  }

  async keepOperation(
    kind: OperationRecord["kind"],
    body: string,
    requestId?: string,
  ): Promise<Result<OperationRecord>> {
    return this.#turn((engine, nowUs) => engine.keepOperation(kind, body, requestId, nowUs));
  }

  async getOperation(number: number): Promise<Result<OperationRecord>> {
    return this.#engine?.getOperation(number) ?? missingEntity();
  }

  async getStats(): Promise<Result<QueueStats>> {
    return this.#turn((engine, nowUs) => engine.getStats(nowUs));
  }

  async listOperations(after: number, limit: number): Promise<Result<readonly OperationRecord[]>> {
    return this.#engine?.listOperations(after, limit) ?? missingQueue();
  }

  // --- PullService ---------------------------------------------------------------------------

  async leaseTasks(request: LeaseRequest): Promise<Result<readonly TaskRecord[]>> {
    return this.#turn(({ pull }, nowUs) => this.#logged("lease", pull.leaseTasks(request, nowUs)));
  }

  async waitForTasks(request: WaitRequest): Promise<Result<boolean>> {
    const { place } = request;
    let called: Promise<Result<boolean>> | undefined;
    const entered = await this.#turn(({ pull }, nowUs) => {
      const result = pull.wait(request, nowUs);
      if (result.ok) {
        this.#called(place, false);
        called = new Promise((resolve) => this.#waiting.set(place, resolve));
      }
      return result;
    });
    return entered.ok ? (called ?? missingQueue()) : entered;
  }

  async stopWaiting(place: string): Promise<void> {
    this.#engine?.waiters.leave(place);
    this.#called(place, false);
    this.#schedule();
  }

  async acknowledgeTask(key: LeaseKey): Promise<Result<null>> {
    return this.#turn(({ pull }, nowUs) =>
      this.#logged("acknowledge", pull.acknowledge(key, nowUs), key.id),
    );
  }

  async acknowledgeTasks(keys: readonly LeaseKey[]): Promise<Result<readonly Result<null>[]>> {
    return this.#turn(({ pull }, nowUs) =>
      pull.each(keys, (key) => this.#logged("acknowledge", pull.acknowledge(key, nowUs), key.id)),
    );
  }

  async renewLease(
    key: LeaseKey,
    leaseDurationUs: number,
    withBody: boolean,
  ): Promise<Result<TaskRecord>> {
    return this.#turn(({ pull }, nowUs) =>
      this.#logged("renew", pull.renew(key, leaseDurationUs, withBody, nowUs), key.id),
    );
  }

  async renewLeases(
    keys: readonly LeaseKey[],
    leaseDurationUs: number,
  ): Promise<Result<readonly Result<TaskRecord>[]>> {
    return this.#turn(({ pull }, nowUs) =>
      pull.each(keys, (key) =>
        this.#logged("renew", pull.renew(key, leaseDurationUs, false, nowUs), key.id),
      ),
    );
  }

  async cancelLease(key: LeaseKey, withBody: boolean): Promise<Result<TaskRecord>> {
    return this.#turn(({ pull }, nowUs) =>
      this.#logged("cancel", pull.renew(key, 0, withBody, nowUs), key.id),
    );
  }

  async extendLease(
    id: string,
    leaseDurationUs: number,
    withBody = false,
  ): Promise<Result<TaskRecord>> {
    return this.#turn(({ pull }, nowUs) =>
      this.#logged("renew", pull.extend(id, leaseDurationUs, nowUs, withBody), id),
    );
  }

  // --- ParticipantService --------------------------------------------------------------------

  async prepareTasks(
    transaction: string,
    specs: readonly TaskSpec[],
  ): Promise<Result<readonly Result<CreatedTask>[]>> {
    return this.#turn(({ pending }, nowUs) => {
      const prepared = this.#whole(() => pending.prepare(transaction, specs, nowUs));
      if (prepared.ok) for (const result of prepared.value) this.#logged("prepare", result);
      return prepared;
    });
  }

  async resolve(transaction: string, outcome: TransactionOutcome): Promise<Result<null>> {
    return this.#turn(({ pending }, nowUs) => {
      const resolved = this.#whole(() => pending.resolve(transaction, outcome, nowUs));
      if (!resolved.ok) return resolved;
      const tasks = resolved.value;
      if (tasks > 0) this.#log("resolve", { transaction, outcome, tasks });
      return { ok: true, value: null };
    });
  }

  /** Does all of it or, where storage refuses a part (it may be full), leaves nothing behind. */
  #whole<T>(work: () => T): T {
    return this.ctx.storage.transactionSync(work);
  }

  /** Asks how transactions stand whose tasks are here; see pending.ts. */
  #ask({ pending, queue }: Engine, nowUs: number): void {
    if (queue === null) return;
    for (const question of pending.takeQuestions(nowUs)) {
      // A question that fails is asked again when its time comes.
      void this.#askOne(queue.name, question, pending).catch(() => pending.answered(question));
    }
  }

  async #askOne(queue: QueueName, question: Question, pending: Pending): Promise<void> {
    const { transaction } = question;
    const asked = await this.coordinator({ ...queue, id: transaction }).stateFor(queue);
    const isUnknown = !asked.ok && asked.error.code === "NOT_FOUND";
    const state = asked.ok ? asked.value.state : isUnknown ? "ROLLED_BACK" : "OPEN";
    if (state !== "OPEN") await this.resolve(transaction, state);
    pending.answered(question, asked.ok ? asked.value.expireTimeUs : undefined);
    this.#schedule();
  }

  /** The object of a transaction, as far as a queue needs it. */
  protected coordinator(name: TransactionName): CoordinatorService {
    return transactionStub(this.env, name);
  }

  // --- QueueAdmin ----------------------------------------------------------------------------

  async configure(
    record: Pick<QueueRecord, "name" | "settings">,
    paused = false,
  ): Promise<Result<QueueRecord>> {
    if (this.#engine === null) this.#open();
    return this.#turn((engine, nowUs) => {
      const configured = engine.configure(record.name, record.settings, nowUs);
      return this.#configured(configured.ok && paused ? engine.pause() : configured);
    });
  }

  async updateSettings(settings: QueueSettings): Promise<Result<QueueRecord>> {
    return this.#turn((engine, nowUs) => this.#configured(engine.updateSettings(settings, nowUs)));
  }

  async pause(): Promise<Result<QueueRecord>> {
    return this.#turn((engine) => this.#logged("pause", engine.pause()));
  }

  async resume(): Promise<Result<QueueRecord>> {
    return this.#turn((engine) => this.#logged("resume", engine.resume()));
  }

  async purge(): Promise<Result<QueueRecord>> {
    return this.#turn((engine, nowUs) => this.#logged("purge", engine.purge(nowUs)));
  }

  async destroy(): Promise<void> {
    this.#engine = null;
    this.#lanes.retire();
    this.#keepRenewing(false);
    this.#waker.forget();
    for (const place of [...this.#waiting.keys()]) this.#called(place, true);
    await this.ctx.storage.deleteAll();
  }

  // --- QueueReports --------------------------------------------------------------------------

  async report(report: LaneReport): Promise<readonly AttemptOrder[]> {
    return new Promise((answer) => {
      this.#reports.push(() => {
        const nowUs = this.clock();
        for (const outcome of report.outcomes) {
          this.#guarded(() => this.#settle(outcome, nowUs));
        }
        const own = report.incarnation === this.#incarnation;
        if (!own || !this.#lanes.park(report, answer)) answer([]);
      });
      this.#schedule();
    });
  }

  // --- waking --------------------------------------------------------------------------------

  /**
   * Never throws, so the platform never counts a failure against the alarm. While it runs, the
   * platform itself repeats it after a crash; so it stays open a moment for the attempts it started,
   * and where they end in that moment no watchdog alarm has to be written. A repeated alarm trusts
   * nothing and is set again before anything else.
   */
  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    if (this.#engine === null) return;
    const nowUs = this.clock();
    this.#waker.fired();
    if (info?.isRetry === true) this.#waker.guard(nowUs);
    else this.#waker.holdAlarms(true);
    this.#guarded(() => {
      if (this.#engine?.isBusy(nowUs) === false) this.#engine.startTombstoneSweep(nowUs);
    });
    this.#runTurn();
    if (this.#engine?.hasOwnFlights === true) await this.#linger();
    this.#waker.holdAlarms(false);
    this.#arm();
  }

  #linger(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#endLinger = null;
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(end, ALARM_LINGER_MS);
      this.#endLinger = end;
    });
  }

  // --- turns ---------------------------------------------------------------------------------

  #open(): void {
    migrate(this.ctx.storage.sql);
    this.#engine = new Engine(new Store(this.ctx.storage.sql), this.clock());
  }

  /** Has the next turn do something; the answer waits for it, and leaves once it is durable. */
  #turn<T>(operation: (engine: Engine, nowUs: number) => Result<T>): Promise<Result<T>> {
    return new Promise((resolve, reject) => {
      this.#operations.push((nowUs) => {
        try {
          resolve(this.#engine === null ? missingQueue() : operation(this.#engine, nowUs));
        } catch (error) {
          reject(error);
        }
      });
      this.#schedule();
    });
  }

  /** Schedules a turn. What arrives until it runs shares its commit: one fsync for all. */
  #schedule(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    setTimeout(() => this.#runTurn(), this.#gatherMs);
  }

  /** One turn: outcomes first, since they make room, then what callers asked, then what is due. */
  #runTurn(): void {
    this.#turnScheduled = false;
    const reports = this.#reports;
    const operations = this.#operations;
    this.#reports = [];
    this.#operations = [];
    this.#gatherMs = operations.length >= BUSY_TURN_OPERATIONS ? BUSY_GATHER_MS : 0;
    for (const report of reports) report();
    if (this.#engine !== null) {
      this.#engine.capacity = this.#lanes.capacity - this.#engine.waitingOrders;
    }
    const nowUs = this.clock();
    for (const operation of operations) operation(nowUs);
    if (this.#engine === null) this.#lanes.give([]);
    else this.#advance(this.#engine, nowUs);
  }

  #advance(engine: Engine, nowUs: number): void {
    const isSound = this.#guarded(() => {
      engine.tick(nowUs);
      engine.sweep(nowUs);
      engine.keepFigures(nowUs);
    });
    this.#lanes.give(engine.takeOrders(this.#lanes.capacity));
    this.#guarded(() => this.#ask(engine, nowUs));
    this.#guarded(() => {
      for (const { place, isReady } of engine.callWaiters(nowUs)) this.#called(place, isReady);
      this.#armMemory(engine, nowUs);
    });
    this.#keepRenewing(engine.hasOwnFlights);
    // Not armed for what just failed: that time has come already, and would come again at once.
    if (isSound) this.#arm();
  }

  /**
   * Runs a step that only a bug can break; false if it did. The watchdog alarm tries again then, what
   * is stored stays as it is, and whatever else the turn has to do is done.
   */
  #guarded(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      console.error(JSON.stringify({ severity: "ERROR", message: String(error) }));
      this.#waker.guard(this.clock());
      return false;
    }
  }

  #arm(): void {
    const engine = this.#engine;
    if (engine !== null) this.#guarded(() => this.#armFor(engine, this.clock()));
  }

  #armFor(engine: Engine, nowUs: number): void {
    const wakeAtUs = engine.wakeAtUs(nowUs);
    this.#waker.arm(nowUs, wakeAtUs, engine.isBusy(nowUs));
    // An alarm that lingers only waits for attempts: it ends when they do, or to let a time be set.
    const soon = wakeAtUs < nowUs + ALARM_LINGER_MS * 1000;
    if (!engine.hasOwnFlights || soon) this.#endLinger?.();
  }

  /** A timer keeps the object in memory, which is billed: none runs while there is nothing to renew. */
  #keepRenewing(isNeeded: boolean): void {
    if (!isNeeded) {
      if (this.#renewTimer !== null) clearTimeout(this.#renewTimer);
      this.#renewTimer = null;
    } else if (this.#renewTimer === null) {
      this.#renewTimer = setTimeout(() => this.#renew(), RENEW_EVERY_MS);
    }
  }

  #renew(): void {
    this.#renewTimer = null;
    const engine = this.#engine;
    if (engine === null) return;
    this.#guarded(() => engine.renew(this.clock()));
    this.#keepRenewing(engine.hasOwnFlights);
  }

  /** Wakes for those who wait and for figures: a timer is enough, since they end with the object. */
  #armMemory(engine: Engine, nowUs: number): void {
    if (this.#memoryTimer !== null) clearTimeout(this.#memoryTimer);
    this.#memoryTimer = null;
    const { memoryWakeAtUs } = engine;
    if (memoryWakeAtUs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, Math.ceil((memoryWakeAtUs - nowUs) / 1000));
    this.#memoryTimer = setTimeout(() => this.#schedule(), delayMs);
  }

  #called(place: string, isReady: boolean): void {
    this.#waiting.get(place)?.({ ok: true, value: isReady });
    this.#waiting.delete(place);
  }

  // --- lanes ---------------------------------------------------------------------------------

  /** Attempts that begin from now on follow the overrides of now: in new lanes, if they changed. */
  #configured(result: Result<QueueRecord>): Result<QueueRecord> {
    if (!result.ok) return result;
    const { httpTarget, appEngineRoutingOverride, webhookSigning } = result.value.settings;
    const overrides = JSON.stringify([httpTarget, appEngineRoutingOverride, webhookSigning]);
    if (overrides !== this.#laneOverrides) this.#lanes.retire();
    this.#laneOverrides = overrides;
    return result;
  }

  async #openLane(lane: number, orders: readonly AttemptOrder[]): Promise<void> {
    const queue = this.#engine?.queue;
    if (queue === undefined || queue === null) return;
    const { httpTarget, appEngineRoutingOverride } = queue.settings;
    const { enabled, ...webhookSigning } = signingOf(queue.settings);
    const context: LaneContext = {
      queue: queue.name,
      lane,
      incarnation: this.#incarnation,
      ...(httpTarget === undefined ? {} : { httpTarget }),
      ...(appEngineRoutingOverride === undefined ? {} : { appEngineRoutingOverride }),
      ...(enabled ? { webhookSigning } : {}),
    };
    const { exports } = this.ctx as unknown as { readonly exports: Exports };
    await exports.Dispatcher.run(context, orders);
  }

  #settle(outcome: LaneReport["outcomes"][number], nowUs: number): void {
    const settlement = this.#engine?.recordOutcome(outcome, nowUs) ?? null;
    if (settlement !== null) this.#log("attempt", { ...settlement });
  }

  // --- logs ----------------------------------------------------------------------------------

  #logged<T>(operation: string, result: Result<T>, taskId?: string): Result<T> {
    if (this.#engine?.queue?.settings.logSamplingRatio === undefined) return result;
    const code = result.ok ? "OK" : result.error.code;
    const id = result.ok ? (result.value as { id?: string } | null)?.id : undefined;
    this.#log(operation, { taskId: id ?? taskId, code });
    return result;
  }

  /** One line of JSON for a sampled share of operations: never a payload, a header or a secret. */
  #log(operation: string, fields: Readonly<Record<string, unknown>>): void {
    const queue = this.#engine?.queue;
    const ratio = queue?.settings.logSamplingRatio ?? 0;
    if (queue === undefined || queue === null || this.random() >= ratio) return;
    console.log(
      JSON.stringify({
        severity: "INFO",
        queue: queueObjectName(queue.name),
        operation,
        ...fields,
      }),
    );
  }
}
