/**
 * The recorded errors of the live service (contract errors.md §2, v2), each row as a request and
 * its answer to the letter. Rows not here need what this service does not have yet: callers with
 * permissions (PERMISSION_DENIED for principals, fullView, actAs), policies, service accounts that
 * can be missing, and quotas.
 */
import { beforeAll, describe, expect, it, test } from "vitest";
import { createQueue, help, httpTask, ok, refusal, send, uniqueLocation } from "./rest.ts";

const REFERENCE = "https://cloud.google.com/tasks/docs/reference/rest/v2";
const QUEUE_NAME_HELP = help(
  "Definition of queue name",
  `${REFERENCE}/projects.locations.queues#Queue.FIELDS.name`,
);
const TASK_ID_HELP = help(
  "Definition of task ID",
  `${REFERENCE}/projects.locations.queues.tasks#Task.FIELDS.name`,
);
const NO_QUEUE =
  "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.";
const NOT_FOUND = "Requested entity was not found.";
const GONE =
  "The task no longer exists, though a task with this name existed recently. " +
  "The task either successfully completed or was deleted.";
const MALFORMED_QUEUE =
  'Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>".';

const location = uniqueLocation();
const live = `${location}/queues/live`;
const deleted = `${location}/queues/deleted`;
const missing = `${location}/queues/missing`;

beforeAll(async () => {
  for (const name of [live, deleted]) await ok("POST", `/v2/${location}/queues`, { name });
  await ok("POST", `/v2/${live}:pause`, {});
  await ok("DELETE", `/v2/${deleted}`);
});

describe("CreateQueue", () => {
  const create = (queue: object) => send("POST", `/v2/${location}/queues`, queue);

  it("exists", async () =>
    expect(await create({ name: live })).toMatchObject(
      refusal(409, "ALREADY_EXISTS", "Queue already exists"),
    ));

  it("deleted less than 7 days ago", async () =>
    expect(await create({ name: deleted })).toMatchObject(
      refusal(
        400,
        "FAILED_PRECONDITION",
        "The queue cannot be created because a queue with this name existed too recently.",
      ),
    ));

  test.each([
    "",
    "q",
    "hello/q",
    `${location}/queues/not_valid`,
    `${location}/queues/`,
    `${location}/queues/a/b`,
  ])("malformed name %j", async (name) =>
    expect(await create({ name })).toEqual(
      expect.objectContaining(refusal(400, "INVALID_ARGUMENT", MALFORMED_QUEUE, [QUEUE_NAME_HELP])),
    ),
  );

  test.each([
    ["not-a-valid-parent", "not-a-valid-parent"],
    ["projects/not_a_project/locations/us-central1", "not_a_project"],
  ])("unknown project in parent %s", async (parent, project) => {
    const message = `Permission denied on resource project ${project}.`;
    expect(
      await send("POST", `/v2/${parent}/queues`, { name: `${parent}/queues/q` }),
    ).toMatchObject(
      refusal(403, "PERMISSION_DENIED", message, [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: "CONSUMER_INVALID",
          domain: "googleapis.com",
          metadata: {
            consumer: `projects/${project}`,
            containerInfo: project,
            service: "cloudtasks.googleapis.com",
          },
        },
        {
          "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
          locale: "en-US",
          message,
        },
        help("Google developers console", "https://console.developers.google.com"),
      ]),
    );
  });

  it("name outside parent", async () => {
    const name = `${uniqueLocation()}/queues/q`;
    expect(await create({ name })).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", `${name} must begin with ${location}.`),
    );
  });

  test.each([
    [
      { rateLimits: { maxDispatchesPerSecond: -1 } },
      "RateLimits.maxDispatchesPerSecond cannot be negative.",
    ],
    [
      { rateLimits: { maxDispatchesPerSecond: 500.5 } },
      "RateLimits.maxDispatchesPerSecond must be less than or equal to 500.",
    ],
    [
      { rateLimits: { maxConcurrentDispatches: -1 } },
      "RateLimits.maxConcurrentDispatches cannot be negative.",
    ],
    [
      { rateLimits: { maxConcurrentDispatches: 5001 } },
      "RateLimits.maxConcurrentDispatches must be less than or equal to 5000.",
    ],
    [
      { retryConfig: { maxAttempts: -2 } },
      "RetryConfig.maxAttempts must be greater or equal to -1.",
    ],
    [{ retryConfig: { maxDoublings: -1 } }, "RetryConfig.maxDoublings cannot be negative."],
    [{ retryConfig: { minBackoff: "-1s" } }, "RetryConfig.minBackoff cannot be negative."],
    [
      { retryConfig: { minBackoff: "10s", maxBackoff: "5s" } },
      "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.",
    ],
  ])("%j", async (settings, message) => {
    const name = `${location}/queues/refused`;
    const expected = refusal(400, "INVALID_ARGUMENT", message);
    expect(await create({ name, ...settings })).toMatchObject(expected);
    expect((await send("GET", `/v2/${name}`)).status).toBe(404);
    // UpdateQueue shares the rules, of what exists and of what it would create.
    for (const target of [live, name]) {
      expect(await send("PATCH", `/v2/${target}`, settings)).toMatchObject(expected);
    }
    expect((await send("GET", `/v2/${name}`)).status).toBe(404);
  });

  it("burst negative is ignored", async () => {
    const name = await createQueue({ rateLimits: { maxBurstSize: -1 } });
    expect((await ok("GET", `/v2/${name}`)).rateLimits.maxBurstSize).toBe(100);
  });

  test.each(["POST", "PATCH"])("empty host of the HTTP target (%s)", async (method) => {
    const name = `${location}/queues/refused`;
    const body = { name, httpTarget: { uriOverride: { host: "" } } };
    const path = method === "POST" ? `/v2/${location}/queues` : `/v2/${name}`;
    expect(await send(method, path, body)).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "UriOverride.host cannot be empty."),
    );
  });
});

describe("a queue that is missing or was deleted", () => {
  for (const [label, queue] of [
    ["missing", missing],
    ["deleted", deleted],
  ] as const) {
    test.each([
      ["GET", "", undefined],
      ["POST", ":pause", {}],
      ["POST", ":resume", {}],
      ["POST", ":purge", {}],
      ["POST", "/tasks", httpTask()],
      ["GET", "/tasks", undefined],
      ["POST", "/tasks:batchCreate", { requests: [httpTask()] }],
      ["POST", "/tasks:batchDelete", { names: [`${queue}/tasks/t`] }],
      ["POST", "/tasks:buffer", "x"],
    ])(`${label}: %s %s`, async (method, suffix, body) =>
      expect(await send(method, `/v2/${queue}${suffix}`, body)).toMatchObject(
        refusal(404, "NOT_FOUND", NO_QUEUE),
      ),
    );

    it(`${label}: DELETE`, async () =>
      expect(await send("DELETE", `/v2/${queue}`)).toMatchObject(
        refusal(404, "NOT_FOUND", NOT_FOUND),
      ));
  }
});

describe("CreateTask", () => {
  const create = (task: object) => send("POST", `/v2/${live}/tasks`, task);

  it("name live or tombstoned", async () => {
    const task = httpTask({ name: `${live}/tasks/twice` });
    const expected = refusal(409, "ALREADY_EXISTS", "Requested entity already exists");
    expect((await create(task)).status).toBe(200);
    expect(await create(task)).toMatchObject(expected);
    await ok("DELETE", `/v2/${live}/tasks/twice`);
    expect(await create(task)).toMatchObject(expected);
  });

  test.each(["not a valid id", "", "a.b", "a/b", "x".repeat(501)])("bad task id %j", async (id) => {
    const message =
      `Task ID "${id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), ` +
      "or underscores (_). Task ID must between 1 and 500 characters.";
    expect(await create(httpTask({ name: `${live}/tasks/${id}` }))).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", message, [TASK_ID_HELP]),
    );
  });

  it("name in another queue", async () =>
    expect(await create(httpTask({ name: `${live}-other/tasks/t` }))).toMatchObject(
      refusal(
        400,
        "INVALID_ARGUMENT",
        `The queue name from request ('${live}') must be the same as the queue name in the named ` +
          `task ('${live}-other').`,
      ),
    ));

  test.each([
    ["", "HttpRequest.url is required."],
    ["example.com/x", "HttpTarget.url must start with 'http://' or 'https://'."],
    ["ftp://example.com/x", "HttpTarget.url must start with 'http://' or 'https://'."],
  ])("url %j", async (url, message) =>
    expect(await create(httpTask({}, { url }))).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", message),
    ),
  );

  it("bad percent escape in the url is accepted", async () => {
    const { body } = await create(httpTask({}, { url: "http://example.com/%zz" }));
    expect(body.httpRequest.url).toBe("http://example.com/%zz");
  });

  test.each(["14.999s", "1800.001s", "0s", "-1s"])("HTTP deadline %s", async (dispatchDeadline) =>
    expect(await create(httpTask({ dispatchDeadline }))).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "Task.dispatchDeadline must be between [15s, 30m]."),
    ),
  );

  test.each(["14.999s", "86415.001s"])("App Engine deadline %s", async (dispatchDeadline) =>
    expect(await create({ task: { appEngineHttpRequest: {}, dispatchDeadline } })).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "Task.dispatchDeadline must be between [15s, 24h15s]."),
    ),
  );

  test.each([
    ["2100-01-01T00:00:00Z", "2099-12-31T16:00:00-08:00"],
    ["2099-07-01T02:00:00.5+02:00", "2099-06-30T17:00:00-07:00"],
    ["9999-12-31T23:59:59.999999999Z", "9999-12-31T15:59:59-08:00"],
  ])("schedule time %s is too far", async (scheduleTime, shown) =>
    expect(await create(httpTask({ scheduleTime }))).toMatchObject(
      refusal(
        400,
        "INVALID_ARGUMENT",
        `The Task.scheduleTime, ${shown}, is too far in the future. ` +
          "Schedule time must be no more than 720h in the future.",
      ),
    ),
  );

  it("too big", async () => {
    const body = btoa("x".repeat(1_048_569));
    expect(await create(httpTask({}, { body }))).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "Task size too large"),
    );
  });

  test.each([
    "projects//locations/us-central1/queues/q",
    "projects/p/locations//queues/q",
    `${location}/queues/`,
    `${location}/queues/not_valid`,
    "projects/not_a_project/locations/us-central1/queues/q",
    "hello/q",
  ])("malformed parent %s", async (parent) =>
    expect(await send("POST", `/v2/${parent}/tasks`, httpTask())).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "Invalid resource field value in the request.", [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: "RESOURCE_PROJECT_INVALID",
          domain: "googleapis.com",
          metadata: {
            service: "cloudtasks.googleapis.com",
            method: "google.cloud.tasks.v2.CloudTasks.CreateTask",
          },
        },
      ]),
    ),
  );

  for (const method of ["GET", "HEAD", "DELETE", "OPTIONS"]) {
    it(`body with ${method}`, async () =>
      expect(await create(httpTask({}, { httpMethod: method, body: "aGk=" }))).toMatchObject(
        refusal(
          400,
          "INVALID_ARGUMENT",
          `HttpRequest.body is not allowed with the method ${method}.`,
        ),
      ));
  }

  for (const method of ["GET", "HEAD", "DELETE", "PATCH", "OPTIONS"]) {
    it(`App Engine body with ${method}`, async () => {
      const request = { httpMethod: method, body: "aGk=" };
      expect(await create({ task: { appEngineHttpRequest: request } })).toMatchObject(
        refusal(
          400,
          "INVALID_ARGUMENT",
          `AppEngineHttpRequest.body is not allowed with the method ${method}.`,
        ),
      );
    });
  }
});

describe("a task", () => {
  const methods = [
    ["GET", "", undefined],
    ["DELETE", "", undefined],
    ["POST", ":run", {}],
  ] as const;

  test.each(methods)("that never existed: %s %s", async (method, suffix, body) =>
    expect(await send(method, `/v2/${live}/tasks/never${suffix}`, body)).toMatchObject(
      refusal(404, "NOT_FOUND", NOT_FOUND),
    ),
  );

  test.each(methods)("that was deleted recently: %s %s", async (method, suffix, body) => {
    const name = `${live}/tasks/gone-${crypto.randomUUID()}`;
    await ok("POST", `/v2/${live}/tasks`, httpTask({ name }));
    await ok("DELETE", `/v2/${name}`);
    expect(await send(method, `/v2/${name}${suffix}`, body)).toMatchObject(
      refusal(404, "NOT_FOUND", GONE),
    );
  });

  test.each(methods)("with a malformed id: %s %s", async (method, suffix, body) =>
    expect(await send(method, `/v2/${live}/tasks/a.b${suffix}`, body)).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", expect.stringContaining('Task ID "a.b" can contain only'), [
        TASK_ID_HELP,
      ]),
    ),
  );
});
