/** The entrypoint in workerd: clock, timers, stubs, bindings and the runtime's own fetch. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { AttemptOrder, LaneContext } from "../../src/core/attempt.ts";
import { encodeMeta, type TaskMeta } from "../../src/core/model.ts";
import { fail } from "../../src/core/result.ts";
import { Dispatcher } from "../../src/dispatch/dispatcher.ts";
import { webhookSecret } from "../../src/dispatch/webhook-signature.ts";
import type { Env } from "../../src/env.ts";
import type { LaneReport } from "../../src/queue/service.ts";
import { httpMeta } from "../support/factory.ts";

/** One for all tests: what an isolate has asked for once it keeps. */
const ROOT = btoa("0123456789abcdef0123456789abcdef");
const QUEUE = { project: "p", location: "us-central1", queue: "q" };
const CONTEXT = { queue: QUEUE, lane: 3, incarnation: "i" };

function order(sequence: number, meta: TaskMeta = httpMeta()): AttemptOrder {
  const taskId = `t${sequence}`;
  return { scheduleTimeUs: 1e6, sequence, attempt: 1, taskId, meta: encodeMeta(meta) };
}

/** A deployment whose queues answer with `answer`; what was reported, and to which object. */
function deployment(
  answer: (report: LaneReport, call: number) => readonly AttemptOrder[] | Error,
  bindings: Record<string, unknown> = {},
) {
  const reports: LaneReport[] = [];
  const stubs: unknown[] = [];
  const env = {
    QUEUE: {
      idFromName: (name: string) => name,
      get: (id: unknown) => {
        stubs.push(id);
        return {
          report: async (report: LaneReport) => {
            const given = answer(report, reports.push(report) - 1);
            if (given instanceof Error) throw given;
            return given;
          },
        };
      },
    },
    ...bindings,
  } as unknown as Env;
  return { env, reports, stubs };
}

async function run(
  env: Env,
  orders: readonly AttemptOrder[],
  context: Partial<LaneContext> = {},
): Promise<void> {
  const ctx = createExecutionContext();
  await new Dispatcher(ctx, env).run({ ...CONTEXT, ...context }, orders);
  await waitOnExecutionContext(ctx);
}

/** Targets: what they were sent, and what they answer. */
function targets(answer: (request: Request) => Response | Promise<Response>): Request[] {
  const requests: Request[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input as string, init as RequestInit);
    requests.push(request);
    return answer(request);
  });
  return requests;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a lane in the runtime", () => {
  it("makes attempts, reports them to the queue by name and goes on with what it is given", async () => {
    const requests = targets(() => new Response("ok"));
    const { env, reports, stubs } = deployment((_, call) => (call === 0 ? [order(3)] : []));
    await run(env, [order(1), order(2)]);
    expect(requests.map(({ headers }) => headers.get("X-CloudTasks-TaskName"))).toEqual([
      "t1",
      "t2",
      "t3",
    ]);
    expect(stubs).toEqual(["p/us-central1/q"]);
    expect(reports).toEqual([report([1, 2], 6, 0), report([3], 6, 0)]);
  });

  function report(sequences: readonly number[], free: number, running: number): LaneReport {
    return {
      ...{ lane: 3, incarnation: "i", free, running },
      outcomes: sequences.map((sequence) => ({
        ...{ scheduleTimeUs: 1e6, sequence, attempt: 1 },
        end: { kind: "response", status: 200 },
      })),
    };
  }

  it("takes a fresh stub after a report that failed", async () => {
    targets(() => new Response("ok"));
    const { env, reports, stubs } = deployment((_, call) =>
      call === 0 ? new Error("Durable Object reset because its code was updated.") : [],
    );
    await run(env, [order(1)]);
    expect(stubs).toHaveLength(2);
    expect(reports).toEqual([report([1], 6, 0), report([1], 6, 0)]);
  });

  it("keeps to the width that the deployment sets", async () => {
    let running = 0;
    let most = 0;
    targets(async () => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running -= 1;
      return new Response("ok");
    });
    const { env } = deployment(() => [], { DISPATCH_FETCHES: "2" });
    await run(
      env,
      [1, 2, 3, 4, 5].map((sequence) => order(sequence)),
    );
    expect(most).toBe(2);
  });

  it("one bad task does not keep the others from their targets", async () => {
    targets(() => new Response("ok"));
    const { env, reports } = deployment(() => []);
    await run(env, [{ ...order(1), meta: "not JSON" as AttemptOrder["meta"] }, order(2)]);
    const ends = reports.flatMap(({ outcomes }) =>
      outcomes.map(({ sequence, end }) => [sequence, end.kind]),
    );
    expect(ends.sort()).toEqual([
      [1, "refused"],
      [2, "response"],
    ]);
  });

  it("reaches App Engine services through their bindings, never through the Internet", async () => {
    const requests = targets(() => new Response("wrong", { status: 500 }));
    const seen: string[] = [];
    const service = {
      fetch: async (url: string, init: RequestInit) => {
        seen.push(`${init.method} ${url} ${new Headers(init.headers).get("x-appengine-taskname")}`);
        return new Response("ok");
      },
    };
    const { env, reports } = deployment(() => [], {
      APP_MAIL: service,
      APP_ENGINE_URL: "https://x.y",
    });
    const target = { relativeUri: "/w", method: "POST", headers: {} } as const;
    await run(env, [
      order(1, { target: { kind: "appEngine", ...target, routing: { service: "mail" } } }),
    ]);
    expect(seen).toEqual(["POST http://mail.p.appspot.com/w t1"]);
    expect(requests).toEqual([]);
    expect(reports[0]?.outcomes[0]?.end).toEqual({ kind: "response", status: 200 });
  });

  it("a setting with the name of a binding is none", async () => {
    const requests = targets(() => new Response("ok"));
    const { env } = deployment(() => [], { APP_ENGINE_URL: "https://{service}.example.com" });
    const target = { relativeUri: "/w", method: "POST", headers: {} } as const;
    await run(env, [
      order(1, { target: { kind: "appEngine", ...target, routing: { service: "engine-url" } } }),
    ]);
    expect(requests.map(({ url }) => url)).toEqual(["https://engine-url.example.com/w"]);
  });

  it("signs with the deployment's key object", async () => {
    const requests = targets(() => new Response("ok"));
    const KEYS = {
      idFromName: (name: string) => name,
      get: () => ({
        signToken: async (claims: { aud?: unknown }, seconds: number) =>
          `${String(claims.aud)} for ${seconds} s`,
        signingMaterial: async () => ({ webhookRoot: ROOT, epoch: 0 }),
      }),
    };
    const ACCESS = {
      idFromName: (name: string) => name,
      get: () => ({ getAccount: async () => fail("NOT_FOUND", "none") }),
    };
    const { env } = deployment(() => [], { KEYS, ACCESS });
    const token = {
      kind: "oidc",
      serviceAccountEmail: "a@b",
      audience: crypto.randomUUID(),
    } as const;
    await run(env, [
      order(1, {
        target: { kind: "http", url: "https://example.com/", method: "POST", headers: {}, token },
      }),
    ]);
    expect(requests[0]?.headers.get("Authorization")).toBe(`Bearer ${token.audience} for 3600 s`);
  });

  it("signs webhooks with the root that an isolate asks for once", async () => {
    const requests = targets(() => new Response("ok"));
    let asked = 0;
    const KEYS = {
      idFromName: (name: string) => name,
      get: () => ({
        signingMaterial: async () => {
          asked += 1;
          return { webhookRoot: ROOT, epoch: 0 };
        },
      }),
    };
    const { env } = deployment(() => [], { KEYS });
    const signed = { webhookSigning: { generation: 7 } };
    await run(env, [order(1), order(2)], signed);
    await run(env, [order(3)], signed);
    expect(asked).toBeLessThanOrEqual(1);
    const webhook = new Webhook(await webhookSecret(ROOT, QUEUE, 7));
    for (const { headers } of requests) {
      webhook.verify("", Object.fromEntries(headers), { jsonParse: false });
    }
    expect(new Set(requests.map(({ headers }) => headers.get("webhook-id"))).size).toBe(3);
  });
});
