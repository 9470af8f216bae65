/**
 * Requests of the betas that are refused, the rows of errors.md §3 among them: each with its error,
 * and with everything of the queue the same before and after.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { ok, refusal, send, uniqueLocation, violation } from "./rest.ts";

const UNKNOWN = "Invalid JSON payload received. Unknown name";

let location: string;
let queue: string;
let paused: string;
let push: string;
/** A leased task of the queue, and one that nobody has leased. */
let leased: { name: string; scheduleTime: string };
let free: { name: string; scheduleTime: string };
let before: unknown;

async function createQueue(id: string, target: object): Promise<string> {
  const name = `${location}/queues/${id}`;
  await ok("POST", `/v2beta2/${location}/queues`, { name, ...target });
  return name;
}

/** Everything that a refused request could have changed. */
async function snapshot() {
  return {
    queues: await ok("GET", `/v2beta2/${location}/queues`),
    tasks: await ok("GET", `/v2beta2/${queue}/tasks?responseView=FULL`),
    paused: await ok("GET", `/v2beta2/${paused}/tasks?responseView=FULL`),
    pushed: await ok("GET", `/v2beta2/${push}/tasks?responseView=FULL`),
  };
}

beforeAll(async () => {
  location = uniqueLocation();
  queue = await createQueue("pulled", { pullTarget: {} });
  paused = await createQueue("paused", { pullTarget: {} });
  push = await createQueue("pushed", { appEngineHttpTarget: {} });
  await ok("POST", `/v2beta2/${paused}:pause`, {});
  const task = { task: { pullMessage: { tag: "a" } } };
  for (const name of [queue, queue, paused]) await ok("POST", `/v2beta2/${name}/tasks`, task);
  const body = { maxTasks: 1, leaseDuration: "3600s" };
  leased = (await ok("POST", `/v2beta2/${queue}/tasks:lease`, body)).tasks[0];
  const { tasks } = await ok("GET", `/v2beta2/${queue}/tasks`);
  free = tasks.find(({ name }: { name: string }) => name !== leased.name);
  before = await snapshot();
});

/** Sends, with the leased and the free task in the places that are marked for them. */
async function refuses(path: string, body: unknown, expected: object, method = "POST") {
  const target = path
    .replace("LEASED", leased.name.split("/").at(-1) ?? "")
    .replace("FREE", free.name.split("/").at(-1) ?? "");
  const sent = JSON.stringify(body)
    .replaceAll("$LEASED_TIME", leased.scheduleTime)
    .replaceAll("$FREE_TIME", free.scheduleTime)
    .replaceAll("$Q", queue)
    .replaceAll("$L", location);
  expect(await send(method, `/${target}`, sent)).toMatchObject(expected);
  expect(await snapshot()).toEqual(before);
}

const invalid = (message: unknown, field?: string) =>
  refusal(
    400,
    "INVALID_ARGUMENT",
    message,
    field === undefined ? undefined : [violation(field, message as string)],
  );

/** What is sent, the error's text, and the field that the error names. */
type Row = [body: unknown, message: unknown, field?: string];
type NamedRow = [where: string, ...Row];

const LEASE = { maxTasks: 1, leaseDuration: "10s" };

describe("lease", () => {
  test.each<Row>([
    [{ ...LEASE, maxTasks: 0 }, "maxTasks must be between [1, 1000].", "max_tasks"],
    [{ leaseDuration: "10s" }, "maxTasks must be between [1, 1000].", "max_tasks"],
    [{ ...LEASE, maxTasks: 1001 }, "maxTasks must be between [1, 1000].", "max_tasks"],
    [{ ...LEASE, maxTasks: -1 }, "maxTasks must be between [1, 1000].", "max_tasks"],
    [{ maxTasks: 1 }, "leaseDuration is required.", "lease_duration"],
    [
      { ...LEASE, leaseDuration: "604801s" },
      "leaseDuration must be between [1s, 168h].",
      "lease_duration",
    ],
    [
      { ...LEASE, leaseDuration: "0.999s" },
      "leaseDuration must be between [1s, 168h].",
      "lease_duration",
    ],
    [
      { ...LEASE, leaseDuration: "-5s" },
      "leaseDuration must be between [1s, 168h].",
      "lease_duration",
    ],
    [{ ...LEASE, filter: "color=red" }, expect.stringMatching(/^Invalid filter "color=red"\./)],
    [{ ...LEASE, filter: "tag" }, expect.stringMatching(/^Invalid filter "tag"\./)],
    [{ ...LEASE, filter: 'tag="a' }, expect.stringMatching(/^Invalid filter/)],
    [{ ...LEASE, filter: 'tag="a" OR tag="b"' }, expect.stringMatching(/^Invalid filter/)],
    [{ ...LEASE, filter: "tag_function=newest_tag()" }, expect.stringMatching(/^Invalid filter/)],
    [
      { ...LEASE, filter: `tag=${"x".repeat(501)}` },
      "Invalid filter. The tag must be no longer than 500 characters.",
      "filter",
    ],
    [{ ...LEASE, tag: "a" }, `${UNKNOWN} "tag": Cannot find field.`],
    [
      { ...LEASE, maxTasks: "many" },
      `Invalid value at 'max_tasks' (TYPE_INT32), "many"`,
      "max_tasks",
    ],
    [{ ...LEASE, leaseDuration: 10 }, expect.stringMatching(/Illegal duration format/)],
    [{ ...LEASE, responseView: "ALL" }, expect.stringMatching(/v2beta2\.Task\.View/)],
  ])("%j", (body, message, field) =>
    refuses(`v2beta2/${queue}/tasks:lease`, body, invalid(message, field)),
  );

  test("of a paused queue", () =>
    refuses(
      `v2beta2/${paused}/tasks:lease`,
      LEASE,
      refusal(400, "FAILED_PRECONDITION", expect.any(String)),
    ));

  test("of a push queue", () =>
    refuses(
      `v2beta2/${push}/tasks:lease`,
      LEASE,
      refusal(400, "FAILED_PRECONDITION", expect.any(String)),
    ));

  test("of a queue that is not there", () =>
    refuses(
      `v2beta2/${location}/queues/none/tasks:lease`,
      LEASE,
      refusal(404, "NOT_FOUND", expect.stringMatching(/^Queue does not exist\./)),
    ));
});

describe("leases held", () => {
  const STALE = refusal(400, "FAILED_PRECONDITION", expect.any(String));
  const PROOF = "scheduleTime is required: it shows that the caller holds the lease.";
  const OTHER_TIME = "2030-01-01T00:00:00Z";

  test.each([
    ["LEASED:acknowledge", {}, invalid(PROOF, "schedule_time")],
    ["LEASED:acknowledge", { scheduleTime: "now" }, invalid(expect.stringMatching(/time format/))],
    ["LEASED:acknowledge", { scheduleTime: OTHER_TIME }, STALE],
    ["FREE:acknowledge", { scheduleTime: "$FREE_TIME" }, STALE],
    ["LEASED:renewLease", { leaseDuration: "5s" }, invalid(PROOF, "schedule_time")],
    [
      "LEASED:renewLease",
      { scheduleTime: "$LEASED_TIME" },
      invalid("leaseDuration is required.", "lease_duration"),
    ],
    [
      "LEASED:renewLease",
      { scheduleTime: "$LEASED_TIME", leaseDuration: "604801s" },
      invalid("leaseDuration must be between [0s, 168h].", "lease_duration"),
    ],
    [
      "LEASED:renewLease",
      { scheduleTime: "$LEASED_TIME", leaseDuration: "-1s" },
      invalid("leaseDuration must be between [0s, 168h].", "lease_duration"),
    ],
    ["LEASED:renewLease", { scheduleTime: OTHER_TIME, leaseDuration: "5s" }, STALE],
    ["LEASED:cancelLease", {}, invalid(PROOF, "schedule_time")],
    ["LEASED:cancelLease", { scheduleTime: OTHER_TIME }, STALE],
    ["FREE:cancelLease", { scheduleTime: "$FREE_TIME" }, STALE],
    [
      "none:acknowledge",
      { scheduleTime: OTHER_TIME },
      refusal(404, "NOT_FOUND", expect.any(String)),
    ],
    ["none:renewLease", { scheduleTime: OTHER_TIME, leaseDuration: "5s" }, { status: 404 }],
    ["none:cancelLease", { scheduleTime: OTHER_TIME }, { status: 404 }],
    ["LEASED:run", {}, refusal(400, "FAILED_PRECONDITION", expect.any(String))],
  ])("%s %j", (action, body, expected) =>
    refuses(`v2beta2/${queue}/tasks/${action}`, body, expected),
  );
});

describe("many at once", () => {
  test.each<NamedRow>([
    ["batchAcknowledge", {}, "The batch is empty: requests is required.", "requests"],
    [
      "batchAcknowledge",
      { requests: Array.from({ length: 1001 }, () => ({})) },
      "The batch has 1001 requests; at most 1000 are allowed.",
      "requests",
    ],
    [
      "batchAcknowledge",
      { parent: "$L/queues/other", requests: [{}] },
      expect.stringMatching(/must have the parent/),
    ],
    [
      "batchAcknowledge",
      { requests: [{ task: "t" }] },
      `${UNKNOWN} "task" at 'requests[0]': Cannot find field.`,
    ],
    ["batchRenewLease", { leaseDuration: "5s" }, "The batch is empty: requests is required."],
    ["batchRenewLease", { requests: [{}] }, "leaseDuration is required.", "lease_duration"],
    [
      "batchRenewLease",
      { requests: [{}], leaseDuration: "605000s" },
      "leaseDuration must be between [0s, 168h].",
      "lease_duration",
    ],
  ])("%s %j", (action, body, message, field) =>
    refuses(`v2beta2/${queue}/tasks:${action}`, body, invalid(message, field)),
  );

  test.each([
    ["batchAcknowledge", {}],
    ["batchRenewLease", { leaseDuration: "5s" }],
  ])("%s in a push queue", (action, more) =>
    refuses(
      `v2beta2/${push}/tasks:${action}`,
      { requests: [{ name: `${push}/tasks/t`, scheduleTime: "2030-01-01T00:00:00Z" }], ...more },
      refusal(400, "FAILED_PRECONDITION", expect.any(String)),
    ),
  );
});

describe("tasks", () => {
  test.each<Row>([
    [
      { pullMessage: { tag: "x".repeat(501) } },
      "PullMessage.tag must be no longer than 500 characters.",
      "task.pull_message.tag",
    ],
    [
      { pullMessage: { tag: "🚀".repeat(501) } },
      "PullMessage.tag must be no longer than 500 characters.",
      "task.pull_message.tag",
    ],
    [{ pullMessage: { payload: "a b" } }, expect.stringMatching(/Base64 decoding failed/)],
    [
      { pullMessage: { body: "aGk=" } },
      `${UNKNOWN} "body" at 'task.pull_message': Cannot find field.`,
    ],
    [
      { pullMessage: {}, dispatchDeadline: "20s" },
      `${UNKNOWN} "dispatchDeadline" at 'task': Cannot find field.`,
    ],
    [
      { pullMessage: {}, httpRequest: { url: "https://a.b" } },
      expect.stringMatching(/oneof field 'payload_type' is already set/),
    ],
    [
      {},
      "Task must have a target: appEngineHttpRequest, pullMessage or httpRequest is required.",
      "task",
    ],
    [
      { appEngineHttpRequest: {} },
      "Task.appEngineHttpRequest cannot be set on tasks of a pull queue.",
      "task.app_engine_http_request",
    ],
    [{ pullMessage: { payload: btoa("x".repeat(1_048_576)) } }, "Task size too large"],
  ])("%j", (task, message, field) =>
    refuses(`v2beta2/${queue}/tasks`, { task }, invalid(message, field)),
  );

  test.each([
    [
      { relativeUrl: "work" },
      'AppEngineHttpRequest.relativeUrl must begin with "/".',
      "task.app_engine_http_request.relative_url",
    ],
    [
      { httpMethod: "GET", payload: "aGk=" },
      "AppEngineHttpRequest.payload is not allowed with the method GET.",
      "task.app_engine_http_request.payload",
    ],
    [
      { relativeUri: "/" },
      `${UNKNOWN} "relativeUri" at 'task.app_engine_http_request': Cannot find field.`,
      "task.app_engine_http_request",
    ],
  ])("appEngineHttpRequest %j", (appEngineHttpRequest, message, field) =>
    refuses(`v2beta2/${push}/tasks`, { task: { appEngineHttpRequest } }, invalid(message, field)),
  );
});

describe("queues", () => {
  const NAME = { name: "$L/queues/new" };
  test.each<NamedRow>([
    ["v2beta2", NAME, "Queue.queue_type must be set", "queue"],
    [
      "v2beta2",
      { ...NAME, pullTarget: {}, appEngineHttpTarget: {} },
      expect.stringMatching(/oneof field 'target_type' is already set\. Cannot set 'pullTarget'/),
    ],
    [
      "v2beta2",
      { ...NAME, pullTarget: {}, retryConfig: { maxAttempts: -1 } },
      "RetryConfig.maxAttempts must be greater than 0.",
      "queue.retry_config.max_attempts",
    ],
    [
      "v2beta2",
      { ...NAME, pullTarget: {}, retryConfig: { maxAttempts: 3, unlimitedAttempts: true } },
      expect.stringMatching(/oneof field 'num_attempts' is already set/),
    ],
    [
      "v2beta2",
      { ...NAME, pullTarget: {}, retryConfig: { unlimitedAttempts: "yes" } },
      `Invalid value at 'queue.retry_config.unlimited_attempts' (TYPE_BOOL), "yes"`,
      "queue.retry_config.unlimited_attempts",
    ],
    [
      "v2beta2",
      { ...NAME, appEngineHttpTarget: {}, rateLimits: { maxTasksDispatchedPerSecond: 501 } },
      "RateLimits.maxTasksDispatchedPerSecond must be less than or equal to 500.",
    ],
    [
      "v2beta2",
      { ...NAME, appEngineHttpTarget: {}, rateLimits: { maxBurstSize: 501 } },
      "RateLimits.maxBurstSize must be less than or equal to 500.",
    ],
    [
      "v2beta2",
      { ...NAME, appEngineHttpTarget: {}, rateLimits: { maxConcurrentTasks: -1 } },
      "RateLimits.maxConcurrentTasks cannot be negative.",
    ],
    [
      "v2beta2",
      { ...NAME, pullTarget: {}, rateLimits: { maxDispatchesPerSecond: 1 } },
      `${UNKNOWN} "maxDispatchesPerSecond" at 'queue.rate_limits': Cannot find field.`,
      "queue.rate_limits",
    ],
    [
      "v2beta2",
      { ...NAME, pullTarget: { workers: 3 } },
      `${UNKNOWN} "workers" at 'queue.pull_target': Cannot find field.`,
      "queue.pull_target",
    ],
    [
      "v2beta2",
      { ...NAME, pullTarget: {}, taskTtl: "5s" },
      "Queue.taskTtl must be between [240h, 87600h].",
    ],
    ["v2beta3", { ...NAME, type: "PULLED" }, expect.stringMatching(/v2beta3\.Queue\.Type/)],
    ["v2beta3", { ...NAME, tombstoneTtl: "5s" }, "Queue.tombstoneTtl must be between [1h, 216h]."],
    [
      "v2beta3",
      { ...NAME, appEngineRoutingOverride: {} },
      `${UNKNOWN} "appEngineRoutingOverride" at 'queue': Cannot find field.`,
      "queue",
    ],
    [
      "v2beta3",
      { ...NAME, pullTarget: {} },
      `${UNKNOWN} "pullTarget" at 'queue': Cannot find field.`,
      "queue",
    ],
  ])("%s %j", (version, body, message, field) =>
    refuses(`${version}/${location}/queues`, body, invalid(message, field)),
  );

  test.each([
    ["v2beta2/L/queues/new", {}, "Queue.queue_type must be set"],
    [
      "v2beta2/Q?updateMask=app_engine_http_target",
      { appEngineHttpTarget: {} },
      "Queue.queue_type cannot be changed after the queue is created.",
    ],
    [
      "v2beta2/U",
      { pullTarget: {} },
      "Queue.queue_type cannot be changed after the queue is created.",
    ],
    [
      "v2beta2/Q?updateMask=rate_limits.max_dispatches_per_second",
      {},
      expect.stringMatching(/unknown path/),
    ],
    ["v2beta3/Q", { type: "PUSH" }, "Queue.type cannot be changed after the queue is created."],
  ])("PATCH %s %j", (path, body, message) =>
    refuses(
      path.replace(/[LQU](?=[/?]|$)/, (at) => ({ L: location, Q: queue, U: push })[at] ?? at),
      body,
      invalid(message),
      "PATCH",
    ),
  );

  test.each([
    ["v2beta2", "readMask=color", /unknown path "color"/],
    ["v2beta3", "readMask=name,pull_target", /unknown path "pull_target"/],
    ["v2", "readMask=name", /Unknown name "readMask"/],
  ])("GET %s ?%s", async (version, query, message) => {
    for (const path of [queue, `${location}/queues`]) {
      expect(await send("GET", `/${version}/${path}?${query}`)).toMatchObject(
        invalid(expect.stringMatching(message)),
      );
    }
  });
});

test.each(["lease", "batchAcknowledge", "batchRenewLease"])(
  "tasks:%s is v2beta2's alone",
  async (action) => {
    for (const version of ["v2", "v2beta3"]) {
      expect(await send("POST", `/${version}/${queue}/tasks:${action}`, LEASE)).toMatchObject({
        status: 404,
        body: { error: { status: "NOT_FOUND" } },
      });
    }
  },
);
