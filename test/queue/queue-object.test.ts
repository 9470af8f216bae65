/** The object as its callers meet it: turns, lanes, alarms, and what survives its death. */

import {
  abortAllDurableObjects,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { QueueName, QueueSettings } from "../../src/core/model.ts";
import type { Env } from "../../src/env.ts";
import type { QueueObject } from "../../src/queue/queue-object.ts";
import { queueStub } from "../../src/stubs.ts";
import { error, value } from "../support/engine.ts";
import { DAY, settings, taskSpec, uniqueQueue } from "../support/factory.ts";
import { RecordingTarget } from "../support/recording-target.ts";

const bindings = env as unknown as Env;
let target: RecordingTarget;
let name: QueueName;

beforeEach(() => {
  target = new RecordingTarget();
  name = uniqueQueue();
});
afterEach(() => {
  target.release();
  vi.restoreAllMocks();
});

function queue() {
  return queueStub(bindings, name);
}

async function makeQueue(given: QueueSettings = settings()): Promise<void> {
  value(await queue().configure({ name, settings: given }));
}

function inside<T>(
  look: (object: QueueObject, state: DurableObjectState) => Promise<T>,
): Promise<T> {
  const stub = queue() as unknown as DurableObjectStub<QueueObject>;
  return runInDurableObject(stub, look);
}

const alarm = () => inside((_object, state) => state.storage.getAlarm());
const evict = () => evictDurableObject(queue() as unknown as DurableObjectStub<QueueObject>);
const fire = () => runDurableObjectAlarm(queue() as unknown as DurableObjectStub<QueueObject>);

describe("an object that holds no queue", () => {
  it("answers NOT_FOUND to everything and keeps no tables", async () => {
    const answers = [
      await queue().getQueue(),
      await queue().createTask(taskSpec()),
      await queue().createTasks([taskSpec()]),
      await queue().getTask("a", false),
      await queue().listTasks({ pageSize: 1, withBody: false }),
      await queue().deleteTask("a"),
      await queue().deleteTasks(["a"]),
      await queue().runTask("a", false),
      await queue().pause(),
      await queue().resume(),
      await queue().purge(),
      await queue().updateSettings(settings()),
      await queue().findOperation("r"),
      await queue().keepOperation("batchCreate", "{}"),
      await queue().getOperation(1),
      await queue().listOperations(0, 1),
    ];
    expect(answers.map((answer) => error(answer).code)).toEqual(answers.map(() => "NOT_FOUND"));
    const tables = await inside(async (_object, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name LIKE 'task%'").toArray(),
    );
    expect(tables).toEqual([]);
  });

  it("is what a destroyed queue leaves, alarm and all", async () => {
    await makeQueue();
    value(await queue().createTask(taskSpec({ scheduleTimeUs: (Date.now() + DAY / 1000) * 1000 })));
    expect(await alarm()).not.toBeNull();
    await queue().destroy();
    expect(error(await queue().getQueue()).code).toBe("NOT_FOUND");
    expect(await alarm()).toBeNull();
    await evict();
    expect(error(await queue().createTask(taskSpec())).code).toBe("NOT_FOUND");
    await makeQueue();
    expect(value(await queue().listTasks({ pageSize: 9, withBody: false })).tasks).toEqual([]);
  });
});

describe("dispatch", () => {
  it("makes the attempt in the turn that stores the task, and forgets it on success", async () => {
    await makeQueue();
    const { id } = value(await queue().createTask(taskSpec()));
    const request = await target.next();
    expect(request.url).toBe("https://example.com/hook");
    expect(request.headers.get("x-cloudtasks-taskname")).toBe(id);
    request.respond(200);
    await vi.waitFor(async () =>
      expect(error(await queue().getTask(id, false)).code).toBe("NOT_FOUND"),
    );
  });

  it("retries after a failure by itself", async () => {
    await makeQueue();
    value(await queue().createTask(taskSpec()));
    (await target.next()).respond(500);
    const second = await target.next();
    expect(second.headers.get("x-cloudtasks-taskretrycount")).toBe("1");
    expect(second.headers.get("x-cloudtasks-taskpreviousresponse")).toBe("500");
    second.respond(200);
  });

  it("fires at the schedule time by an alarm that an eviction does not lose", async () => {
    await makeQueue();
    const at = Date.now() + 3600_000;
    const { id } = value(await queue().createTask(taskSpec({ scheduleTimeUs: at * 1000 })));
    expect(await alarm()).toBe(at);
    await evict();
    expect(await alarm()).toBe(at);
    await inside(async (object) => {
      object.clock = () => at * 1000;
    });
    const fired = fire();
    const request = await target.next();
    expect(request.headers.get("x-cloudtasks-taskname")).toBe(id);
    request.respond(200);
    await fired;
    expect(await alarm()).toBeNull();
  });

  it("sets no alarm that is not earlier than the one it has", async () => {
    await makeQueue();
    const base = Date.now() + 3600_000;
    for (const [offset, expected] of [
      [0, base],
      [1000, base],
      [-1000, base - 1000],
      [500, base - 1000],
    ] as const) {
      value(await queue().createTask(taskSpec({ scheduleTimeUs: (base + offset) * 1000 })));
      expect(await alarm()).toBe(expected);
    }
  });

  it("keeps a watchdog alarm while an attempt runs", async () => {
    await makeQueue();
    const before = Date.now();
    value(await queue().createTask(taskSpec()));
    const request = await target.next();
    const watchdog = await alarm();
    expect(watchdog).toBeGreaterThan(before + 20_000);
    expect(watchdog).toBeLessThanOrEqual(Date.now() + 25_000);
    request.respond(200);
  });

  it("an attempt that ran when the object died is neither forgotten nor repeated", async () => {
    await makeQueue();
    const { id } = value(await queue().createTask(taskSpec()));
    const request = await target.next();
    await abortAllDurableObjects();
    expect(value(await queue().getTask(id, false)).dispatchCount).toBe(1);
    request.respond(200);
    await vi.waitFor(async () =>
      expect(error(await queue().getTask(id, false)).code).toBe("NOT_FOUND"),
    );
    expect(target.count).toBe(1);
  });

  it("an alarm that was lost is set again by the next life", async () => {
    await makeQueue();
    const at = Date.now() + 3600_000;
    value(await queue().createTask(taskSpec({ scheduleTimeUs: at * 1000 })));
    await inside((_object, state) => state.storage.deleteAlarm());
    await evict();
    await queue().getQueue();
    await vi.waitFor(async () => expect(await alarm()).toBe(at));
  });

  it("a repeated alarm is set again before anything else", async () => {
    await makeQueue();
    await inside(async (object, state) => {
      await object.alarm({ isRetry: true, retryCount: 1, scheduledTime: Date.now() });
      expect(await state.storage.getAlarm()).toBeGreaterThan(Date.now());
    });
  });

  it("pause stops what has not begun, resume goes on at once", async () => {
    await makeQueue();
    value(await queue().pause());
    value(await queue().createTask(taskSpec()));
    expect(target.count).toBe(0);
    value(await queue().resume());
    (await target.next()).respond(200);
  });

  it("runs at most 32 calls of 6 attempts, and goes on as places become free", async () => {
    await makeQueue();
    value(await queue().createTasks(Array.from({ length: 300 }, () => taskSpec())));
    const first = await target.take(192);
    expect(target.count).toBe(192);
    for (const request of first) request.respond(200);
    const rest = await target.take(108);
    for (const request of rest) request.respond(200);
    await vi.waitFor(async () =>
      expect(value(await queue().listTasks({ pageSize: 1, withBody: false })).tasks).toEqual([]),
    );
    expect(target.count).toBe(300);
  });

  it("a long attempt does not keep free places of its call from others", async () => {
    await makeQueue();
    value(await queue().createTask(taskSpec()));
    const long = await target.next();
    for (let index = 0; index < 40; index++) {
      value(await queue().createTask(taskSpec()));
      (await target.next()).respond(200);
    }
    long.respond(200);
  });
});

describe("logs", () => {
  it("writes a sampled line an operation, with no payload in it", async () => {
    const lines: string[] = [];
    vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
    await makeQueue(settings({ logSamplingRatio: 0.5 }));
    const chances = [0.4, 0.6, 0.4, 0.6];
    await inside(async (object) => {
      object.random = () => chances.shift() ?? 1;
    });
    const body = new TextEncoder().encode("a secret");
    for (let index = 0; index < 2; index++) {
      const at = (Date.now() + 3600_000) * 1000;
      value(await queue().createTask(taskSpec({ body, scheduleTimeUs: at, id: `t${index}` })));
    }
    value(await queue().deleteTask("t0"));
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ operation: "create", taskId: "t0", code: "OK" }),
      expect.objectContaining({ operation: "delete", taskId: "t0", code: "OK" }),
    ]);
    expect(lines.join()).not.toContain("secret");
  });
});

describe("turns", () => {
  it("what arrives together is stored together, each with its own answer", async () => {
    await makeQueue();
    const scheduleTimeUs = (Date.now() + 3600_000) * 1000;
    const answers = await Promise.all(
      ["a", "b", "a"].map((id) => queue().createTask(taskSpec({ id, scheduleTimeUs }))),
    );
    expect(answers.map((answer) => answer.ok)).toEqual([true, true, false]);
  });
});
