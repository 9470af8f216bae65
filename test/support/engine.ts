/** An engine over the real SQLite of a fresh object, with a clock that moves when told. */

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { AttemptOrder, AttemptOutcome } from "../../src/core/attempt.ts";
import type { CreatedTask, QueueName, QueueSettings, TaskSpec } from "../../src/core/model.ts";
import type { DomainError, Result } from "../../src/core/result.ts";
import type { Settlement } from "../../src/queue/engine.ts";
import { Engine } from "../../src/queue/engine.ts";
import { migrate } from "../../src/queue/schema.ts";
import { Store } from "../../src/queue/store.ts";
import { NOW, settings, taskSpec, uniqueQueue } from "./factory.ts";

export class EngineRig {
  engine: Engine;
  now = NOW;
  readonly name: QueueName = uniqueQueue();
  readonly sql: SqlStorage;

  constructor(sql: SqlStorage, given: QueueSettings) {
    this.sql = sql;
    migrate(sql);
    this.engine = new Engine(new Store(sql), this.now);
    this.engine.configure(this.name, given, this.now);
    this.engine.capacity = 192;
  }

  /** The object dies and another takes over the same storage. */
  restart(): void {
    this.engine = new Engine(new Store(this.sql), this.now);
    this.engine.capacity = 192;
  }

  advance(byUs: number): void {
    this.now += byUs;
  }

  create(changes: Partial<TaskSpec> = {}): CreatedTask {
    return value(this.engine.createTask(taskSpec(changes), this.now));
  }

  /** Does what is due and gives every attempt to a lane that is there. */
  tick(): AttemptOrder[] {
    this.engine.capacity = 192;
    this.engine.tick(this.now);
    // A restart finds an empty bucket; at these rates tokens are there within the millisecond.
    for (let turn = 0; turn < 30 && this.engine.isBusy(this.now); turn++) {
      const wakeAtUs = this.engine.wakeAtUs(this.now);
      if (wakeAtUs > this.now + 1000) break;
      this.engine.tick(wakeAtUs);
    }
    const orders = this.engine.takeOrders();
    for (const order of orders) this.engine.assign(order, 1);
    return orders;
  }

  respond(order: AttemptOrder, status: number, retryAfterUs?: number): Settlement | null {
    return this.outcome(order, {
      end: { kind: "response", status },
      ...(retryAfterUs === undefined ? {} : { retryAfterUs }),
    });
  }

  outcome(
    { scheduleTimeUs, sequence, attempt }: AttemptOrder,
    result: Pick<AttemptOutcome, "end" | "retryAfterUs">,
  ): Settlement | null {
    return this.engine.recordOutcome({ scheduleTimeUs, sequence, attempt, ...result }, this.now);
  }

  count(table: string): number {
    return this.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n;
  }
}

/** Runs a test inside a fresh object. */
export async function withEngine(
  test: (rig: EngineRig) => void | Promise<void>,
  given: QueueSettings = settings(),
): Promise<void> {
  const { QUEUE } = env as unknown as { QUEUE: DurableObjectNamespace };
  const stub = QUEUE.get(QUEUE.newUniqueId());
  await runInDurableObject(stub, async (_object, state) => {
    await test(new EngineRig(state.storage.sql, given));
  });
}

export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}

export function error(result: Result<unknown>): DomainError {
  if (result.ok) throw new Error("expected a refusal");
  return result.error;
}
