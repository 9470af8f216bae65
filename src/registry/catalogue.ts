/**
 * Which queues exist in one project and location.
 *
 * Two objects have to agree: this catalogue says which queues exist, the queue's own object holds
 * it. Every change goes in three steps: what is to happen is stored here, the queue's object is
 * called, the result is stored here. A crash in between leaves a pending entry, and whoever comes
 * by next (a call for that queue, a list, the alarm) repeats the call, which the queue's object
 * allows for. So no list shows a queue that is gone, and none misses a queue that exists.
 *
 *            refused ──► (free)        no tombstones kept ──► (free)
 *               │                           │
 *   (free) ──► creating ──► live ──► deleting ──► tombstone ──► (free)
 *                           │  ▲
 *                           ▼  │
 *                         updating   settings, pause, resume, purge
 */
import type { DeploymentConfig } from "../core/config.ts";
import {
  CATALOGUE_CONCURRENCY,
  CATALOGUE_RETRY_US,
  CATALOGUE_STEP_GRACE_US,
  CATALOGUE_STEPS_PER_ALARM,
  MAX_QUEUES_PAGE_SIZE,
  MAX_QUEUES_PER_LOCATION,
  MAX_QUEUES_PER_PAGE,
  TOMBSTONE_SWEEP_DELAY_US,
  TOMBSTONES_PER_SWEEP,
} from "../core/limits.ts";
import type { QueueName, QueueRecord, QueueSettings } from "../core/model.ts";
import {
  createSettingsFromPatch,
  patchSettings,
  type SettingsPatch,
} from "../core/queue-settings.ts";
import { assert, fail, ok, type Result } from "../core/result.ts";
import { changeSigning, type SigningChange, withFirstSecret } from "../core/webhook-signing.ts";
import type { QueueAdmin } from "../queue/service.ts";
import type { CreationObstacle, InitialState } from "./service.ts";
import type { Change, Entry, PendingEntry, Store } from "./store.ts";

const ALREADY_EXISTS = fail("ALREADY_EXISTS", "Queue already exists");
const TOMBSTONED = fail(
  "FAILED_PRECONDITION",
  "The queue cannot be created because a queue with this name existed too recently.",
);
const NOT_FOUND = fail("NOT_FOUND", "Requested entity was not found.");
const NO_QUEUE = fail(
  "NOT_FOUND",
  "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.",
);
const TOO_MANY = fail(
  "RESOURCE_EXHAUSTED",
  `A location can have no more than ${MAX_QUEUES_PER_LOCATION} queues in a project.`,
);

/** What the catalogue needs of the object around it. */
export interface Surroundings {
  readonly home: Pick<QueueName, "project" | "location">;
  readonly config: DeploymentConfig;
  /** Microseconds since the epoch. */
  now(): number;
  /** The queue's object; taken anew for each call, because a stub is spoilt by a failed one. */
  queueAdmin(name: QueueName): QueueAdmin;
  /** Forgets who may do what with a queue that is gone. */
  forgetPolicy(name: QueueName): Promise<unknown>;
  /** Asks for an alarm at this time or earlier. */
  wakeBy(timeUs: number): void;
  /** A line for the operator; `details` hold no settings and no payload. */
  warn(message: string, details: Readonly<Record<string, unknown>>): void;
}

export class Catalogue {
  readonly #store: Store;
  readonly #around: Surroundings;
  /** The end of the line of each queue that something is being done to. */
  readonly #lines = new Map<string, Promise<unknown>>();

  constructor(store: Store, surroundings: Surroundings) {
    this.#store = store;
    this.#around = surroundings;
  }

  // ---- Methods of RegistryService ----------------------------------------------------------------

  create(
    queue: string,
    settings: QueueSettings,
    state: InitialState,
  ): Promise<Result<QueueRecord>> {
    return this.#inLine(queue, async () => {
      const entry = await this.#settled(queue);
      return entry.ok ? this.#createFrom(queue, entry.value, settings, state) : entry;
    });
  }

  /** Names that are taken or tombstoned; where there is no room for all, the ones beyond it. */
  checkCreatable(queues: readonly string[]): readonly CreationObstacle[] {
    let room = MAX_QUEUES_PER_LOCATION - this.#store.countPresent();
    return queues.flatMap((queue) => {
      const obstacle = this.#obstacle(this.#store.read(queue), room);
      if (obstacle === undefined) room -= 1;
      return obstacle === undefined ? [] : [{ queue, error: obstacle.error }];
    });
  }

  patch(queue: string, patch: SettingsPatch): Promise<Result<QueueRecord>> {
    return this.#inLine(queue, async () => {
      const entry = await this.#settled(queue);
      if (!entry.ok) return entry;
      const { config } = this.#around;
      if (entry.value?.phase !== "live") {
        const settings = createSettingsFromPatch(patch, config);
        return settings.ok ? this.#createFrom(queue, entry.value, settings.value) : settings;
      }
      const { record } = entry.value;
      const settings = patchSettings(record.settings, patch, config);
      if (!settings.ok) return settings;
      return this.#change(record, { kind: "updateSettings", settings: settings.value });
    });
  }

  /** Switches the signing of a queue's webhooks, or gives it a new secret. */
  changeSigning(queue: string, change: SigningChange): Promise<Result<QueueRecord>> {
    return this.#inLine(queue, async () => {
      const entry = await this.#settled(queue);
      if (!entry.ok) return entry;
      if (entry.value?.phase !== "live") return NO_QUEUE;
      const { record } = entry.value;
      const settings = changeSigning(record.settings, change, this.#around.now());
      if (!settings.ok) return settings;
      return this.#change(record, { kind: "updateSettings", settings: settings.value });
    });
  }

  delete(queue: string): Promise<Result<null>> {
    return this.#inLine(queue, async () => {
      const found = this.#store.read(queue);
      // A delete that failed half-way is finished by the caller's next try, and succeeds.
      if (found?.phase === "deleting") return this.#delete(found);
      const entry = await this.#settled(queue);
      if (!entry.ok) return entry;
      if (entry.value?.phase !== "live") return NOT_FOUND;
      const { record } = entry.value;
      this.#store.writeDeleting(record, this.#graceEnd());
      return this.#delete({ phase: "deleting", record, failures: 0 });
    });
  }

  /** Pauses, resumes or purges. */
  control(queue: string, change: Change): Promise<Result<QueueRecord>> {
    return this.#inLine(queue, async () => {
      const entry = await this.#settled(queue);
      if (!entry.ok) return entry;
      return entry.value?.phase === "live" ? this.#change(entry.value.record, change) : NO_QUEUE;
    });
  }

  /**
   * Queues with ids above `after`, ascending; a page may end early by its size. Throws while an
   * unfinished step in its range can't be finished: then nobody knows what the list would be.
   */
  async list(
    after: string,
    limit: number,
  ): Promise<{ readonly queues: readonly QueueRecord[]; readonly more: boolean }> {
    const size = Math.min(Math.max(Math.trunc(limit), 1), MAX_QUEUES_PER_PAGE);
    await this.#settleRange(after, size + 1);
    const queues: QueueRecord[] = [];
    let bytes = 0;
    for (const queue of this.#store.readQueues(after, size + 1)) {
      bytes += queue.size;
      const isFull = queues.length === size || (queues.length > 0 && bytes > MAX_QUEUES_PAGE_SIZE);
      if (isFull) return { queues, more: true };
      queues.push(queue.record);
    }
    return { queues, more: false };
  }

  // ---- The alarm's work --------------------------------------------------------------------------

  /**
   * Sweeps ended tombstones and repeats unfinished steps that are due; a bounded number of each.
   */
  async catchUp(): Promise<void> {
    const now = this.#around.now();
    this.#store.sweepTombstones(now, TOMBSTONES_PER_SWEEP);
    await this.#settleAll(this.#store.readDue(now, CATALOGUE_STEPS_PER_ALARM));
  }

  /** When the alarm has something to do next, microseconds; null: nothing. May lie in the past. */
  nextWakeUs(): number | null {
    const retry = this.#store.nextRetryUs();
    const end = this.#store.nextTombstoneEndUs();
    if (end === null) return retry;
    const sweep = end + TOMBSTONE_SWEEP_DELAY_US;
    return retry === null ? sweep : Math.min(retry, sweep);
  }

  // ---- Steps -------------------------------------------------------------------------------------

  #createFrom(
    queue: string,
    entry: SettledEntry | null,
    settings: QueueSettings,
    state: InitialState = "RUNNING",
  ): Promise<Result<QueueRecord>> | Result<QueueRecord> {
    const room = MAX_QUEUES_PER_LOCATION - this.#store.countPresent();
    const obstacle = this.#obstacle(entry, room);
    if (obstacle !== undefined) return obstacle;
    const record: QueueRecord = {
      name: { ...this.#around.home, queue },
      settings: withFirstSecret(settings, this.#around.now()),
      state,
    };
    this.#store.writeCreating(record, this.#graceEnd());
    return this.#create({ phase: "creating", record, failures: 0 });
  }

  /** `room`: how many more queues the location may have. */
  #obstacle(entry: Entry | null, room: number): ReturnType<typeof fail> | undefined {
    if (entry?.phase === "tombstone") {
      if (entry.untilUs > this.#around.now()) return TOMBSTONED;
    } else if (entry !== null) return ALREADY_EXISTS;
    return room > 0 ? undefined : TOO_MANY;
  }

  #change(record: QueueRecord, change: Change): Promise<Result<QueueRecord>> {
    this.#store.writeUpdating(record, change, this.#graceEnd());
    return this.#update({ phase: "updating", record, change, failures: 0 }, false);
  }

  /** Repeats a step that may have been done already, or not. */
  #repeat(entry: PendingEntry): Promise<Result<QueueRecord | null>> {
    switch (entry.phase) {
      case "creating":
        return this.#create(entry);
      case "updating":
        return this.#update(entry, true);
      case "deleting":
        return this.#delete(entry);
      default:
        return entry satisfies never;
    }
  }

  #create(entry: CreatingEntry): Promise<Result<QueueRecord>> {
    const { name, settings, state } = entry.record;
    return this.#call(
      entry,
      (admin) => admin().configure({ name, settings }, state === "PAUSED"),
      () => this.#store.remove(name.queue),
    );
  }

  #update(entry: UpdatingEntry, isRepeat: boolean): Promise<Result<QueueRecord>> {
    const { record, change } = entry;
    return this.#call(
      entry,
      async (admin) => {
        const result = await applyChange(admin(), change, isRepeat);
        if (result.ok || result.error.code !== "NOT_FOUND") return result;
        // Which queues exist is decided here: an object without its queue gets it back.
        await restore(admin, record);
        return applyChange(admin(), change, isRepeat);
      },
      () => this.#store.writeLive(record),
    );
  }

  async #delete(entry: DeletingEntry): Promise<Result<null>> {
    const { name } = entry.record;
    try {
      await this.#around.queueAdmin(name).destroy();
      // Before the name is free again: the next queue of this name starts without a policy.
      await this.#around.forgetPolicy(name);
    } catch (error) {
      return this.#postpone(entry, error);
    }
    this.#bury(name.queue);
    return ok(null);
  }

  #bury(queue: string): void {
    const { config } = this.#around;
    if (config.queueTombstoneUs === 0) {
      this.#store.remove(queue);
      return;
    }
    const untilUs = this.#around.now() + config.queueTombstoneUs;
    this.#store.writeTombstone(queue, untilUs);
    this.#around.wakeBy(untilUs + TOMBSTONE_SWEEP_DELAY_US);
  }

  /** Calls the queue's object and stores what it answers; a refusal takes the step back. */
  async #call(
    entry: PendingEntry,
    work: (admin: () => QueueAdmin) => Promise<Result<QueueRecord>>,
    takeBack: () => void,
  ): Promise<Result<QueueRecord>> {
    let result: Result<QueueRecord>;
    try {
      result = copyOf(await work(() => this.#around.queueAdmin(entry.record.name)));
    } catch (error) {
      return this.#postpone(entry, error);
    }
    if (result.ok) this.#store.writeLive(result.value);
    else takeBack();
    return result;
  }

  /** The step stays pending; it may have been done, and is tried again later. */
  #postpone(entry: PendingEntry, error: unknown): ReturnType<typeof fail> {
    const { name } = entry.record;
    // The clock is read again: the call that failed may have taken long.
    const wakeUs = this.#around.now() + retryDelayUs(entry.failures);
    this.#store.postpone(name.queue, wakeUs);
    this.#around.wakeBy(wakeUs);
    this.#around.warn("a step on a queue did not finish", {
      queue: name.queue,
      phase: entry.phase,
      failures: entry.failures + 1,
      error: String(error),
    });
    return fail(
      "UNAVAILABLE",
      `The queue "${name.queue}" did not answer. What was asked of it (${asked(entry)}) may have been done, or will be; try again.`,
    );
  }

  #graceEnd(): number {
    const endUs = this.#around.now() + CATALOGUE_STEP_GRACE_US;
    this.#around.wakeBy(endUs);
    return endUs;
  }

  // ---- Order and repair --------------------------------------------------------------------------

  /** Runs steps of one queue one after another; those of different queues run side by side. */
  #inLine<T>(queue: string, steps: () => Promise<T> | T): Promise<T> {
    const before = this.#lines.get(queue) ?? Promise.resolve();
    const run = before.then(steps);
    const end = run.then(ignore, ignore).then(() => {
      if (this.#lines.get(queue) === end) this.#lines.delete(queue);
    });
    this.#lines.set(queue, end);
    return run;
  }

  /** The entry at rest: an unfinished step is repeated first. Only within the queue's line. */
  async #settled(queue: string): Promise<Result<SettledEntry | null>> {
    const found = this.#store.read(queue);
    if (found === null || isSettled(found)) return ok(found);
    const result = await this.#repeat(found);
    const entry = this.#store.read(queue);
    if (entry === null || isSettled(entry)) return ok(entry);
    assert(!result.ok, "a step that was done leaves its entry settled");
    return result;
  }

  /**
   * Settles what a page of the list would come upon. Steps that begin while this runs are not
   * waited for: a list shows such a queue as it was when the list was asked for.
   */
  async #settleRange(after: string, size: number): Promise<void> {
    let pending = this.#store.readPending(after);
    while (pending.length > 0) {
      // Settling can shorten the page, which then reaches further.
      const end = this.#store.readPageEnd(after, size);
      const isInPage = (name: string) => end === null || name <= end;
      const failed = (await this.#settleAll(pending.filter(isInPage))).find(({ ok }) => !ok);
      if (failed?.ok === false) throw new Error(failed.error.message);
      const rest = pending.filter((name) => !isInPage(name));
      if (rest.length === pending.length) return;
      pending = rest;
    }
  }

  /** Settles the names side by side, a few at a time. */
  async #settleAll(names: readonly string[]): Promise<readonly Result<unknown>[]> {
    const results: Result<unknown>[] = [];
    const rest = names.values();
    const worker = async () => {
      for (const name of rest) results.push(await this.#inLine(name, () => this.#settled(name)));
    };
    await Promise.all(Array.from({ length: CATALOGUE_CONCURRENCY }, worker));
    return results;
  }
}

type CreatingEntry = Extract<Entry, { phase: "creating" }>;
type UpdatingEntry = Extract<Entry, { phase: "updating" }>;
type DeletingEntry = Extract<Entry, { phase: "deleting" }>;
type SettledEntry = Exclude<Entry, PendingEntry>;

function isSettled(entry: Entry): entry is SettledEntry {
  return entry.phase === "live" || entry.phase === "tombstone";
}

/**
 * Does a change, or does it again. A purge is never done again: it would take the tasks created
 * since the first time, which a purge must not touch; what it came to is read back instead.
 */
function applyChange(
  admin: QueueAdmin,
  change: Change,
  isRepeat: boolean,
): Promise<Result<QueueRecord>> {
  switch (change.kind) {
    case "updateSettings":
      return admin.updateSettings(change.settings);
    case "pause":
      return admin.pause();
    case "resume":
      return admin.resume();
    case "purge":
      return isRepeat ? admin.getQueue() : admin.purge();
    default:
      return change satisfies never;
  }
}

/** Gives an object the queue that the catalogue knows. */
async function restore(admin: () => QueueAdmin, record: QueueRecord): Promise<void> {
  const { name, settings, state } = record;
  await admin().configure({ name, settings }, state === "PAUSED");
}

/**
 * The result without the disposer that the platform puts on what an RPC answers. Handed on as it
 * came, it would keep this object and the queue's in memory until our own caller disposed of it.
 */
function copyOf<T>(result: Result<T>): Result<T> {
  return result.ok ? ok(result.value) : { ok: false, error: result.error };
}

function asked(entry: PendingEntry): string {
  if (entry.phase === "updating") return entry.change.kind;
  return entry.phase === "creating" ? "create" : "delete";
}

function retryDelayUs(failures: number): number {
  const { first, last } = CATALOGUE_RETRY_US;
  return Math.min(first * 2 ** failures, last);
}

function ignore(): void {}
