/** Queues through App Engine's RPC interface: figures, lists, changes. */
import { beforeEach, describe, expect, it } from "vitest";
import { DAY, SECOND } from "../support/factory.ts";
import { RecordingTarget } from "../support/recording-target.ts";
import { bytes, type Input, pb, pullTask, RpcApp, task, text } from "./rpc-client.ts";

// Whatever is dispatched on the way is answered, and stays in the test.
beforeEach(() => new RecordingTarget().release());

const { PULL, PUSH } = pb.TaskQueueMode_Mode;
const START = Math.floor(Date.now() / 1000) * SECOND;

function update(queue: string, changes: object = {}): Input<"UpdateQueue"> {
  return { queueName: bytes(queue), bucketRefillPerSecond: 7, bucketCapacity: 9, ...changes };
}

async function settingsOf(app: RpcApp, queue: string) {
  const found = await app.stub(queue).getQueue();
  if (!found.ok) throw new Error(found.error.message);
  return { ...found.value.settings, state: found.value.state };
}

describe("FetchQueueStats", () => {
  it("is in the order asked for; an empty queue has no oldest task", async () => {
    const app = new RpcApp();
    const [one, two] = [await app.queue("PULL"), await app.queue("PULL")];
    await app.setClock(two.queue, START);
    await app.add(
      pullTask(two.queue, { etaUsec: BigInt(START + DAY) }),
      pullTask(two.queue, { etaUsec: BigInt(START + 2 * DAY) }),
      pullTask(two.queue, { etaUsec: BigInt(START + 3 * DAY) }),
    );
    const queueName = [one, two, one].map(({ queue }) => bytes(queue));
    const { queuestats } = await app.ok("FetchQueueStats", { queueName });
    const empty = { numTasks: 0, oldestEtaUsec: -1n };
    const full = { numTasks: 3, oldestEtaUsec: BigInt(START + DAY) };
    expect(queuestats).toMatchObject([empty, full, empty]);
    const capped = await app.ok("FetchQueueStats", { queueName, maxNumTasks: 2 });
    expect(capped.queuestats.map(({ numTasks }) => numTasks)).toEqual([0, 2, 0]);
    expect((await app.ok("FetchQueueStats", {})).queuestats).toEqual([]);
  });

  it("counts leases of a pull queue in the last minute and hour", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    await app.setClock(queue, START);
    await app.add(pullTask(queue), pullTask(queue), pullTask(queue));
    const lease = { queueName: bytes(queue), leaseSeconds: 600, maxTasks: 2n };
    await app.ok("QueryAndOwnTasks", lease);
    const executed = async () => {
      const { queuestats } = await app.ok("FetchQueueStats", { queueName: [bytes(queue)] });
      const { executedLastMinute = -1n, executedLastHour = -1n } = queuestats[0]?.scannerInfo ?? {};
      return [executedLastMinute, executedLastHour];
    };
    expect(await executed()).toEqual([2n, 2n]);
    await app.setClock(queue, START + 120 * SECOND);
    expect(await executed()).toEqual([0n, 2n]);
    await app.setClock(queue, START + 3700 * SECOND);
    expect(await executed()).toEqual([0n, 0n]);
  });

  it("counts attempts of a push queue: those that ended, and those under way", async () => {
    const target = new RecordingTarget();
    try {
      const app = new RpcApp();
      const { queue } = await app.queue("PUSH");
      const now = Date.now() * 1000;
      await app.setClock(queue, now);
      const push = task({ queueName: bytes(queue) });
      await app.add(push, push, push);
      const [first, second] = await target.take(3);
      first?.respond(200);
      second?.respond(200);
      const info = async () => {
        const { queuestats } = await app.ok("FetchQueueStats", { queueName: [bytes(queue)] });
        return queuestats[0];
      };
      await expect.poll(async () => (await info())?.numTasks, { timeout: 20_000 }).toBe(1);
      expect((await info())?.scannerInfo).toMatchObject({
        executedLastMinute: 2n,
        executedLastHour: 2n,
        requestsInFlight: 1,
        enforcedRate: 100_000,
      });
      await app.setClock(queue, now + 120 * SECOND);
      expect((await info())?.scannerInfo).toMatchObject({
        executedLastMinute: 0n,
        executedLastHour: 2n,
      });
    } finally {
      target.release();
    }
  });

  it("knows the default queue, and refuses another that is not there", async () => {
    const app = new RpcApp();
    const stats = (name: string) => ({ queueName: [bytes("default"), bytes(name)] });
    const { queuestats } = await app.ok("FetchQueueStats", stats("default"));
    expect(queuestats[1]).toMatchObject({ numTasks: 0, scannerInfo: { enforcedRate: 5 } });
    expect(await app.refused("FetchQueueStats", stats("missing"))).toBe("UNKNOWN_QUEUE");
    expect(await app.refused("FetchQueueStats", stats("a b"))).toBe("INVALID_QUEUE_NAME");
    const many = { queueName: Array.from({ length: 1001 }, () => bytes("default")) };
    expect(await app.refused("FetchQueueStats", many)).toBe("INVALID_REQUEST");
  });
});

describe("FetchQueues", () => {
  it("lists by name, the default queue always among them", async () => {
    const app = new RpcApp();
    await app.ok("UpdateQueue", update("a"));
    await app.ok("UpdateQueue", update("z", { mode: PULL, retryParameters: { retryLimit: 4 } }));
    const { queue } = await app.ok("FetchQueues", { maxRows: 100 });
    expect(queue.map(({ queueName }) => text(queueName))).toEqual(["a", "default", "z"]);
    expect(queue[0]).toMatchObject({
      bucketRefillPerSecond: 7,
      bucketCapacity: 9,
      userSpecifiedRate: "7/s",
      maxConcurrentRequests: 1000,
      paused: false,
      mode: PUSH,
      creatorName: "apphosting",
    });
    expect(queue[1]).toMatchObject({ bucketRefillPerSecond: 5, bucketCapacity: 5 });
    expect(queue[2]).toMatchObject({ mode: PULL, retryParameters: { retryLimit: 4 } });
    const rows = await app.ok("FetchQueues", { maxRows: 2 });
    expect(rows.queue).toHaveLength(2);
    expect(await app.refused("FetchQueues", { maxRows: 0 })).toBe("INVALID_REQUEST");
  });

  it("tells a rate as a queue.yaml has it", async () => {
    const app = new RpcApp();
    // Per second it would be 5.787e-7, which no queue.yaml can say.
    await app.ok("UpdateQueue", update("a", { bucketRefillPerSecond: 0.05 / 86_400 }));
    const { queue } = await app.ok("FetchQueues", { maxRows: 1 });
    expect(queue[0]?.userSpecifiedRate).toMatch(/^0\.0000005787\d*\/s$/);
  });

  it("lists the queues of the application named", async () => {
    const [app, other] = [new RpcApp(), new RpcApp()];
    await other.ok("UpdateQueue", update("theirs"));
    const { queue } = await app.ok("FetchQueues", {
      appId: bytes(`e~${other.project}`),
      maxRows: 9,
    });
    expect(queue.map(({ queueName }) => text(queueName))).toEqual(["default", "theirs"]);
  });
});

describe("UpdateQueue", () => {
  it("makes a push queue as a queue.yaml would", async () => {
    const app = new RpcApp();
    await app.ok(
      "UpdateQueue",
      update("q", {
        maxConcurrentRequests: 3,
        retryParameters: {
          retryLimit: 2,
          ageLimitSec: 60n,
          minBackoffSec: 1,
          maxBackoffSec: 9,
          maxDoublings: 0,
        },
        headerOverride: [
          { key: bytes("Host"), value: bytes(`v1.worker.${app.project}.appspot.com`) },
        ],
      }),
    );
    expect(await settingsOf(app, "q")).toMatchObject({
      type: "PUSH",
      state: "RUNNING",
      rateLimits: { maxDispatchesPerSecond: 7, maxBurstSize: 9, maxConcurrentDispatches: 3 },
      retryConfig: {
        maxAttempts: 3,
        maxRetryDurationUs: 60 * SECOND,
        minBackoffUs: SECOND,
        maxBackoffUs: 9 * SECOND,
        maxDoublings: 0,
      },
      appEngineRoutingOverride: { service: "worker", version: "v1" },
      tombstoneTtlUs: 9 * DAY,
      taskTtlUs: 3650 * DAY,
    });
    const { queue } = await app.ok("FetchQueues", { maxRows: 9 });
    const value = bytes(`v1.worker.${app.project}.appspot.com`);
    expect(queue[1]).toMatchObject({
      queueName: bytes("q"),
      headerOverride: [{ key: bytes("Host"), value }],
      retryParameters: { retryLimit: 2, ageLimitSec: 60n, minBackoffSec: 1, maxDoublings: 0 },
    });
  });

  it("replaces what an existing queue had, the default one too", async () => {
    const app = new RpcApp();
    await app.ok("UpdateQueue", update("default", { retryParameters: { retryLimit: 2 } }));
    await app.ok("UpdateQueue", update("default", { bucketRefillPerSecond: 0.5 }));
    expect(await settingsOf(app, "default")).toMatchObject({
      rateLimits: { maxDispatchesPerSecond: 0.5, maxBurstSize: 9 },
      retryConfig: { maxAttempts: -1 },
    });
  });

  it("pauses with a rate of 0, keeps the rate, and runs again with another", async () => {
    const app = new RpcApp();
    await app.ok("UpdateQueue", update("new", { bucketRefillPerSecond: 0 }));
    expect(await settingsOf(app, "new")).toMatchObject({ state: "PAUSED" });
    await app.ok("UpdateQueue", update("new"));
    expect(await settingsOf(app, "new")).toMatchObject({ state: "RUNNING" });
    await app.ok("UpdateQueue", update("new", { bucketRefillPerSecond: 0 }));
    expect(await settingsOf(app, "new")).toMatchObject({
      state: "PAUSED",
      rateLimits: { maxDispatchesPerSecond: 7 },
    });
  });

  it("keeps and shows who may use a pull queue", async () => {
    const app = new RpcApp();
    const acl = { userEmail: [bytes("a@example.com")], writerEmail: [bytes("b@example.com")] };
    await app.ok("UpdateQueue", update("q", { mode: PULL, acl }));
    const { queue } = await app.ok("FetchQueues", { maxRows: 9 });
    expect(queue.find(({ queueName }) => text(queueName) === "q")).toMatchObject({ acl });
  });

  it.each([
    ["a negative rate", { bucketRefillPerSecond: -1 }, "INVALID_QUEUE_RATE"],
    ["a rate above the deployment's", { bucketRefillPerSecond: 501 }, "INVALID_QUEUE_RATE"],
    ["a rate that is no number", { bucketRefillPerSecond: Number.NaN }, "INVALID_QUEUE_RATE"],
    ["a negative bucket", { bucketCapacity: -1 }, "INVALID_QUEUE_RATE"],
    ["a bucket above 500", { bucketCapacity: 501 }, "INVALID_QUEUE_RATE"],
    ["negative concurrency", { maxConcurrentRequests: -1 }, "INVALID_REQUEST"],
    ["too much concurrency", { maxConcurrentRequests: 5001 }, "INVALID_REQUEST"],
    ["negative retries", { retryParameters: { retryLimit: -1 } }, "INVALID_RETRY_PARAMETERS"],
    [
      "a least backoff above the most",
      { retryParameters: { minBackoffSec: 9, maxBackoffSec: 8 } },
      "INVALID_RETRY_PARAMETERS",
    ],
    [
      "a header besides Host",
      { headerOverride: [{ key: bytes("X-A"), value: bytes("1") }] },
      "INVALID_REQUEST",
    ],
    ["an acl of a push queue", { acl: { userEmail: [bytes("a@example.com")] } }, "INVALID_REQUEST"],
    [
      "an acl of no emails",
      { mode: PULL, acl: { userEmail: [bytes("no body")] } },
      "INVALID_REQUEST",
    ],
    ["a name that cannot be", { queueName: bytes("a b") }, "INVALID_QUEUE_NAME"],
  ])("refuses %s and makes nothing", async (_what, changes, code) => {
    const app = new RpcApp();
    expect(await app.refused("UpdateQueue", update("q", changes))).toBe(code);
    const { queue } = await app.ok("FetchQueues", { maxRows: 9 });
    expect(queue).toHaveLength(1);
  });

  it("refuses another mode than the queue has, and a name that is tombstoned", async () => {
    const app = new RpcApp();
    await app.ok("UpdateQueue", update("q"));
    expect(await app.refused("UpdateQueue", update("q", { mode: PULL }))).toBe(
      "INVALID_QUEUE_MODE",
    );
    await app.ok("DeleteQueue", { appId: bytes(app.project), queueName: bytes("q") });
    expect(await app.refused("UpdateQueue", update("q"))).toBe("TOMBSTONED_QUEUE");
  });
});

describe("PauseQueue, PurgeQueue, DeleteQueue", () => {
  it("pause and run a queue", async () => {
    const app = new RpcApp();
    const pause = (isPaused: boolean) =>
      app.ok("PauseQueue", {
        appId: bytes(app.project),
        queueName: bytes("default"),
        pause: isPaused,
      });
    await pause(true);
    expect(await settingsOf(app, "default")).toMatchObject({ state: "PAUSED" });
    const { queue } = await app.ok("FetchQueues", { maxRows: 1 });
    expect(queue).toMatchObject([{ paused: true }]);
    await pause(false);
    expect(await settingsOf(app, "default")).toMatchObject({ state: "RUNNING" });
  });

  it("purge what is there", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    await app.add(pullTask(queue), pullTask(queue));
    await app.ok("PurgeQueue", { queueName: bytes(queue) });
    expect(await app.stub(queue).getStats()).toMatchObject({ value: { tasksCount: 0 } });
    await app.add(pullTask(queue));
    expect(await app.stub(queue).getStats()).toMatchObject({ value: { tasksCount: 1 } });
  });

  it.each(["PauseQueue", "PurgeQueue", "DeleteQueue"] as const)(
    "%s refuses what is not there",
    async (name) => {
      const app = new RpcApp();
      const refused = (queue: string) =>
        app.refused(name, { appId: bytes(app.project), queueName: bytes(queue), pause: true });
      const { queue } = await app.queue("PULL");
      await app.ok("DeleteQueue", { appId: bytes(app.project), queueName: bytes(queue) });
      expect(await refused("missing")).toBe("UNKNOWN_QUEUE");
      expect(await refused(queue)).toBe("TOMBSTONED_QUEUE");
      expect(await refused("a b")).toBe("INVALID_QUEUE_NAME");
    },
  );
});

describe("DeleteGroup", () => {
  it("deletes all queues of the application, and of no other", async () => {
    const [app, other] = [new RpcApp(), new RpcApp()];
    await other.ok("UpdateQueue", update("theirs"));
    for (const name of ["a", "b", "c", "d", "e", "f", "g", "h"])
      await app.ok("UpdateQueue", update(name));
    await app.ok("DeleteGroup", { appId: bytes(`s~${app.project}`) });
    expect(await app.refused("PurgeQueue", { queueName: bytes("h") })).toBe("TOMBSTONED_QUEUE");
    const { queue } = await app.ok("FetchQueues", { maxRows: 99 });
    expect(queue.map(({ queueName }) => text(queueName))).toEqual(["default"]);
    expect(await settingsOf(other, "theirs")).toMatchObject({ state: "RUNNING" });
    await app.ok("DeleteGroup", { appId: bytes(app.project) });
    expect((await app.ok("FetchQueues", { maxRows: 99 })).queue).toEqual([]);
  });
});

describe("UpdateStorageLimit", () => {
  it("is checked, and then not served", async () => {
    const app = new RpcApp();
    const limit = (bytesOfLimit: bigint) =>
      app.refused("UpdateStorageLimit", { appId: bytes("app"), limit: bytesOfLimit });
    expect(await limit(-1n)).toBe("INVALID_REQUEST");
    expect(await limit(1000n * 1024n ** 4n + 1n)).toBe("INVALID_REQUEST");
    expect(await limit(1000n * 1024n ** 4n)).toBe("PERMISSION_DENIED");
    expect(await limit(0n)).toBe("PERMISSION_DENIED");
  });
});
