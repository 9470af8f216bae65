/**
 * Requests to taskqueue/v1beta2 that are refused: each with its error in the legacy shape, and with
 * the queue, its tasks and its figures the same before and after.
 */
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, it, test, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import type { ErrorCode } from "../../src/core/result.ts";
import { errorResponse } from "../../src/protocol/taskqueue/errors.ts";
import { send } from "./rest.ts";
import { BASE, pullQueue, refusal, type Task, type TestQueue } from "./taskqueue-client.ts";

let queue: TestQueue;
let leased: Task | undefined;
let before: object;

beforeAll(async () => {
  queue = await pullQueue();
  await queue.insert({ id: "leased", tag: "t" });
  [leased] = await queue.lease({ leaseSecs: 604_800 });
  await queue.insert({ id: "waiting", tag: "t" });
  before = await queue.snapshot();
});

/** Sends to a path below the queue, and sees that nothing changed. */
async function refuses(
  method: string,
  path: string,
  body: unknown,
  expected: object,
  headers?: Readonly<Record<string, string>>,
): Promise<void> {
  const reply = await queue.send(method, path, body, headers);
  expect({ status: reply.status, body: reply.body }).toEqual(expected);
  expect(reply.headers.get("content-type")).toBe("application/json; charset=UTF-8");
  expect(await queue.snapshot()).toEqual(before);
}

const parameter = (location: string, message: unknown, reason = "invalidParameter") =>
  refusal(400, reason, message, { locationType: "parameter", location });
const field = (location: string, message: unknown, reason = "invalid") =>
  refusal(400, reason, message, { locationType: "other", location });
const parseError = (message: unknown) => refusal(400, "parseError", message);

describe("leases", () => {
  const range = (value: unknown, min: number, max: number) =>
    `Invalid value '${value}'. Values must be within the range: [${min}, ${max}]`;

  test.each([
    ["", "numTasks", "Required parameter: numTasks", "required"],
    ["leaseSecs=1", "numTasks", "Required parameter: numTasks", "required"],
    ["numTasks=1", "leaseSecs", "Required parameter: leaseSecs", "required"],
    ["numTasks=&leaseSecs=1", "numTasks", "Required parameter: numTasks", "required"],
    ["numTasks=one&leaseSecs=1", "numTasks", "Invalid integer value: 'one'."],
    ["numTasks=1.5&leaseSecs=1", "numTasks", "Invalid integer value: '1.5'."],
    ["numTasks=0&leaseSecs=1", "numTasks", range(0, 1, 1000)],
    ["numTasks=-1&leaseSecs=1", "numTasks", range(-1, 1, 1000)],
    ["numTasks=1001&leaseSecs=1", "numTasks", range(1001, 1, 1000)],
    ["numTasks=1&leaseSecs=x", "leaseSecs", "Invalid integer value: 'x'."],
    ["numTasks=1&leaseSecs=0", "leaseSecs", range(0, 1, 604_800)],
    ["numTasks=1&leaseSecs=604801", "leaseSecs", range(604_801, 1, 604_800)],
    ["numTasks=1&leaseSecs=1&groupByTag=yes", "groupByTag", "Invalid boolean value: 'yes'."],
    ["numTasks=1&leaseSecs=1&tag=t", "tag", expect.stringContaining("groupByTag=true")],
    [
      "numTasks=1&leaseSecs=1&groupByTag=false&tag=t",
      "tag",
      expect.stringContaining("groupByTag=true"),
    ],
    [
      `numTasks=1&leaseSecs=1&groupByTag=true&tag=${"t".repeat(501)}`,
      "tag",
      "A tag has at most 500 characters.",
    ],
    ["numTasks=1&leaseSecs=1&color=red", "color", "Unknown parameter: color"],
    ["numTasks=1&leaseSecs=1&num_tasks=1", "num_tasks", "Unknown parameter: num_tasks"],
    ["numTasks=1&leaseSecs=1&alt=xml", "alt", "Invalid value 'xml'. Allowed values: [json]"],
    ["numTasks=1&leaseSecs=1&fields=items(", "fields", "Invalid field selection items("],
  ])("?%s", async (query, location, message, reason?) =>
    refuses("POST", `/tasks/lease?${query}`, undefined, parameter(location, message, reason)),
  );
});

describe("inserts", () => {
  const task = { queueName: "$Q", payloadBase64: "aGk=" };
  const without = (name: keyof typeof task) => ({ ...task, [name]: undefined });

  test.each([
    [without("queueName"), field("queueName", "Required field: queueName", "required")],
    [{ ...task, queueName: "" }, field("queueName", "Required field: queueName", "required")],
    [without("payloadBase64"), field("payloadBase64", "Required field: payloadBase64", "required")],
    [{ ...task, queueName: "other" }, field("queueName", expect.stringContaining("'other'"))],
    [
      { ...task, queueName: "projects/other/taskqueues/$Q" },
      field("queueName", expect.stringContaining("is not the one in the path")),
    ],
    [{ ...task, queueName: 5 }, field("queueName", expect.stringContaining("queueName"))],
    [{ ...task, payloadBase64: "a$b" }, field("payloadBase64", expect.stringContaining("base64"))],
    [{ ...task, payloadBase64: {} }, field("payloadBase64", expect.stringContaining("Invalid"))],
    [{ ...task, id: "a b" }, field("id", expect.stringContaining("'a b'"))],
    [{ ...task, id: "a".repeat(501) }, field("id", expect.stringContaining("Invalid value"))],
    [{ ...task, id: 7 }, field("id", expect.stringContaining("Invalid value for id"))],
    [{ ...task, tag: "t".repeat(501) }, field("tag", "A tag has at most 500 characters.")],
    [{ ...task, tag: "\ud800" }, field("tag", "A tag must be well-formed Unicode.")],
    [{ ...task, tag: ["t"] }, field("tag", expect.stringContaining("Invalid value for tag"))],
    [{ ...task, leaseTimestamp: "soon" }, field("leaseTimestamp", expect.anything())],
    [{ ...task, leaseTimestamp: "-1" }, field("leaseTimestamp", expect.anything())],
    [{ ...task, leaseTimestamp: 1.5 }, field("leaseTimestamp", expect.anything())],
    [
      { ...task, leaseTimestamp: "9223372036854775807" },
      field("leaseTimestamp", expect.stringContaining("at most 30 days")),
    ],
    [{ ...task, color: 1 }, field("color", "Unknown field: color")],
    [{ ...task, retryCount: 1 }, field("retryCount", "Unknown field: retryCount")],
    [{}, field("queueName", "Required field: queueName", "required")],
    [[], parseError("Parse Error: the body must be a JSON object.")],
    [5, parseError("Parse Error: the body must be a JSON object.")],
  ])("%j", async (body, expected) =>
    refuses("POST", "/tasks", JSON.stringify(body).replaceAll("$Q", queue.name.queue), expected),
  );

  test.each(["{", "not json", "{'queueName':1}"])("%s", async (body) =>
    refuses("POST", "/tasks", body, parseError(expect.stringMatching(/^Parse Error: ./))),
  );

  it("of a payload over 1 MB after decoding", async () => {
    const payloadBase64 = btoa("x".repeat(1_048_577));
    await refuses(
      "POST",
      "/tasks",
      { queueName: queue.name.queue, payloadBase64 },
      field("payloadBase64", "The payload has 1048577 bytes; at most 1048576 are allowed."),
    );
  });

  it("of more than any task needs, which is not read", async () => {
    const headers = { "content-length": String(4 * 1024 * 1024 + 1) };
    const expected = parseError("Request payload size exceeds the limit: 4194304 bytes.");
    await refuses("POST", "/tasks", "{}", expected, headers);
  });

  it("of a name that is taken", async () =>
    refuses(
      "POST",
      "/tasks",
      { queueName: queue.name.queue, payloadBase64: "", id: "waiting" },
      refusal(409, "conflict", "Requested entity already exists"),
    ));
});

describe.each(["POST", "PATCH"])("updates with %s", (method) => {
  const LAPSED = refusal(400, "failedPrecondition", "The task's lease has expired.");

  test.each([
    ["leased", "", {}, parameter("newLeaseSeconds", expect.anything(), "required")],
    ["leased", "newLeaseSeconds=-1", {}, parameter("newLeaseSeconds", expect.anything())],
    ["leased", "newLeaseSeconds=604801", {}, parameter("newLeaseSeconds", expect.anything())],
    ["leased", "newLeaseSeconds=1&leaseSecs=1", {}, parameter("leaseSecs", expect.anything())],
    ["leased", "newLeaseSeconds=1", { color: 1 }, field("color", "Unknown field: color")],
    ["leased", "newLeaseSeconds=1", { queueName: "other" }, field("queueName", expect.anything())],
    ["leased", "newLeaseSeconds=1", { id: "waiting" }, field("id", expect.anything())],
    ["leased", "newLeaseSeconds=1", "{", parseError(expect.anything())],
    ["waiting", "newLeaseSeconds=1", {}, LAPSED],
    ["none", "newLeaseSeconds=1", {}, refusal(404, "notFound", expect.anything())],
  ])("%s?%s %j", async (id, query, body, expected) =>
    refuses(method, `/tasks/${id}?${query}`, body, expected),
  );
});

describe("paths", () => {
  test.each([
    ["GET", "/tasks/a%20b", parameter("task", "Invalid value for task: 'a b'.")],
    ["DELETE", `/tasks/${"a".repeat(501)}`, parameter("task", expect.anything())],
    ["DELETE", "/tasks/none", refusal(404, "notFound", expect.anything())],
    ["GET", "/", refusal(404, "notFound", expect.anything())],
    ["GET", "/tasks/", refusal(404, "notFound", expect.anything())],
    ["GET", "/tasks/a/b", refusal(404, "notFound", expect.anything())],
    ["GET", "/jobs", refusal(404, "notFound", expect.anything())],
    ["GET", "/tasks/%zz", refusal(404, "notFound", expect.anything())],
    ["DELETE", "", refusal(405, "httpMethodNotAllowed", expect.anything())],
    ["DELETE", "/tasks", refusal(405, "httpMethodNotAllowed", expect.anything())],
    ["PUT", "/tasks/leased", refusal(405, "httpMethodNotAllowed", expect.anything())],
    ["GET", "?getStats=maybe", parameter("getStats", "Invalid boolean value: 'maybe'.")],
    ["GET", "/tasks?maxResults=5", parameter("maxResults", "Unknown parameter: maxResults")],
  ])("%s %s", async (method, path, expected) => refuses(method, path, undefined, expected));

  test.each([
    [`${BASE}/a%2Fb/taskqueues/q`, 400],
    [`${BASE}/s~/taskqueues/q`, 400],
    [`${BASE}/p/taskqueues/q_1`, 400],
    [`${BASE}/p/taskqueues`, 404],
    [`${BASE}/`, 404],
    ["/taskqueue/v1beta1/projects/p/taskqueues/q", 404],
  ])("GET %s", async (path, code) => {
    const { status, body } = await send("GET", path);
    expect(status).toBe(code);
    expect(body).toEqual({
      error: {
        code,
        message: expect.anything(),
        errors: [expect.objectContaining({ domain: "global" })],
      },
    });
  });
});

test("the lease that was held all the while is still held", async () =>
  expect(await queue.ok("GET", "/tasks/leased")).toEqual(leased));

describe("callers without the right credential", () => {
  const call = async (settings: object, headers: Record<string, string> = {}) => {
    const url = `http://localhost${queue.path}`;
    const reply = await createApp().request(
      url,
      { headers },
      { ...env, OPEN_MODE: "", ...settings },
    );
    return {
      status: reply.status,
      body: await reply.json(),
      challenge: reply.headers.get("www-authenticate"),
    };
  };
  const header = { locationType: "header", location: "Authorization" };

  it("are asked for one, or told that it is wrong", async () => {
    const settings = { API_TOKEN: "secret" };
    expect(await call(settings)).toEqual({
      ...refusal(401, "required", expect.anything(), header),
      challenge: "Bearer",
    });
    expect(await call(settings, { authorization: "Bearer wrong" })).toEqual({
      ...refusal(401, "authError", expect.anything(), header),
      challenge: "Bearer",
    });
    expect((await call(settings, { authorization: "Bearer secret" })).status).toBe(200);
  });

  it("are refused by a deployment that is closed", async () =>
    expect(await call({})).toMatchObject(refusal(403, "forbidden", expect.anything())));
});

describe("a call that fails", () => {
  afterEach(() => vi.restoreAllMocks());

  test.each([
    [{ retryable: true }, 503, "The service is currently unavailable."],
    [{}, 500, "Internal error encountered."],
  ])("%j", async (marks, status, message) => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const object = { getTask: () => Promise.reject(Object.assign(new Error("x"), marks)) };
    const QUEUE = { idFromName: () => ({}), get: () => object };
    const bindings = { OPEN_MODE: "loopback", QUEUE };
    const reply = await createApp().request(`http://localhost${queue.path}/tasks/t`, {}, bindings);
    expect({ status: reply.status, body: await reply.json() }).toEqual(
      refusal(status, "backendError", message),
    );
  });
});

describe("every canonical code has its status and reason", () => {
  test.each<[ErrorCode, number, string]>([
    ["CANCELLED", 499, "cancelled"],
    ["UNKNOWN", 500, "backendError"],
    ["INVALID_ARGUMENT", 400, "invalid"],
    ["DEADLINE_EXCEEDED", 504, "backendError"],
    ["NOT_FOUND", 404, "notFound"],
    ["ALREADY_EXISTS", 409, "conflict"],
    ["PERMISSION_DENIED", 403, "forbidden"],
    ["FAILED_PRECONDITION", 400, "failedPrecondition"],
    ["ABORTED", 409, "conflict"],
    ["OUT_OF_RANGE", 400, "invalid"],
    ["UNIMPLEMENTED", 501, "notImplemented"],
    ["INTERNAL", 500, "backendError"],
    ["UNAVAILABLE", 503, "backendError"],
    ["DATA_LOSS", 500, "backendError"],
    ["UNAUTHENTICATED", 401, "authError"],
  ])("%s", async (code, status, reason) => {
    const reply = errorResponse({ code, message: "m" });
    expect({ status: reply.status, body: await reply.json() }).toEqual(
      refusal(status, reason, "m"),
    );
  });

  test("RESOURCE_EXHAUSTED", async () => {
    const reply = errorResponse({ code: "RESOURCE_EXHAUSTED", message: "m" });
    expect({ status: reply.status, body: await reply.json() }).toEqual(
      refusal(429, "quotaExceeded", "m", { domain: "usageLimits" }),
    );
  });
});
