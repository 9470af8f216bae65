/**
 * Crashes between the catalogue and the queue's object, at each step of each method, and each way
 * back: afterwards the list and the objects agree, and what was begun is done.
 */
import { describe, expect, it } from "vitest";
import type { QueueRecord, QueueSettings } from "../../src/core/model.ts";
import type { RegistryObject } from "../../src/registry/registry-object.ts";
import { SETTINGS, TestRegistry } from "./fake-queues.ts";

const PATCH = { paths: ["retryConfig.maxAttempts"], input: { retryConfig: { maxAttempts: 7 } } };
const PATCHED: QueueSettings = {
  ...SETTINGS,
  retryConfig: { ...SETTINGS.retryConfig, maxAttempts: 7 },
};

interface Step {
  readonly name: string;
  /** Brings the queue `a` to where the step begins. */
  readonly prepare: (object: RegistryObject) => Promise<unknown>;
  readonly run: (object: RegistryObject) => Promise<{ readonly ok: boolean }>;
  /** The queue once the step is done; null: gone. */
  readonly after: Partial<QueueRecord> | null;
  /** What the same call answers once the step was finished for it. */
  readonly again: "ok" | "ALREADY_EXISTS";
}

const create = (object: RegistryObject) => object.createQueue("a", SETTINGS);
const nothing = async () => {};

const STEPS: readonly Step[] = [
  {
    name: "create",
    prepare: nothing,
    run: create,
    after: { settings: SETTINGS },
    again: "ALREADY_EXISTS",
  },
  {
    name: "patch that creates",
    prepare: nothing,
    run: (object) => object.patchQueue("a", PATCH),
    after: { settings: PATCHED },
    again: "ok",
  },
  {
    name: "patch",
    prepare: create,
    run: (object) => object.patchQueue("a", PATCH),
    after: { settings: PATCHED },
    again: "ok",
  },
  {
    name: "pause",
    prepare: create,
    run: (object) => object.pauseQueue("a"),
    after: { state: "PAUSED" },
    again: "ok",
  },
  {
    name: "resume",
    prepare: async (object) => {
      await create(object);
      await object.pauseQueue("a");
    },
    run: (object) => object.resumeQueue("a"),
    after: { state: "RUNNING" },
    again: "ok",
  },
  {
    name: "delete",
    prepare: create,
    run: (object) => object.deleteQueue("a"),
    after: null,
    again: "ok",
  },
];

const PURGE: Step = {
  name: "purge",
  prepare: create,
  run: (object) => object.purgeQueue("a"),
  after: {},
  again: "ok",
};

/** Ways to go down in the middle of the call to the queue's object. */
const FAULTS = {
  "the call fails before its work": async (registry: TestRegistry, step: Step) => {
    registry.queues.fate = () => "before";
    await expectUnavailable(registry, step);
  },
  "the call fails after its work": async (registry: TestRegistry, step: Step) => {
    registry.queues.fate = () => "after";
    await expectUnavailable(registry, step);
  },
  "the call fails after its work, and the catalogue is evicted": async (
    registry: TestRegistry,
    step: Step,
  ) => {
    registry.queues.fate = () => "after";
    await expectUnavailable(registry, step);
    await registry.evict();
  },
  "the catalogue dies before the work": async (registry: TestRegistry, step: Step) => {
    await expectDeath(registry, step, "hold");
  },
  "the catalogue dies after the work": async (registry: TestRegistry, step: Step) => {
    await expectDeath(registry, step, "release");
  },
} as const;

async function expectUnavailable(registry: TestRegistry, step: Step): Promise<void> {
  expect(await registry.run(step.run)).toMatchObject({
    ok: false,
    error: {
      code: "UNAVAILABLE",
      message: expect.stringMatching(/^The queue "a" did not answer\./),
    },
  });
}

/**
 * The catalogue's table is put back to what it was during the call and its memory is dropped: what
 * a crash at that moment leaves. (Two tests below crash it for real; each of those fills the log.)
 */
async function expectDeath(registry: TestRegistry, step: Step, moment: Moment): Promise<void> {
  await registry.run(async (object, { storage }) => {
    let rows: Record<string, SqlStorageValue>[] = [];
    registry.queues.hold = () => {
      rows = storage.sql.exec("SELECT * FROM queue").toArray();
    };
    registry.queues.fate = () => (moment === "hold" ? "before" : "works");
    await step.run(object);
    storage.sql.exec("DELETE FROM queue");
    for (const row of rows) {
      const columns = Object.keys(row);
      storage.sql.exec(
        `INSERT INTO queue(${columns}) VALUES (${columns.map(() => "?")})`,
        ...Object.values(row),
      );
    }
    expect(rows.length).toBe(1);
  });
  await registry.evict();
}

/** Before or after the work of the queue's object. */
type Moment = "hold" | "release";

/** Who comes by afterwards and finishes what was begun. */
const WAYS_BACK = {
  "a list": async (registry: TestRegistry) => {
    await registry.names();
  },
  "the alarm": async (registry: TestRegistry) => {
    registry.advance(10);
    expect(await registry.ring()).toBe(true);
  },
  "the next call": async (registry: TestRegistry) => {
    // A queue that was deleted meanwhile refuses it; what was begun is finished in any case.
    await registry.run((object) => object.patchQueue("a", { input: {}, paths: [] }));
  },
} as const;

async function afterFault(step: Step, fault: keyof typeof FAULTS): Promise<TestRegistry> {
  const registry = new TestRegistry();
  await registry.run(step.prepare);
  await FAULTS[fault](registry, step);
  registry.queues.fate = () => "works";
  registry.queues.hold = () => {};
  registry.queues.release = () => {};
  return registry;
}

async function expectAgreement(registry: TestRegistry): Promise<readonly QueueRecord[]> {
  const { queues } = await registry.run((object) => object.listQueues("", 10));
  expect(queues).toEqual([...registry.queues.existing.values()]);
  return queues;
}

async function phases(registry: TestRegistry): Promise<readonly unknown[]> {
  return registry.run((_, { storage }) =>
    storage.sql
      .exec("SELECT phase FROM queue")
      .toArray()
      .map(({ phase }) => phase),
  );
}

const faults = Object.keys(FAULTS) as (keyof typeof FAULTS)[];
const waysBack = Object.keys(WAYS_BACK) as (keyof typeof WAYS_BACK)[];

describe.each(STEPS)("$name", (step) => {
  describe.each(faults)("%s", (fault) => {
    it.each(waysBack)("and %s finishes it", async (way) => {
      const registry = await afterFault(step, fault);
      await WAYS_BACK[way](registry);
      expect(await phases(registry)).toEqual([step.after === null ? "tombstone" : "live"]);
      const queues = await expectAgreement(registry);
      expect(queues).toEqual(
        step.after === null ? [] : [expect.objectContaining({ ...step.after })],
      );
    });

    it("and the same call again finds it done", async () => {
      const registry = await afterFault(step, fault);
      const again = await registry.run(step.run);
      expect(again.ok ? "ok" : again).toEqual(
        step.again === "ok"
          ? "ok"
          : { ok: false, error: expect.objectContaining({ code: step.again }) },
      );
      await expectAgreement(registry);
    });
  });
});

describe("a real crash in the middle of a delete", () => {
  it.each(["hold", "release"] as const)("(%s) loses nothing", async (moment) => {
    const registry = new TestRegistry();
    await registry.run(create);
    const died = registry.run(async (object, state) => {
      registry.queues[moment] = async () => {
        await state.storage.sync();
        state.abort("crash on purpose");
      };
      return object.deleteQueue("a");
    });
    await expect(died).rejects.toThrow("crash on purpose");
    registry.queues[moment] = () => {};
    expect(registry.queues.existing.has("a")).toBe(moment === "hold");
    expect(await phases(registry)).toEqual(["deleting"]);
    expect(await expectAgreement(registry)).toEqual([]);
  });
});

describe("purge", () => {
  it.each(faults.flatMap((fault) => waysBack.map((way) => [fault, way] as const)))(
    "is not repeated when %s, by %s: it would take tasks created since",
    async (fault, way) => {
      const registry = await afterFault(PURGE, fault);
      const before = registry.queues.purges.get("a") ?? 0;
      expect(before).toBe(fault.includes("after") ? 1 : 0);
      await WAYS_BACK[way](registry);
      expect(registry.queues.purges.get("a") ?? 0).toBe(before);
      const [queue] = await expectAgreement(registry);
      expect(queue?.purgeTimeUs).toBe(before === 1 ? registry.queues.purgeTimeUs : undefined);
    },
  );
});

describe("while a queue's object can't be reached", () => {
  async function cutOff(step: Step): Promise<TestRegistry> {
    const registry = await afterFault(step, "the call fails after its work");
    registry.queues.fate = ({ queue }) => (queue === "a" ? "before" : "works");
    return registry;
  }

  it.each(STEPS)("its catalogue says so rather than guess ($name)", async (step) => {
    const registry = await cutOff(step);
    await expect(registry.names()).rejects.toThrow(/^The queue "a" did not answer\./);
    for (const call of [create, (object: RegistryObject) => object.purgeQueue("a")]) {
      expect(await registry.run(call)).toMatchObject({ ok: false, error: { code: "UNAVAILABLE" } });
    }
    registry.queues.fate = () => "works";
    await expectAgreement(registry);
  });

  it("other queues go on, and so do pages that it is not on", async () => {
    const registry = await cutOff(PURGE);
    const other = await registry.run(async (object) => {
      await object.createQueue("b", SETTINGS);
      return object.pauseQueue("b");
    });
    expect(other.ok).toBe(true);
    const page = await registry.run((object) => object.listQueues("a", 10));
    expect(page.queues.map(({ name }) => name.queue)).toEqual(["b"]);
  });

  it("a page before it is listed although it is unfinished", async () => {
    const registry = new TestRegistry();
    await registry.run(async (object) => {
      for (const queue of ["a", "b", "c"]) await object.createQueue(queue, SETTINGS);
      registry.queues.fate = () => "before";
      await object.deleteQueue("c");
      const page = await object.listQueues("", 1);
      expect(page).toEqual({ queues: [registry.record("a")], more: true });
      await expect(object.listQueues("", 2)).rejects.toThrow('The queue "c" did not answer.');
    });
  });

  it("a page that deletions shorten reaches on to the next unfinished queue", async () => {
    const registry = new TestRegistry();
    await registry.run(async (object) => {
      for (const queue of ["a", "b", "c", "d", "e", "f"]) await object.createQueue(queue, SETTINGS);
      registry.queues.fate = () => "after";
      for (const queue of ["a", "b", "c", "e"]) await object.deleteQueue(queue);
      registry.queues.fate = () => "works";
      const page = await object.listQueues("", 2);
      expect(page).toEqual({ queues: [registry.record("d"), registry.record("f")], more: false });
    });
  });

  it("the alarm tries after 1, 2, 4 … seconds and then every 5 minutes", async () => {
    const registry = await cutOff(STEPS[0] as Step);
    const waits: number[] = [];
    for (let n = 0; n < 11; n++) {
      const alarmMs = (await registry.alarmMs()) ?? 0;
      waits.push((alarmMs - registry.nowMs) / 1000);
      registry.nowMs = alarmMs;
      expect(await registry.ring()).toBe(true);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    expect(registry.warnings.length).toBe(12);
    expect(registry.warnings.at(-1)?.details).toEqual({
      queue: "a",
      phase: "creating",
      failures: 12,
      error: "Error: connection lost before the call",
    });
  });

  it("an alarm gives up waiting for it, and stays set", async () => {
    const registry = await cutOff(STEPS[0] as Step);
    registry.advance(1);
    await registry.run(async (object) => {
      const held = Promise.withResolvers<void>();
      registry.queues.hold = () => held.promise;
      object.alarmPatienceMs = 1;
      await object.alarm();
      held.resolve();
    });
    expect(await registry.alarmMs()).toBe(registry.nowMs);
  });
});
