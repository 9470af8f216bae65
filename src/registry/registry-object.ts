/**
 * The object of a catalogue: RPC methods, the alarm, the clock. What it does is in catalogue.ts.
 */
import { DurableObject } from "cloudflare:workers";
import { readConfig } from "../core/config.ts";
import { CATALOGUE_ALARM_US, CATALOGUE_STEP_GRACE_US } from "../core/limits.ts";
import type { QueueName, QueueRecord, QueueSettings } from "../core/model.ts";
import type { SettingsPatch } from "../core/queue-settings.ts";
import { assert, type Result } from "../core/result.ts";
import type { SigningChange } from "../core/webhook-signing.ts";
import type { Env } from "../env.ts";
import type { QueueAdmin } from "../queue/service.ts";
import { accessStub, queueStub } from "../stubs.ts";
import { Catalogue } from "./catalogue.ts";
import type { CreationObstacle, InitialState, RegistryService } from "./service.ts";
import { Store } from "./store.ts";

/** Who removes policies of deleted queues, in the record of changes: no caller does. */
const POLICY_ACTOR = "catalogue";

export class RegistryObject extends DurableObject<Env> implements RegistryService {
  /** Microseconds since the epoch; tests put another clock here. */
  clock: () => number = () => Date.now() * 1000;
  /** How long an alarm waits for the objects of queues, milliseconds; tests have less patience. */
  alarmPatienceMs: number = CATALOGUE_ALARM_US / 1000;
  readonly #catalogue: Catalogue;
  /** When the alarm is set for, milliseconds; null: not set. */
  #alarmMs: number | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#catalogue = new Catalogue(new Store(ctx.storage), {
      home: homeOf(ctx),
      config: readConfig(env),
      now: () => this.clock(),
      queueAdmin: (name) => this.queueAdmin(name),
      forgetPolicy: (name) => this.forgetPolicy(name),
      wakeBy: (timeUs) => this.#wakeBy(timeUs),
      warn: (message, details) => this.warn(message, details),
    });
    ctx.blockConcurrencyWhile(() => this.#repairAlarm());
  }

  createQueue(
    queue: string,
    settings: QueueSettings,
    state: InitialState = "RUNNING",
  ): Promise<Result<QueueRecord>> {
    return this.#catalogue.create(queue, settings, state);
  }

  async checkCreatable(queues: readonly string[]): Promise<readonly CreationObstacle[]> {
    return this.#catalogue.checkCreatable(queues);
  }

  patchQueue(queue: string, patch: SettingsPatch): Promise<Result<QueueRecord>> {
    return this.#catalogue.patch(queue, patch);
  }

  changeSigning(queue: string, change: SigningChange): Promise<Result<QueueRecord>> {
    return this.#catalogue.changeSigning(queue, change);
  }

  deleteQueue(queue: string): Promise<Result<null>> {
    return this.#catalogue.delete(queue);
  }

  pauseQueue(queue: string): Promise<Result<QueueRecord>> {
    return this.#catalogue.control(queue, { kind: "pause" });
  }

  resumeQueue(queue: string): Promise<Result<QueueRecord>> {
    return this.#catalogue.control(queue, { kind: "resume" });
  }

  purgeQueue(queue: string): Promise<Result<QueueRecord>> {
    return this.#catalogue.control(queue, { kind: "purge" });
  }

  listQueues(
    after: string,
    limit: number,
  ): Promise<{ readonly queues: readonly QueueRecord[]; readonly more: boolean }> {
    return this.#catalogue.list(after, limit);
  }

  /**
   * Never throws: after six failed tries the platform would forget the alarm for good. A later one
   * is set before the work, so that a crash in the middle can't lose it either.
   */
  override async alarm(): Promise<void> {
    this.#alarmMs = null;
    this.#wakeBy(this.clock() + CATALOGUE_ALARM_US + CATALOGUE_STEP_GRACE_US);
    try {
      await within(this.alarmPatienceMs, this.#catalogue.catchUp());
      this.#setAlarm(this.#catalogue.nextWakeUs());
    } catch (error) {
      this.warn("the catalogue's alarm failed and is repeated", { error: String(error) });
    }
  }

  /** The queue's object, as far as the catalogue needs it. */
  protected queueAdmin(name: QueueName): QueueAdmin {
    return queueStub(this.env, name);
  }

  protected forgetPolicy({ project, location, queue }: QueueName): Promise<unknown> {
    const target = { kind: "queue", location, queue } as const;
    return accessStub(this.env, project).removePolicy(target, POLICY_ACTOR);
  }

  protected warn(message: string, details: Readonly<Record<string, unknown>>): void {
    console.warn(JSON.stringify({ message, ...homeOf(this.ctx), ...details }));
  }

  /** An alarm that was lost, or whose time passed without it, is set again. */
  async #repairAlarm(): Promise<void> {
    this.#alarmMs = await this.ctx.storage.getAlarm();
    const wakeUs = this.#catalogue.nextWakeUs();
    if (wakeUs === null) return;
    const isStale = this.#alarmMs !== null && this.#alarmMs * 1000 <= this.clock();
    if (isStale) this.#alarmMs = null;
    this.#wakeBy(wakeUs);
  }

  #wakeBy(timeUs: number): void {
    const timeMs = Math.ceil(timeUs / 1000);
    if (this.#alarmMs === null || timeMs < this.#alarmMs) this.#setAlarm(timeUs);
  }

  /** Not awaited: it is committed together with the rows written in the same turn. */
  #setAlarm(timeUs: number | null): void {
    this.#alarmMs = timeUs === null ? null : Math.ceil(timeUs / 1000);
    if (this.#alarmMs === null) this.ctx.storage.deleteAlarm();
    else this.ctx.storage.setAlarm(this.#alarmMs);
  }
}

/** The project and location of a catalogue, from the name under which its object was made. */
function homeOf(ctx: DurableObjectState): Pick<QueueName, "project" | "location"> {
  const name = ctx.id.name;
  assert(name !== undefined, "a catalogue's object is found by its name");
  const slash = name.lastIndexOf("/");
  assert(slash > 0, "a catalogue's name is project/location");
  return { project: name.slice(0, slash), location: name.slice(slash + 1) };
}

/** Waits for the work, but no longer than this; the work goes on. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const end = scheduler.wait(milliseconds, { signal: timer.signal }).catch(() => undefined);
  try {
    await Promise.race([work, end]);
  } finally {
    timer.abort();
  }
}
