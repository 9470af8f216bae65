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
import { Engine } from "../../src/queue/engine.ts";
import type { QueueObject } from "../../src/queue/queue-object.ts";
import { queueStub } from "../../src/stubs.ts";
import { error, value } from "../support/engine.ts";
import { eventually } from "../support/eventually.ts";
import { DAY, settings, taskParts, taskSpec, uniqueQueue } from "../support/factory.ts";
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

/** The timers that are set from now on and have neither fired nor been cleared. */
function watchTimers(): ReadonlyMap<unknown, number> {
  const timers = new Map<unknown, number>();
  const set = globalThis.setTimeout as unknown as (run: () => void, delayMs: number) => number;
  const clear = globalThis.clearTimeout;
  const spied = (run: () => void, delayMs: number) => {
    const timer = set(() => {
      run();
      timers.delete(timer);
    }, delayMs);
    timers.set(timer, delayMs);
    return timer;
  };
  vi.spyOn(globalThis, "setTimeout").mockImplementation(spied as never);
  vi.spyOn(globalThis, "clearTimeout").mockImplementation((timer) => {
    timers.delete(timer);
    clear(timer as never);
  });
  return timers;
}

const alarm = () => inside((_object, state) => state.storage.getAlarm());
const evict = () => evictDurableObject(queue() as unknown as DurableObjectStub<QueueObject>);
const fire = () => runDurableObjectAlarm(queue() as unknown as DurableObjectStub<QueueObject>);

describe("an object that holds no queue", () => {
  it("answers NOT_FOUND to everything and keeps no tables", async () => {
    const answers = [
      await queue().getQueue(),
      await queue().createTask(...taskParts()),
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
    value(
      await queue().createTask(...taskParts({ scheduleTimeUs: (Date.now() + DAY / 1000) * 1000 })),
    );
    expect(await alarm()).not.toBeNull();
    await queue().destroy();
    expect(error(await queue().getQueue()).code).toBe("NOT_FOUND");
    expect(await alarm()).toBeNull();
    await evict();
    expect(error(await queue().createTask(...taskParts())).code).toBe("NOT_FOUND");
    await makeQueue();
    expect(value(await queue().listTasks({ pageSize: 9, withBody: false })).tasks).toEqual([]);
  });
});

describe("dispatch", () => {
  it("makes the attempt in the turn that stores the task, and forgets it on success", async () => {
    await makeQueue();
    const { id } = value(await queue().createTask(...taskParts()));
    const request = await target.next();
    expect(request.url).toBe("https://example.com/hook");
    expect(request.headers.get("x-cloudtasks-taskname")).toBe(id);
    request.respond(200);
    await eventually(async () =>
      expect(error(await queue().getTask(id, false)).code).toBe("NOT_FOUND"),
    );
  });

  it("retries after a failure by itself", async () => {
    await makeQueue();
    value(await queue().createTask(...taskParts()));
    (await target.next()).respond(500);
    const second = await target.next();
    expect(second.headers.get("x-cloudtasks-taskretrycount")).toBe("1");
    expect(second.headers.get("x-cloudtasks-taskpreviousresponse")).toBe("500");
    second.respond(200);
  });

  it("fires at the schedule time by an alarm that an eviction does not lose", async () => {
    await makeQueue();
    const at = Date.now() + 3600_000;
    const { id } = value(await queue().createTask(...taskParts({ scheduleTimeUs: at * 1000 })));
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
      value(await queue().createTask(...taskParts({ scheduleTimeUs: (base + offset) * 1000 })));
      expect(await alarm()).toBe(expected);
    }
  });

  it("keeps a watchdog alarm while an attempt runs", async () => {
    await makeQueue();
    const before = Date.now();
    value(await queue().createTask(...taskParts()));
    const request = await target.next();
    const watchdog = await alarm();
    expect(watchdog).toBeGreaterThan(before + 20_000);
    expect(watchdog).toBeLessThanOrEqual(Date.now() + 25_000);
    request.respond(200);
  });

  it("an attempt that ran when the object died is neither forgotten nor repeated", async () => {
    await makeQueue();
    const { id } = value(await queue().createTask(...taskParts()));
    const request = await target.next();
    await abortAllDurableObjects();
    expect(value(await queue().getTask(id, false)).dispatchCount).toBe(1);
    request.respond(200);
    await eventually(async () =>
      expect(error(await queue().getTask(id, false)).code).toBe("NOT_FOUND"),
    );
    expect(target.count).toBe(1);
  });

  it("an alarm that was lost is set again by the next life", async () => {
    await makeQueue();
    const at = Date.now() + 3600_000;
    value(await queue().createTask(...taskParts({ scheduleTimeUs: at * 1000 })));
    await inside((_object, state) => state.storage.deleteAlarm());
    await evict();
    await queue().getQueue();
    await eventually(async () => expect(await alarm()).toBe(at));
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
    value(await queue().createTask(...taskParts()));
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
    await eventually(async () =>
      expect(value(await queue().listTasks({ pageSize: 1, withBody: false })).tasks).toEqual([]),
    );
    expect(target.count).toBe(300);
  });

  it("long attempts that begin one by one fill the places of their calls", async () => {
    await makeQueue();
    for (let index = 0; index < 60; index++) value(await queue().createTask(...taskParts()));
    const requests = await target.take(60);
    for (const request of requests) request.respond(200);
  });

  it("RunTask opens no call beyond the 32: what finds no place waits for one", async () => {
    await makeQueue();
    value(await queue().createTasks(Array.from({ length: 192 }, () => taskSpec())));
    const first = await target.take(192);
    value(await queue().createTask(...taskParts({ id: "forced" })));
    value(await queue().runTask("forced", false));
    value(await queue().getTask("forced", false));
    expect(target.count).toBe(192);
    first[100]?.respond(200);
    const forced = await target.next();
    expect(forced.headers.get("x-cloudtasks-taskname")).toBe("forced");
    for (const request of [...first, forced]) request.respond(200);
  });

  it("new overrides count for every attempt that begins after them", async () => {
    await makeQueue();
    value(await queue().createTasks([taskSpec(), taskSpec()]));
    const [long, short] = await target.take(2);
    short?.respond(200);
    await eventually(async () =>
      expect(value(await queue().listTasks({ pageSize: 9, withBody: false })).tasks.length).toBe(1),
    );
    const uriOverride = { host: "new.example.com", enforceMode: "ALWAYS" } as const;
    value(await queue().updateSettings(settings({ httpTarget: { uriOverride } })));
    value(await queue().createTask(...taskParts()));
    const next = await target.next();
    expect(new URL(next.url).host).toBe("new.example.com");
    for (const request of [long, next]) request?.respond(200);
  });

  it("leaves no timer behind: it would be billed", async () => {
    await makeQueue();
    const timers = watchTimers();
    value(await queue().createTask(...taskParts()));
    (await target.next()).respond(200);
    await eventually(() => expect([...timers.values()]).toEqual([]));
  });

  it("a long attempt does not keep free places of its call from others", async () => {
    await makeQueue();
    value(await queue().createTask(...taskParts()));
    const long = await target.next();
    for (let index = 0; index < 40; index++) {
      value(await queue().createTask(...taskParts()));
      (await target.next()).respond(200);
    }
    long.respond(200);
  });
});

describe("a bug", () => {
  const plant = (method: "isBusy" | "recordOutcome" | "sweep" | "wakeAtUs") =>
    vi.spyOn(Engine.prototype, method).mockImplementation(() => {
      throw new Error("planted");
    });
  beforeEach(() => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
  });

  it("met by one report leaves the rest of the turn alone", async () => {
    await makeQueue();
    const planted = plant("recordOutcome");
    const end = { kind: "timeout" } as const;
    const outcomes = [{ scheduleTimeUs: 1, sequence: 1, attempt: 1, end }];
    const [orders, created] = await Promise.all([
      queue().report({ lane: 9, incarnation: "x", outcomes, free: 1, running: 0 }),
      queue().createTask(...taskParts({ scheduleTimeUs: (Date.now() + 3600_000) * 1000 })),
    ]);
    expect([...orders]).toEqual([]);
    expect(created.ok).toBe(true);
    expect(planted).toHaveBeenCalled();
  });

  it.each(["sweep", "wakeAtUs"] as const)(
    "that stays (in %s) is tried again by the watchdog, not at once for ever",
    async (method) => {
      await makeQueue();
      const timers = watchTimers();
      const planted = plant(method);
      value(
        await queue().createTask(...taskParts({ scheduleTimeUs: (Date.now() + 3600_000) * 1000 })),
      );
      value(await queue().purge());
      await eventually(() => expect([...timers.values()]).toEqual([]));
      expect(planted.mock.calls.length).toBeLessThan(10);
      expect(await alarm()).toBeLessThanOrEqual(Date.now() + 25_000);
    },
  );

  it.each(["isBusy", "sweep", "wakeAtUs"] as const)(
    "met by an alarm (in %s) does not make it throw, and another is set",
    async (method) => {
      await makeQueue();
      const planted = plant(method);
      await inside(async (object, state) => {
        await object.alarm();
        expect(planted).toHaveBeenCalled();
        expect(await state.storage.getAlarm()).toBeGreaterThan(Date.now());
        planted.mockRestore();
        await state.storage.deleteAlarm();
        await object.alarm();
        const scheduleTimeUs = (Date.now() + 3600_000) * 1000;
        value(await object.createTask(...taskParts({ scheduleTimeUs })));
        expect(await state.storage.getAlarm()).toBe(scheduleTimeUs / 1000);
      });
    },
  );
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
      value(await queue().createTask(...taskParts({ body, scheduleTimeUs: at, id: `t${index}` })));
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
      ["a", "b", "a"].map((id) => queue().createTask(...taskParts({ id, scheduleTimeUs }))),
    );
    expect(answers.map((answer) => answer.ok)).toEqual([true, true, false]);
  });
});
