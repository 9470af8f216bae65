/** The methods of taskqueue/v1beta2, by their ids, and the meaning of each field. */
import { env } from "cloudflare:workers";
import { describe, expect, it, test } from "vitest";
import { encodeMeta, partsOf } from "../../src/core/model.ts";
import type { Env } from "../../src/env.ts";
import { queueStub, registryStub } from "../../src/stubs.ts";
import { SECOND, settings, uniqueQueue } from "../support/factory.ts";
import { ok, send } from "./rest.ts";
import { BASE, pullQueue, refusal, type Task, testQueue } from "./taskqueue-client.ts";

const bindings = env as unknown as Env;
const MISSING =
  "Queue does not exist. If you just created the queue, wait at least a minute for the queue to " +
  "initialize.";
const NO_ENTITY = "Requested entity was not found.";
const GONE =
  "The task no longer exists, though a task with this name existed recently. The task either " +
  "successfully completed or was deleted.";

/** Now, microseconds, as a client would say it. */
const nowUs = () => Date.now() * 1000;

describe("taskqueue.taskqueues.get", () => {
  it("shows the queue by its name, without stats unless they are asked for", async () => {
    const queue = await pullQueue();
    const shown = {
      kind: "taskqueues#taskqueue",
      id: queue.name.queue,
      acl: { adminEmails: [], consumerEmails: [], producerEmails: [] },
    };
    expect(await queue.ok("GET", "")).toEqual(shown);
    expect(await queue.ok("GET", "?getStats=false")).toEqual(shown);
  });

  it("tells how often a task may be leased, where that is bounded", async () => {
    const { retryConfig } = settings();
    const queue = await pullQueue({ retryConfig: { ...retryConfig, maxAttempts: 3 } });
    expect(await queue.ok("GET", "")).toMatchObject({ maxLeases: 3 });
  });

  it("has the stats of an empty queue", async () => {
    const queue = await pullQueue();
    expect(await queue.ok("GET", "?getStats=true")).toMatchObject({
      stats: { totalTasks: 0, oldestTask: "0", leasedLastMinute: "0", leasedLastHour: "0" },
    });
  });

  it("counts tasks and leases, and tells the oldest task's time in seconds", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    for (let count = 0; count < 5; count++) await queue.insert();
    expect(await queue.lease({ numTasks: 3 })).toHaveLength(3);
    const stats = { totalTasks: 5, oldestTask: String(Math.floor(start / 1e6)) };
    expect(await queue.ok("GET", "?getStats=true")).toMatchObject({
      stats: { ...stats, leasedLastMinute: "3", leasedLastHour: "3" },
    });
    await queue.setClock(start + 120 * SECOND);
    expect(await queue.ok("GET", "?getStats=true")).toMatchObject({
      stats: { ...stats, leasedLastMinute: "0", leasedLastHour: "3" },
    });
  });

  it("answers 404 for a queue that does not exist", async () => {
    const queue = testQueue(uniqueQueue());
    expect(await queue.send("GET", "")).toMatchObject(refusal(404, "notFound", MISSING));
    expect(await queue.send("GET", "?getStats=true")).toMatchObject(
      refusal(404, "notFound", MISSING),
    );
  });
});

describe("taskqueue.tasks.insert", () => {
  it("answers the task: an id of its own, never leased, times in microseconds", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    const inserted = await queue.ok("POST", "/tasks", {
      queueName: queue.name.queue,
      payloadBase64: "aGk=",
    });
    expect(inserted).toEqual({
      kind: "taskqueues#task",
      id: expect.stringMatching(/^\d{20,}$/),
      queueName: queue.fullName,
      payloadBase64: "aGk=",
      enqueueTimestamp: String(start),
      leaseTimestamp: "0",
      retry_count: 0,
    });
    expect(await queue.ok("GET", `/tasks/${inserted.id}`)).toEqual(inserted);
  });

  it("keeps the id, the tag and the payload that it is given", async () => {
    const queue = await pullQueue();
    const given = { id: "my_task-1", tag: "größe/日本 🎉", payloadBase64: "AP8+Pw==" };
    expect(await queue.insert(given)).toMatchObject(given);
    expect(await queue.ok("GET", "/tasks/my_task-1")).toMatchObject(given);
  });

  it("takes a name once, also when its task is gone", async () => {
    const queue = await pullQueue();
    await queue.insert({ id: "one" });
    const again = { queueName: queue.name.queue, payloadBase64: "", id: "one" };
    const conflict = refusal(409, "conflict", "Requested entity already exists");
    expect(await queue.send("POST", "/tasks", again)).toMatchObject(conflict);
    await queue.send("DELETE", "/tasks/one");
    expect(await queue.send("POST", "/tasks", again)).toMatchObject(conflict);
  });

  it("takes leaseTimestamp as the time at which the task is first available", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    const later = await queue.insert({ leaseTimestamp: String(start + 10 * SECOND) });
    // Never leased: 0, whatever time it waits for.
    expect(later.leaseTimestamp).toBe("0");
    expect(await queue.ok("GET", `/tasks/${later.id}`)).toEqual(later);
    expect(await queue.lease()).toEqual([]);
    await queue.setClock(start + 10 * SECOND - 1);
    expect(await queue.lease()).toEqual([]);
    await queue.setClock(start + 10 * SECOND);
    expect(await queue.lease()).toMatchObject([{ id: later.id }]);
  });

  test.each(["0", 0, null, "1", String(Date.UTC(2020, 1) * 1000)])(
    "is available at once with leaseTimestamp %j",
    async (leaseTimestamp) => {
      const queue = await pullQueue();
      const { id } = await queue.insert({ leaseTimestamp });
      expect(await queue.lease()).toMatchObject([{ id }]);
    },
  );

  test.each([
    ["standard", "+/8=", "+/8="],
    ["URL-safe", "-_8=", "+/8="],
    ["unpadded", "-_8", "+/8="],
    ["empty", "", ""],
  ])("reads %s base64 and answers standard", async (_, payloadBase64, shown) => {
    const queue = await pullQueue();
    const { id } = await queue.insert({ payloadBase64 });
    expect(await queue.ok("GET", `/tasks/${id}`)).toMatchObject({ payloadBase64: shown });
  });

  it("takes a payload of 1 MB after decoding, also from clients that escape slashes", async () => {
    const queue = await pullQueue();
    const payloadBase64 = `${"////".repeat(349_525)}/w==`;
    const body = JSON.stringify({ queueName: queue.name.queue, payloadBase64 });
    const { id } = await queue.ok("POST", "/tasks", body.replaceAll("/", "\\/"));
    const [task] = await queue.lease();
    expect(task?.id).toBe(id);
    expect(task?.payloadBase64 === payloadBase64).toBe(true);
  });

  it("takes a tag of 500 characters, counted as a reader would", async () => {
    const queue = await pullQueue();
    const tag = "🎉".repeat(500);
    expect(await queue.insert({ tag })).toMatchObject({ tag });
    expect(await queue.lease({ groupByTag: true, tag })).toMatchObject([{ tag }]);
  });

  it("takes its own answers back, and the queue's name in any of its forms", async () => {
    const queue = await pullQueue();
    const { project, queue: id } = queue.name;
    const first = await queue.insert();
    for (const queueName of [
      id,
      queue.fullName,
      `projects/${project}/taskqueues/${id}`,
      `projects/e~${project}/taskqueues/${id}`,
    ]) {
      const again = { ...first, id: undefined, queueName };
      expect((await queue.ok("POST", "/tasks", again)).id).not.toBe(first.id);
    }
  });

  it("answers 404 for a queue that does not exist", async () => {
    const queue = testQueue(uniqueQueue());
    const task = { queueName: queue.name.queue, payloadBase64: "" };
    expect(await queue.send("POST", "/tasks", task)).toMatchObject(
      refusal(404, "notFound", MISSING),
    );
  });
});

describe("taskqueue.tasks.get", () => {
  it("shows a task before, during and after its leases", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    const { id } = await queue.insert({ tag: "t" });
    const get = () => queue.ok("GET", `/tasks/${id}`);
    expect(await get()).toMatchObject({ leaseTimestamp: "0", retry_count: 0, tag: "t" });
    const expiry = String(start + 60 * SECOND);
    expect(await queue.lease()).toMatchObject([{ leaseTimestamp: expiry, retry_count: 1 }]);
    expect(await get()).toMatchObject({ leaseTimestamp: expiry, payloadBase64: "aGk=" });
    // Lapsed: the expiry stays, now in the past.
    await queue.setClock(start + 100 * SECOND);
    expect(await get()).toMatchObject({ leaseTimestamp: expiry, retry_count: 1 });
    const [again] = await queue.lease({ leaseSecs: 1 });
    expect(again).toMatchObject({ retry_count: 2, enqueueTimestamp: String(start) });
    // Expiries of a task's leases differ from each other in the digits below the millisecond.
    expect(Math.floor(Number(again?.leaseTimestamp) / 1000) * 1000).toBe(start + 101 * SECOND);
    expect(await get()).toEqual(again);
  });

  it("answers 404 for a task that never was, and for one that is gone", async () => {
    const queue = await pullQueue();
    expect(await queue.send("GET", "/tasks/none")).toMatchObject(
      refusal(404, "notFound", NO_ENTITY),
    );
    await queue.insert({ id: "gone" });
    await queue.send("DELETE", "/tasks/gone");
    expect(await queue.send("GET", "/tasks/gone")).toMatchObject(refusal(404, "notFound", GONE));
  });

  it("shows a task that is named like the method", async () => {
    const queue = await pullQueue();
    await queue.insert({ id: "lease" });
    expect(await queue.ok("GET", "/tasks/lease")).toMatchObject({ id: "lease" });
    expect((await queue.send("DELETE", "/tasks/lease")).status).toBe(204);
  });
});

describe("taskqueue.tasks.list", () => {
  it("has no items when the queue is empty", async () => {
    const queue = await pullQueue();
    expect(await queue.ok("GET", "/tasks")).toEqual({ kind: "taskqueues#tasks" });
  });

  it("shows tasks whether leased or not, without their payloads", async () => {
    const queue = await pullQueue();
    const first = await queue.insert({ tag: "a" });
    const second = await queue.insert();
    const [leased] = await queue.lease();
    expect(await queue.ok("GET", "/tasks")).toEqual({
      kind: "taskqueues#tasks",
      items: [
        { ...second, payloadBase64: "" },
        { ...first, ...leased, payloadBase64: "" },
      ],
    });
  });

  it("shows a hundred at most", async () => {
    const queue = await pullQueue();
    const meta = encodeMeta({ target: { kind: "pull" } });
    const specs = Array.from({ length: 101 }, () => ({ meta }));
    await queueStub(bindings, queue.name).createTasks(specs);
    const { items } = await queue.ok<{ items: Task[] }>("GET", "/tasks");
    expect(new Set(items.map(({ id }) => id)).size).toBe(100);
  });
});

describe("taskqueue.tasks.lease", () => {
  it("gives the tasks that became available first, each to one worker", async () => {
    const queue = await pullQueue();
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) ids.push((await queue.insert()).id);
    const reply = await queue.ok("POST", "/tasks/lease?numTasks=2&leaseSecs=30");
    expect(reply).toMatchObject({
      kind: "taskqueue#tasks",
      items: [
        { kind: "taskqueues#task", id: ids[0], payloadBase64: "aGk=", retry_count: 1 },
        { id: ids[1] },
      ],
    });
    expect(await queue.lease({ numTasks: 1000 })).toMatchObject([{ id: ids[2] }]);
    expect(await queue.ok("POST", "/tasks/lease?numTasks=1&leaseSecs=604800", {})).toEqual({
      kind: "taskqueue#tasks",
    });
  });

  it("gives a task again when its lease has lapsed, to the moment", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    const { id } = await queue.insert();
    await queue.lease({ leaseSecs: 30 });
    await queue.setClock(start + 30 * SECOND - 1);
    expect(await queue.lease()).toEqual([]);
    await queue.setClock(start + 30 * SECOND);
    expect(await queue.lease()).toMatchObject([{ id, retry_count: 2 }]);
  });

  it("by groupByTag gives tasks with the tag of the oldest, or without one", async () => {
    const queue = await pullQueue();
    const ids: Record<string, string> = {};
    for (const tag of ["b", "a", undefined, "b", "", "a"]) {
      const name = `${tag ?? "none"}${Object.keys(ids).length}`;
      ids[name] = (await queue.insert(tag === undefined ? {} : { tag })).id;
    }
    const group = async () =>
      (await queue.lease({ numTasks: 10, groupByTag: true })).map(({ id }) => id);
    expect(await group()).toEqual([ids["b0"], ids["b3"]]);
    expect(await group()).toEqual([ids["a1"], ids["a5"]]);
    expect(await group()).toEqual([ids["none2"]]);
    expect(await group()).toEqual([ids["4"]]);
    expect(await group()).toEqual([]);
  });

  it("by tag gives tasks with exactly this tag; the empty one is a tag as well", async () => {
    const queue = await pullQueue();
    await queue.insert();
    await queue.insert({ tag: "" });
    await queue.insert({ tag: "a/b c" });
    const byTag = (tag: string) => queue.lease({ numTasks: 10, groupByTag: true, tag });
    expect(await byTag("a/b")).toEqual([]);
    expect(await byTag("a/b c")).toMatchObject([{ tag: "a/b c" }]);
    const empty = await byTag("");
    expect(empty).toMatchObject([{ tag: "" }]);
    expect(empty).toHaveLength(1);
    expect(await queue.lease({ numTasks: 10, groupByTag: false })).toHaveLength(1);
  });

  it("gives fewer tasks where their payloads would pass what an answer holds", async () => {
    const queue = await pullQueue();
    const meta = encodeMeta({ target: { kind: "pull" } });
    const specs = Array.from({ length: 13 }, () => ({ meta, body: new Uint8Array(1_000_000) }));
    for (let round = 0; round < 2; round++)
      await queueStub(bindings, queue.name).createTasks(specs);
    const leased = await queue.lease({ numTasks: 26 });
    expect(leased.length).toBeGreaterThan(20);
    expect(leased.length).toBeLessThan(24);
    expect(leased.every(({ payloadBase64 }) => payloadBase64.length === 1_333_336)).toBe(true);
    expect(await queue.lease({ numTasks: 26 })).toHaveLength(26 - leased.length);
  });

  it("drops a task whose leases are used up", async () => {
    const { retryConfig } = settings();
    const queue = await pullQueue({ retryConfig: { ...retryConfig, maxAttempts: 2 } });
    const { id } = await queue.insert();
    for (const count of [1, 2]) {
      const [leased] = await queue.lease({ leaseSecs: 1 });
      expect(leased?.retry_count).toBe(count);
      await queue.setClock(Number(leased?.leaseTimestamp));
    }
    expect(await queue.lease()).toEqual([]);
    expect((await queue.send("GET", `/tasks/${id}`)).status).toBe(404);
  });

  it("is refused while the queue is paused", async () => {
    const queue = await pullQueue();
    await queue.insert();
    await registryStub(bindings, queue.name).pauseQueue(queue.name.queue);
    expect(await queue.send("POST", "/tasks/lease?numTasks=1&leaseSecs=1")).toMatchObject(
      refusal(400, "failedPrecondition", expect.stringContaining("not running")),
    );
  });

  it("waits for a task where the caller prefers that, and says so", async () => {
    const queue = await pullQueue();
    const waiting = queue.send("POST", "/tasks/lease?numTasks=5&leaseSecs=60", undefined, {
      prefer: "wait=60",
    });
    const { id } = await queue.insert();
    const reply = await waiting;
    expect(reply.body.items).toMatchObject([{ id, retry_count: 1 }]);
    expect(reply.headers.get("preference-applied")).toBe("wait=60");
    const none = await queue.send("POST", "/tasks/lease?numTasks=5&leaseSecs=60", undefined, {
      prefer: "wait=0",
    });
    expect(none.body).toEqual({ kind: "taskqueue#tasks" });
  });
});

describe.each([
  ["taskqueue.tasks.update", "POST", {}],
  ["taskqueue.tasks.patch", "PATCH", {}],
  ["taskqueue.tasks.patch of clients that cannot say PATCH", "POST", override("PATCH")],
] as const)("%s", (_, method, headers) => {
  it("sets the time that the lease has left, longer or shorter, and answers the task", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    await queue.insert({ tag: "t" });
    const [leased] = await queue.lease({ leaseSecs: 10 });
    const update = (seconds: number, body?: unknown) =>
      queue.ok(method, `/tasks/${leased?.id}?newLeaseSeconds=${seconds}`, body, headers);
    expect(await update(604_800, leased)).toEqual({
      ...leased,
      leaseTimestamp: String(start + 604_800 * SECOND),
    });
    await queue.setClock(start + SECOND);
    expect(await update(1, { queueName: queue.name.queue })).toEqual({
      ...leased,
      leaseTimestamp: String(start + 2 * SECOND),
    });
    expect(await update(5)).toMatchObject({ leaseTimestamp: String(start + 6 * SECOND) });
    expect(await queue.lease()).toEqual([]);
  });

  it("releases the task at once with 0", async () => {
    const queue = await pullQueue();
    const { id } = await queue.insert();
    await queue.lease();
    const path = `/tasks/${id}?newLeaseSeconds=0`;
    await queue.ok(method, path, { id, queueName: queue.name.queue }, headers);
    expect(await queue.lease()).toMatchObject([{ id, retry_count: 2 }]);
  });

  it("is refused once the lease has lapsed, and before there is one", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    const { id } = await queue.insert();
    const update = () => queue.send(method, `/tasks/${id}?newLeaseSeconds=60`, {}, headers);
    const lapsed = refusal(400, "failedPrecondition", "The task's lease has expired.");
    expect(await update()).toMatchObject(lapsed);
    await queue.lease({ leaseSecs: 1 });
    await queue.setClock(start + SECOND);
    expect(await update()).toMatchObject(lapsed);
  });

  it("answers 404 for a task that does not exist", async () => {
    const queue = await pullQueue();
    const path = "/tasks/none?newLeaseSeconds=1";
    expect(await queue.send(method, path, {}, headers)).toMatchObject(
      refusal(404, "notFound", NO_ENTITY),
    );
  });
});

describe("taskqueue.tasks.delete", () => {
  it("answers nothing, and the task is gone: waiting, leased or with a lapsed lease", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    for (const seconds of [undefined, 60, 1]) {
      const { id } = await queue.insert();
      if (seconds !== undefined) await queue.lease({ leaseSecs: seconds });
      await queue.setClock(start + 2 * SECOND);
      expect(await queue.send("DELETE", `/tasks/${id}`)).toMatchObject({ status: 204, body: "" });
      expect(await queue.send("DELETE", `/tasks/${id}`)).toMatchObject(
        refusal(404, "notFound", GONE),
      );
    }
    expect(await queue.ok("GET", "/tasks")).toEqual({ kind: "taskqueues#tasks" });
  });

  it("answers 404 for a task that never was", async () => {
    const queue = await pullQueue();
    expect(await queue.send("DELETE", "/tasks/none")).toMatchObject(
      refusal(404, "notFound", NO_ENTITY),
    );
  });
});

describe("the project", () => {
  test.each(["", "s~", "s%7E", "e~", "b~", "dev~"])("may be written %sPROJECT", async (prefix) => {
    const queue = await pullQueue();
    const { project, queue: id } = queue.name;
    const path = `${BASE}/${prefix}${project}/taskqueues/${id}`;
    const task = { queueName: id, payloadBase64: "aGk=" };
    const { status, body } = await send("POST", `${path}/tasks`, task);
    expect(status).toBe(200);
    expect(body.queueName).toBe(
      `projects/${decodeURIComponent(prefix)}${project}/taskqueues/${id}`,
    );
    expect(await queue.ok("GET", `/tasks/${body.id}`)).toMatchObject({ id: body.id });
  });
});

describe("parts of an answer", () => {
  it("are selected by fields", async () => {
    const queue = await pullQueue();
    await queue.insert({ id: "a", tag: "t" });
    const lease = "/tasks/lease?numTasks=1&leaseSecs=1&fields=kind";
    expect(await queue.ok("POST", lease)).toEqual({ kind: "taskqueue#tasks" });
    expect(await queue.ok("GET", "/tasks?fields=items(id,retry_count)")).toEqual({
      items: [{ id: "a", retry_count: 1 }],
    });
    expect(await queue.ok("GET", "/tasks/a?fields=tag&alt=json&prettyPrint=true&key=k")).toEqual({
      tag: "t",
    });
  });
});

describe("a push queue", () => {
  const MODE = /not a pull queue/;

  it("takes no tasks from here and leases none", async () => {
    const queue = await pullQueue({ type: "PUSH" });
    const task = { queueName: queue.name.queue, payloadBase64: "" };
    expect(await queue.send("POST", "/tasks", task)).toMatchObject({ status: 400 });
    for (const [method, path] of [
      ["POST", "/tasks/lease?numTasks=1&leaseSecs=1"],
      ["POST", "/tasks/a?newLeaseSeconds=1"],
      ["PATCH", "/tasks/a?newLeaseSeconds=1"],
    ] as const) {
      expect(await queue.send(method, path, {})).toMatchObject(
        refusal(400, "failedPrecondition", expect.stringMatching(MODE)),
      );
    }
    expect(await queue.ok("GET", "/tasks")).toEqual({ kind: "taskqueues#tasks" });
  });
});

describe("a task that is no pull task", () => {
  it("is converted when it is leased: its body is the payload", async () => {
    const queue = await pullQueue();
    const spec = {
      meta: encodeMeta({
        target: { kind: "http", url: "https://example.com/", method: "POST", headers: {} },
      }),
      body: new TextEncoder().encode("hi"),
    };
    const created = await queueStub(bindings, queue.name).createTask(...partsOf(spec));
    expect(created.ok).toBe(true);
    expect(await queue.lease()).toMatchObject([{ payloadBase64: "aGk=", retry_count: 1 }]);
  });
});

describe("one queue, whichever interface made it", () => {
  it("is made by v2beta3, filled here, shown and paused there", async () => {
    const { project, queue: id } = uniqueQueue();
    const location = `projects/${project}/locations/us-central1`;
    const name = `${location}/queues/${id}`;
    await ok("POST", `/v2beta3/${location}/queues`, { name, type: "PULL" });
    const queue = testQueue({ project, location: "us-central1", queue: id });
    await queue.insert({ id: "a", tag: "t" });
    expect(await ok("GET", `/v2beta3/${name}/tasks?responseView=FULL`)).toMatchObject({
      tasks: [{ name: `${name}/tasks/a`, pullMessage: { payload: "aGk=", tag: "t" } }],
    });
    expect(await ok("GET", `/v2beta2/${name}?readMask=stats`)).toMatchObject({
      stats: { tasksCount: "1" },
    });
    await ok("POST", `/v2beta2/${name}:pause`, {});
    expect((await queue.send("POST", "/tasks/lease?numTasks=1&leaseSecs=1")).status).toBe(400);
  });

  it("has one lease for a task: what is leased here is renewed there, and lost here", async () => {
    const queue = await pullQueue();
    const start = nowUs();
    await queue.setClock(start);
    const { project, location, queue: id } = queue.name;
    const task = `/v2beta2/projects/${project}/locations/${location}/queues/${id}/tasks/a`;
    await queue.insert({ id: "a" });
    await queue.lease({ leaseSecs: 10 });
    const { scheduleTime } = await ok("GET", task);
    const renewed = await ok("POST", `${task}:renewLease`, { scheduleTime, leaseDuration: "60s" });
    expect(Date.parse(renewed.scheduleTime)).toBe(Math.floor(start / 1000) + 60_000);
    await queue.ok("POST", "/tasks/a?newLeaseSeconds=0", {});
    expect(await queue.lease()).toMatchObject([{ id: "a", retry_count: 2 }]);
    const stale = { scheduleTime: renewed.scheduleTime };
    expect(await send("POST", `${task}:acknowledge`, stale)).toMatchObject({ status: 400 });
    expect((await queue.send("DELETE", "/tasks/a")).status).toBe(204);
  });
});

describe("callers", () => {
  it("see HEAD as GET without a body", async () => {
    const queue = await pullQueue();
    expect(await queue.send("HEAD", "/tasks")).toMatchObject({ status: 200, body: "" });
  });

  it("learn from OPTIONS and from a wrong verb what a path takes", async () => {
    const queue = await pullQueue();
    const options = await queue.send("OPTIONS", "/tasks");
    expect(options.status).toBe(204);
    expect(options.headers.get("allow")).toBe("GET, POST, HEAD, OPTIONS");
    const put = await queue.send("PUT", "/tasks/a", {});
    expect(put).toMatchObject(
      refusal(405, "httpMethodNotAllowed", "The method PUT is not allowed here."),
    );
    expect(put.headers.get("allow")).toBe("GET, POST, PATCH, DELETE, HEAD, OPTIONS");
  });
});

function override(method: string) {
  return { "x-http-method-override": method };
}
