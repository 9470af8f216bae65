/** Which queues exist: the methods of the catalogue, with the texts of errors.md §2. */
import { describe, expect, it } from "vitest";
import { MAX_QUEUES_PER_LOCATION } from "../../src/core/limits.ts";
import type { QueueSettings } from "../../src/core/model.ts";
import { SETTINGS, TestRegistry } from "./fake-queues.ts";

const WEEK_SECONDS = 7 * 86_400;
const NO_QUEUE = {
  ok: false,
  error: {
    code: "NOT_FOUND",
    message:
      "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.",
  },
};
const NOT_FOUND = {
  ok: false,
  error: { code: "NOT_FOUND", message: "Requested entity was not found." },
};
const TOO_RECENT = {
  ok: false,
  error: {
    code: "FAILED_PRECONDITION",
    message: "The queue cannot be created because a queue with this name existed too recently.",
  },
};
const EXISTS = { ok: false, error: { code: "ALREADY_EXISTS", message: "Queue already exists" } };
const DONE = { ok: true, value: null };

function withAttempts(maxAttempts: number): QueueSettings {
  return { ...SETTINGS, retryConfig: { ...SETTINGS.retryConfig, maxAttempts } };
}

async function setup(...queues: readonly string[]) {
  const registry = new TestRegistry();
  await registry.run(async (object) => {
    for (const queue of queues) expect((await object.createQueue(queue, SETTINGS)).ok).toBe(true);
  });
  registry.queues.calls.length = 0;
  return registry;
}

describe("creating a queue", () => {
  it("makes it exist and lists it", async () => {
    const registry = await setup();
    const result = await registry.run((object) => object.createQueue("a", SETTINGS));
    expect(result).toEqual({ ok: true, value: registry.record("a") });
    expect(registry.queues.existing.get("a")).toEqual(registry.record("a"));
    expect(await registry.names()).toEqual(["a"]);
  });

  it("that exists is refused and left alone", async () => {
    const registry = await setup("a");
    const again = await registry.run((object) => object.createQueue("a", withAttempts(5)));
    expect(again).toEqual(EXISTS);
    expect(registry.queues.calls).toEqual([]);
    expect(registry.queues.existing.get("a")).toEqual(registry.record("a"));
  });

  it("is refused for seven days after one of that name was deleted", async () => {
    const registry = await setup("a");
    const create = () => registry.run((object) => object.createQueue("a", SETTINGS));
    expect(await registry.run((object) => object.deleteQueue("a"))).toEqual(DONE);
    expect(await create()).toEqual(TOO_RECENT);
    registry.advance(WEEK_SECONDS - 0.001);
    await registry.evict();
    expect(await create()).toEqual(TOO_RECENT);
    registry.advance(0.001);
    expect((await create()).ok).toBe(true);
    expect(await registry.names()).toEqual(["a"]);
  });

  it("that its object refuses leaves no trace", async () => {
    const registry = await setup();
    const refusal = { ok: false, error: { code: "INTERNAL", message: "no" } } as const;
    registry.queues.refusals.set("configure", refusal);
    expect(await registry.run((object) => object.createQueue("a", SETTINGS))).toEqual(refusal);
    registry.queues.refusals.clear();
    expect(await registry.names()).toEqual([]);
    expect((await registry.run((object) => object.createQueue("a", SETTINGS))).ok).toBe(true);
  });

  it("can be of a paused one, which is paused by the same call", async () => {
    const registry = await setup();
    const paused = { ...registry.record("a"), state: "PAUSED" };
    const result = await registry.run((object) => object.createQueue("a", SETTINGS, "PAUSED"));
    expect(result).toEqual({ ok: true, value: paused });
    expect(registry.queues.existing.get("a")).toEqual(paused);
    expect(registry.queues.calls.map(({ method }) => method)).toEqual(["configure"]);
  });

  it("of a paused one that was cut off is finished as a paused one", async () => {
    const registry = await setup();
    registry.queues.fate = () => "before";
    const first = await registry.run((object) => object.createQueue("a", SETTINGS, "PAUSED"));
    expect(first).toMatchObject({ ok: false, error: { code: "UNAVAILABLE" } });
    registry.queues.fate = () => "works";
    expect(await registry.names()).toEqual(["a"]);
    expect(registry.queues.existing.get("a")?.state).toBe("PAUSED");
  });

  it("can be asked about before", async () => {
    const registry = await setup("here", "gone");
    await registry.run((object) => object.deleteQueue("gone"));
    const ask = () => registry.run((object) => object.checkCreatable(["new", "here", "gone"]));
    expect(await ask()).toEqual([
      { queue: "here", error: EXISTS.error },
      { queue: "gone", error: TOO_RECENT.error },
    ]);
    registry.advance(WEEK_SECONDS);
    expect(await ask()).toEqual([{ queue: "here", error: EXISTS.error }]);
    expect(registry.queues.calls.map(({ method }) => method)).toEqual(["destroy"]);
  });

  it("is refused past the number of queues a location can have", async () => {
    const registry = await setup("a");
    await registry.run((_, { storage }) => {
      storage.sql.exec(
        `INSERT INTO queue(name, phase, record)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         SELECT 'q' || i, 'live', '{}' FROM n`,
        MAX_QUEUES_PER_LOCATION - 1,
      );
    });
    const refusal = await registry.run((object) => object.createQueue("b", SETTINGS));
    expect(await registry.run((object) => object.checkCreatable(["b", "c"]))).toMatchObject([
      { queue: "b", error: { code: "RESOURCE_EXHAUSTED" } },
      { queue: "c", error: { code: "RESOURCE_EXHAUSTED" } },
    ]);
    expect(refusal).toEqual({
      ok: false,
      error: {
        code: "RESOURCE_EXHAUSTED",
        message: "A location can have no more than 10000 queues in a project.",
      },
    });
    expect(registry.queues.existing.has("b")).toBe(false);
    await registry.run((object) => object.deleteQueue("a"));
    expect((await registry.run((object) => object.createQueue("b", SETTINGS))).ok).toBe(true);
  });
});

describe("deleting a queue", () => {
  it("removes it from its object and from the list", async () => {
    const registry = await setup("a", "b");
    expect(await registry.run((object) => object.deleteQueue("a"))).toEqual(DONE);
    expect([...registry.queues.existing.keys()]).toEqual(["b"]);
    expect(await registry.names()).toEqual(["b"]);
  });

  it("that is missing or was deleted is refused", async () => {
    const registry = await setup("a");
    expect(await registry.run((object) => object.deleteQueue("x"))).toEqual(NOT_FOUND);
    await registry.run((object) => object.deleteQueue("a"));
    registry.queues.calls.length = 0;
    expect(await registry.run((object) => object.deleteQueue("a"))).toEqual(NOT_FOUND);
    expect(registry.queues.calls).toEqual([]);
  });
});

describe("patching a queue", () => {
  const patch = { paths: ["retryConfig.maxAttempts"], input: { retryConfig: { maxAttempts: 7 } } };

  it("changes what it names, in the object and in the list", async () => {
    const registry = await setup("a");
    const expected = { ...registry.record("a"), settings: withAttempts(7) };
    const result = await registry.run((object) => object.patchQueue("a", patch));
    expect(result).toEqual({ ok: true, value: expected });
    expect(registry.queues.existing.get("a")).toEqual(expected);
    const list = await registry.run((object) => object.listQueues("", 10));
    expect(list).toEqual({ queues: [expected], more: false });
  });

  it("that is missing creates it", async () => {
    const registry = await setup();
    const expected = { ...registry.record("a"), settings: withAttempts(7) };
    const result = await registry.run((object) => object.patchQueue("a", patch));
    expect(result).toEqual({ ok: true, value: expected });
    expect(await registry.names()).toEqual(["a"]);
  });

  it("that was deleted lately is refused", async () => {
    const registry = await setup("a");
    await registry.run((object) => object.deleteQueue("a"));
    expect(await registry.run((object) => object.patchQueue("a", patch))).toEqual(TOO_RECENT);
    expect(await registry.names()).toEqual([]);
  });

  it.each(["a", "missing"])("with a broken rule changes nothing (%s)", async (queue) => {
    const registry = await setup("a");
    const broken = { input: { rateLimits: { maxDispatchesPerSecond: -1 } } };
    expect(await registry.run((object) => object.patchQueue(queue, broken))).toEqual({
      ok: false,
      error: {
        code: "INVALID_ARGUMENT",
        message: "RateLimits.maxDispatchesPerSecond cannot be negative.",
      },
    });
    expect(registry.queues.calls).toEqual([]);
    expect(await registry.names()).toEqual(["a"]);
  });

  it("that its object refuses leaves the queue as it was", async () => {
    const registry = await setup("a");
    const refusal = { ok: false, error: { code: "INTERNAL", message: "no" } } as const;
    registry.queues.refusals.set("updateSettings", refusal);
    expect(await registry.run((object) => object.patchQueue("a", patch))).toEqual(refusal);
    const list = await registry.run((object) => object.listQueues("", 10));
    expect(list.queues).toEqual([registry.record("a")]);
  });
});

describe("pausing, resuming and purging", () => {
  const METHODS = ["pauseQueue", "resumeQueue", "purgeQueue"] as const;

  it("show in the answer, in the object and in the list", async () => {
    const registry = await setup("a");
    const paused = { ...registry.record("a"), state: "PAUSED" };
    const purged = { ...paused, purgeTimeUs: 1000 };
    const steps = [
      ["pauseQueue", paused],
      ["purgeQueue", purged],
      ["resumeQueue", { ...purged, state: "RUNNING" }],
    ] as const;
    for (const [method, expected] of steps) {
      const result = await registry.run((object) => object[method]("a"));
      expect(result).toEqual({ ok: true, value: expected });
      expect(registry.queues.existing.get("a")).toEqual(expected);
      const list = await registry.run((object) => object.listQueues("", 10));
      expect(list.queues).toEqual([expected]);
    }
  });

  it.each(METHODS)("%s of a missing or deleted queue is refused", async (method) => {
    const registry = await setup("a");
    await registry.run((object) => object.deleteQueue("a"));
    registry.queues.calls.length = 0;
    expect(await registry.run((object) => object[method]("a"))).toEqual(NO_QUEUE);
    expect(await registry.run((object) => object[method]("x"))).toEqual(NO_QUEUE);
    expect(registry.queues.calls).toEqual([]);
  });

  it("give an object that lost its queue the queue back, paused as it was", async () => {
    const registry = await setup("a");
    await registry.run((object) => object.pauseQueue("a"));
    registry.queues.existing.clear();
    const result = await registry.run((object) => object.purgeQueue("a"));
    expect(result).toEqual({
      ok: true,
      value: { ...registry.record("a"), state: "PAUSED", purgeTimeUs: 1000 },
    });
    expect(registry.queues.existing.has("a")).toBe(true);
  });
});

describe("listing queues", () => {
  it("goes by bytes, page by page, whatever is deleted in between", async () => {
    const registry = await setup("b", "B", "a-1", "a1", "a", "Z", "0", "-");
    const page = (after: string) =>
      registry.run(async (object) => {
        const { queues, more } = await object.listQueues(after, 3);
        return { names: queues.map(({ name }) => name.queue), more };
      });
    expect(await page("")).toEqual({ names: ["-", "0", "B"], more: true });
    await registry.run((object) => object.deleteQueue("B"));
    expect(await page("B")).toEqual({ names: ["Z", "a", "a-1"], more: true });
    expect(await page("a-1")).toEqual({ names: ["a1", "b"], more: false });
    expect(await page("b")).toEqual({ names: [], more: false });
  });

  it("says there is no more where only tombstones follow", async () => {
    const registry = await setup("a", "b", "c");
    await registry.run((object) => object.deleteQueue("c"));
    await registry.run((object) => object.deleteQueue("a"));
    const list = await registry.run((object) => object.listQueues("", 1));
    expect(list).toEqual({ queues: [registry.record("b")], more: false });
  });

  it("ends a page early where the records are big", async () => {
    const registry = await setup();
    const headers = [{ key: "X-Big", value: "x".repeat(81_000) }];
    const settings = { ...SETTINGS, httpTarget: { headers } };
    await registry.run(async (object) => {
      for (let n = 100; n < 220; n++) await object.createQueue(`q${n}`, settings);
      const first = await object.listQueues("", 9800);
      expect(first.more).toBe(true);
      expect(first.queues.length).toBeGreaterThan(50);
      const second = await object.listQueues(first.queues.at(-1)?.name.queue ?? "", 9800);
      expect(second.more).toBe(false);
      expect(first.queues.length + second.queues.length).toBe(120);
    });
  });

  it.each([
    [0, 1],
    [-4, 1],
    [2.9, 2],
    [1e9, 3],
  ])("takes a limit of %d for a page of %d", async (limit, expected) => {
    const registry = await setup("a", "b", "c");
    const { queues } = await registry.run((object) => object.listQueues("", limit));
    expect(queues.length).toBe(expected);
  });
});

describe("calls at the same time", () => {
  it("on one queue take turns", async () => {
    const registry = await setup();
    const results = await registry.run((object) =>
      Promise.all([
        object.createQueue("a", SETTINGS),
        object.createQueue("a", SETTINGS),
        object.pauseQueue("a"),
        object.deleteQueue("a"),
        object.deleteQueue("a"),
        object.createQueue("a", SETTINGS),
      ]),
    );
    expect(results).toEqual([
      { ok: true, value: registry.record("a") },
      EXISTS,
      { ok: true, value: { ...registry.record("a"), state: "PAUSED" } },
      DONE,
      NOT_FOUND,
      TOO_RECENT,
    ]);
    expect(registry.queues.calls.map(({ method }) => method)).toEqual([
      "configure",
      "pause",
      "destroy",
    ]);
  });

  it("on different queues do not wait for each other", async () => {
    const registry = await setup();
    await registry.run(async (object) => {
      const slow = Promise.withResolvers<void>();
      registry.queues.hold = ({ queue }) => (queue === "slow" ? slow.promise : undefined);
      const first = object.createQueue("slow", SETTINGS);
      expect((await object.createQueue("fast", SETTINGS)).ok).toBe(true);
      slow.resolve();
      expect((await first).ok).toBe(true);
    });
  });

  it("let a list wait for what was under way, and not for what began after it", async () => {
    const registry = await setup("a", "b");
    await registry.run(async (object) => {
      const held = { a: Promise.withResolvers<void>(), b: Promise.withResolvers<void>() };
      registry.queues.hold = ({ queue }) => (queue === "a" ? held.a.promise : held.b.promise);
      const deleteA = object.deleteQueue("a");
      await untilCalled(registry, "a");
      const list = object.listQueues("", 10);
      const deleteB = object.deleteQueue("b");
      await untilCalled(registry, "b");
      held.a.resolve();
      expect(await deleteA).toEqual(DONE);
      expect((await list).queues.map(({ name }) => name.queue)).toEqual(["b"]);
      held.b.resolve();
      expect(await deleteB).toEqual(DONE);
    });
  });
});

describe("a catalogue that was only asked", () => {
  it("answers, and stores nothing", async () => {
    const registry = await setup();
    await registry.run(async (object, { storage }) => {
      expect(await object.listQueues("", 10)).toEqual({ queues: [], more: false });
      expect(await object.deleteQueue("a")).toEqual(NOT_FOUND);
      expect(await object.pauseQueue("a")).toEqual(NO_QUEUE);
      expect(storage.sql.exec("SELECT name FROM sqlite_master").toArray()).toEqual([]);
    });
    expect(await registry.alarmMs()).toBeNull();
  });
});

describe("the alarm", () => {
  it("sweeps tombstones when they have ended, many at a time", async () => {
    const registry = await setup("a", "b", "c");
    await registry.run((object) => object.deleteQueue("a"));
    registry.advance(60);
    await registry.run((object) => object.deleteQueue("b"));
    expect(await rowCount(registry)).toBe(3);
    registry.advance(WEEK_SECONDS);
    expect(await registry.ring()).toBe(true);
    expect(await rowCount(registry)).toBe(1);
    expect(await registry.alarmMs()).toBeNull();
    expect(await registry.names()).toEqual(["c"]);
  });

  it("stays set while a tombstone has not ended", async () => {
    const registry = await setup("a");
    await registry.run((object) => object.deleteQueue("a"));
    const sweepMs = registry.nowMs + (WEEK_SECONDS + 3600) * 1000;
    expect(await registry.ring()).toBe(true);
    expect(await registry.alarmMs()).toBe(sweepMs);
    expect(await rowCount(registry)).toBe(1);
  });

  it("is set again where it was lost", async () => {
    const registry = await setup("a");
    await registry.run((object) => object.deleteQueue("a"));
    await registry.ring();
    await registry.run((_, { storage }) => storage.deleteAlarm());
    await registry.evict();
    expect(await registry.alarmMs()).toBe(registry.nowMs + (WEEK_SECONDS + 3600) * 1000);
  });

  it("does not throw where the table can't be read, and rings again", async () => {
    const registry = await setup("a");
    await registry.run((_, { storage }) => {
      storage.sql.exec("DROP TABLE queue");
    });
    expect(await registry.ring()).toBe(true);
    expect(registry.warnings.map(({ message }) => message)).toEqual([
      "the catalogue's alarm failed and is repeated",
    ]);
    expect(await registry.alarmMs()).toBe(registry.nowMs + 70_000);
  });
});

async function rowCount(registry: TestRegistry): Promise<number> {
  return registry.run(
    (_, { storage }) => storage.sql.exec("SELECT name FROM queue").toArray().length,
  );
}

/** Lets the catalogue go on until it has called this queue's object. */
async function untilCalled(registry: TestRegistry, queue: string): Promise<void> {
  while (!registry.queues.calls.some((call) => call.queue === queue)) await Promise.resolve();
}

describe("the signing of a queue's webhooks", () => {
  const rotate = { kind: "rotate", overlapUs: 1000 } as const;

  it("begins with a secret of its own, which a queue made again under the name does not have", async () => {
    const registry = await setup();
    const { webhookSigning, ...plain } = SETTINGS;
    const make = () => registry.run((object) => object.createQueue("a", plain));
    expect(await make()).toMatchObject({ value: { settings: { webhookSigning } } });
    await registry.run((object) => object.deleteQueue("a"));
    registry.advance(8 * 86_400);
    expect(await make()).toMatchObject({
      value: { settings: { webhookSigning: { enabled: true, generation: registry.nowUs } } },
    });
  });

  it("changes in the catalogue and in the queue's object alike", async () => {
    const registry = await setup("a");
    registry.advance(5);
    const previous = {
      generation: SETTINGS.webhookSigning.generation,
      untilUs: registry.nowUs + 1000,
    };
    const webhookSigning = { enabled: true, generation: registry.nowUs, previous };
    const expected = { ...registry.record("a"), settings: { ...SETTINGS, webhookSigning } };
    const result = await registry.run((object) => object.changeSigning("a", rotate));
    expect(result).toEqual({ ok: true, value: expected });
    expect(registry.queues.existing.get("a")).toEqual(expected);
    const { queues } = await registry.run((object) => object.listQueues("", 1));
    expect(queues).toEqual([expected]);
  });

  it("of a queue that does not exist is refused, and makes none", async () => {
    const registry = await setup();
    expect(await registry.run((object) => object.changeSigning("a", rotate))).toMatchObject({
      ok: false,
      error: { code: "NOT_FOUND" },
    });
    expect(await registry.names()).toEqual([]);
  });
});
