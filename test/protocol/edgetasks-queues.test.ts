/** The wire of the client's interface: what is refused and why, and what a request may look like. */
import { env, exports } from "cloudflare:workers";
import { describe, expect, it, test } from "vitest";
import type { Env } from "../../src/env.ts";
import { queueStub, registryStub } from "../../src/stubs.ts";
import { settings, uniqueQueue } from "../support/factory.ts";
import { send } from "./rest.ts";

const bindings = env as unknown as Env;
const PULL = { pull: { payload: "aGk=" } };

/** A queue of its own; what a path below it answers. */
async function testQueue(type: "PUSH" | "PULL" = "PULL") {
  const name = uniqueQueue();
  const base = settings();
  const retryConfig = { ...base.retryConfig, maxAttempts: -1 };
  await registryStub(bindings, name).createQueue(name.queue, { ...base, type, retryConfig });
  if (type === "PUSH") await registryStub(bindings, name).pauseQueue(name.queue);
  const path = `/edgetasks/v1/projects/${name.project}/locations/us-central1/queues/${name.queue}`;
  const post = (rest: string, body: unknown = {}) => send("POST", `${path}${rest}`, body);
  const snapshot = async () => ({
    tasks: await queueStub(bindings, name).listTasks({ pageSize: 100, withBody: true }),
    queue: await queueStub(bindings, name).getQueue(),
  });
  return { name, path, post, snapshot };
}

function refusal(status: number, code: string, reason: string, field?: string) {
  const violations = field === undefined ? [] : [{ field, description: expect.any(String) }];
  return {
    status,
    body: {
      error: {
        code: status,
        status: code,
        message: expect.any(String),
        details: [
          { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "edgetasks" },
          ...violations.map((violation) => ({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            fieldViolations: [violation],
          })),
        ],
      },
    },
  };
}

describe("bad input names its field, and changes nothing", () => {
  const far = String((Date.now() + 31 * 86_400_000) * 1000);
  const http = { url: "https://example.com" };
  test.each<[string, object, string, string]>([
    ["tasks", {}, "INVALID_REQUEST", "tasks"],
    ["no task", { tasks: [] }, "INVALID_REQUEST", "tasks"],
    ["an unknown field", { tasks: [{ ...PULL, eta: 1 }] }, "INVALID_REQUEST", "tasks[0].eta"],
    ["a type", { tasks: [PULL, { pull: 5 }] }, "INVALID_REQUEST", "tasks[1].pull"],
    ["no kind", { tasks: [{}] }, "INVALID_REQUEST", "tasks[0]"],
    ["two kinds", { tasks: [{ ...PULL, http }] }, "INVALID_REQUEST", "tasks[0]"],
    [
      "no base64",
      { tasks: [{ pull: { payload: "%" } }] },
      "INVALID_REQUEST",
      "tasks[0].pull.payload",
    ],
    ["a name", { tasks: [{ ...PULL, name: "a b" }] }, "INVALID_TASK_NAME", "tasks[0].name"],
    [
      "a time",
      { tasks: [{ ...PULL, scheduleTimeUs: far }] },
      "INVALID_ETA",
      "tasks[0].scheduleTimeUs",
    ],
    [
      "no time",
      { tasks: [{ ...PULL, scheduleTimeUs: "soon" }] },
      "INVALID_REQUEST",
      "tasks[0].scheduleTimeUs",
    ],
    [
      "before 1970",
      { tasks: [{ ...PULL, scheduleTimeUs: "-1" }] },
      "INVALID_ETA",
      "tasks[0].scheduleTimeUs",
    ],
    ["a tag", { tasks: [{ pull: { tag: "x".repeat(501) } }] }, "INVALID_TAG", "tasks[0].pull.tag"],
    ["a URL", { tasks: [{ http: { url: "ftp://x" } }] }, "INVALID_URL", "tasks[0].http.url"],
    [
      "a path",
      { tasks: [{ appEngine: { relativeUrl: "x" } }] },
      "INVALID_URL",
      "tasks[0].appEngine.relativeUrl",
    ],
    [
      "a body",
      { tasks: [{ http: { ...http, method: "GET", payload: "aGk=" } }] },
      "INVALID_REQUEST",
      "tasks[0].http.payload",
    ],
    [
      "a header",
      { tasks: [{ http: { ...http, headers: { "a b": "c" } } }] },
      "INVALID_REQUEST",
      "tasks[0].http.headers",
    ],
    [
      "a target",
      { tasks: [{ appEngine: { target: "a..b" } }] },
      "INVALID_REQUEST",
      "tasks[0].appEngine.target",
    ],
    [
      "a token",
      { tasks: [{ http: { ...http, oidcToken: { serviceAccountEmail: "" } } }] },
      "INVALID_REQUEST",
      "tasks[0].http.oidcToken.serviceAccountEmail",
    ],
    [
      "a method",
      { tasks: [{ appEngine: { method: "PATCH" } }] },
      "INVALID_REQUEST",
      "tasks[0].appEngine.method",
    ],
    [
      "a deadline",
      { tasks: [{ http, dispatchDeadlineUs: "1" }] },
      "INVALID_DISPATCH_DEADLINE",
      "tasks[0].dispatchDeadlineUs",
    ],
    [
      "retries",
      { tasks: [{ http, retryOptions: { taskRetryLimit: -1 } }] },
      "INVALID_RETRY_PARAMETERS",
      "tasks[0].retryOptions.taskRetryLimit",
    ],
    [
      "backoffs",
      { tasks: [{ http, retryOptions: { minBackoffSeconds: 2, maxBackoffSeconds: 1 } }] },
      "INVALID_RETRY_PARAMETERS",
      "tasks[0].retryOptions",
    ],
    [
      "pull retries",
      { tasks: [{ ...PULL, retryOptions: { maxDoublings: 1 } }] },
      "INVALID_RETRY_PARAMETERS",
      "tasks[0].retryOptions.maxDoublings",
    ],
    [
      "names twice",
      {
        tasks: [
          { ...PULL, name: "a" },
          { ...PULL, name: "a" },
        ],
      },
      "DUPLICATE_TASK_NAME",
      "tasks[1].name",
    ],
    ["too many", { tasks: Array(101).fill(PULL) }, "TOO_MANY_TASKS", "tasks"],
    [
      "too large",
      { tasks: [PULL, { pull: { payload: "A".repeat(1_398_108) } }] },
      "TASK_TOO_LARGE",
      "tasks[1]",
    ],
    [
      "a named task of a transaction",
      { tasks: [{ ...PULL, name: "a" }], transaction: "1" },
      "INVALID_TASK_NAME",
      "tasks[0].name",
    ],
  ])("add: %s", async (_what, body, reason, field) => {
    const queue = await testQueue();
    const before = await queue.snapshot();
    const given = "tasks" in body ? { ...body, tasks: [PULL, ...(body.tasks as object[])] } : body;
    const shifted = field.replace(/\[(\d+)\]/, (_, index) => `[${Number(index) + 1}]`);
    const isWhole = !("tasks" in body) || (body.tasks as object[]).length === 0;
    const reply = await queue.post("/tasks:add", isWhole ? body : given);
    expect(reply).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", reason, isWhole ? field : shifted),
    );
    expect(await queue.snapshot()).toEqual(before);
  });

  test.each<[string, object, string, string]>([
    ["/tasks:lease", { leaseDurationUs: "1", maxTasks: 0 }, "INVALID_REQUEST", "maxTasks"],
    ["/tasks:lease", { leaseDurationUs: "1", maxTasks: 1001 }, "INVALID_REQUEST", "maxTasks"],
    ["/tasks:lease", { leaseDurationUs: "-1", maxTasks: 1 }, "INVALID_REQUEST", "leaseDurationUs"],
    [
      "/tasks:lease",
      { leaseDurationUs: "604800000001", maxTasks: 1 },
      "INVALID_REQUEST",
      "leaseDurationUs",
    ],
    ["/tasks:lease", { leaseDurationUs: "1", maxTasks: 1, tag: "a" }, "INVALID_REQUEST", "tag"],
    ["/tasks:modifyLease", { leaseDurationUs: "1", leases: [] }, "INVALID_REQUEST", "leases"],
    [
      "/tasks:modifyLease",
      { leaseDurationUs: "1", leases: [{ name: "a" }] },
      "INVALID_REQUEST",
      "leases[0].scheduleTimeUs",
    ],
    [
      "/tasks:acknowledge",
      { leases: [{ name: "a b", scheduleTimeUs: "1" }] },
      "INVALID_TASK_NAME",
      "leases[0].name",
    ],
    ["/tasks:delete", { names: ["a", ""] }, "INVALID_TASK_NAME", "names[1]"],
    ["/tasks:delete", { names: Array(1001).fill("a") }, "TOO_MANY_TASKS", "names"],
    ["/tasks:list", { pageSize: -1 }, "INVALID_REQUEST", "pageSize"],
    ["/tasks:list", { pageToken: "x" }, "INVALID_REQUEST", "pageToken"],
    [":purge", { name: "x" }, "INVALID_REQUEST", "name"],
  ])("%s %j", async (rest, body, reason, field) => {
    const queue = await testQueue();
    expect((await queue.post("/tasks:add", { tasks: [PULL] })).status).toBe(200);
    const before = await queue.snapshot();
    expect(await queue.post(rest, body)).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", reason, field),
    );
    expect(await queue.snapshot()).toEqual(before);
  });

  it("is said of names in the path too", async () => {
    const path = (project: string, location: string, queue: string) =>
      send("GET", `/edgetasks/v1/projects/${project}/locations/${location}/queues/${queue}`);
    const bad = (field: string, reason = "INVALID_REQUEST") =>
      refusal(400, "INVALID_ARGUMENT", reason, field);
    expect(await path("a_b", "us-central1", "q")).toMatchObject(bad("project"));
    expect(await path("p", "moon", "q")).toMatchObject(bad("location"));
    expect(await path("p", "us-central1", "a_b")).toMatchObject(bad("queue", "INVALID_QUEUE_NAME"));
    expect(await path("p", "us-central1", "%zz")).toMatchObject(bad("queue", "INVALID_QUEUE_NAME"));
  });

  it("is said of bodies that are no JSON, and of methods that there are not", async () => {
    const { path } = await testQueue();
    const unreadable = refusal(400, "INVALID_ARGUMENT", "INVALID_REQUEST");
    expect(await send("POST", `${path}/tasks:add`, "{")).toMatchObject(unreadable);
    expect(await send("POST", `${path}/tasks:add`, "[]")).toMatchObject(unreadable);
    expect(await send("POST", `${path}/tasks:nothing`)).toMatchObject({ status: 404 });
    expect(await send("POST", `${path}/tasks`)).toMatchObject({ status: 404 });
    const wrong = await send("GET", `${path}/tasks:add`);
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
    const options = await send("OPTIONS", path);
    expect([options.status, options.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
  });
});

describe("results", () => {
  it("tell each task its own, by the names of the service", async () => {
    const { post } = await testQueue();
    const named = (name: string) => ({ ...PULL, name });
    await post("/tasks:add", { tasks: [named("a"), named("b")] });
    await post("/tasks:delete", { names: ["b"] });
    const { body } = await post("/tasks:add", { tasks: [named("a"), named("b"), PULL] });
    expect(body.results).toEqual([
      refusal(409, "ALREADY_EXISTS", "TASK_ALREADY_EXISTS").body,
      refusal(409, "ALREADY_EXISTS", "TOMBSTONED_TASK").body,
      {
        name: expect.stringMatching(/^\d+$/),
        scheduleTimeUs: expect.stringMatching(/^\d{16}$/),
        createTimeUs: expect.stringMatching(/^\d{16}$/),
      },
    ]);
    const deleted = await post("/tasks:delete", { names: ["a", "b", "c"] });
    expect(deleted.body.results).toEqual([
      {},
      refusal(404, "NOT_FOUND", "TOMBSTONED_TASK").body,
      refusal(404, "NOT_FOUND", "UNKNOWN_TASK").body,
    ]);
  });

  it("of a lease come with the server's times, and go by its exact expiry", async () => {
    const { post } = await testQueue();
    await post("/tasks:add", { tasks: [PULL] });
    const lease = { leaseDurationUs: "60000000", maxTasks: 10 };
    const { body } = await post("/tasks:lease", lease);
    expect(Number(body.answerTimeUs)).toBeGreaterThanOrEqual(Number(body.requestTimeUs));
    const [{ name, scheduleTimeUs, retryCount, pull }] = body.tasks;
    expect([retryCount, pull]).toEqual([1, { payload: "aGk=" }]);
    const off = { name, scheduleTimeUs: String(Number(scheduleTimeUs) + 1) };
    const lost = refusal(400, "FAILED_PRECONDITION", "TASK_LEASE_EXPIRED").body;
    expect((await post("/tasks:acknowledge", { leases: [off] })).body.results).toEqual([lost]);
    const renewed = await post("/tasks:modifyLease", {
      leaseDurationUs: "120000000",
      leases: [{ name, scheduleTimeUs }, off],
    });
    expect(renewed.body.results).toEqual([{ scheduleTimeUs: expect.any(String) }, lost]);
    const leases = [{ name, scheduleTimeUs: renewed.body.results[0].scheduleTimeUs }];
    expect((await post("/tasks:acknowledge", { leases })).body.results).toEqual([{}]);
  });

  it("of the wrong kind of queue are INVALID_QUEUE_MODE", async () => {
    const { post } = await testQueue("PUSH");
    const { body } = await post("/tasks:add", { tasks: [PULL] });
    expect(body.results).toEqual([refusal(400, "INVALID_ARGUMENT", "INVALID_QUEUE_MODE").body]);
    expect(await post("/tasks:lease", { leaseDurationUs: "1", maxTasks: 1 })).toMatchObject(
      refusal(400, "FAILED_PRECONDITION", "INVALID_QUEUE_MODE"),
    );
  });
});

describe("the default queue", () => {
  it("exists by itself, in whatever way it is met first", async () => {
    const first = [
      ["GET", ""],
      ["POST", ":pause"],
      ["POST", ":stats"],
      ["POST", "/tasks:list"],
    ] as const;
    for (const [verb, rest] of first) {
      const { project } = uniqueQueue();
      const path = `/edgetasks/v1/projects/${project}/locations/us-central1/queues/default`;
      expect(await send(verb, path + rest), rest).toMatchObject({ status: 200 });
      expect((await send("GET", path)).body).toMatchObject({ rate: 5, bucketSize: 5 });
    }
  });

  it("does not come back by itself when it was deleted: TOMBSTONED_QUEUE", async () => {
    const { project } = uniqueQueue();
    const location = `projects/${project}/locations/us-central1`;
    const path = `/edgetasks/v1/${location}/queues/default`;
    await send("GET", path);
    await send("DELETE", `/v2/${location}/queues/default`);
    const gone = refusal(404, "NOT_FOUND", "TOMBSTONED_QUEUE");
    expect(await send("GET", path)).toMatchObject(gone);
    expect(await send("POST", `${path}:purge`, {})).toMatchObject(gone);
  });

  it("is the only one that does: UNKNOWN_QUEUE", async () => {
    const { project } = uniqueQueue();
    const path = `/edgetasks/v1/projects/${project}/locations/us-central1/queues/other`;
    const missing = refusal(404, "NOT_FOUND", "UNKNOWN_QUEUE");
    expect(await send("GET", path)).toMatchObject(missing);
    expect(await send("POST", `${path}:pause`, {})).toMatchObject(missing);
  });
});

describe("the entrypoint for bindings", () => {
  const { BoundApi, default: open } = exports as unknown as Record<"BoundApi" | "default", Fetcher>;

  it("believes whoever reaches it, where the address for everybody does not", async () => {
    const { project } = uniqueQueue();
    const path = `projects/${project}/locations/us-central1/queues/default`;
    const url = `http://tasks.example.com/edgetasks/v1/${path}`;
    const refused = await open.fetch(url);
    expect(await refused.json()).toMatchObject(
      refusal(403, "PERMISSION_DENIED", "PERMISSION_DENIED").body,
    );
    const answered = await BoundApi.fetch(url);
    expect(await answered.json()).toMatchObject({ name: "default" });
  });
});
