/** One attempt from order to outcome, the network in the test's hands. */
import { describe, expect, it } from "vitest";
import type { AttemptOrder } from "../../src/core/attempt.ts";
import { encodeMeta, type TaskMeta } from "../../src/core/model.ts";
import { makeAttempt, type Send, type SenderPorts } from "../../src/dispatch/sender.ts";
import { httpMeta } from "../support/factory.ts";

interface Sent {
  readonly binding: string | undefined;
  readonly url: string;
  readonly init: RequestInit;
}

const QUEUE = { project: "p", location: "l", queue: "q" };
const OIDC = { kind: "oidc", serviceAccountEmail: "a@b" } as const;

/** Makes one attempt; `answer` is the target, or the way to it. */
async function attempt(
  meta: TaskMeta,
  answer: Send = async () => new Response("ok"),
  options: {
    order?: Partial<AttemptOrder>;
    tokenFor?: () => Promise<string>;
    webhookHeaders?: SenderPorts["webhookHeaders"];
  } = {},
) {
  const sent: Sent[] = [];
  const outcome = await makeAttempt(
    {
      ...{ scheduleTimeUs: 5, sequence: 6, attempt: 1, taskId: "t" },
      meta: encodeMeta(meta),
      ...options.order,
    },
    {
      context: {
        queue: QUEUE,
        ...(options.webhookHeaders === undefined ? {} : { webhookSigning: { generation: 7 } }),
      },
      config: {
        targetAllow: [],
        appEngineUrl: undefined,
        appEngineDomain: "{project}.appspot.com",
        maxAttemptUs: 840e6,
        issuer: "https://edgetasks",
      },
      hasBinding: (name) => name === "APP_DEFAULT",
    },
    {
      tokens: { tokenFor: options.tokenFor ?? (async () => "signed") },
      senderTo: (binding) => (url, init) => {
        sent.push({ binding, url, init });
        return answer(url, init);
      },
      webhookHeaders: options.webhookHeaders ?? (() => Promise.reject(new Error("not signed"))),
      nowMs: () => 1000,
    },
  );
  return { outcome, sent, headers: new Headers(sent[0]?.init.headers) };
}

const KEY = { scheduleTimeUs: 5, sequence: 6, attempt: 1 };

function http(changes: Partial<Extract<TaskMeta["target"], { kind: "http" }>> = {}): TaskMeta {
  return httpMeta({
    target: {
      ...{ kind: "http", url: "https://example.com/hook", method: "POST", headers: {} },
      ...changes,
    },
  });
}

const APP: TaskMeta = {
  target: { kind: "appEngine", relativeUri: "/work", method: "GET", headers: {} },
};

/** Waits until the deadline of its attempt is over, as a target does that never answers. */
const silent: Send = (_, { signal }) =>
  new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason));
  });

describe("what is sent", () => {
  it("is the request, without following redirects", async () => {
    const body = new TextEncoder().encode("hello");
    const { sent, headers } = await attempt(http(), undefined, { order: { body } });
    expect(sent).toHaveLength(1);
    const { binding, url, init } = sent[0] as Sent;
    expect({ binding, url }).toEqual({ binding: undefined, url: "https://example.com/hook" });
    expect(init).toMatchObject({ method: "POST", redirect: "manual", body });
    expect(headers.get("x-cloudtasks-taskname")).toBe("t");
  });

  it("carries empty header values", async () => {
    const { headers } = await attempt(http(), undefined, { order: { attempt: 2 } });
    expect(headers.get("X-CloudTasks-TaskRetryReason")).toBe("");
  });

  it.each([
    ["GET", true],
    ["HEAD", true],
    ["POST", false],
  ] as const)("%s passes by every cache: %s", async (method, isCacheable) => {
    const { sent } = await attempt(http({ method }));
    expect(sent[0]?.init.cf).toEqual(isCacheable ? { cacheTtl: -1 } : undefined);
  });

  it("goes through the service binding of an App Engine task", async () => {
    const { sent } = await attempt(APP);
    expect(sent[0]?.binding).toBe("APP_DEFAULT");
    expect(sent[0]?.url).toBe("http://p.appspot.com/work");
    expect(sent[0]?.init.cf).toBeUndefined();
  });

  it("carries the token in the place of the task's own Authorization", async () => {
    const { headers } = await attempt(http({ headers: { authorization: "own" }, token: OIDC }));
    expect(headers.get("Authorization")).toBe("Bearer signed");
  });
});

describe("the signature", () => {
  it("is about the task and the bytes that are sent, at the time they are sent", async () => {
    const asked: unknown[] = [];
    const body = new TextEncoder().encode("hello");
    const { headers } = await attempt(
      http({ headers: { "Webhook-Id": "forged", "webhook-other": "forged" } }),
      undefined,
      {
        order: { body },
        webhookHeaders: async (...call) => {
          asked.push(call);
          return [["webhook-id", "real"]];
        },
      },
    );
    expect(asked).toEqual([
      [{ queue: QUEUE, signing: { generation: 7 }, sequence: 6, body }, 1000],
    ]);
    expect(headers.get("webhook-id")).toBe("real");
    expect(headers.has("webhook-other")).toBe(false);
  });

  it.each([
    ["a GET", http({ method: "GET" })],
    ["an App Engine GET", APP],
  ])("of %s covers no body, since none is sent", async (_, meta) => {
    const bodies: unknown[] = [];
    const { sent } = await attempt(meta, undefined, {
      order: { body: new Uint8Array(3) },
      webhookHeaders: async ({ body }) => {
        bodies.push(body);
        return [["webhook-id", "real"]];
      },
    });
    expect(bodies).toEqual([undefined]);
    expect(sent[0]?.init.body).toBeUndefined();
    expect(new Headers(sent[0]?.init.headers).get("webhook-id")).toBe("real");
  });

  it("of a queue without signing is the task's own affair", async () => {
    const { headers } = await attempt(http({ headers: { "Webhook-Id": "own" } }));
    expect(headers.get("webhook-id")).toBe("own");
  });

  it("that cannot be made keeps the request from being sent", async () => {
    const { outcome, sent } = await attempt(http(), undefined, {
      webhookHeaders: () => Promise.reject(new Error("no key")),
    });
    expect(outcome.end).toEqual({
      kind: "unreachable",
      message: "The webhook could not be signed: no key",
    });
    expect(sent).toEqual([]);
  });
});

describe("the outcome", () => {
  it.each([200, 204, 302, 404, 429, 503])("of an answer %i", async (status) => {
    const { outcome } = await attempt(http(), async () => new Response(null, { status }));
    expect(outcome).toEqual({ ...KEY, end: { kind: "response", status } });
  });

  it("tells Retry-After", async () => {
    const headers = { "Retry-After": "30" };
    const { outcome } = await attempt(
      http(),
      async () => new Response(null, { status: 503, headers }),
    );
    expect(outcome.retryAfterUs).toBe(30e6);
  });

  it("of an answer whose body never ends: the body is let go of at once", async () => {
    let isCancelled = false;
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(1)),
      cancel: () => {
        isCancelled = true;
      },
    });
    const { outcome } = await attempt(http(), async () => new Response(endless));
    expect(outcome.end).toEqual({ kind: "response", status: 200 });
    expect(isCancelled).toBe(true);
  });

  it("of a target that does not answer in time", async () => {
    const { outcome } = await attempt({ ...http(), dispatchDeadlineUs: 1000 }, silent);
    expect(outcome).toEqual({ ...KEY, end: { kind: "timeout" } });
  });

  it("of a bound Worker that does not answer in time", async () => {
    const { outcome } = await attempt({ ...APP, dispatchDeadlineUs: 1000 }, silent);
    expect(outcome.end).toEqual({ kind: "timeout" });
  });

  it("of a target that cannot be reached", async () => {
    const { outcome } = await attempt(http(), () => Promise.reject(new Error("reset")));
    expect(outcome.end).toEqual({ kind: "unreachable", message: "reset" });
  });

  it("of a bound Worker that threw", async () => {
    const thrown = Object.assign(new Error("boom"), { remote: true });
    const { outcome } = await attempt(APP, () => Promise.reject(thrown));
    expect(outcome.end).toEqual({ kind: "response", status: 500 });
  });

  it("of a token that could not be signed: nothing was sent", async () => {
    const { outcome, sent } = await attempt(http({ token: OIDC }), undefined, {
      tokenFor: () => Promise.reject(new Error("no key")),
    });
    expect(outcome.end).toEqual({
      kind: "unreachable",
      message: "The token for the target could not be signed: no key",
    });
    expect(sent).toEqual([]);
  });

  it.each([
    ["a target that is not allowed", http({ url: "http://10.0.0.1/" }), "is an IP address"],
    ["a header name that cannot be", http({ headers: { "bad name": "x" } }), '"bad name"'],
    ["a header value that cannot be", http({ headers: { "X-A": "a\nb" } }), '"X-A"'],
  ])("of %s: refused, and nothing was sent", async (_, meta, message) => {
    const { outcome, sent } = await attempt(meta);
    expect(outcome.end).toEqual({ kind: "refused", message: expect.stringContaining(message) });
    expect(sent).toEqual([]);
  });
});
