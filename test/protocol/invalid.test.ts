/**
 * Requests that are refused: each with its error, and with the queue, its tasks, its location's
 * queues and operations the same before and after.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { createQueue, httpTask, ok, refusal, send, snapshot, violation } from "./rest.ts";

const PACKAGE = "type.googleapis.com/google.cloud.tasks.v2";
const UNKNOWN = "Invalid JSON payload received. Unknown name";
const DURATION =
  "(type.googleapis.com/google.protobuf.Duration), Illegal duration format; duration must be " +
  "seconds with at most 9 decimals and end with 's'";
const TIMESTAMP =
  "(type.googleapis.com/google.protobuf.Timestamp), Invalid time format: Failed to parse input";

let queue: string;
let location: string;
let before: Awaited<ReturnType<typeof snapshot>>;

beforeAll(async () => {
  queue = await createQueue({ retryConfig: { maxAttempts: 7 } });
  location = queue.slice(0, queue.indexOf("/queues/"));
  await ok(
    "POST",
    `/v2/${queue}/tasks`,
    httpTask({ name: `${queue}/tasks/live` }, { body: "aGk=" }),
  );
  await ok("POST", `/v2/${queue}/tasks:batchDelete`, { names: [`${queue}/tasks/none`] });
  before = await snapshot(queue);
});

/**
 * Sends to a path in which `Q` is the queue and `L` its location, and sees that nothing changed.
 */
async function refuses(
  method: string,
  path: string,
  body: unknown,
  expected: object,
  headers?: Readonly<Record<string, string>>,
): Promise<void> {
  const target = path.replace(/^L/, location).replace(/^Q/, queue);
  const sent = typeof body === "string" ? body.replaceAll("$Q", queue) : body;
  expect(await send(method, `/v2/${target}`, sent, headers)).toMatchObject(expected);
  expect(await snapshot(queue)).toEqual(before);
}

const invalid = (message: unknown, ...details: object[]) =>
  refusal(400, "INVALID_ARGUMENT", message, details.length === 0 ? undefined : details);

describe("fields that do not exist", () => {
  test.each([
    ["Q/tasks", { ...httpTask(), color: 1 }, `${UNKNOWN} "color": Cannot find field.`, undefined],
    ["Q/tasks", httpTask({ color: 1 }), `${UNKNOWN} "color" at 'task': Cannot find field.`, "task"],
    [
      "Q/tasks",
      httpTask({}, { payload: "x" }),
      `${UNKNOWN} "payload" at 'task.http_request': Cannot find field.`,
      "task.http_request",
    ],
    [
      "Q/tasks",
      httpTask({}, { retry_after: 1 }),
      `${UNKNOWN} "retry_after" at 'task.http_request': Cannot find field.`,
      "task.http_request",
    ],
    [
      "Q/tasks",
      { task: { appEngineHttpRequest: { appEngineRouting: { zone: "a" } } } },
      `${UNKNOWN} "zone" at 'task.app_engine_http_request.app_engine_routing': Cannot find field.`,
      "task.app_engine_http_request.app_engine_routing",
    ],
    [
      "Q/tasks:batchCreate",
      { requests: [httpTask(), httpTask({ color: 1 })] },
      `${UNKNOWN} "color" at 'requests[1].task': Cannot find field.`,
      "requests[1].task",
    ],
    ["Q/tasks:batchDelete", { ids: [] }, `${UNKNOWN} "ids": Cannot find field.`, undefined],
    ["Q/tasks/live:run", { view: 1 }, `${UNKNOWN} "view": Cannot find field.`, undefined],
    ["Q:pause", { reason: "x" }, `${UNKNOWN} "reason": Cannot find field.`, undefined],
    ["Q:purge", { before: "x" }, `${UNKNOWN} "before": Cannot find field.`, undefined],
    [
      "L/queues",
      { name: "q", taskTtl: "5s" },
      `${UNKNOWN} "taskTtl" at 'queue': Cannot find field.`,
      "queue",
    ],
    [
      "L/queues",
      { rateLimits: { maxTasksDispatchedPerSecond: 1 } },
      `${UNKNOWN} "maxTasksDispatchedPerSecond" at 'queue.rate_limits': Cannot find field.`,
      "queue.rate_limits",
    ],
    [
      "L/queues",
      { httpTarget: { headerOverrides: [{ header: { name: "x" } }] } },
      `${UNKNOWN} "name" at 'queue.http_target.header_overrides[0].header': Cannot find field.`,
      "queue.http_target.header_overrides[0].header",
    ],
  ])("POST %s %j", async (path, body, message, field) =>
    refuses("POST", path, body, invalid(message, violation(field, message))),
  );

  test("several at once are all told", async () => {
    const body = { ...httpTask({ color: 1 }), size: 2 };
    await refuses("POST", "Q/tasks", body, {
      body: {
        error: {
          message:
            `${UNKNOWN} "color" at 'task': Cannot find field.\n` +
            `${UNKNOWN} "size": Cannot find field.`,
          details: [{ fieldViolations: [{ field: "task" }, {}] }],
        },
      },
    });
  });
});

describe("values of a wrong type", () => {
  test.each([
    ["Q/tasks", httpTask({}, { url: 5 }), "task.http_request.url", "(TYPE_STRING), 5"],
    ["Q/tasks", httpTask({ name: true }), "task.name", "(TYPE_STRING), true"],
    [
      "Q/tasks",
      httpTask({}, { httpMethod: "SEND" }),
      "task.http_request.http_method",
      `(${PACKAGE}.HttpMethod), "SEND"`,
    ],
    [
      "Q/tasks",
      httpTask({}, { httpMethod: 8 }),
      "task.http_request.http_method",
      `(${PACKAGE}.HttpMethod), 8`,
    ],
    [
      "Q/tasks",
      { ...httpTask(), responseView: "ALL" },
      "response_view",
      `(${PACKAGE}.Task.View), "ALL"`,
    ],
    [
      "Q/tasks",
      httpTask({}, { body: "*" }),
      "task.http_request.body",
      "(TYPE_BYTES), Base64 decoding failed",
    ],
    [
      "Q/tasks",
      httpTask({}, { body: "a" }),
      "task.http_request.body",
      "(TYPE_BYTES), Base64 decoding failed",
    ],
    [
      "Q/tasks",
      httpTask({}, { headers: { a: 1 } }),
      "task.http_request.headers[0].value",
      "(TYPE_STRING), 1",
    ],
    ["Q/tasks", httpTask({}, { headers: "x" }), "task.http_request.headers", '(map), "x"'],
    ["Q/tasks", httpTask({ scheduleTime: "tomorrow" }), "task.schedule_time", TIMESTAMP],
    ["Q/tasks", httpTask({ scheduleTime: 1900000000 }), "task.schedule_time", TIMESTAMP],
    [
      "Q/tasks",
      httpTask({ scheduleTime: "2030-02-30T00:00:00Z" }),
      "task.schedule_time",
      TIMESTAMP,
    ],
    ["Q/tasks", httpTask({ dispatchDeadline: "20" }), "task.dispatch_deadline", DURATION],
    ["Q/tasks", httpTask({ dispatchDeadline: 20 }), "task.dispatch_deadline", DURATION],
    [
      "Q/tasks",
      httpTask({ retryConfig: { maxAttempts: 1.5 } }),
      "task.retry_config.max_attempts",
      "(TYPE_INT32), 1.5",
    ],
    ["Q/tasks", { task: "x" }, "task", `(${PACKAGE}.Task), "x"`],
    ["Q/tasks", { task: { httpRequest: 5 } }, "task.http_request", `(${PACKAGE}.HttpRequest), 5`],
    ["L/queues", { name: 5 }, "queue.name", "(TYPE_STRING), 5"],
    [
      "L/queues",
      { rateLimits: { maxDispatchesPerSecond: "fast" } },
      "queue.rate_limits.max_dispatches_per_second",
      '(TYPE_DOUBLE), "fast"',
    ],
    [
      "L/queues",
      { rateLimits: { maxDispatchesPerSecond: "NaN" } },
      "queue.rate_limits.max_dispatches_per_second",
      '(TYPE_DOUBLE), "NaN"',
    ],
    [
      "L/queues",
      { rateLimits: { maxConcurrentDispatches: 2147483648 } },
      "queue.rate_limits.max_concurrent_dispatches",
      "(TYPE_INT32), 2147483648",
    ],
    ["L/queues", { retryConfig: { minBackoff: "1m" } }, "queue.retry_config.min_backoff", DURATION],
    [
      "L/queues",
      { httpTarget: { uriOverride: { port: "http" } } },
      "queue.http_target.uri_override.port",
      '(TYPE_INT64), "http"',
    ],
    [
      "L/queues",
      { httpTarget: { uriOverride: { scheme: "FTP" } } },
      "queue.http_target.uri_override.scheme",
      `(${PACKAGE}.UriOverride.Scheme), "FTP"`,
    ],
    [
      "L/queues",
      { httpTarget: { headerOverrides: {} } },
      "queue.http_target.header_overrides",
      "(list of values), {}",
    ],
  ])("POST %s %j", async (path, body, field, rest) => {
    const message = `Invalid value at '${field}' ${rest}`;
    await refuses("POST", path, body, invalid(expect.any(String), violation(field, message)));
  });

  test.each([
    [
      httpTask({}, { url: ["x"] }),
      `${UNKNOWN} "url" at 'task.http_request': Proto field is not repeating, cannot start list.`,
    ],
    [{ task: [] }, `${UNKNOWN} "task": Proto field is not repeating, cannot start list.`],
    [
      httpTask({}, { url: {} }),
      "Invalid value at 'task.http_request' (url), Starting an object on a scalar field",
    ],
    [
      { ...httpTask(), responseView: {} },
      "Invalid value (response_view), Starting an object on a scalar field",
    ],
    [[], `${UNKNOWN} "": Root element must be a message.`],
    [5, `${UNKNOWN} "": Root element must be a message.`],
    [null, `${UNKNOWN} "": Root element must be a message.`],
  ])("POST Q/tasks %j", async (body, message) =>
    refuses("POST", "Q/tasks", JSON.stringify(body), invalid(message)),
  );
});

describe("bodies that are not JSON", () => {
  test.each(["{", "not json", '{"task":}', "{'task':{}}", '{"task":{}} x'])("%s", async (body) =>
    refuses(
      "POST",
      "Q/tasks",
      body,
      invalid(expect.stringMatching(/^Invalid JSON payload received\. ./)),
    ),
  );

  const LIMIT = "Request payload size exceeds the limit: 33554432 bytes.";

  test("a body over 32 MB is not read", async () => {
    const headers = { "content-length": String(32 * 1024 * 1024 + 1) };
    await refuses("POST", "Q/tasks", "{}", invalid(LIMIT), headers);
  });

  test("a body of undeclared length is read no further than that", async () => {
    let chunks = 0;
    const endless = new ReadableStream({
      pull(controller) {
        chunks++;
        controller.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    await refuses("POST", "Q/tasks", endless, invalid(LIMIT));
    expect(chunks).toBeLessThan(64);
  });
});

describe("tasks", () => {
  test.each([
    [{}, "Task is required."],
    [{ task: null }, "Task is required."],
    [{ task: {} }, "Task must have a target: httpRequest or appEngineHttpRequest is required."],
    [
      { task: { httpRequest: { url: "https://a.example.com/" }, appEngineHttpRequest: {} } },
      "Invalid value at 'task' (oneof), oneof field 'message_type' is already set. Cannot set 'httpRequest'",
    ],
    [
      httpTask(
        {},
        {
          oidcToken: { serviceAccountEmail: "a@b.c" },
          oauthToken: { serviceAccountEmail: "a@b.c" },
        },
      ),
      "Invalid value at 'task.http_request' (oneof), oneof field 'authorization_header' is already " +
        "set. Cannot set 'oidcToken'",
    ],
    [httpTask({}, { oidcToken: {} }), "OidcToken.serviceAccountEmail is required."],
    [httpTask({}, { oauthToken: { scope: "s" } }), "OAuthToken.serviceAccountEmail is required."],
    [httpTask({}, { url: "https://" }), "HttpRequest.url is not a valid URL."],
    [
      httpTask({}, { url: `https://example.com/${"x".repeat(2083)}` }),
      "HttpRequest.url must be no longer than 2083 characters after encoding.",
    ],
    [
      // Each ä is six characters when it is encoded.
      httpTask({}, { url: `https://example.com/${"ä".repeat(400)}` }),
      "HttpRequest.url must be no longer than 2083 characters after encoding.",
    ],
    [
      httpTask({}, { headers: { "not a name": "x" } }),
      'HttpRequest.headers has an invalid header name: "not a name".',
    ],
    [
      httpTask({}, { headers: { "X-A": "b\r\nX-C: d" } }),
      "HttpRequest.headers has an invalid value for the header X-A.",
    ],
    [
      httpTask({}, { headers: { "X-Large": "x".repeat(80 * 1024) } }),
      "HttpRequest.headers must be less than 80KB in total.",
    ],
    [httpTask({ name: "t1" }), expect.stringContaining("Task name must be formatted: ")],
    [
      { task: { appEngineHttpRequest: { relativeUri: "work" } } },
      'AppEngineHttpRequest.relativeUri must begin with "/".',
    ],
    [
      { task: { appEngineHttpRequest: { relativeUri: "/a b" } } },
      "AppEngineHttpRequest.relativeUri must not contain spaces.",
    ],
    [
      { task: { appEngineHttpRequest: { relativeUri: `/${"x".repeat(2083)}` } } },
      "AppEngineHttpRequest.relativeUri must be no longer than 2083 characters.",
    ],
    [
      { task: { appEngineHttpRequest: { headers: { "": "x" } } } },
      'AppEngineHttpRequest.headers has an invalid header name: "".',
    ],
    [
      httpTask({ retryConfig: { maxAttempts: -2 } }),
      "RetryConfig.maxAttempts must be greater or equal to -1.",
    ],
    [
      httpTask({ retryConfig: { minBackoff: "5s", maxBackoff: "1s" } }),
      "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.",
    ],
  ])("%j", async (body, message) => refuses("POST", "Q/tasks", body, invalid(message)));
});

describe("batches", () => {
  test.each([
    ["Q/tasks:batchCreate", {}, "The batch is empty: requests is required."],
    ["Q/tasks:batchCreate", { requests: [] }, "The batch is empty: requests is required."],
    ["Q/tasks:batchDelete", { names: [] }, "The batch is empty: names is required."],
    [
      "Q/tasks:batchCreate",
      { requests: [{ ...httpTask(), parent: "projects/p/locations/l/queues/other" }] },
      expect.stringContaining("All requests of a batch must have the parent"),
    ],
    [
      "Q/tasks:batchCreate",
      { parent: "projects/p/locations/l/queues/other", requests: [httpTask()] },
      expect.stringContaining("All requests of a batch must have the parent"),
    ],
    [
      "Q/tasks:batchCreate",
      { requests: [httpTask()], requestId: "x".repeat(129) },
      "The request id must be no longer than 128 characters.",
    ],
  ])("POST %s %j", async (path, body, message) => refuses("POST", path, body, invalid(message)));
});

describe("queues", () => {
  const update = "Invalid value at 'update_mask' (type.googleapis.com/google.protobuf.FieldMask), ";
  test.each([
    ["Q?updateMask=color", {}, `${update}unknown path "color"`],
    ["Q?updateMask=rateLimits.rate", {}, `${update}unknown path "rateLimits.rate"`],
    ["Q?updateMask=retryConfig,", {}, `${update}unknown path ""`],
    [
      "Q?updateMask=retryConfig.maxAttempts",
      { retryConfig: { maxAttempts: -5 } },
      "RetryConfig.maxAttempts must be greater or equal to -1.",
    ],
    [
      "Q?updateMask=httpTarget.uriOverride.host",
      { httpTarget: { uriOverride: { host: "a/b" } } },
      'The queue\'s UriOverride.host "a/b" is not a host.',
    ],
    ["Q", { httpTarget: { uriOverride: { port: "-1" } } }, "UriOverride.port cannot be negative."],
    [
      "Q",
      { httpTarget: { oidcToken: { serviceAccountEmail: "a@b.c" } } },
      "HttpTarget.oidcToken.audience is required.",
    ],
    [
      "Q",
      { httpTarget: { oauthToken: { scope: "s" } } },
      "HttpTarget.oauthToken.serviceAccountEmail is required.",
    ],
    [
      "Q",
      { stackdriverLoggingConfig: { samplingRatio: 1.5 } },
      "StackdriverLoggingConfig.samplingRatio must be between [0.0, 1.0].",
    ],
  ])("PATCH %s %j", async (path, body, message) => refuses("PATCH", path, body, invalid(message)));
});

describe("queries", () => {
  test.each([
    ["Q/tasks?pageSize=-1", "The page size cannot be negative."],
    ["Q/tasks?pageSize=many", "Invalid value at 'page_size' (TYPE_INT32), \"many\""],
    ["Q/tasks?pageToken=x", "The page token is not valid."],
    ["L/queues?pageSize=-1", "The page size cannot be negative."],
    ["L/queues?pageToken=x", "The page token is not valid."],
    ["L/queues?filter=color=red", 'Invalid filter. There is no field "color".'],
    ["L/operations?pageSize=-1", "The page size cannot be negative."],
    [
      "Q/tasks?responseView=HUGE",
      `Invalid value at 'response_view' (${PACKAGE}.Task.View), "HUGE"`,
    ],
    ["Q/tasks/live?responseView=3", `Invalid value at 'response_view' (${PACKAGE}.Task.View), "3"`],
    ["Q?alt=proto", 'Unsupported output format: "proto".'],
    ["Q?fields=a(", "Invalid field selection a("],
    [
      "Q?readMask=name",
      `${UNKNOWN} "readMask": Cannot bind query parameter. Field 'readMask' could not be found in ` +
        "request message.",
    ],
  ])("GET %s", async (path, message) => refuses("GET", path, undefined, invalid(message)));

  test("POST Q/tasks?color=1", async () =>
    refuses("POST", "Q/tasks?color=1", httpTask(), invalid(expect.stringContaining('"color"'))));

  test("POST Q/tasks?fields=a(, before anything is created", async () =>
    refuses("POST", "Q/tasks?fields=a(", httpTask(), invalid("Invalid field selection a(")));
});

describe("names", () => {
  const resource = "Invalid resource field value in the request.";
  const malformed = expect.stringContaining("Queue name must be formatted: ");
  test.each([
    ["GET", "hello_q", resource],
    ["GET", "projects/p_1/locations/us-central1/queues/q", resource],
    ["GET", "projects//locations/us-central1/queues/q", resource],
    ["GET", "projects/p/locations//queues/q", resource],
    ["GET", "L/queues/not_valid", malformed],
    ["GET", "L/queues/q%20q%25%C3%A9", malformed],
    ["GET", "L/queues/q%3Apause", malformed],
    ["DELETE", "L/queues/not_valid", malformed],
    ["PATCH", "L/queues/not_valid", malformed],
    ["POST", "L/queues/not_valid:purge", malformed],
    ["GET", "L/queues/not_valid/tasks", resource],
    ["GET", "L/queues/not_valid/tasks/t", malformed],
    ["GET", "Q/tasks/a.b", expect.stringContaining('Task ID "a.b"')],
    ["POST", "Q/tasks/a.b:buffer", expect.stringContaining('Task ID "a.b"')],
    ["GET", "L/queues/%ZZ", resource],
  ])("%s %s", async (method, path, message) =>
    refuses(
      method,
      path,
      method === "GET" || method === "DELETE" ? undefined : {},
      invalid(message),
    ),
  );

  test.each([
    ["GET", "projects/p/locations/nowhere/queues/q"],
    ["GET", "projects/p/locations/nowhere/queues"],
    ["GET", "projects/p/locations/nowhere"],
    ["POST", "projects/p/locations/nowhere/queues"],
    ["POST", "projects/p/locations/nowhere/queues/q/tasks"],
    ["GET", "projects/p/locations/nowhere/operations"],
  ])("unknown location: %s %s", async (method, path) =>
    refuses(
      method,
      path,
      method === "POST" ? {} : undefined,
      invalid(
        "Location 'nowhere' is not a valid location. Use ListLocations to list valid locations.",
      ),
    ),
  );
});

describe("paths and verbs", () => {
  test.each([
    ["GET", "projects/p/topics"],
    ["GET", "L/topics"],
    ["POST", "Q:explode"],
    ["POST", "Q/tasks:explode"],
    ["POST", "Q/tasks/live:explode"],
    ["GET", ""],
  ])("%s %s is not found", async (method, path) =>
    refuses(
      method,
      path,
      method === "POST" ? {} : undefined,
      refusal(404, "NOT_FOUND", expect.stringMatching(/^The requested URL .* was not found/)),
    ),
  );

  test.each([
    ["PUT", "Q", "GET, PATCH, DELETE, HEAD, OPTIONS"],
    ["POST", "Q", "GET, PATCH, DELETE, HEAD, OPTIONS"],
    ["DELETE", "Q/tasks", "GET, POST, HEAD, OPTIONS"],
    ["PATCH", "Q/tasks/live", "GET, DELETE, HEAD, OPTIONS"],
    ["DELETE", "L/queues", "GET, POST, HEAD, OPTIONS"],
    ["DELETE", "Q:pause", "POST, OPTIONS"],
    ["GET", "Q:pause", "POST, OPTIONS"],
  ])("%s %s is not allowed", async (method, path, allow) => {
    await refuses(method, path, undefined, {
      status: 405,
      body: {
        error: {
          code: 405,
          status: "UNIMPLEMENTED",
          message: `The method ${method} is not allowed for this path.`,
        },
      },
    });
    const target = path.replace(/^L/, location).replace(/^Q/, queue);
    const options = await send("OPTIONS", `/v2/${target}`);
    expect(options).toMatchObject({ status: 204, body: "" });
    expect(options.headers.get("allow")).toBe(allow);
  });
});
