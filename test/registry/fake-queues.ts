/**
 * Stand-ins for the objects of queues, with faults on demand: a call can fail before its work, or
 * after it, which is all a caller ever sees of a crash, an eviction or a lost connection. And a
 * catalogue that uses them.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { readConfig } from "../../src/core/config.ts";
import type { QueueName, QueueRecord } from "../../src/core/model.ts";
import { createSettings } from "../../src/core/queue-settings.ts";
import { fail, ok, type Result } from "../../src/core/result.ts";
import type { QueueAdmin } from "../../src/queue/service.ts";
import type { RegistryObject } from "../../src/registry/registry-object.ts";

type AdminMethod =
  | "getQueue"
  | "configure"
  | "updateSettings"
  | "pause"
  | "resume"
  | "purge"
  | "destroy";

/** What becomes of a call: it works, fails before its work is done, or fails after it. */
export type Fate = "works" | "before" | "after";

export interface Call {
  readonly queue: string;
  readonly method: AdminMethod;
}

const NO_QUEUE = fail("NOT_FOUND", "no such queue");

export class FakeQueues {
  /** The queues that really exist, by id. */
  readonly existing = new Map<string, QueueRecord>();
  /** How often each queue was really purged. */
  readonly purges = new Map<string, number>();
  readonly calls: Call[] = [];
  /** Decides about each call; replaceable. */
  fate: (call: Call) => Fate = () => "works";
  /** Runs before each call's work; a promise holds the call up. */
  hold: (call: Call) => Promise<void> | void = () => {};
  /** Runs after each call's work. */
  release: (call: Call) => Promise<void> | void = () => {};
  /** Answers refused instead of done, by method. */
  readonly refusals = new Map<AdminMethod, Result<never>>();
  purgeTimeUs = 1000;

  admin(name: QueueName): QueueAdmin {
    const { queue } = name;
    const change = (method: AdminMethod, next: (record: QueueRecord) => QueueRecord) =>
      this.#call(queue, method, (): Result<QueueRecord> => {
        const record = this.existing.get(queue);
        if (record === undefined) return NO_QUEUE;
        return ok(this.#keep(queue, next(record)));
      });
    const admin: Pick<QueueAdmin, AdminMethod> = {
      getQueue: () => change("getQueue", (record) => record),
      configure: ({ settings }, paused = false) =>
        this.#call(queue, "configure", () => {
          const state = paused ? "PAUSED" : (this.existing.get(queue)?.state ?? "RUNNING");
          return ok(this.#keep(queue, { name, settings, state }));
        }),
      updateSettings: (settings) => change("updateSettings", (record) => ({ ...record, settings })),
      pause: () => change("pause", (record) => ({ ...record, state: "PAUSED" })),
      resume: () => change("resume", (record) => ({ ...record, state: "RUNNING" })),
      purge: () =>
        change("purge", (record) => {
          this.purges.set(queue, (this.purges.get(queue) ?? 0) + 1);
          return { ...record, purgeTimeUs: this.purgeTimeUs };
        }),
      destroy: async () => {
        await this.#call(queue, "destroy", () => ok(this.existing.delete(queue)));
      },
    };
    return admin as QueueAdmin;
  }

  #keep(queue: string, record: QueueRecord): QueueRecord {
    this.existing.set(queue, record);
    return record;
  }

  async #call<T>(queue: string, method: AdminMethod, work: () => Result<T>): Promise<Result<T>> {
    const call = { queue, method };
    this.calls.push(call);
    await this.hold(call);
    const fate = this.fate(call);
    if (fate === "before") throw new Error("connection lost before the call");
    const result = this.refusals.get(method) ?? work();
    await this.release(call);
    if (fate === "after") throw new Error("connection lost after the call");
    return result;
  }
}

/** What a catalogue wrote for its operator. */
export interface Warning {
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

interface Bindings {
  readonly REGISTRY: DurableObjectNamespace<RegistryObject>;
}

/** The parts of the object that tests replace. */
interface Replaceable {
  clock: () => number;
  queueAdmin: (name: QueueName) => QueueAdmin;
  warn: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** Far ahead of the real time, so that no alarm rings by itself. */
const START_MS = Date.UTC(2040, 0, 1);

/** A catalogue of its own, on fake queues and under a clock that stands still. */
export class TestRegistry {
  readonly queues = new FakeQueues();
  readonly warnings: Warning[] = [];
  readonly project = `p-${crypto.randomUUID()}`;
  readonly location = "us-central1";
  nowMs = START_MS;

  get nowUs(): number {
    return this.nowMs * 1000;
  }

  advance(seconds: number): void {
    this.nowMs += seconds * 1000;
  }

  /** Calls the object over RPC's own way in, with everything replaced that is replaced. */
  async run<T>(
    work: (registry: RegistryObject, state: DurableObjectState) => Promise<T> | T,
  ): Promise<T> {
    return runInDurableObject(this.#stub(), (object: RegistryObject, state) => {
      this.#replace(object);
      return work(object, state);
    });
  }

  /** Drops what the object has in memory, as an idle time or a deployment does. */
  async evict(): Promise<void> {
    // Only an object that runs can be evicted.
    await this.run(() => undefined);
    await evictDurableObject(this.#stub());
  }

  /** Rings the alarm; false when none was set. */
  async ring(): Promise<boolean> {
    await this.run(() => undefined);
    return runDurableObjectAlarm(this.#stub());
  }

  alarmMs(): Promise<number | null> {
    return this.run((_, state) => state.storage.getAlarm());
  }

  async names(): Promise<readonly string[]> {
    const { queues } = await this.run((registry) => registry.listQueues("", 9800));
    return queues.map(({ name }) => name.queue);
  }

  record(queue: string): QueueRecord {
    const name = { project: this.project, location: this.location, queue };
    return { name, settings: SETTINGS, state: "RUNNING" };
  }

  #stub(): DurableObjectStub<RegistryObject> {
    const { REGISTRY } = env as unknown as Bindings;
    return REGISTRY.getByName(`${this.project}/${this.location}`);
  }

  #replace(object: RegistryObject): void {
    const parts = object as unknown as Replaceable;
    parts.clock = () => this.nowUs;
    parts.queueAdmin = (name) => this.queues.admin(name);
    parts.warn = (message, details) => this.warnings.push({ message, details });
  }
}

/** The settings of a queue whose owner gave none, made when the clock stood at its start. */
export const SETTINGS = settingsOf();

function settingsOf() {
  const settings = createSettings({}, readConfig({}));
  if (!settings.ok) throw new Error(settings.error.message);
  return { ...settings.value, webhookSigning: { enabled: true, generation: START_MS * 1000 } };
}
