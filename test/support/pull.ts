/** Pull queues for tests: an engine rig with workers' calls on it. */
import type { CreatedTask, QueueSettings, TaskRecord, TaskSpec } from "../../src/core/model.ts";
import { encodeMeta } from "../../src/core/model.ts";
import type { Result } from "../../src/core/result.ts";
import type { LeaseRequest } from "../../src/queue/pull.ts";
import type { LeaseKey } from "../../src/queue/service.ts";
import type { Call } from "../../src/queue/waiters.ts";
import { type EngineRig, value, withEngine } from "./engine.ts";
import { MINUTE, settings, taskSpec } from "./factory.ts";

const PULL_META = encodeMeta({ target: { kind: "pull" } });

/** A small pull task that is available now. */
export function pullSpec(changes: Partial<TaskSpec> = {}): TaskSpec {
  return taskSpec({ meta: PULL_META, ...changes });
}

/** A call that leases all there is for a minute. */
export function leaseRequest(changes: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    maxTasks: 1000,
    leaseDurationUs: MINUTE,
    selection: { kind: "any" },
    withBody: false,
    maxBytes: 32e6,
    ...changes,
  };
}

/** The key of a lease, as a worker keeps it. */
export function keyOf({ id, scheduleTimeUs }: LeaseKey): LeaseKey {
  return { id, scheduleTimeUs };
}

export class PullRig {
  readonly rig: EngineRig;

  constructor(rig: EngineRig) {
    this.rig = rig;
  }

  create(changes: Partial<TaskSpec> = {}): CreatedTask {
    return this.rig.create(pullSpec(changes));
  }

  /** Creates tasks that are available now, and answers their ids. */
  createMany(count: number, changes: Partial<TaskSpec> = {}): string[] {
    return Array.from({ length: count }, () => this.create(changes).id);
  }

  lease(changes: Partial<LeaseRequest> = {}): readonly TaskRecord[] {
    return value(this.rig.engine.pull.leaseTasks(leaseRequest(changes), this.rig.now));
  }

  /** Leases the one task there is. */
  leaseOne(changes: Partial<LeaseRequest> = {}): TaskRecord {
    const [task, ...others] = this.lease(changes);
    if (task === undefined || others.length > 0) throw new Error("expected one task");
    return task;
  }

  acknowledge(key: LeaseKey): Result<null> {
    return this.rig.engine.pull.acknowledge(keyOf(key), this.rig.now);
  }

  renew(key: LeaseKey, durationUs: number): Result<TaskRecord> {
    return this.rig.engine.pull.renew(keyOf(key), durationUs, false, this.rig.now);
  }

  get(id: string): TaskRecord {
    return value(this.rig.engine.getTask(id, false, this.rig.now));
  }

  wait(place: string, changes: Partial<{ waitMs: number; tag: string }> = {}): void {
    const { waitMs = 60_000, tag } = changes;
    const selection = tag === undefined ? { kind: "any" as const } : { kind: "tag" as const, tag };
    value(this.rig.engine.pull.wait({ place, selection, waitMs }, this.rig.now));
  }

  /** Who is called or sent away now. */
  calls(): Call[] {
    return this.rig.engine.callWaiters(this.rig.now);
  }

  /** Who is told to lease now. */
  called(): string[] {
    return this.calls().flatMap(({ place, isReady }) => (isReady ? [place] : []));
  }
}

/** Runs a test on a pull queue of a fresh object. */
export function withPull(
  test: (pull: PullRig, rig: EngineRig) => void | Promise<void>,
  changes: Partial<QueueSettings> = {},
): Promise<void> {
  return withEngine((rig) => test(new PullRig(rig), rig), settings({ type: "PULL", ...changes }));
}
