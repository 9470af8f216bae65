/**
 * What the official Node client sends (contract wire-node-client.md, recorded with 7.1.0): method,
 * path, query, headers and body as they were, answered in the form it can read.
 */
import { beforeAll, describe, expect, it, test } from "vitest";
import { createQueue, ok, send } from "./rest.ts";

const ALT = "$alt=json%3Benum-encoding=int";

const QUEUE_BODY =
  '"appEngineRoutingOverride":{"service":"s","version":"v"},"rateLimits":{"maxDispatchesPerSecond":5.5,' +
  '"maxConcurrentDispatches":3},"retryConfig":{"maxAttempts":-1,"maxRetryDuration":"3600s",' +
  '"minBackoff":"0.100s","maxBackoff":"10s","maxDoublings":2},"state":2,' +
  '"stackdriverLoggingConfig":{"samplingRatio":0.5}';

let queue: string;
let location: string;

/** The method ids of discovery cloudtasks.v2 that the recorded calls stand for. */
const CALLS: readonly (readonly [
  id: string,
  method: string,
  path: string,
  body: string,
  status: number,
])[] = [
  ["queues.create", "POST", `L/queues?${ALT}`, `{"name":"L/queues/q1",${QUEUE_BODY}}`, 200],
  ["queues.list", "GET", `L/queues?filter=state%3A%20PAUSED&pageSize=7&${ALT}`, "", 200],
  ["queues.get", "GET", `L/queues/q1?${ALT}`, "", 200],
  [
    "queues.patch",
    "PATCH",
    `L/queues/q1?updateMask=rate_limits.max_dispatches_per_second%2Cretry_config&${ALT}`,
    `{${QUEUE_BODY}}`,
    200,
  ],
  ["queues.patch without a mask", "PATCH", `L/queues/q2?${ALT}`, '""', 200],
  ["queues.pause", "POST", `L/queues/q1:pause?${ALT}`, "{}", 200],
  ["queues.resume", "POST", `L/queues/q1:resume?${ALT}`, "{}", 200],
  [
    "queues.getIamPolicy",
    "POST",
    `L/queues/q1:getIamPolicy?${ALT}`,
    '{"options":{"requestedPolicyVersion":3}}',
    200,
  ],
  [
    "queues.setIamPolicy",
    "POST",
    `L/queues/q1:setIamPolicy?${ALT}`,
    '{"policy":{"bindings":[{"members":["user:a@b.c"],"role":"roles/x"}],"version":1,"etag":"YWJj"}}',
    400,
  ],
  [
    "queues.testIamPermissions",
    "POST",
    `L/queues/q1:testIamPermissions?${ALT}`,
    '{"permissions":["cloudtasks.tasks.create","x"]}',
    200,
  ],
  [
    "tasks.create http",
    "POST",
    `Q/tasks?${ALT}`,
    '{"task":{"name":"Q/tasks/t1","httpRequest":{"headers":{"X-A":"b","Content-Type":"application/json"},' +
      '"url":"http://h/x?y=1","httpMethod":4,"body":"AP8+Pw==","oidcToken":{"serviceAccountEmail":"a@b",' +
      '"audience":"aud"}},"scheduleTime":"SOON.123456789Z","dispatchDeadline":"15s"},"responseView":2}',
    200,
  ],
  [
    "tasks.create gae",
    "POST",
    `Q/tasks?${ALT}`,
    '{"task":{"appEngineHttpRequest":{"headers":{"a":"b"},"httpMethod":1,"appEngineRouting":{"service":"s"},' +
      '"relativeUri":"/a","body":"aGVsbG8="}}}',
    200,
  ],
  [
    "tasks.create numeric enums",
    "POST",
    `Q/tasks?${ALT}&$prettyPrint=0`,
    '{"task":{"httpRequest":{"headers":{},"url":"http://x","httpMethod":2}},"responseView":2}',
    200,
  ],
  ["tasks.list", "GET", `Q/tasks?responseView=2&pageSize=2&${ALT}`, "", 200],
  ["tasks.list by default", "GET", `Q/tasks?${ALT}`, "", 200],
  ["tasks.get", "GET", `Q/tasks/t1?responseView=2&${ALT}`, "", 200],
  ["tasks.get unspecified", "GET", `Q/tasks/t1?responseView=0&${ALT}`, "", 200],
  ["tasks.run", "POST", `Q/tasks/missing:run?${ALT}`, '{"responseView":1}', 404],
  ["tasks.delete", "DELETE", `Q/tasks/t1?${ALT}`, "", 200],
  ["queues.purge", "POST", `Q:purge?${ALT}`, "{}", 200],
  ["queues.delete", "DELETE", `L/queues/q1?${ALT}`, "", 200],
  [
    "a name that needs escapes",
    "GET",
    `projects/p%3A1/locations/l/queues/q%20q%25%C3%A9?${ALT}`,
    "",
    400,
  ],
];

beforeAll(async () => {
  queue = await createQueue();
  location = queue.slice(0, queue.indexOf("/queues/"));
});

function filled(text: string): string {
  const soon = new Date(Date.now() + 3600_000).toISOString().slice(0, 19);
  return text
    .replace(/(^|")L\//, `$1${location}/`)
    .replace(/(^|")Q/, `$1${queue}`)
    .replace("SOON", soon);
}

describe("each recorded call is answered in JSON", () => {
  test.each(CALLS)("%s: %s %s", async (_id, method, path, body, status) => {
    const reply = await send(
      method,
      `/v2/${filled(path)}`,
      body === "" ? undefined : filled(body),
      {
        // On requests without a body as well.
        "content-type": "application/json",
        authorization: "Bearer stub-token",
        "x-goog-api-client": "gax/6.17.0-fallback gapic/7.1.0",
        "x-goog-request-params": "parent=projects%2Fp1%2Flocations%2Fus-central1",
      },
    );
    expect(reply.status, JSON.stringify(reply.body)).toBe(status);
    expect(reply.headers.get("content-type")).toMatch(/^application\/json/);
    // It fails on an empty answer, and silently ignores snake_case.
    expect(reply.body).toBeTypeOf("object");
    expect(JSON.stringify(reply.body)).not.toMatch(/"[a-z]+_[a-z_]+":/);
    expect(wrongScalars(reply.body)).toEqual([]);
  });
});

/** Times that are not texts with `Z`, durations that do not end in `s`, enums that are names. */
function wrongScalars(value: unknown, name = ""): string[] {
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => wrongScalars(inner, key));
  }
  const shape = /Time$/.test(name)
    ? /^\d{4}-\d\d-\d\dT[\d:.]+Z$/
    : /Backoff$|Duration$|Deadline$/.test(name)
      ? /^\d+(\.\d{3,6})?s$/
      : /^(httpMethod|state|view)$/.test(name)
        ? /^\d$/
        : undefined;
  return shape === undefined || shape.test(String(value)) ? [] : [`${name}: ${value}`];
}

it("errors have code, status and message", async () => {
  const reply = await send("GET", `/v2/${queue}/tasks/missing?${ALT}`);
  expect(reply.body).toEqual({
    error: { code: 404, message: "Requested entity was not found.", status: "NOT_FOUND" },
  });
});

it("the googleapis client's names and masks are taken as well", async () => {
  const name = await createQueue();
  const path = `/v2/${name}?updateMask=rateLimits.maxDispatchesPerSecond`;
  const updated = await ok("PATCH", path, { rateLimits: { maxDispatchesPerSecond: 2 } });
  expect(updated).toMatchObject({ rateLimits: { maxDispatchesPerSecond: 2 }, state: "PAUSED" });
});
