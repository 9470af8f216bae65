/** The webhook's side: who is believed, what a task is, and what the queue is told. */
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import {
  DiscardTask,
  type Fetch,
  MemorySeenIds,
  RetryTask,
  type SeenIds,
  type TaskHandlerOptions,
  type TaskRequest,
  taskHandler,
  type Verifier,
  verifyOidc,
  verifySignature,
} from "../../src/client/index.ts";

const URL_ = "https://app.example.com/work";
const ISSUER = "https://tasks.example.com";
const EMAIL = "queue@p.iam.gserviceaccount.com";
const NOW = Date.UTC(2026, 10, 21, 12);
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const HTTP_HEADERS = {
  "X-CloudTasks-QueueName": "mail",
  "X-CloudTasks-TaskName": "t-1",
  "X-CloudTasks-TaskRetryCount": "2",
  "X-CloudTasks-TaskExecutionCount": "1",
  "X-CloudTasks-TaskETA": "1795262400.123456",
  "X-CloudTasks-TaskPreviousResponse": "503",
  "X-CloudTasks-TaskRetryReason": "",
};

function request(headers: object = HTTP_HEADERS, body: string | null = "hi", url = URL_): Request {
  return new Request(url, { method: "POST", headers: { ...headers }, body });
}

/** Runs a handler, and tells its answer and the task it got. */
async function run(
  given: Request,
  options: Partial<TaskHandlerOptions> = {},
  work: (task: TaskRequest) => unknown = () => undefined,
) {
  const tasks: TaskRequest[] = [];
  const errors: unknown[] = [];
  const handle = taskHandler(
    (task) => {
      tasks.push(task);
      return work(task);
    },
    { verify: "none", onError: (error) => errors.push(error), ...options },
  );
  const response = await handle(given);
  return { status: response.status, response, task: tasks[0], errors };
}

describe("a task", () => {
  test("of an HTTP target is read from X-CloudTasks headers", async () => {
    const { task, status } = await run(request());
    expect(status).toBe(204);
    expect(task).toMatchObject({
      kind: "http",
      queueName: "mail",
      name: "t-1",
      retryCount: 2,
      executionCount: 1,
      etaPosix: 1795262400.123456,
      eta: new Date(1795262400123),
      previousResponse: 503,
      failFast: false,
      trust: { by: "none" },
      method: "POST",
    });
    expect(task).not.toHaveProperty("retryReason");
    expect([task?.text(), task?.url.pathname]).toEqual(["hi", "/work"]);
  });

  test("of an App Engine target is read from X-AppEngine headers", async () => {
    const headers = Object.fromEntries(
      Object.entries(HTTP_HEADERS).map(([name, value]) => [
        name.replace("CloudTasks", "AppEngine"),
        value || "App Error",
      ]),
    );
    const { task } = await run(request({ ...headers, "X-AppEngine-FailFast": "true" }));
    expect(task).toMatchObject({
      kind: "appEngine",
      queueName: "mail",
      retryReason: "App Error",
      failFast: true,
    });
  });

  test("has its parameters in the payload of a POST, else in the query", async () => {
    const post = await run(request(HTTP_HEADERS, "a=1&b=x+y&b=z"));
    expect(post.task?.params()).toEqual({ a: "1", b: ["x y", "z"] });
    const get = new Request(`${URL_}?a=1`, { headers: HTTP_HEADERS });
    expect((await run(get)).task?.params()).toEqual({ a: "1" });
    expect((await run(request(HTTP_HEADERS, '{"a":1}'))).task?.json()).toEqual({ a: 1 });
  });

  test("without the headers that every task has is none: 400", async () => {
    for (const name of Object.keys(HTTP_HEADERS).slice(0, 5)) {
      const { [name as keyof typeof HTTP_HEADERS]: _gone, ...rest } = HTTP_HEADERS;
      const { status, task } = await run(request(rest));
      expect([name, status, task]).toEqual([name, 400, undefined]);
    }
    const headers = { ...HTTP_HEADERS, "X-CloudTasks-TaskRetryCount": "two" };
    expect((await run(request(headers))).status).toBe(400);
  });

  test("larger than is allowed is refused, declared or not: 413", async () => {
    expect((await run(request(), { maxBodySize: 1 })).status).toBe(413);
    const stream = new Response("many bytes").body;
    const streamed = new Request(URL_, { method: "POST", headers: HTTP_HEADERS, body: stream });
    expect((await run(streamed, { maxBodySize: 4 })).status).toBe(413);
  });
});

describe("the queue is told", () => {
  test("204 when the handler returns, else the status of the Response it returns", async () => {
    expect((await run(request(), {}, () => "anything")).status).toBe(204);
    expect((await run(request(), {}, async () => new Response("x", { status: 202 }))).status).toBe(
      202,
    );
    expect((await run(request(), {}, () => new Response(null, { status: 429 }))).status).toBe(429);
  });

  test("500 when the handler throws, and nothing of what it threw", async () => {
    const failing = await run(request(), {}, () => {
      throw new Error("secret detail");
    });
    expect(failing.status).toBe(500);
    expect(await failing.response.text()).toBe("");
    expect(failing.errors).toEqual([new Error("secret detail")]);
  });

  test("when to try again, as RetryTask says", async () => {
    const later = await run(request(), {}, () => {
      throw new RetryTask("busy", { retryAfter: 2.5 });
    });
    expect([later.status, later.response.headers.get("retry-after")]).toEqual([503, "3"]);
    const plain = await run(request(), {}, () => {
      throw new RetryTask("busy", { status: 409 });
    });
    expect([plain.status, plain.response.headers.get("retry-after")]).toEqual([409, null]);
  });

  test("never that it is done, whatever status RetryTask is given", async () => {
    for (const status of [200, 204, 101, 600, Number.NaN]) {
      const { status: answered } = await run(request(), {}, () => {
        throw new RetryTask("again", { status });
      });
      expect(answered).toBe(500);
    }
  });

  test("that a discarded task is done", async () => {
    const discarded = await run(request(), {}, () => {
      throw new DiscardTask("malformed");
    });
    expect([discarded.status, discarded.errors.length]).toEqual([204, 1]);
  });
});

describe("an identity token", () => {
  /** A server's keys, and what its requests for them were answered. */
  async function issuer(kid = "k1") {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid, use: "sig", alg: "RS256" };
    const sign = (changes: object = {}, header: object = {}) =>
      new SignJWT({
        iss: ISSUER,
        aud: URL_,
        sub: EMAIL,
        email: EMAIL,
        email_verified: true,
        iat: NOW / 1000,
        exp: NOW / 1000 + 3600,
        ...changes,
      })
        .setProtectedHeader({ alg: "RS256", kid, ...header })
        .sign(privateKey);
    /** A token whose header names another algorithm than it is signed by. */
    const mislabel = async (token: string) => {
      const label = btoa(JSON.stringify({ alg: "HS256", kid })).replaceAll("=", "");
      const signed = `${label}.${token.split(".")[1]}`;
      const bytes = new TextEncoder().encode(signed);
      const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", privateKey, bytes);
      return `${signed}.${new Uint8Array(signature).toBase64({ alphabet: "base64url", omitPadding: true })}`;
    };
    return { jwk, sign, mislabel };
  }

  function verifier(keys: () => object[], changes: object = {}) {
    const fetched: string[] = [];
    const verify = verifyOidc({
      baseUrl: "https://tasks.example.com/",
      issuer: ISSUER,
      audience: URL_,
      serviceAccountEmail: EMAIL,
      now: () => NOW,
      fetch: async (url) => {
        fetched.push(url);
        return Response.json({ keys: keys() });
      },
      ...changes,
    });
    return { verify, fetched };
  }

  const bearer = (token: string) => request({ ...HTTP_HEADERS, authorization: `Bearer ${token}` });

  test("of the server is believed, and its account told", async () => {
    const { jwk, sign } = await issuer();
    const { verify, fetched } = verifier(() => [jwk]);
    const { status, task } = await run(bearer(await sign()), { verify });
    expect(status).toBe(204);
    expect(task?.trust).toEqual({ by: "oidc", email: EMAIL });
    expect(fetched).toEqual(["https://tasks.example.com/.well-known/jwks.json"]);
    await run(bearer(await sign()), { verify });
    expect(fetched).toHaveLength(1);
  });

  test("that is missing, forged, expired or of another issuer is refused: 401", async () => {
    const { jwk, sign, mislabel } = await issuer();
    const other = await issuer();
    const { verify } = verifier(() => [jwk]);
    const good = await sign();
    const [head, , signature] = good.split(".");
    const claims = btoa(JSON.stringify({ iss: ISSUER, aud: URL_, exp: 9e9 })).replaceAll("=", "");
    const unsigned = btoa(JSON.stringify({ alg: "none", kid: "k1" })).replaceAll("=", "");
    const tokens = {
      missing: "",
      forged: await other.sign(),
      tampered: `${head}.${claims}.${signature}`,
      mislabelled: await mislabel(good),
      unsigned: `${unsigned}.${claims}.AAAA`,
      cut: good.slice(0, -1),
      expired: await sign({ exp: NOW / 1000 - 61 }),
      early: await sign({ iat: NOW / 1000 + 61 }),
      foreign: await sign({ iss: "https://accounts.google.com" }),
      endless: await sign({ exp: undefined }),
      access: await sign({}, { typ: "at+jwt" }),
    };
    for (const [what, token] of Object.entries(tokens)) {
      const { status, task, response } = await run(bearer(token), { verify });
      expect([what, status, task]).toEqual([what, 401, undefined]);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  test("for another audience or of another account is refused: 403", async () => {
    const { jwk, sign } = await issuer();
    const { verify } = verifier(() => [jwk]);
    for (const changes of [
      { aud: "https://other.example.com" },
      { aud: undefined },
      { email: "other@p.iam.gserviceaccount.com" },
      { email_verified: false },
    ]) {
      const { status, task } = await run(bearer(await sign(changes)), { verify });
      expect([changes, status, task]).toEqual([changes, 403, undefined]);
    }
    expect((await run(bearer(await sign({ aud: ["x", URL_] })), { verify })).status).toBe(204);
  });

  test("by a key that is new has the keys fetched again, but not for every unknown one", async () => {
    const [first, second, unknown] = [await issuer("a"), await issuer("b"), await issuer("c")];
    let now = NOW;
    let keys = [first.jwk];
    const { verify, fetched } = verifier(() => keys, { now: () => now });
    expect((await run(bearer(await first.sign()), { verify })).status).toBe(204);
    keys = [first.jwk, second.jwk];
    now += 31_000;
    expect((await run(bearer(await second.sign()), { verify })).status).toBe(204);
    expect(fetched).toHaveLength(2);
    for (let count = 0; count < 5; count++) {
      expect((await run(bearer(await unknown.sign()), { verify })).status).toBe(401);
    }
    expect(fetched).toHaveLength(2);
    now += 600_000;
    expect((await run(bearer(await first.sign()), { verify })).status).toBe(204);
    expect(fetched).toHaveLength(3);
  });

  test("is believed by old keys while there are no new ones, which are not always asked for", async () => {
    const { jwk, sign } = await issuer("a");
    let now = NOW;
    const asked: { readonly signal: AbortSignal | null | undefined; isCancelled: boolean }[] = [];
    const fetch: Fetch = async (_url, init) => {
      const call = { signal: init?.signal, isCancelled: false };
      asked.push(call);
      if (asked.length === 1) return Response.json({ keys: [jwk] });
      const cancel = () => {
        call.isCancelled = true;
      };
      return new Response(new ReadableStream({ cancel }), { status: 503 });
    };
    const { verify } = verifier(() => [], { fetch, now: () => now });
    const token = await sign();
    for (const waited of [0, 601_000, 1000, 1000, 31_000, 1000]) {
      now += waited;
      expect((await run(bearer(token), { verify })).status).toBe(204);
    }
    expect(asked).toHaveLength(3);
    // In a Worker a body that is not read keeps its connection.
    expect(asked.map(({ isCancelled }) => isCancelled)).toEqual([false, true, true]);
    // A server that does not answer does not hold up handlers for good.
    expect(asked.every(({ signal }) => signal instanceof AbortSignal)).toBe(true);
  });

  test("is refused while the keys cannot be had", async () => {
    const { sign } = await issuer();
    const fetch = async () => new Response(null, { status: 503 });
    const { verify } = verifier(() => [], { fetch });
    expect((await run(bearer(await sign()), { verify })).status).toBe(401);
  });
});

describe("a signature", () => {
  const signed = (changes: object = {}, at = NOW, secret = SECRET, body = "hi") =>
    request({
      ...HTTP_HEADERS,
      "webhook-id": "msg_1",
      "webhook-timestamp": String(Math.floor(at / 1000)),
      "webhook-signature": new Webhook(secret).sign("msg_1", new Date(at), body),
      ...changes,
    });
  const verify = verifySignature({ secrets: SECRET, now: () => NOW });

  test("by the queue's secret is believed, among several too", async () => {
    const { status, task } = await run(signed(), { verify });
    expect(status).toBe(204);
    expect(task?.trust).toEqual({ by: "signature", messageId: "msg_1" });
    const good = new Webhook(SECRET).sign("msg_1", new Date(NOW), "hi");
    const several = { "webhook-signature": `v1a,AAAA v1,AAAA ${good}` };
    expect((await run(signed(several), { verify })).status).toBe(204);
  });

  test("by either secret while one is being replaced", async () => {
    const old = `whsec_${btoa("another secret of the queue")}`;
    const both = verifySignature({ secrets: [SECRET, old], now: () => NOW });
    expect((await run(signed({}, NOW, old), { verify: both })).status).toBe(204);
    expect((await run(signed({}, NOW, old), { verify })).status).toBe(401);
  });

  test("that is missing, wrong, or of another body, id or time is refused: 401", async () => {
    for (const changes of [
      { "webhook-id": "" },
      { "webhook-timestamp": "" },
      { "webhook-signature": "" },
      { "webhook-signature": "v1,AAAA" },
      { "webhook-signature": "v1,%%%" },
      { "webhook-id": "msg_2" },
      { "webhook-timestamp": String(NOW / 1000 + 1) },
      { "webhook-timestamp": "now" },
    ]) {
      const { status, task } = await run(signed(changes), { verify });
      expect([changes, status, task]).toEqual([changes, 401, undefined]);
    }
    expect((await run(signed({}, NOW, SECRET, "other"), { verify })).status).toBe(401);
  });

  test("older or newer than five minutes is refused", async () => {
    expect((await run(signed({}, NOW - 300_000), { verify })).status).toBe(204);
    expect((await run(signed({}, NOW - 301_000), { verify })).status).toBe(401);
    expect((await run(signed({}, NOW + 301_000), { verify })).status).toBe(401);
  });

  test("of a message that was handled is answered as done, and not handled again", async () => {
    const seen = new MemorySeenIds();
    const once = verifySignature({ secrets: SECRET, now: () => NOW, seen });
    const failing = await run(signed(), { verify: once }, () => {
      throw new Error("not yet");
    });
    expect(failing.status).toBe(500);
    expect((await run(signed(), { verify: once })).task).toBeDefined();
    const replayed = await run(signed(), { verify: once });
    expect([replayed.status, replayed.task]).toEqual([204, undefined]);
  });

  test("of a message that nobody can look up is tried again; a handled one stays handled", async () => {
    const broken = new RangeError("the store is down");
    const blind: SeenIds = {
      has: () => Promise.reject(broken),
      add: () => undefined,
    };
    const unknown = await run(signed(), {
      verify: verifySignature({ secrets: SECRET, now: () => NOW, seen: blind }),
    });
    expect([unknown.status, unknown.task, unknown.errors]).toEqual([500, undefined, [broken]]);
    const forgetful: SeenIds = {
      has: () => false,
      add: () => Promise.reject(broken),
    };
    const handled = await run(signed(), {
      verify: verifySignature({ secrets: SECRET, now: () => NOW, seen: forgetful }),
    });
    expect([handled.status, handled.errors]).toEqual([204, [broken]]);
  });

  test("needs a secret that is one", () => {
    for (const secrets of ["", "whsec_%%", []]) {
      expect(() => verifySignature({ secrets })).toThrow(TypeError);
    }
  });

  test("remembers no more ids than it may", () => {
    const seen = new MemorySeenIds(2);
    for (const id of ["a", "b", "c"]) seen.add(id);
    expect(["a", "b", "c"].map((id) => seen.has(id))).toEqual([false, true, true]);
  });
});

describe("verify", () => {
  test("believes nobody by itself: what is not verified is never read", async () => {
    const verify = verifySignature({ secrets: SECRET });
    const { status, task, errors } = await run(request(), { verify });
    expect([status, task]).toEqual([401, undefined]);
    expect(errors).toEqual([new Error("Request refused: it is not signed")]);
    const missing = {} as TaskHandlerOptions;
    expect(() => taskHandler(() => undefined, missing)).toThrow(TypeError);
    expect((await run(request(), { verify: [] })).status).toBe(401);
  });

  test("that fails itself has the task tried again, and believes nobody", async () => {
    const broken = new RangeError("no");
    const verify: Verifier = () => Promise.reject(broken);
    const { status, task, errors } = await run(request(), { verify });
    expect([status, task, errors]).toEqual([500, undefined, [broken]]);
  });

  test("of a list is satisfied by one", async () => {
    const no: Verifier = async () => ({ ok: false, status: 403, reason: "no" });
    const yes: Verifier = async () => ({ ok: true, trust: { by: "none" } });
    expect((await run(request(), { verify: [no, yes] })).status).toBe(204);
    expect(
      (await run(request(), { verify: [no, verifySignature({ secrets: SECRET })] })).status,
    ).toBe(403);
  });
});
