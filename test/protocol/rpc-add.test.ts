/** Adding tasks through App Engine's RPC interface: results, rules and codes. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it } from "vitest";
import { decodeMeta } from "../../src/core/model.ts";
import { DAY, SECOND } from "../support/factory.ts";
import { RecordingTarget } from "../support/recording-target.ts";
import { bytes, pb, pullTask, RpcApp, task } from "./rpc-client.ts";

type AddInput = MessageInitShape<typeof pb.TaskQueueAddRequestSchema>;

const { GET, PUT, DELETE, HEAD } = pb.TaskQueueAddRequest_RequestMethod;
const PULL = pb.TaskQueueMode_Mode.PULL;

const inUs = (offset: number) => BigInt(Date.now() * 1000 + offset);
const header = (key: string, value: string) => ({ key: bytes(key), value: bytes(value) });

/** Adds one task to a paused push queue and reads it back as it is stored. */
async function stored(changes: AddInput, vars: Readonly<Record<string, string>> = {}) {
  const app = new RpcApp();
  app.vars = vars;
  const { queue } = await app.queue("PUSH", true);
  const { names } = await app.add({ queueName: bytes(queue), ...changes });
  const found = await app.stub(queue).getTask(names[0] ?? "", true);
  if (!found.ok) throw new Error(found.error.message);
  return { ...found.value, meta: decodeMeta(found.value.meta), app, queue };
}

// Whatever is dispatched on the way is answered, and stays in the test.
beforeEach(() => new RecordingTarget().release());

describe("results", () => {
  it("come in the order of the requests, with chosen names for unnamed tasks only", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const { results, names } = await app.add(
      pullTask(queue),
      pullTask(queue, { taskName: bytes("mine") }),
      pullTask(queue),
    );
    expect(results).toEqual(["OK", "OK", "OK"]);
    expect(names[1]).toBe("");
    expect(names[0]).toMatch(/^\d+$/);
    expect(names[2]).not.toBe(names[0]);
  });

  it("are none for no tasks", async () => {
    const app = new RpcApp();
    expect((await app.ok("BulkAdd", {})).taskresult).toEqual([]);
  });

  it("are SKIPPED where another task is wrong, and nothing is added", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const { results, names } = await app.add(
      pullTask(queue),
      pullTask(queue, { etaUsec: -1n }),
      pullTask(queue, { taskName: bytes("a b") }),
    );
    expect(results).toEqual(["SKIPPED", "INVALID_ETA", "INVALID_TASK_NAME"]);
    expect(names).toEqual(["", "", ""]);
    expect(await app.stub(queue).getStats()).toMatchObject({ value: { tasksCount: 0 } });
  });

  it("tell a name that lives from one that is gone, and add the others", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const named = (name: string) => pullTask(queue, { taskName: bytes(name) });
    await app.add(named("lives"), named("gone"));
    await app.ok("Delete", { queueName: bytes(queue), taskName: [bytes("gone")] });
    const { results } = await app.add(named("lives"), named("gone"), named("new"));
    expect(results).toEqual(["TASK_ALREADY_EXISTS", "TOMBSTONED_TASK", "OK"]);
  });

  it("are DUPLICATE_TASK_NAME for a name that the call has twice, and nothing is added", async () => {
    const app = new RpcApp();
    const [one, two] = [await app.queue("PULL"), await app.queue("PULL")];
    const named = (queue: string) => pullTask(queue, { taskName: bytes("same") });
    expect((await app.add(named(one.queue), named(two.queue))).results).toEqual(["OK", "OK"]);
    const again = await app.add(named(one.queue), named(two.queue), named(one.queue));
    expect(again.results).toEqual(["SKIPPED", "SKIPPED", "DUPLICATE_TASK_NAME"]);
  });

  it("are in order for tasks of several queues", async () => {
    const app = new RpcApp();
    const [one, two] = [await app.queue("PULL"), await app.queue("PUSH", true)];
    const push = task({ queueName: bytes(two.queue) });
    const { results, names } = await app.add(pullTask(one.queue), push, pullTask(one.queue), push);
    expect(results).toEqual(["OK", "OK", "OK", "OK"]);
    for (const [index, queue] of [one, two, one, two].entries()) {
      expect(await app.stub(queue.queue).getTask(names[index] ?? "", false)).toMatchObject({
        ok: true,
      });
    }
  });

  it("are the missing queue's for its tasks alone, and nothing is added to the others", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const { results } = await app.add(pullTask(queue), pullTask("missing"), pullTask(queue));
    expect(results).toEqual(["SKIPPED", "UNKNOWN_QUEUE", "SKIPPED"]);
    expect(await app.stub(queue).getStats()).toMatchObject({ value: { tasksCount: 0 } });
  });
});

describe("a whole call is refused", () => {
  it("beyond 100 tasks with TOO_MANY_TASKS", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const many = (count: number) => ({
      addRequest: Array.from({ length: count }, () => pullTask(queue)),
    });
    expect(await app.refused("BulkAdd", many(101))).toBe("TOO_MANY_TASKS");
    expect((await app.ok("BulkAdd", many(100))).taskresult).toHaveLength(100);
  });

  it("without a queue name with UNKNOWN_QUEUE", async () => {
    const app = new RpcApp();
    const addRequest = [task({ queueName: bytes("") })];
    expect(await app.refused("BulkAdd", { addRequest })).toBe("UNKNOWN_QUEUE");
  });

  it("with a mode that is not the queue's with INVALID_QUEUE_MODE, and nothing is added", async () => {
    const app = new RpcApp();
    const [pull, push] = [await app.queue("PULL"), await app.queue("PUSH", true)];
    const wrong = task({ queueName: bytes(pull.queue) });
    const cases = [
      [wrong],
      [pullTask(push.queue)],
      [pullTask(pull.queue), wrong],
      [task({ queueName: bytes(push.queue) }), wrong],
    ];
    for (const addRequest of cases) {
      expect(await app.refused("BulkAdd", { addRequest })).toBe("INVALID_QUEUE_MODE");
    }
    for (const { queue } of [pull, push]) {
      expect(await app.stub(queue).getStats()).toMatchObject({ value: { tasksCount: 0 } });
    }
  });

  it("that names no application where the deployment has none", async () => {
    const app = new RpcApp();
    app.vars = { APP_PROJECT: undefined };
    expect(await app.refused("PurgeQueue", { queueName: bytes("q") })).toBe("INVALID_REQUEST");
    expect((await app.add({ appId: bytes(`s~${app.project}`) })).results).toEqual(["OK"]);
    expect((await app.add({ appId: bytes("a/b") })).results).toEqual(["INVALID_REQUEST"]);
  });
});

describe("a queue", () => {
  it("is UNKNOWN_QUEUE, TOMBSTONED_QUEUE after it was deleted, or has a wrong name", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    await app.ok("DeleteQueue", { appId: bytes(app.project), queueName: bytes(queue) });
    const result = async (name: string) => (await app.add(pullTask(name))).results[0];
    expect(await result("missing")).toBe("UNKNOWN_QUEUE");
    expect(await result(queue)).toBe("TOMBSTONED_QUEUE");
    expect(await result("under_score")).toBe("INVALID_QUEUE_NAME");
    expect(await result("q".repeat(101))).toBe("INVALID_QUEUE_NAME");
  });

  it("belongs to the application of app_id, whatever its partition", async () => {
    const app = new RpcApp();
    const other = new RpcApp();
    for (const appId of [`s~${other.project}`, `e~${other.project}`, other.project]) {
      expect((await app.add({ appId: bytes(appId) })).results).toEqual(["OK"]);
    }
    expect(await other.stub("default").getQueue()).toMatchObject({ ok: true });
    expect(await app.stub("default").getQueue()).toMatchObject({ ok: false });
  });

  it("called default exists by itself, as one of a queue.yaml would be", async () => {
    const app = new RpcApp();
    expect((await app.add({})).results).toEqual(["OK"]);
    expect(await app.stub("default").getQueue()).toMatchObject({
      value: {
        settings: {
          type: "PUSH",
          rateLimits: { maxDispatchesPerSecond: 5, maxBurstSize: 5 },
          retryConfig: { maxAttempts: -1 },
          taskTtlUs: 3650 * DAY,
          tombstoneTtlUs: 9 * DAY,
        },
      },
    });
  });

  it("called default is made once, however many ask for it at the same time", async () => {
    const app = new RpcApp();
    const added = await Promise.all(Array.from({ length: 6 }, () => app.add({})));
    expect(added.flatMap(({ results }) => results)).toEqual(Array(6).fill("OK"));
  });

  it("called default stays gone when it was deleted", async () => {
    const app = new RpcApp();
    await app.add({});
    await app.ok("DeleteQueue", { appId: bytes(app.project), queueName: bytes("default") });
    expect((await app.add({})).results).toEqual(["TOMBSTONED_QUEUE"]);
  });
});

describe("a wrong task", () => {
  const long = (length: number) => new Uint8Array(length).fill(97);
  const cases: [string, AddInput, string][] = [
    ["a time before 1970", { etaUsec: -1n }, "INVALID_ETA"],
    ["a time in 31 days", { etaUsec: inUs(31 * DAY) }, "INVALID_ETA"],
    ["the furthest time of all", { etaUsec: 2n ** 63n - 1n }, "INVALID_ETA"],
    ["a name with a dot", { taskName: bytes("a.b") }, "INVALID_TASK_NAME"],
    ["a name of 501 characters", { taskName: long(501) }, "INVALID_TASK_NAME"],
    ["a name that is not UTF-8", { taskName: new Uint8Array([0xff]) }, "INVALID_TASK_NAME"],
    ["an absolute url", { url: bytes("http://example.com/") }, "INVALID_URL"],
    ["a url without slash", { url: bytes("work") }, "INVALID_URL"],
    ["a url with a space", { url: bytes("/a b") }, "INVALID_URL"],
    ["a url with a fragment", { url: bytes("/a#b") }, "INVALID_URL"],
    ["a url of 2084 characters", { url: bytes(`/${"a".repeat(2083)}`) }, "INVALID_URL"],
    ["a url that is not UTF-8", { url: new Uint8Array([0x2f, 0xff]) }, "INVALID_URL"],
    ["a tag", { tag: bytes("t") }, "INVALID_TAG"],
    ["more than 100 KiB", { body: long(102_400) }, "TASK_TOO_LARGE"],
    ["a body with GET", { method: GET, body: bytes("b") }, "INVALID_PAYLOAD"],
    ["a body with HEAD", { method: HEAD, body: bytes("b") }, "INVALID_PAYLOAD"],
    ["a body with DELETE", { method: DELETE, body: bytes("b") }, "INVALID_PAYLOAD"],
    ["a payload message", { payload: {} }, "INVALID_PAYLOAD"],
    ["a header without a name", { header: [header("", "v")] }, "INVALID_REQUEST"],
    ["a line break in a header", { header: [header("X-A", "a\r\nB: c")] }, "INVALID_REQUEST"],
    ["a short deadline", { dispatchDeadlineUsec: 14_999_999n }, "INVALID_DISPATCH_DEADLINE"],
    ["a long deadline", { dispatchDeadlineUsec: 86_400_000_001n }, "INVALID_DISPATCH_DEADLINE"],
    ["a deadline of 0", { dispatchDeadlineUsec: 0n }, "INVALID_DISPATCH_DEADLINE"],
    ["negative retries", { retryParameters: { retryLimit: -1 } }, "INVALID_RETRY_PARAMETERS"],
    ["a negative age", { retryParameters: { ageLimitSec: -1n } }, "INVALID_RETRY_PARAMETERS"],
    [
      "a backoff that is no number",
      { retryParameters: { minBackoffSec: Number.NaN } },
      "INVALID_RETRY_PARAMETERS",
    ],
    [
      "an endless backoff",
      { retryParameters: { maxBackoffSec: Infinity } },
      "INVALID_RETRY_PARAMETERS",
    ],
    [
      "a least backoff above the most",
      { retryParameters: { minBackoffSec: 9, maxBackoffSec: 8 } },
      "INVALID_RETRY_PARAMETERS",
    ],
    ["negative doublings", { retryParameters: { maxDoublings: -1 } }, "INVALID_RETRY_PARAMETERS"],
    [
      "a cron job's schedule",
      { crontimetable: { schedule: bytes("x"), timezone: bytes("y") } },
      "PERMISSION_DENIED",
    ],
  ];

  it.each(cases)("with %s is refused", async (_what, changes, code) => {
    const app = new RpcApp();
    expect((await app.add(changes)).results).toEqual([code]);
    expect(await app.refused("Add", task(changes))).toBe(code);
    expect(await app.stub("default").getQueue()).toMatchObject({ ok: false });
  });

  const pullCases: [string, AddInput, string][] = [
    ["a url", { url: bytes("/work") }, "INVALID_URL"],
    ["headers", { header: [header("X-A", "b")] }, "INVALID_REQUEST"],
    ["a dispatch deadline", { dispatchDeadlineUsec: 60_000_000n }, "INVALID_DISPATCH_DEADLINE"],
    ["a tag of 501 characters", { tag: long(501) }, "INVALID_TAG"],
    ["a tag that is not UTF-8", { tag: new Uint8Array([0xff]) }, "INVALID_TAG"],
    ["more than 1 MiB", { body: long(1_048_576) }, "TASK_TOO_LARGE"],
    ["an age limit", { retryParameters: { ageLimitSec: 1n } }, "INVALID_RETRY_PARAMETERS"],
  ];

  it.each(pullCases)("of a pull queue with %s is refused", async (_what, changes, code) => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    expect((await app.add(pullTask(queue, changes))).results).toEqual([code]);
  });

  it("of a size just right is not refused, and a byte more is", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    // As Task.size of the SDK has it: method, url, headers, body; never a name, retries or a tag.
    const push = (more: number) => ({
      ...{ taskName: long(500 - more), retryParameters: { retryLimit: 3, minBackoffSec: 1 } },
      ...{ url: bytes("/work"), header: [header("X-A", "b")], etaUsec: inUs(DAY) },
      body: long(102_400 - "POST/work".length - "X-A: b\r\n".length + more),
    });
    const pull = (more: number) =>
      pullTask(queue, {
        ...{ taskName: long(500 - more), tag: long(500) },
        body: long(1_048_576 - "PULL".length + more),
      });
    const added = [push(0), push(1), pull(0), pull(1)].map(async (one) => app.add(one));
    expect((await Promise.all(added)).map(({ results }) => results)).toEqual([
      ...[["OK"], ["TASK_TOO_LARGE"]],
      ...[["OK"], ["TASK_TOO_LARGE"]],
    ]);
  });
});

describe("Add", () => {
  it("adds one task and answers its chosen name", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const { chosenTaskName } = await app.ok("Add", pullTask(queue));
    expect(chosenTaskName.length).toBeGreaterThan(5);
    const named = pullTask(queue, { taskName: bytes("n") });
    expect((await app.ok("Add", named)).chosenTaskName).toHaveLength(0);
    expect(await app.refused("Add", named)).toBe("TASK_ALREADY_EXISTS");
  });
});

describe("many large tasks", () => {
  it("are stored, though they do not fit one call between objects", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const body = new Uint8Array(1_000_000).fill(7);
    const { results } = await app.add(
      ...Array.from({ length: 30 }, () => pullTask(queue, { body })),
    );
    expect(results).toEqual(Array(30).fill("OK"));
    const { task: leased } = await app.ok("QueryAndOwnTasks", {
      queueName: bytes(queue),
      leaseSeconds: 60,
      maxTasks: 1000n,
    });
    expect(leased.length).toBeGreaterThan(20);
    expect(leased.every((one) => one.body.length === 1_000_000)).toBe(true);
  });
});

describe("what is stored of a push task", () => {
  it("has the queue's own path where none is given, and POST", async () => {
    const { meta, queue, app } = await stored({});
    expect(meta).toEqual({
      target: {
        kind: "appEngine",
        relativeUri: `/_ah/queue/${queue}`,
        method: "POST",
        headers: {},
        routing: { host: `${app.project}.appspot.com` },
      },
    });
  });

  it("is what was given: time, url, method, body, deadline", async () => {
    const etaUsec = inUs(DAY) + 7n;
    const found = await stored({
      etaUsec,
      url: bytes("/work?x=%20"),
      method: PUT,
      body: bytes("content"),
      dispatchDeadlineUsec: 15_000_000n,
    });
    expect(found).toMatchObject({
      scheduleTimeUs: Number(etaUsec),
      body: bytes("content"),
      meta: {
        dispatchDeadlineUs: 15 * SECOND,
        target: { relativeUri: "/work?x=%20", method: "PUT" },
      },
    });
  });

  it("keeps its own headers and its namespaces, not the service's; repeated ones are joined", async () => {
    const { meta } = await stored({
      header: [
        header("content-type", "text/plain"),
        header("X-A", "1"),
        header("x-a", "2"),
        header("Cookie", "a=1"),
        header("Cookie", "b=2"),
        header("X-AppEngine-Current-Namespace", "ns"),
        header("X-AppEngine-Default-Namespace", ""),
        header("X-AppEngine-QueueName", "forged"),
        header("X-AppEngine-TaskRetryCount", "9"),
        header("X-Google-Internal", "forged"),
        header("Content-Length", "5"),
        { key: bytes("X-Latin"), value: new Uint8Array([0xe9]) },
      ],
    });
    expect(meta.target).toMatchObject({
      headers: {
        "content-type": "text/plain",
        "X-A": "1, 2",
        Cookie: "a=1; b=2",
        "X-AppEngine-Current-Namespace": "ns",
        "X-AppEngine-Default-Namespace": "",
        "X-Latin": "é",
      },
    });
    expect(Object.keys((meta.target as { headers: object }).headers)).toHaveLength(6);
    expect(meta.target).not.toHaveProperty("failFast");
  });

  it("has FailFast as a mark", async () => {
    const { meta } = await stored({ header: [header("X-AppEngine-FailFast", "true")] });
    expect(meta.target).toMatchObject({ headers: {}, failFast: true });
    const off = await stored({ header: [header("X-AppEngine-FailFast", "false")] });
    expect(off.meta.target).not.toHaveProperty("failFast");
  });

  it.each([
    ["worker.{p}.appspot.com", { service: "worker" }],
    ["v2.worker.{p}.appspot.com", { service: "worker", version: "v2" }],
    ["0.v2.worker.{p}.appspot.com", { service: "worker", version: "v2", instance: "0" }],
    ["v2-dot-worker-dot-{p}.appspot.com", { service: "worker", version: "v2" }],
    ["WORKER.{p}.uc.r.appspot.com:443", { service: "worker" }],
    ["{p}.appspot.com", {}],
    ["a.b.c.d.{p}.appspot.com", {}],
    ["localhost:8080", {}],
    ["worker.other.appspot.com", {}],
  ])("goes where the host %s says", async (host, routing) => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH", true);
    const value = bytes(host.replace("{p}", app.project));
    const { names } = await app.add({
      queueName: bytes(queue),
      header: [{ key: bytes("Host"), value }],
    });
    const found = await app.stub(queue).getTask(names[0] ?? "", false);
    if (!found.ok) throw new Error(found.error.message);
    const { target } = decodeMeta(found.value.meta);
    const { host: shown, ...rest } = (target as { routing: { host: string } }).routing;
    expect(rest).toEqual(routing);
    expect(shown.endsWith(`${app.project}.appspot.com`)).toBe(true);
  });

  it.each<[AddInput["retryParameters"], object]>([
    [
      {},
      {
        maxAttempts: -1,
        maxRetryDurationUs: 0,
        minBackoffUs: 0.1 * SECOND,
        maxBackoffUs: 3600 * SECOND,
        maxDoublings: 16,
      },
    ],
    [{ retryLimit: 0 }, { maxAttempts: 1 }],
    [
      { retryLimit: 7, ageLimitSec: 60n },
      { maxAttempts: 8, maxRetryDurationUs: 60 * SECOND },
    ],
    [{ retryLimit: 2 ** 31 - 1 }, { maxAttempts: 2 ** 31 - 1 }],
    [{ ageLimitSec: 0n }, { maxRetryDurationUs: 1 }],
    [
      { minBackoffSec: 0.25, maxBackoffSec: 10, maxDoublings: 0 },
      { minBackoffUs: 0.25 * SECOND, maxBackoffUs: 10 * SECOND, maxDoublings: 0 },
    ],
    [{ minBackoffSec: 5000 }, { minBackoffUs: 5000 * SECOND, maxBackoffUs: 5000 * SECOND }],
    [{ maxBackoffSec: 0 }, { minBackoffUs: 0, maxBackoffUs: 0 }],
  ])("has the retry parameters %o as a whole", async (retryParameters, retryConfig) => {
    const { meta } = await stored(retryParameters === undefined ? {} : { retryParameters });
    expect(meta.retryConfig).toMatchObject(retryConfig);
  });
});

describe("what is stored of a pull task", () => {
  it("is its payload, tag, time and number of leases", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const etaUsec = inUs(DAY);
    const { names } = await app.add(
      pullTask(queue, { tag: bytes("té"), etaUsec, retryParameters: { retryLimit: 2 } }),
      pullTask(queue, { mode: PULL, body: bytes(""), tag: bytes("") }),
    );
    const [full, empty] = await Promise.all(names.map((id) => app.stub(queue).getTask(id, true)));
    expect(full).toMatchObject({
      value: { scheduleTimeUs: Number(etaUsec), tag: "té", body: bytes("payload") },
    });
    if (full?.ok !== true || empty?.ok !== true) throw new Error("not found");
    expect(decodeMeta(full.value.meta)).toMatchObject({ retryConfig: { maxAttempts: 2 } });
    expect(empty.value).not.toHaveProperty("tag");
    expect(empty.value).not.toHaveProperty("body");
  });
});

describe("a task of a transaction", () => {
  const transaction = { handle: 5n, app: "app" };

  it("is refused by its name, its size, its queue", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const { results } = await app.add(
      pullTask(queue, { transaction, taskName: bytes("n") }),
      pullTask(queue, { transaction }),
    );
    expect(results).toEqual(["INVALID_TASK_NAME", "SKIPPED"]);
    const body = new Uint8Array(600_000);
    const addRequest = [
      pullTask(queue, { transaction, body }),
      pullTask(queue, { transaction, body }),
    ];
    expect(await app.refused("BulkAdd", { addRequest })).toBe("TRANSACTIONAL_REQUEST_TOO_LARGE");
    expect((await app.add(pullTask("missing", { transaction }))).results).toEqual([
      "UNKNOWN_QUEUE",
    ]);
  });

  it("must be of one transaction, and of one that there can be", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PULL");
    const code = (...addRequest: AddInput[]) => app.refused("BulkAdd", { addRequest });
    const [one, two, none] = [
      pullTask(queue, { transaction }),
      pullTask(queue, { transaction: { ...transaction, handle: 6n } }),
      pullTask(queue),
    ];
    expect(await code(one, two)).toBe("INVALID_REQUEST");
    expect(await code(one, none)).toBe("INVALID_REQUEST");
    expect(await code(none, one)).toBe("INVALID_REQUEST");
    expect(await code(pullTask(queue, { transaction: { ...transaction, handle: 0n } }))).toBe(
      "DATASTORE_BAD_REQUEST",
    );
    expect(await code(pullTask(queue, { datastoreTransaction: bytes("elsewhere") }))).toBe(
      "DATASTORE_BAD_REQUEST",
    );
  });
});

describe("datastore_v3", () => {
  it.each(["Commit", "Rollback"] as const)(
    "%s refuses a handle that there cannot be",
    async (name) => {
      const app = new RpcApp();
      const refused = (handle: bigint) => app.call(name, { handle, app: app.project });
      // BAD_REQUEST in this service's own numbers.
      expect(await refused(0n)).toMatchObject({ kind: "application", code: 1 });
      expect(await refused(2n ** 63n)).toMatchObject({ kind: "application", code: 1 });
    },
  );

  it("takes no application whose name cannot be", async () => {
    const app = new RpcApp();
    const answer = await app.call("BeginTransaction", { app: "a/b" });
    expect(answer).toMatchObject({ kind: "application", code: 1, detail: 'Invalid app_id "a/b".' });
  });
});
