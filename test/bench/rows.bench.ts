/**
 * Counts billed rows of small push tasks through the real object, the Dispatcher and a target that
 * answers at once.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, type TestContext, test, vi } from "vitest";
import { encodeMeta, partsOf, type QueueSettings, type TaskSpec } from "../../src/core/model.ts";
import type { Result } from "../../src/core/result.ts";
import type { Env, StubOf } from "../../src/env.ts";
import type { QueueObject } from "../../src/queue/queue-object.ts";
import type {
  ParticipantService,
  PullService,
  QueueAdmin,
  QueueReports,
} from "../../src/queue/service.ts";
import type { CoordinatorService, TransactionService } from "../../src/transaction/service.ts";
import type { RowCount } from "./row-count.ts";

const SETTINGS: QueueSettings = {
  type: "PUSH",
  rateLimits: {
    maxDispatchesPerSecond: 500,
    maxBurstSize: 100,
    maxConcurrentDispatches: 1000,
  },
  retryConfig: {
    maxAttempts: 100,
    maxRetryDurationUs: 0,
    minBackoffUs: 100_000,
    maxBackoffUs: 3600e6,
    maxDoublings: 16,
  },
  taskTtlUs: 31 * 86400e6,
  tombstoneTtlUs: 3600e6,
};

const META = encodeMeta({
  target: {
    kind: "http",
    url: "https://target.example/",
    method: "POST",
    headers: { "Content-Type": "application/json", "User-Agent": "Google-Cloud-Tasks" },
  },
});
const BODY = new TextEncoder().encode(JSON.stringify({ order: 1, note: "x".repeat(70) }));

type Stub = StubOf<QueueAdmin & QueueReports & PullService & ParticipantService>;
type Counted = Stub | StubOf<TransactionService & CoordinatorService>;

beforeEach(() => {
  vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response(null));
});

afterEach(() => {
  vi.restoreAllMocks();
});

test("created in batches of 100, unnamed", async (context) => {
  const queue = await openQueue("batch");
  await count(context, queue, { tasks: 1000, goal: 2.1 }, async () => {
    for (let i = 0; i < 10; i++) {
      await createMany(
        queue,
        Array.from({ length: 100 }, () => ({})),
      );
    }
    await untilEmpty(queue);
  });
});

test("created in batches of 100, named", async (context) => {
  const queue = await openQueue("batch-named");
  await count(context, queue, { tasks: 1000, goal: 5.1 }, async () => {
    for (let i = 0; i < 10; i++) {
      await createMany(
        queue,
        Array.from({ length: 100 }, (_, n) => ({ id: `name-${i}-${n}` })),
      );
    }
    await untilEmpty(queue);
  });
});

test("created singly, 50 a second, unnamed", async (context) => {
  const queue = await openQueue("steady");
  await count(context, queue, { tasks: 500, goal: 2.6 }, () => steadyFlow(queue, () => ({})));
});

test("created singly, 50 a second, named", async (context) => {
  const queue = await openQueue("steady-named");
  await count(context, queue, { tasks: 500, goal: 5.6 }, () =>
    steadyFlow(queue, (n) => ({ id: `name-${n}` })),
  );
});

test("alone in an idle queue, due at once", async (context) => {
  const queue = await openQueue("alone");
  await count(context, queue, { tasks: 5, goal: 4.1 }, () => oneByOne(queue, () => ({})));
});

test("alone in an idle queue, due in 600 ms", async (context) => {
  const queue = await openQueue("alone-soon");
  await count(context, queue, { tasks: 5, goal: 4.1 }, () =>
    oneByOne(queue, () => ({ aheadUs: 600_000 })),
  );
});

test("alone in an idle queue, due in 2 s", async (context) => {
  const queue = await openQueue("alone-later");
  await count(context, queue, { tasks: 5, goal: 4.1 }, () =>
    oneByOne(queue, () => ({ aheadUs: 2_000_000 })),
  );
});

test("alone in an idle queue, due at once, named", async (context) => {
  const queue = await openQueue("alone-named");
  await count(context, queue, { tasks: 5, goal: 7.1 }, () =>
    oneByOne(queue, (n) => ({ id: `name-${n}` })),
  );
});

test("in transactions of 10, committed at once", async (context) => {
  const queue = await openQueue("transactional");
  await count(context, queue, { tasks: 500, goal: 4.2 }, async () => {
    for (let i = 1; i <= 50; i++) {
      const specs = Array.from({ length: 10 }, (): TaskSpec => ({ meta: META, body: BODY }));
      for (const added of expectOk(await queue.prepareTasks(String(i), specs))) expectOk(added);
      expectOk(await queue.resolve(String(i), "COMMITTED"));
    }
    await untilEmpty(queue);
  });
});

test("in a transaction of its own, alone in an idle queue", async (context) => {
  const queue = await openQueue("transactional-alone");
  await count(context, queue, { tasks: 5, goal: 7.1 }, async () => {
    for (let i = 1; i <= 5; i++) {
      const specs = [{ meta: META, body: BODY }];
      for (const added of expectOk(await queue.prepareTasks(String(i), specs))) expectOk(added);
      expectOk(await queue.resolve(String(i), "COMMITTED"));
      await untilEmpty(queue);
      await fireAlarms(queue);
    }
  });
});

test("a transaction's own object, over 3 queues", async (context) => {
  const name = { project: "bench", location: "us-central1", id: "1" };
  const stub = (env as Env).TRANSACTIONS.getByName("bench/us-central1/1");
  const total = await startCounting(stub);
  expectOk(await stub.begin({ name, lifetimeUs: 60e6 }));
  for (const id of ["t-a", "t-b", "t-c"]) {
    await openQueue(id);
    const queue = { project: "bench", location: "us-central1", queue: id };
    expectOk(await stub.enlist(queue));
  }
  expectOk(await stub.commit());
  await fireAlarms(stub);
  Object.assign(context.task.meta, { tasks: 1, goal: 9.1, rows: await total() });
});

test("pulled in batches of 100: insert, lease, acknowledge", async (context) => {
  const queue = await openQueue("pull", "PULL");
  await count(context, queue, { tasks: 1000, goal: 4.1 }, () => pullAll(queue, 100, () => ({})));
});

test("pulled in batches of 100, tagged, leased by tag", async (context) => {
  const queue = await openQueue("pull-tagged", "PULL");
  const shape = (n: number) => ({ tag: `tag ${n % 2}` });
  await count(context, queue, { tasks: 1000, goal: 6.1 }, () => pullAll(queue, 100, shape));
});

test("pulled one by one", async (context) => {
  const queue = await openQueue("pull-single", "PULL");
  await count(context, queue, { tasks: 100, goal: 4.1 }, () => pullAll(queue, 1, () => ({})));
});

test("pulled one by one, tagged", async (context) => {
  const queue = await openQueue("pull-single-tagged", "PULL");
  const shape = () => ({ tag: "a" });
  await count(context, queue, { tasks: 100, goal: 6.1 }, () => pullAll(queue, 1, shape));
});

// --- driving ---------------------------------------------------------------------------------

async function openQueue(name: string, type: QueueSettings["type"] = "PUSH"): Promise<Stub> {
  const stub = (env as Env).QUEUE.getByName(`bench/us-central1/${name}`);
  const queue = { project: "bench", location: "us-central1", queue: name };
  expectOk(await stub.configure({ name: queue, settings: { ...SETTINGS, type } }));
  return stub;
}

type Shape = Pick<TaskSpec, "id" | "tag">;

/** Ten batches, each created, leased by the tag of its oldest task, and acknowledged in one call each. */
async function pullAll(
  queue: Stub,
  batch: number,
  shape: (n: number) => Pick<Shape, "tag">,
): Promise<void> {
  const request = {
    maxTasks: 1000,
    leaseDurationUs: 60e6,
    selection: { kind: "oldestTag" },
    withBody: true,
    maxBytes: 32e6,
  } as const;
  for (let i = 0; i < (batch === 1 ? 100 : 10); i++) {
    await createMany(
      queue,
      Array.from({ length: batch }, (_, n) => shape(n)),
    );
    for (let left = batch; left > 0; ) {
      const leased = expectOk(await queue.leaseTasks(request));
      const keys = leased.map(({ id, scheduleTimeUs }) => ({ id, scheduleTimeUs }));
      for (const ended of expectOk(await queue.acknowledgeTasks(keys))) expectOk(ended);
      left -= leased.length;
    }
  }
}

async function createMany(queue: Stub, shapes: readonly Shape[]): Promise<void> {
  const specs = shapes.map((shape): TaskSpec => ({ ...shape, meta: META, body: BODY }));
  for (const created of expectOk(await queue.createTasks(specs))) expectOk(created);
}

/** One create every 20 ms, as callers that do not wait for each other make them. */
async function steadyFlow(queue: Stub, shape: (n: number) => Shape): Promise<void> {
  const created: Promise<unknown>[] = [];
  for (let i = 0; i < 500; i++) {
    created.push(
      queue.createTask(...partsOf({ ...shape(i), meta: META, body: BODY })).then(expectOk),
    );
    await pause(20);
  }
  await Promise.all(created);
  await untilEmpty(queue);
}

/** One task, done, and every alarm that it left behind fired, before the next. */
async function oneByOne(
  queue: Stub,
  shape: (n: number) => Shape & { readonly aheadUs?: number },
): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const { aheadUs = 0, ...named } = shape(i);
    const scheduleTimeUs = (await inObject(queue, (object) => object.clock())) + aheadUs;
    expectOk(
      await queue.createTask(...partsOf({ ...named, scheduleTimeUs, meta: META, body: BODY })),
    );
    await untilEmpty(queue);
    await fireAlarms(queue);
  }
}

async function untilEmpty(queue: Stub): Promise<void> {
  await vi.waitUntil(
    async () =>
      expectOk(await queue.listTasks({ pageSize: 1, withBody: false })).tasks.length === 0,
    { timeout: 60_000, interval: 50 },
  );
}

/** Lets the object's clock go on to each alarm that is set, until none is set any more. */
async function fireAlarms(queue: Counted): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const isSet = await inObject(queue, async (object, { storage }) => {
      const alarmMs = await storage.getAlarm();
      if (alarmMs === null) return false;
      const aheadUs = Math.max(0, alarmMs * 1000 - object.clock());
      const before = object.clock;
      object.clock = () => before() + aheadUs;
      return true;
    });
    if (!isSet) return;
    await runDurableObjectAlarm(queue as never);
  }
  throw new Error("the alarms never end");
}

// --- counting --------------------------------------------------------------------------------

/** Counts what is written while the work is done and until nothing of it is left. */
async function count(
  context: TestContext,
  queue: Stub,
  { tasks, goal }: Pick<RowCount, "tasks" | "goal">,
  work: () => Promise<void>,
): Promise<void> {
  const total = await startCounting(queue);
  await work();
  await fireAlarms(queue);
  const counted: RowCount = { tasks, goal, rows: await total() };
  Object.assign(context.task.meta, counted);
}

/** Has every statement, record and alarm of the object counted from now on. */
async function startCounting(queue: Counted): Promise<() => Promise<number>> {
  let rows = 0;
  await inObject(queue, (_object, state) => {
    const { storage } = state;
    const exec = storage.sql.exec.bind(storage.sql);
    const setAlarm = storage.setAlarm.bind(storage);
    const counted: typeof storage.sql.exec = (...args) => {
      // Writes happen in exec itself, before anything is read from the cursor.
      const cursor = exec(...args);
      rows += cursor.rowsWritten;
      return cursor as never;
    };
    Object.defineProperty(storage.sql, "exec", { value: counted });
    const countedAlarm: typeof storage.setAlarm = (...args) => {
      rows++;
      return setAlarm(...args);
    };
    Object.defineProperty(storage, "setAlarm", { value: countedAlarm });
    const put = storage.kv.put.bind(storage.kv);
    const countedPut: typeof storage.kv.put = (...args) => {
      rows++;
      return put(...args);
    };
    Object.defineProperty(storage.kv, "put", { value: countedPut });
  });
  return async () => rows;
}

function inObject<T>(
  queue: Counted,
  use: (object: QueueObject, state: DurableObjectState) => T,
): Promise<Awaited<T>> {
  return runInDurableObject(queue as never, use as never);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function expectOk<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}
