/** Pull queues as their workers meet them: calls at the object, and what survives its death. */

import { abortAllDurableObjects, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import type { QueueName, QueueSettings, TaskRecord } from "../../src/core/model.ts";
import type { Env } from "../../src/env.ts";
import type { QueueObject } from "../../src/queue/queue-object.ts";
import { queueStub } from "../../src/stubs.ts";
import { error, value } from "../support/engine.ts";
import { HOUR, MINUTE, SECOND, settings, uniqueQueue } from "../support/factory.ts";
import { keyOf, leaseRequest, pullSpec } from "../support/pull.ts";

const bindings = env as unknown as Env;
const ANY = { kind: "any" } as const;
let name: QueueName;

beforeEach(() => {
  name = uniqueQueue();
});

function queue() {
  return queueStub(bindings, name);
}

async function makeQueue(changes: Partial<QueueSettings> = {}): Promise<void> {
  value(await queue().configure({ name, settings: settings({ type: "PULL", ...changes }) }));
}

async function createMany(count: number): Promise<string[]> {
  const created = value(await queue().createTasks(Array.from({ length: count }, () => pullSpec())));
  return created.map((task) => value(task).id);
}

const object = () => queue() as unknown as DurableObjectStub<QueueObject>;
const evict = () => evictDurableObject(object());

/** Lets the object's clock go on. */
function advance(byUs: number): Promise<void> {
  return runInDurableObject(object(), (instance) => {
    const before = instance.clock;
    instance.clock = () => before() + byUs;
  });
}

describe("a lease", () => {
  it("is acknowledged, renewed and cancelled by its key, also after an eviction in between", async () => {
    await makeQueue();
    await createMany(3);
    const leased = value(await queue().leaseTasks(leaseRequest({ withBody: true })));
    expect(leased).toHaveLength(3);
    const [a, b, c] = leased.map(keyOf);
    await evict();
    value(await queue().acknowledgeTask(a!));
    const renewed = value(await queue().renewLease(b!, HOUR, false));
    const cancelled = value(await queue().cancelLease(c!, false));
    await evict();
    expect(error(await queue().acknowledgeTask(a!)).code).toBe("NOT_FOUND");
    expect(error(await queue().acknowledgeTask(b!)).code).toBe("FAILED_PRECONDITION");
    expect(error(await queue().renewLease(c!, HOUR, false)).code).toBe("FAILED_PRECONDITION");
    value(await queue().acknowledgeTask(keyOf(renewed)));
    const [again] = value(await queue().leaseTasks(leaseRequest()));
    expect(again?.id).toBe(cancelled.id);
    value(await queue().extendLease(cancelled.id, HOUR));
    expect(value(await queue().getStats())).toMatchObject({ tasksCount: 1 });
  });

  it("of many is acknowledged and renewed in one call, with a result for each", async () => {
    await makeQueue();
    await createMany(50);
    const leased = value(await queue().leaseTasks(leaseRequest())).map(keyOf);
    const renewed = value(await queue().renewLeases(leased.slice(0, 10), HOUR));
    expect(renewed.every((result) => result.ok)).toBe(true);
    const ended = value(await queue().acknowledgeTasks(leased));
    expect(ended.map((result) => (result.ok ? "OK" : result.error.code))).toEqual([
      ...Array.from({ length: 10 }, () => "FAILED_PRECONDITION"),
      ...Array.from({ length: 40 }, () => "OK"),
    ]);
    expect(value(await queue().getStats()).tasksCount).toBe(10);
  });

  it("needs a queue, and a pull queue", async () => {
    const calls = () => [
      queue().leaseTasks(leaseRequest()),
      queue().waitForTasks({ selection: ANY, waitMs: 1, place: "p" }),
      queue().acknowledgeTask({ id: "a", scheduleTimeUs: 1 }),
      queue().acknowledgeTasks([{ id: "a", scheduleTimeUs: 1 }]),
      queue().renewLease({ id: "a", scheduleTimeUs: 1 }, SECOND, false),
      queue().renewLeases([{ id: "a", scheduleTimeUs: 1 }], SECOND),
      queue().cancelLease({ id: "a", scheduleTimeUs: 1 }, false),
      queue().extendLease("a", SECOND),
    ];
    const codes = async () => (await Promise.all(calls())).map((answer) => error(answer).code);
    expect(await codes()).toEqual(calls().map(() => "NOT_FOUND"));
    expect(error(await queue().getStats()).code).toBe("NOT_FOUND");
    await queue().stopWaiting("p");
    await makeQueue({ type: "PUSH" });
    expect(await codes()).toEqual(calls().map(() => "FAILED_PRECONDITION"));
  });
});

describe("32 workers leasing at once", () => {
  it("never hold a task twice, whatever restarts come between, and lose none", async () => {
    await makeQueue();
    const waiting = new Set(await createMany(640));
    const held = new Set<string>();
    const hold = (tasks: readonly TaskRecord[]) => {
      for (const { id } of tasks) {
        expect(held.has(id)).toBe(false);
        expect(waiting.has(id)).toBe(true);
        held.add(id);
      }
    };
    const work = async () => {
      const request = leaseRequest({ maxTasks: 7, leaseDurationUs: HOUR });
      // Where the object dies under the call, what it leased is nobody's until it lapses.
      const leased = await queue()
        .leaseTasks(request)
        .catch(() => null);
      if (leased !== null) hold(value(leased));
    };
    for (let round = 0; round < 6; round++) {
      const calls = Array.from({ length: 32 }, work);
      if (round % 3 === 1) await abortAllDurableObjects();
      await Promise.all(calls);
      if (round % 3 === 2) await evict();
    }
    hold(value(await queue().leaseTasks(leaseRequest({ leaseDurationUs: HOUR }))));
    expect(held.size).toBeGreaterThan(300);
    await advance(2 * HOUR);
    const lapsed = value(await queue().leaseTasks(leaseRequest()));
    expect(lapsed.map(({ id }) => id).sort()).toEqual([...waiting].sort());
  });
});

describe("waiting", () => {
  const wait = (place: string, waitMs = 20_000) =>
    queue().waitForTasks({ selection: ANY, waitMs, place });

  it("ends with a create, for the first of those who wait", async () => {
    await makeQueue();
    const answered: string[] = [];
    const waits = ["a", "b"].map(async (place) => {
      const isReady = value(await wait(place));
      answered.push(`${place} ${isReady}`);
    });
    const [id] = await createMany(1);
    await waits[0];
    expect(answered).toEqual(["a true"]);
    const leased = value(await queue().leaseTasks(leaseRequest({ place: "a" })));
    expect(leased.map((task) => task.id)).toEqual([id]);
    await queue().stopWaiting("b");
    await waits[1];
    expect(answered).toEqual(["a true", "b false"]);
  });

  it("ends when a lease lapses, by itself", async () => {
    await makeQueue();
    await createMany(1);
    const [lease] = value(
      await queue().leaseTasks(leaseRequest({ leaseDurationUs: 0.1 * SECOND })),
    );
    expect(value(await wait("a"))).toBe(true);
    const [again] = value(await queue().leaseTasks(leaseRequest({ place: "a" })));
    expect(again?.id).toBe(lease?.id);
    expect(again?.scheduleTimeUs).toBeGreaterThanOrEqual((lease?.scheduleTimeUs ?? 0) + MINUTE);
  });

  it("ends at its time, and sets no alarm", async () => {
    await makeQueue();
    expect(value(await wait("a", 20))).toBe(false);
    const alarm = await runInDurableObject(object(), (_instance, state) =>
      state.storage.getAlarm(),
    );
    expect(alarm).toBeNull();
  });

  it("passes a turn on that is not used", async () => {
    await makeQueue();
    const gone = wait("gone");
    const next = wait("next");
    await createMany(1);
    expect(value(await gone)).toBe(true);
    await advance(SECOND);
    await queue().stopWaiting("nobody");
    expect(value(await next)).toBe(true);
    expect(value(await queue().leaseTasks(leaseRequest({ place: "next" })))).toHaveLength(1);
  });

  it("ends when the queue is destroyed", async () => {
    await makeQueue();
    const waiting = wait("a");
    value(await queue().resume());
    await queue().destroy();
    expect(value(await waiting)).toBe(true);
    expect(error(await queue().leaseTasks(leaseRequest())).code).toBe("NOT_FOUND");
  });

  it("begun again at a place ends the wait that stood there", async () => {
    await makeQueue();
    const first = wait("a");
    const second = wait("a");
    expect(value(await first)).toBe(false);
    await createMany(1);
    expect(value(await second)).toBe(true);
  });
});
