/** The parts of a request besides its message: path, query, masks, page tokens. */
import { describe, expect, it, test } from "vitest";
import { readUpdateMask, selectFields } from "../../src/protocol/cloudtasks/field-mask.ts";
import { readPageToken, writePageToken } from "../../src/protocol/cloudtasks/page-token.ts";
import { readPath } from "../../src/protocol/cloudtasks/resource.ts";
import { QUEUE_MASK } from "../../src/protocol/cloudtasks/v2/queue.ts";
import { readPageSize, readQuery, readQueryEnum } from "../../src/protocol/query.ts";

describe("paths", () => {
  const base = { project: "p", location: "l", queue: "", id: "", verb: "" };
  test.each([
    ["projects/p/locations", { ...base, kind: "locations", location: "" }],
    ["projects/p/locations/l", { ...base, kind: "location" }],
    ["projects/p/locations/l/cmekConfig", { ...base, kind: "cmekConfig" }],
    ["projects/p/locations/l/operations", { ...base, kind: "operations" }],
    ["projects/p/locations/l/operations/q-1", { ...base, kind: "operation", id: "q-1" }],
    ["projects/p/locations/l/queues", { ...base, kind: "queues" }],
    ["projects/p/locations/l/queues/q", { ...base, kind: "queue", queue: "q" }],
    [
      "projects/p/locations/l/queues/q:pause",
      { ...base, kind: "queue", queue: "q", verb: "pause" },
    ],
    ["projects/p/locations/l/queues/q/tasks", { ...base, kind: "tasks", queue: "q" }],
    [
      "projects/p/locations/l/queues/q/tasks:batchCreate",
      { ...base, kind: "tasks", queue: "q", verb: "batchCreate" },
    ],
    ["projects/p/locations/l/queues/q/tasks/t", { ...base, kind: "task", queue: "q", id: "t" }],
    [
      "projects/p/locations/l/queues/q/tasks/t:run",
      { ...base, kind: "task", queue: "q", id: "t", verb: "run" },
    ],
    // Colons of a project are not an action, whether they are escaped or not.
    [
      "projects/example.com:a/locations",
      { ...base, kind: "locations", project: "example.com:a", location: "" },
    ],
    [
      "projects/a%3A1/locations/l/queues/q:pause",
      { ...base, kind: "queue", project: "a:1", queue: "q", verb: "pause" },
    ],
    // An escaped colon is part of the id; the action is after the last other one.
    ["projects/p/locations/l/queues/q%3Apause", { ...base, kind: "queue", queue: "q:pause" }],
    [
      "projects/p/locations/l/queues/a:b:pause",
      { ...base, kind: "queue", queue: "a:b", verb: "pause" },
    ],
    ["projects/p/locations/l/queues/q%20q%25%C3%A9", { ...base, kind: "queue", queue: "q q%é" }],
    ["projects/p/locations/l/queues/a%2Fb", { ...base, kind: "queue", queue: "a/b" }],
    ["projects//locations/l/queues/", { ...base, kind: "queue", project: "" }],
  ])("%s", (path, resource) => expect(readPath(path)).toEqual(resource));

  test.each([
    "",
    "hello_q",
    "projects",
    "projects/p",
    "projects/p/queues",
    "project/p/locations",
    "projects/p/locations/l/topics",
    "projects/p/locations/l/queues/q/jobs",
    "projects/p/locations/l/queues/q/tasks/t/x",
    "projects/p/locations/l/queues/q:",
    "projects/p/locations/l/queues/%ZZ",
  ])("%s names nothing", (path) => expect(readPath(path)).toBeNull());
});

describe("queries", () => {
  const known = ["pageSize", "pageToken", "responseView"];
  const read = (text: string) => {
    const query = readQuery(text, known);
    return query.ok ? query.value : query.error;
  };

  test.each([
    ["", false],
    ["$alt=json%3Benum-encoding=int", true],
    ["%24alt=json%3Benum-encoding%3Dint", true],
    ["$alt=json;enum-encoding=int&$prettyPrint=0", true],
    ["alt=json;enum-encoding=int", true],
    ["alt=json", false],
    ["$alt=json", false],
  ])("%s: enums as numbers %s", (text, enumsAsInts) =>
    expect(read(text)).toMatchObject({ enumsAsInts }),
  );

  it("take every system parameter", () => {
    const text =
      "$.xgafv=2&access_token=a&alt=json&callback=f&fields=name&key=k&oauth_token=o&prettyPrint=false" +
      "&quotaUser=u&uploadType=media&upload_protocol=raw&$unique=1";
    expect(read(text)).toEqual({ enumsAsInts: false, fields: "name", values: new Map() });
  });

  it("take the method's own fields under both names", () => {
    expect(read("pageSize=7&page_token=tok/%2B%3D")).toMatchObject({
      values: new Map([
        ["pageSize", "7"],
        ["pageToken", "tok/+="],
      ]),
    });
  });

  it("refuse what they do not know", () => {
    const message =
      'Invalid JSON payload received. Unknown name "color": Cannot bind query parameter. ' +
      "Field 'color' could not be found in request message.";
    expect(read("color=red")).toMatchObject({
      code: "INVALID_ARGUMENT",
      message,
      details: [{ fieldViolations: [{ description: message }] }],
    });
  });

  test.each(["alt=proto", "alt=media", "$alt=xml"])("refuse %s", (text) =>
    expect(read(text)).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: `Unsupported output format: "${text.split("=")[1]}".`,
    }),
  );

  test.each([
    [undefined, 1000],
    ["0", 1000],
    ["7", 7],
    ["1000", 1000],
    ["1001", 1000],
    ["2147483647", 1000],
  ])("page size %s is %i", (text, size) => {
    const values = new Map(text === undefined ? [] : [["pageSize", text]]);
    const query = { enumsAsInts: false, fields: "", values };
    expect(readPageSize(query, 1000)).toEqual({ ok: true, value: size });
  });

  it("hold enums as names and numbers", () => {
    const view = (text: string) =>
      readQueryEnum(
        { enumsAsInts: false, fields: "", values: new Map([["responseView", text]]) },
        "responseView",
        "google.cloud.tasks.v2.Task.View",
        ["VIEW_UNSPECIFIED", "BASIC", "FULL"],
      );
    expect(view("2")).toEqual({ ok: true, value: "FULL" });
    expect(view("BASIC")).toEqual({ ok: true, value: "BASIC" });
    expect(view("HUGE")).toMatchObject({
      ok: false,
      error: {
        message:
          "Invalid value at 'response_view' " +
          '(type.googleapis.com/google.cloud.tasks.v2.Task.View), "HUGE"',
      },
    });
  });
});

describe("update masks", () => {
  test.each([
    [undefined, undefined],
    ["", undefined],
    ["*", undefined],
    ["rate_limits.max_dispatches_per_second", ["rateLimits.maxDispatchesPerSecond"]],
    ["rateLimits.maxDispatchesPerSecond", ["rateLimits.maxDispatchesPerSecond"]],
    ["rateLimits.max_concurrent_dispatches", ["rateLimits.maxConcurrentDispatches"]],
    ["retry_config", ["retryConfig"]],
    ["retry_config.min_backoff,rateLimits", ["retryConfig.minBackoffUs", "rateLimits"]],
    [" retryConfig.maxAttempts , retry_config.max_attempts ", ["retryConfig.maxAttempts"]],
    ["stackdriver_logging_config.sampling_ratio", ["logSamplingRatio"]],
    ["http_target.uri_override.path_override.path", ["httpTarget.uriOverride.path"]],
    ["httpTarget.headerOverrides", ["httpTarget.headers"]],
    // Output only: named, and ignored. No path is left, which is not the same as no mask.
    ["state", []],
    ["name,purge_time,rate_limits.max_burst_size", []],
  ])("%s", (mask, paths) =>
    expect(readUpdateMask(mask, QUEUE_MASK)).toEqual({ ok: true, value: paths }),
  );

  test.each(["color", "rate_limits.rate", "retryConfig.", "__proto__", "task_ttl"])(
    "%s is refused",
    (mask) =>
      expect(readUpdateMask(mask, QUEUE_MASK)).toMatchObject({
        ok: false,
        error: {
          code: "INVALID_ARGUMENT",
          message: expect.stringContaining(`unknown path "${mask}"`),
        },
      }),
  );
});

describe("parts of an answer", () => {
  const answer = {
    tasks: [
      { name: "a", view: 1, httpRequest: { url: "u", headers: { h: "1" } } },
      { name: "b", view: 1 },
    ],
    nextPageToken: "t",
  };
  test.each([
    ["nextPageToken", { nextPageToken: "t" }],
    ["tasks/name", { tasks: [{ name: "a" }, { name: "b" }] }],
    ["tasks.name", { tasks: [{ name: "a" }, { name: "b" }] }],
    [
      "tasks(name,view)",
      {
        tasks: [
          { name: "a", view: 1 },
          { name: "b", view: 1 },
        ],
      },
    ],
    ["tasks/http_request/url", { tasks: [{ httpRequest: { url: "u" } }, {}] }],
    [
      "tasks(httpRequest(url)),next_page_token",
      { tasks: [{ httpRequest: { url: "u" } }, {}], nextPageToken: "t" },
    ],
    [
      "tasks/name,tasks/view",
      {
        tasks: [
          { name: "a", view: 1 },
          { name: "b", view: 1 },
        ],
      },
    ],
    ["tasks/name,tasks", { tasks: answer.tasks }],
    [
      "tasks/*/url",
      {
        tasks: [
          { name: "a", view: 1, httpRequest: { url: "u" } },
          { name: "b", view: 1 },
        ],
      },
    ],
    ["*", answer],
    ["color", {}],
  ])("%s", (fields, part) =>
    expect(selectFields(answer, fields)).toEqual({ ok: true, value: part }),
  );

  test.each(["tasks(", "tasks)", "a,,b", "a/", "(a)", "a b", `${"a(".repeat(2000)}`])(
    "%s is refused",
    (fields) => expect(selectFields(answer, fields)).toMatchObject({ ok: false }),
  );
});

describe("page tokens", () => {
  const list = ["tasks", "projects/p/locations/l/queues/q", ""] as const;
  const shape = ["number", "string"] as const;
  const NOW = 1_795_234_563_525_123;
  const HOUR = 3600e6;
  const token = writePageToken(list, [1, "ä"], NOW);

  it("are opaque text that needs no escaping", () => expect(token).toMatch(/^[\w-]+$/));

  it("lead on, for two hours", () => {
    const cursor = { ok: true, value: [1, "ä"] };
    expect(readPageToken(token, list, shape, NOW)).toEqual(cursor);
    expect(readPageToken(token, list, shape, NOW + 2 * HOUR)).toEqual(cursor);
    expect(readPageToken(token, list, shape, NOW + 2 * HOUR + 1)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("expired") },
    });
  });

  it("are absent on the first page", () => {
    expect(readPageToken(undefined, list, shape, NOW)).toEqual({ ok: true, value: undefined });
    expect(readPageToken("", list, shape, NOW)).toEqual({ ok: true, value: undefined });
  });

  it("belong to one list", () => {
    for (const other of [
      ["queues", list[1], ""],
      ["tasks", "projects/p/locations/l/queues/other", ""],
    ] as const) {
      expect(readPageToken(token, other, shape, NOW)).toMatchObject({
        ok: false,
        error: { code: "INVALID_ARGUMENT", message: "The page token belongs to another list." },
      });
    }
    expect(readPageToken(token, [list[0], list[1], "state:PAUSED"], shape, NOW)).toMatchObject({
      ok: false,
      error: { message: "The filter must not change between the pages of a list." },
    });
  });

  test.each(["x", "!!!", "bnVsbA", "e30", "W10", "eyJsaXN0IjpbXX0", token.slice(3)])(
    "%s is refused",
    (text) =>
      expect(readPageToken(text, list, shape, NOW)).toMatchObject({
        ok: false,
        error: { code: "INVALID_ARGUMENT", message: "The page token is not valid." },
      }),
  );

  it("of another shape is refused", () => {
    const other = writePageToken(list, ["1", "ä"], NOW);
    expect(readPageToken(other, list, shape, NOW)).toMatchObject({ ok: false });
  });
});
