/** Requests as transcripts: what would go on the wire, line by line (push.md §1, §2, §9, §10). */
import { describe, expect, it } from "vitest";
import type { AttemptEnd, AttemptHistory, AttemptOrder } from "../../src/core/attempt.ts";
import { encodeMeta, type TaskMeta, type TaskTarget } from "../../src/core/model.ts";
import { buildRequest, type RequestSettings } from "../../src/dispatch/request.ts";
import { httpMeta } from "../support/factory.ts";

const QUEUE = { project: "p", location: "us-central1", queue: "my-queue" };
const ETA_US = 1_234_567_890_123_456;
const BODY = new TextEncoder().encode("hello");

interface Changes {
  readonly order?: Partial<AttemptOrder>;
  readonly context?: Partial<RequestSettings["context"]>;
  readonly config?: Partial<RequestSettings["config"]>;
  readonly bindings?: readonly string[];
}

function build(
  meta: TaskMeta,
  { order, context, config, bindings = ["APP_DEFAULT"] }: Changes = {},
) {
  return buildRequest(
    {
      ...{ scheduleTimeUs: ETA_US, sequence: 1, attempt: 1, taskId: "task-1" },
      meta: encodeMeta(meta),
      ...order,
    },
    {
      context: { queue: QUEUE, ...context },
      config: {
        targetAllow: [],
        appEngineUrl: undefined,
        appEngineDomain: "{project}.appspot.com",
        maxAttemptUs: 840e6,
        issuer: "https://edgetasks",
        ...config,
      },
      hasBinding: (name) => bindings.includes(name),
    },
  );
}

function built(meta: TaskMeta, changes?: Changes) {
  const result = build(meta, changes);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

/** The request as text: request line, headers in order, body. */
function transcript(meta: TaskMeta, changes?: Changes): string[] {
  const { method, url, headers, body } = built(meta, changes);
  const lines = [`${method} ${url.href}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  return body === undefined ? lines : [...lines, "", new TextDecoder().decode(body)];
}

function refusal(meta: TaskMeta, changes?: Changes): string | null {
  const result = build(meta, changes);
  return result.ok ? null : result.error.message;
}

function http(changes: Partial<Extract<TaskTarget, { kind: "http" }>> = {}): TaskMeta {
  return httpMeta({
    target: {
      kind: "http",
      url: "https://example.com/hook",
      method: "POST",
      headers: {},
      ...changes,
    },
  });
}

function appEngine(changes: Partial<Extract<TaskTarget, { kind: "appEngine" }>> = {}): TaskMeta {
  return {
    target: {
      kind: "appEngine",
      relativeUri: "/work?a=1",
      method: "POST",
      headers: {},
      ...changes,
    },
  };
}

describe("a first attempt", () => {
  it("to an HTTP target", () => {
    const meta = http({ headers: { "Content-Type": "text/plain", "X-Own": "1" } });
    expect(transcript(meta, { order: { body: BODY } })).toEqual([
      "POST https://example.com/hook",
      "Content-Type: text/plain",
      "X-Own: 1",
      "User-Agent: Google-Cloud-Tasks",
      "X-CloudTasks-QueueName: my-queue",
      "X-CloudTasks-TaskName: task-1",
      "X-CloudTasks-TaskRetryCount: 0",
      "X-CloudTasks-TaskExecutionCount: 0",
      "X-CloudTasks-TaskETA: 1234567890.123456",
      "",
      "hello",
    ]);
  });

  it("to an App Engine target", () => {
    expect(transcript(appEngine({ headers: { "X-Own": "1" } }), { order: { body: BODY } })).toEqual(
      [
        "POST http://p.appspot.com/work?a=1",
        "X-Own: 1",
        "User-Agent: AppEngine-Google; (+http://code.google.com/appengine)",
        "Content-Type: application/octet-stream",
        "X-AppEngine-QueueName: my-queue",
        "X-AppEngine-TaskName: task-1",
        "X-AppEngine-TaskRetryCount: 0",
        "X-AppEngine-TaskExecutionCount: 0",
        "X-AppEngine-TaskETA: 1234567890.123456",
        "X-AppEngine-User-IP: 0.1.0.2",
        "",
        "hello",
      ],
    );
  });

  it("to an App Engine target, asked to fail fast", () => {
    const lines = transcript(appEngine({ failFast: true }));
    expect(lines.at(-1)).toBe("X-AppEngine-FailFast: true");
    expect(transcript(appEngine()).join()).not.toContain("FailFast");
  });

  it.each([
    [0, "0.000000"],
    [1_000_000, "1.000000"],
    [1_790_000_000_000_001, "1790000000.000001"],
    [1_790_000_000_999_999, "1790000000.999999"],
    [9_007_199_254_740_991, "9007199254.740991"],
    [-1, "-1.999999"],
  ])("scheduled for %i µs tells the ETA %s", (scheduleTimeUs, text) => {
    expect(transcript(http(), { order: { scheduleTimeUs } })).toContain(
      `X-CloudTasks-TaskETA: ${text}`,
    );
  });
});

/** The headers by which an attempt tells of the ones before. */
function retryHeaders(meta: TaskMeta, attempt: number, history: AttemptHistory | undefined) {
  const order = { attempt, ...(history === undefined ? {} : { history }) };
  const headers = new Map(built(meta, { order }).headers);
  const prefix = meta.target.kind === "http" ? "X-CloudTasks" : "X-AppEngine";
  return ["RetryCount", "ExecutionCount", "PreviousResponse", "RetryReason"].map((name) =>
    headers.get(`${prefix}-Task${name}`),
  );
}

/** The history that a queue keeps after these ends. */
function historyOf(ends: readonly AttemptEnd[]): AttemptHistory | undefined {
  const previous = ends.at(-1);
  const responses = ends.filter((end) => end.kind === "response");
  return (
    previous && {
      responses: responses.length,
      executedResponses: responses.filter(({ status }) => status < 500).length,
      previous,
    }
  );
}

describe("the sequence recorded on the live service (push.md §1.1)", () => {
  const answers = [503, 404, 429, 500, 302].map(
    (status) => ({ kind: "response", status }) as const,
  );

  it.each([
    [1, "0", "0", undefined, undefined],
    [2, "1", "0", "503", ""],
    [3, "2", "1", "404", ""],
    [4, "3", "2", "429", ""],
    [5, "4", "2", "500", ""],
    [6, "5", "3", "302", ""],
  ])("HTTP, attempt %i", (attempt, ...expected) => {
    const history = historyOf(answers.slice(0, attempt - 1));
    expect(retryHeaders(http(), attempt, history)).toEqual(expected);
  });

  it.each([
    [1, "0", "0", undefined, undefined],
    [2, "1", "1", "503", "App Error"],
    [3, "2", "2", "404", "App Error"],
    [4, "3", "3", "429", "App Error"],
    [5, "4", "4", "500", "App Error"],
    [6, "5", "5", "302", "App Error"],
  ])("App Engine, attempt %i", (attempt, ...expected) => {
    const history = historyOf(answers.slice(0, attempt - 1));
    expect(retryHeaders(appEngine(), attempt, history)).toEqual(expected);
  });
});

describe("after an attempt without a response", () => {
  it.each<[string, AttemptEnd[]]>([
    ["timeout", [{ kind: "timeout" }]],
    ["unreachable", [{ kind: "unreachable", message: "x" }]],
    ["refused", [{ kind: "refused", message: "x" }]],
    ["lost", [{ kind: "lost" }]],
  ])("%s", (kind, ends) => {
    const history = historyOf(ends);
    const previous = kind === "timeout" ? "504" : "503";
    expect(retryHeaders(http(), 2, history)).toEqual(["1", "0", previous, ""]);
    expect(retryHeaders(appEngine(), 2, history)).toEqual(["1", "0", "0", "Instance Unavailable"]);
  });

  it("that nobody recorded", () => {
    expect(retryHeaders(http(), 3, undefined)).toEqual(["2", "0", "503", ""]);
    expect(retryHeaders(appEngine(), 3, undefined)).toEqual([
      "2",
      "0",
      "0",
      "Instance Unavailable",
    ]);
  });
});

describe("a task's own headers", () => {
  const FORGED = {
    Host: "evil",
    "content-length": "1",
    "X-Google-A": "1",
    "x-appengine-taskname": "forged",
    "X-AppEngine-QueueName": "forged",
    "X-CLOUDTASKS-TaskName": "forged",
    "x-cloudtasks-taskretrycount": "9",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Transfer-Encoding": "chunked",
  };

  it.each([
    ["http", http({ headers: FORGED })],
    ["appEngine", appEngine({ headers: FORGED })],
  ])("cannot be the service's (%s)", (_, meta) => {
    const { headers } = built(meta);
    const names = headers.map(([name]) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
    expect(headers.map(([, value]) => value)).not.toContain("forged");
    for (const name of ["host", "content-length", "x-google-a", "connection", "upgrade"]) {
      expect(names).not.toContain(name);
    }
  });

  it("keep their letter case; of the same name in two cases the last one counts", () => {
    const lines = transcript(http({ headers: { "x-lower": "a", "X-MiXeD": "b", "x-mixed": "c" } }));
    expect(lines.slice(1, 3)).toEqual(["x-lower: a", "x-mixed: c"]);
  });

  it("may be empty or hold commas", () => {
    const lines = transcript(http({ headers: { "X-Empty": "", "X-Many": "a, b" } }));
    expect(lines.slice(1, 3)).toEqual(["X-Empty: ", "X-Many: a, b"]);
  });

  it.each([
    ["own/1.0", "Google-Cloud-Tasks"],
    ["Google-Cloud-Tasks", "Google-Cloud-Tasks"],
  ])("User-Agent %s of an HTTP task becomes %s", (own, sent) => {
    expect(transcript(http({ headers: { "user-agent": own } }))[1]).toBe(`User-Agent: ${sent}`);
  });

  const AGENT = "AppEngine-Google; (+http://code.google.com/appengine)";
  it.each([
    ["own/1.0", `own/1.0 ${AGENT}`],
    ["", AGENT],
    [AGENT, AGENT],
    [`own/1.0 ${AGENT}`, `own/1.0 ${AGENT}`],
  ])("User-Agent %s of an App Engine task becomes %s", (own, sent) => {
    expect(transcript(appEngine({ headers: { "User-Agent": own } }))[1]).toBe(
      `User-Agent: ${sent}`,
    );
  });

  it("Content-Type is never added for HTTP targets", () => {
    expect(transcript(http(), { order: { body: BODY } }).join()).not.toContain("Content-Type");
  });

  it("Content-Type of an App Engine task is kept, and added only to a body", () => {
    const own = transcript(appEngine({ headers: { "content-type": "a/b" } }), {
      order: { body: BODY },
    });
    expect(own.filter((line) => /content-type/i.test(line))).toEqual(["content-type: a/b"]);
    expect(transcript(appEngine()).join()).not.toContain("Content-Type");
  });

  it("Authorization is sent unless a token takes its place", () => {
    const headers = { authorization: "Basic own" };
    expect(transcript(http({ headers }))).toContain("authorization: Basic own");
    const token = { kind: "oidc", serviceAccountEmail: "a@b" } as const;
    expect(transcript(http({ headers, token })).join()).not.toContain("own");
    expect(transcript(appEngine({ headers }))).toContain("authorization: Basic own");
  });
});

describe("bodies", () => {
  it.each([
    ["POST", true],
    ["PUT", true],
    ["PATCH", true],
    ["GET", false],
    ["HEAD", false],
    ["DELETE", false],
    ["OPTIONS", false],
  ] as const)("%s: %s", (method, isSent) => {
    expect(built(http({ method }), { order: { body: BODY } }).body !== undefined).toBe(isSent);
  });
});

describe("a queue's httpTarget", () => {
  it("overrides method and URL; with GET the body is ignored", () => {
    const httpTarget = {
      method: "GET",
      uriOverride: { enforceMode: "ALWAYS", host: "other.com", path: "/x", query: "y=1" },
    } as const;
    const lines = transcript(http(), { order: { body: BODY }, context: { httpTarget } });
    expect(lines[0]).toBe("GET https://other.com/x?y=1");
    expect(lines).not.toContain("hello");
  });

  it("does not touch App Engine tasks", () => {
    const httpTarget = {
      method: "GET",
      uriOverride: { enforceMode: "ALWAYS", host: "other.com" },
      token: { kind: "oidc", serviceAccountEmail: "a@b", audience: "x" },
    } as const;
    const request = built(appEngine(), { context: { httpTarget } });
    expect([request.method, request.url.host, request.token]).toEqual([
      "POST",
      "p.appspot.com",
      undefined,
    ]);
  });

  it("overrides the token", () => {
    const queues = { kind: "oidc", serviceAccountEmail: "q@x", audience: "aud" } as const;
    const tasks = { kind: "oidc", serviceAccountEmail: "t@x" } as const;
    expect(
      built(http({ token: tasks }), { context: { httpTarget: { token: queues } } }).token,
    ).toEqual({ project: "p", token: queues, audience: "aud" });
  });

  it("whose host is none refuses the attempt", () => {
    const uriOverride = { enforceMode: "ALWAYS", host: "a b" } as const;
    expect(refusal(http(), { context: { httpTarget: { uriOverride } } })).toBe(
      'The queue\'s UriOverride.host "a b" is not a host.',
    );
  });

  it("cannot lead to a target that is not allowed", () => {
    const uriOverride = { enforceMode: "ALWAYS", host: "127.0.0.1" } as const;
    expect(refusal(http(), { context: { httpTarget: { uriOverride } } })).toBe(
      "The target's host 127.0.0.1 is an IP address; a name is needed.",
    );
  });
});

describe("a queue that signs its webhooks", () => {
  const webhookSigning = { generation: 7 };
  const headers = { "Webhook-Id": "own", "WEBHOOK-SIGNATURE": "own", "X-Webhook-Id": "kept" };

  it.each([
    ["HTTP", http({ headers })],
    ["App Engine", appEngine({ headers })],
  ])("says what is signed, and lets no %s task say it", (_, meta) => {
    const request = built(meta, { context: { webhookSigning } });
    expect(request.webhook).toEqual({ queue: QUEUE, signing: webhookSigning, sequence: 1 });
    const names = request.headers.map(([name]) => name.toLowerCase());
    expect(names.filter((name) => name.includes("webhook"))).toEqual(["x-webhook-id"]);
  });

  it("is one that is told to: otherwise the names are the task's", () => {
    const request = built(http({ headers }));
    expect(request.webhook).toBeUndefined();
    expect(request.headers.map(([name]) => name)).toContain("Webhook-Id");
  });
});

describe("the audience of a token", () => {
  const oidc = { kind: "oidc", serviceAccountEmail: "a@b" } as const;

  it.each([
    ["https://example.com", "https://example.com"],
    ["https://example.com/hook?x=1", "https://example.com/hook?x=1"],
    ["https://EXAMPLE.com/a b", "https://EXAMPLE.com/a b"],
  ])("is by default the URL as it was written: %s", (url, audience) => {
    expect(built(http({ url, token: oidc })).token?.audience).toBe(audience);
  });

  it("is the URL that is called where the queue overrides it", () => {
    const uriOverride = { enforceMode: "ALWAYS", host: "other.com" } as const;
    const request = built(http({ token: oidc }), { context: { httpTarget: { uriOverride } } });
    expect(request.token?.audience).toBe("https://other.com/hook");
  });

  it("is what the task says, if it does", () => {
    const token = { ...oidc, audience: "https://aud" };
    expect(built(http({ token })).token?.audience).toBe("https://aud");
  });

  it("of an access token is not the target's affair", () => {
    const token = { kind: "oauth", serviceAccountEmail: "a@b" } as const;
    expect(built(http({ token })).token?.audience).toBe("");
  });
});

describe("the deadline", () => {
  it.each([
    [undefined, 600e6],
    [0, 600e6],
    [15e6, 15e6],
    [1800e6, 840e6],
  ])("%s µs: %i µs, at most what the platform can hold", (dispatchDeadlineUs, expected) => {
    const own = dispatchDeadlineUs === undefined ? {} : { dispatchDeadlineUs };
    expect(built({ ...http(), ...own }).deadlineUs).toBe(expected);
    expect(built({ ...appEngine(), ...own }).deadlineUs).toBe(expected);
  });
});

describe("App Engine services", () => {
  it.each([
    [undefined, ["APP_DEFAULT"], "APP_DEFAULT", "http://p.appspot.com/work?a=1"],
    [{}, ["APP_DEFAULT"], "APP_DEFAULT", "http://p.appspot.com/work?a=1"],
    [
      { service: "default" },
      ["APP_DEFAULT"],
      "APP_DEFAULT",
      "http://default.p.appspot.com/work?a=1",
    ],
    [
      { service: "mail-out" },
      ["APP_MAIL_OUT"],
      "APP_MAIL_OUT",
      "http://mail-out.p.appspot.com/work?a=1",
    ],
    [
      { service: "s", version: "v", instance: "2" },
      ["APP_S"],
      "APP_S",
      "http://2.v.s.p.appspot.com/work?a=1",
    ],
    [
      { host: "custom.example.com" },
      ["APP_DEFAULT"],
      "APP_DEFAULT",
      "http://custom.example.com/work?a=1",
    ],
  ])("%o is the Worker bound as one of %o", (routing, bindings, binding, url) => {
    const request = built(appEngine(routing === undefined ? {} : { routing }), { bindings });
    expect([request.binding, request.url.href]).toEqual([binding, url]);
  });

  it("a queue's routing override wins over the task's", () => {
    const request = built(appEngine({ routing: { service: "a", version: "v", host: "v.a.p" } }), {
      context: { appEngineRoutingOverride: { service: "b" } },
      bindings: ["APP_A", "APP_B"],
    });
    expect([request.binding, request.url.host]).toEqual(["APP_B", "b.p.appspot.com"]);
  });

  it("a binding goes before the URL template", () => {
    const appEngineUrl = "https://{service}.example.com";
    expect(built(appEngine(), { config: { appEngineUrl } }).binding).toBe("APP_DEFAULT");
  });

  it.each([
    ["https://app.example.com", undefined, "https://app.example.com/work?a=1"],
    ["https://app.example.com/base/", undefined, "https://app.example.com/base/work?a=1"],
    ["https://{service}.example.com", undefined, "https://default.example.com/work?a=1"],
    ["https://{service}.example.com", { service: "s" }, "https://s.example.com/work?a=1"],
    [
      "https://{version}.{service}.{project}.example.com",
      { service: "s" },
      "https://s.p.example.com/work?a=1",
    ],
    [
      "https://{instance}-dot-{version}-dot-{service}-dot-{project}.example.com",
      { service: "s", version: "v" },
      "https://v-dot-s-dot-p.example.com/work?a=1",
    ],
    [
      "https://example.com/{project}/{service}",
      { service: "a/b" },
      "https://example.com/p/a%2Fb/work?a=1",
    ],
  ])("without a binding: %s with %o is %s", (appEngineUrl, routing, url) => {
    const meta = appEngine(routing === undefined ? {} : { routing });
    const request = built(meta, { bindings: [], config: { appEngineUrl } });
    expect([request.binding, request.url.href]).toEqual([undefined, url]);
  });

  it("with neither refuses the attempt and says what is missing", () => {
    expect(refusal(appEngine({ routing: { service: "mail" } }))).toBe(
      'The App Engine service "mail" is not configured: ' +
        "there is neither a service binding APP_MAIL nor the setting APP_ENGINE_URL.",
    );
  });

  it("a template cannot be bent to another host", () => {
    const config = { appEngineUrl: "https://{service}.example.com" };
    const routing = { service: "evil.org/" };
    expect(refusal(appEngine({ routing }), { bindings: [], config })).toBe(
      "The App Engine target's URL is malformed.",
    );
    const relativeUri = "@evil.org/";
    expect(built(appEngine({ relativeUri }), { bindings: [], config }).url.host).toBe(
      "default.example.com",
    );
  });

  it("a template's host must be one this deployment calls", () => {
    const config = { appEngineUrl: "http://localhost:8080" };
    expect(refusal(appEngine(), { bindings: [], config })).toBe(
      'The target\'s host "localhost" is not a public name.',
    );
    const allowed = { ...config, targetAllow: ["loopback"] };
    expect(refusal(appEngine(), { bindings: [], config: allowed })).toBeNull();
  });
});

describe("an attempt is refused, before anything is sent, for", () => {
  it.each([
    ["a URL that is none", http({ url: "https://" }), "The target's URL is malformed."],
    [
      "a broken percent escape in the path",
      http({ url: "https://example.com/%zz" }),
      "The target's URL has a malformed percent escape.",
    ],
    [
      "a broken percent escape in the query",
      http({ url: "https://example.com/?a=100%" }),
      "The target's URL has a malformed percent escape.",
    ],
    [
      "a target that is not allowed",
      http({ url: "http://169.254.169.254/" }),
      "The target's host 169.254.169.254 is an IP address; a name is needed.",
    ],
    [
      "a pull task",
      { target: { kind: "pull" } } as const,
      "A pull task is leased, not dispatched.",
    ],
  ])("%s", (_, meta, message) => {
    expect(refusal(meta)).toBe(message);
  });

  it("the deployment's own host, where the issuer names it", () => {
    const config = { issuer: "https://tasks.example.com" };
    expect(refusal(http({ url: "https://tasks.example.com/v2/x" }), { config })).toBe(
      "The target is this service itself.",
    );
    expect(refusal(http(), { config })).toBeNull();
  });
});
