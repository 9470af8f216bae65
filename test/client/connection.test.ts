/** What a connection sends, when it sends it again, and which errors it makes of answers. */
import { importJWK, importPKCS8, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import * as sdk from "../../src/client/index.ts";
import { Connection, Task, TaskQueueError, TransientError } from "../../src/client/index.ts";
import { connect, fakeServer, refusal } from "./harness.ts";

const ADDED = { body: { results: [{ name: "1" }] } };
const BUSY = refusal(503, "UNAVAILABLE", "TRANSIENT_ERROR");
const STATS = { body: { tasks: 0 } };
const BASE = { project: "p", location: "us-central1" };

describe("a call", () => {
  test("names the project, the location and the queue in its path, and is JSON", async () => {
    const { connection, sent } = fakeServer(ADDED);
    await connection.queue("mail").add(new Task({ url: "/x", payload: "hi", name: "n" }));
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      method: "POST",
      url: "https://tasks.example.com/edgetasks/v1/projects/p/locations/us-central1/queues/mail/tasks:add",
      body: {
        tasks: [
          {
            name: "n",
            appEngine: { relativeUrl: "/x", method: "POST", payload: "aGk=" },
          },
        ],
      },
    });
    expect(sent[0]?.headers.get("content-type")).toBe("application/json");
    expect(sent[0]?.headers.get("authorization")).toBeNull();
  });

  test("keeps a path of the base URL", async () => {
    const urls: string[] = [];
    const connection = new Connection({
      ...BASE,
      baseUrl: "https://example.com/tasks/",
      token: async () => "secret",
      fetch: async (url, init) => {
        urls.push(url, new Headers(init?.headers).get("authorization") ?? "");
        return Response.json({ tasks: 0 });
      },
    });
    await connection.queue().fetchStatistics();
    expect(urls).toEqual([
      "https://example.com/tasks/edgetasks/v1/projects/p/locations/us-central1/queues/default:stats",
      "Bearer secret",
    ]);
  });

  test("sends what a task is, to the last option", async () => {
    const { connection, sent } = fakeServer(ADDED);
    const oidcToken = { serviceAccountEmail: "a@b.c", audience: "https://d" };
    await connection.queue().add([
      new Task({
        method: "PUT",
        url: "https://example.com/x",
        headers: { a: ["1", "2"] },
        oidcToken,
        eta: "2026-11-21T12:00:00.123456Z",
        retryOptions: { taskRetryLimit: 3 },
        dispatchDeadline: 20,
      }),
      new Task({ target: "v1.api", params: { a: 1 } }),
    ]);
    expect(sent[0]?.body.tasks).toEqual([
      {
        scheduleTimeUs: "1795262400123456",
        http: { url: "https://example.com/x", method: "PUT", headers: { a: "1, 2" }, oidcToken },
        retryOptions: { taskRetryLimit: 3 },
        dispatchDeadlineUs: "20000000",
      },
      {
        appEngine: {
          relativeUrl: "/_ah/queue/default",
          method: "POST",
          headers: { "content-type": "application/x-www-form-urlencoded" },
          payload: "YT0x",
          target: "v1.api",
        },
      },
    ]);
  });
});

describe("retries", () => {
  test("are made of idempotent calls, with growing, jittered pauses", async () => {
    const { connection, sent, slept } = fakeServer(BUSY, new TypeError("reset"), BUSY, STATS);
    await connection.queue().fetchStatistics();
    expect(sent).toHaveLength(4);
    expect(slept).toEqual([50, 100, 200]);
  });

  test("are given up after four tries", async () => {
    const { connection, sent } = fakeServer(BUSY);
    await expect(connection.queue().pause()).rejects.toThrow(TransientError);
    expect(sent).toHaveLength(4);
  });

  test("wait as long as the server asks", async () => {
    const { connection, slept } = fakeServer({ ...BUSY, headers: { "retry-after": "3" } }, STATS);
    await connection.queue().fetchStatistics();
    expect(slept).toEqual([3000]);
  });

  test("are not made of calls that would do something twice", async () => {
    const queueCalls: ((queue: sdk.Queue) => Promise<unknown>)[] = [
      (queue) => queue.add(new Task()),
      (queue) => queue.leaseTasks(60, 1),
      (queue) => queue.purge(),
    ];
    for (const call of queueCalls) {
      const { connection, sent } = fakeServer(BUSY);
      await expect(call(connection.queue())).rejects.toThrow(TransientError);
      expect(sent).toHaveLength(1);
    }
  });

  test("are not made of refusals that stay", async () => {
    const { connection, sent } = fakeServer(refusal(404, "NOT_FOUND", "UNKNOWN_QUEUE"));
    await expect(connection.queue().get()).rejects.toThrow(sdk.UnknownQueueError);
    expect(sent).toHaveLength(1);
  });

  test("are made whatever a runtime throws where the way is broken", async () => {
    // Workers throw a bare Error where a connection is lost, or the other Worker dies.
    const lost = new Error("Network connection lost.");
    const { connection, sent } = fakeServer(lost, STATS);
    await connection.queue().fetchStatistics();
    expect(sent).toHaveLength(2);
    const add = fakeServer(lost).connection.queue().add(new Task());
    await expect(add).rejects.toThrow(sdk.TransientError);
    await expect(add).rejects.toMatchObject({ cause: lost });
  });

  test("are not made where there is no token to send", async () => {
    let asked = 0;
    const broken = new Connection({
      ...BASE,
      baseUrl: "https://tasks.example.com",
      token: () => {
        asked += 1;
        throw new TypeError("no token");
      },
      fetch: async () => Response.json({}),
    });
    await expect(broken.queue().get()).rejects.toThrow(new TypeError("no token"));
    expect(asked).toBe(1);
    const credentials = { client_email: "a@b", private_key: "no PEM" };
    const mistaken = { ...BASE, baseUrl: "https://tasks.example.com", credentials };
    expect(() => new Connection(mistaken)).toThrow(/PKCS #8/);
  });

  test("can be switched off", async () => {
    let calls = 0;
    const connection = new Connection({
      ...BASE,
      baseUrl: "https://example.com",
      retry: false,
      fetch: async () => {
        calls++;
        throw new TypeError("unreachable");
      },
    });
    await expect(connection.queue().get()).rejects.toThrow(TransientError);
    expect(calls).toBe(1);
  });

  test("of an acknowledge count a task that is gone as done", async () => {
    const gone = refusal(404, "NOT_FOUND", "UNKNOWN_TASK").body;
    const { connection } = fakeServer(
      { body: { tasks: [{ name: "1", scheduleTimeUs: "5", pull: {} }] } },
      new TypeError("reset"),
      { body: { results: [gone] } },
    );
    const [task] = await connection.queue().leaseTasks(60, 1);
    await connection.queue().acknowledge(task!);
  });
});

describe("time", () => {
  /** A server that never answers. */
  function silent() {
    return new Connection({
      ...BASE,
      baseUrl: "https://example.com",
      fetch: (_url, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
        }),
    });
  }

  test("a call that takes longer than its deadline is a DeadlineExceededError", async () => {
    const call = silent().queue().get({ deadline: 0.02 });
    await expect(call).rejects.toThrow(sdk.DeadlineExceededError);
    await expect(call).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  test("count also while a token is waited for", async () => {
    const stop = new AbortController();
    const waiting = new Connection({
      ...BASE,
      baseUrl: "https://tasks.example.com",
      token: () => new Promise<string>(() => {}),
    });
    await expect(waiting.queue().get({ deadline: 0.02 })).rejects.toThrow(
      sdk.DeadlineExceededError,
    );
    const call = waiting.queue().get({ signal: stop.signal });
    stop.abort(new RangeError("enough"));
    await expect(call).rejects.toThrow(RangeError);
  });

  test("a signal gives a call up with its own reason", async () => {
    const stop = new AbortController();
    const call = silent().queue().get({ signal: stop.signal });
    stop.abort(new RangeError("enough"));
    await expect(call).rejects.toThrow(RangeError);
    await expect(silent().queue().get({ signal: stop.signal })).rejects.toThrow("enough");
  });
});

describe("a connection", () => {
  test("refuses options that contradict each other", () => {
    const make = (options: object) => () => new Connection(options as sdk.ConnectionOptions);
    const baseUrl = "https://example.com";
    expect(make(BASE)).toThrow(TypeError);
    expect(make({ ...BASE, baseUrl, binding: { fetch } })).toThrow(TypeError);
    expect(make({ ...BASE, baseUrl, token: "a", credentials: {} })).toThrow(TypeError);
    expect(make({ ...BASE, baseUrl, credentials: {} })).toThrow(TypeError);
    expect(make({ baseUrl, project: "p" })).toThrow(TypeError);
    expect(make({ ...BASE, baseUrl: "no url" })).toThrow(TypeError);
  });

  test("through a service binding needs no token", async () => {
    expect((await connect().queue().get()).state).toBe("RUNNING");
  });

  test("with a service account's key signs a token of an hour, and signs again in time", async () => {
    const algorithm = {
      name: "RSASSA-PKCS1-v1_5",
      hash: "SHA-256",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
    };
    const pair = (await crypto.subtle.generateKey(algorithm, true, [
      "sign",
      "verify",
    ])) as CryptoKeyPair;
    const pkcs8 = new Uint8Array(
      (await crypto.subtle.exportKey("pkcs8", pair.privateKey)) as ArrayBuffer,
    );
    const lines = pkcs8.toBase64().replace(/(.{64})/g, "$1\n");
    const private_key = `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`;
    await importPKCS8(private_key, "RS256");
    const tokens: string[] = [];
    let now = Date.UTC(2026, 10, 21);
    const email = "app@p.iam.gserviceaccount.com";
    const queue = new Connection({
      ...BASE,
      baseUrl: "https://example.com",
      credentials: { client_email: email, private_key, private_key_id: "key-1" },
      platform: { now: () => now },
      fetch: async (_url, init) => {
        tokens.push(new Headers(init?.headers).get("authorization")?.slice(7) ?? "");
        return Response.json({ tasks: 0 });
      },
    }).queue();
    await queue.fetchStatistics();
    now += 3_290_000;
    await queue.fetchStatistics();
    now += 20_000;
    await queue.fetchStatistics();
    expect([tokens[1] === tokens[0], tokens[2] === tokens[0]]).toEqual([true, false]);
    const jwk = (await crypto.subtle.exportKey("jwk", pair.publicKey)) as JsonWebKey;
    const key = await importJWK({ kty: "RSA", n: jwk.n ?? "", e: jwk.e ?? "" }, "RS256");
    const { payload, protectedHeader } = await jwtVerify(tokens[0] ?? "", key, {
      audience: "https://cloudtasks.googleapis.com/",
      issuer: email,
      subject: email,
      currentDate: new Date(now),
    });
    expect(protectedHeader).toEqual({ alg: "RS256", typ: "JWT", kid: "key-1" });
    expect(Number(payload.exp) - Number(payload.iat)).toBe(3600);
  });
});

describe("errors", () => {
  /** The tree of rpc.md §6, by names. */
  const TREE: Readonly<Record<string, readonly string[]>> = {
    TaskQueueError: [
      "UnknownQueueError",
      "TransientError",
      "InternalError",
      "InvalidTaskError",
      "BadTaskStateError",
      "InvalidQueueError",
      "PermissionDeniedError",
      "DuplicateTaskNameError",
      "TooManyTasksError",
      "DatastoreError",
      "BadTransactionStateError",
      "InvalidTaskRetryOptionsError",
      "InvalidLeaseTimeError",
      "InvalidMaxTasksError",
      "InvalidDeadlineError",
      "InvalidQueueModeError",
      "TaskLeaseExpiredError",
      "QueuePausedError",
      "InvalidTagError",
      "InvalidDispatchDeadlineError",
    ],
    InvalidTaskError: [
      "InvalidTaskNameError",
      "TaskTooLargeError",
      "TaskAlreadyExistsError",
      "TombstonedTaskError",
      "InvalidUrlError",
      "InvalidEtaError",
    ],
    TaskTooLargeError: ["TransactionalRequestTooLargeError"],
    InvalidQueueError: ["InvalidQueueNameError"],
  };
  const classes = sdk as unknown as Record<string, typeof TaskQueueError>;

  test("have the names and the tree of the original, and a canonical code", () => {
    for (const [parent, children] of Object.entries(TREE)) {
      for (const name of children) {
        const type = classes[name];
        const error = new type!("text");
        expect(Object.getPrototypeOf(type), name).toBe(classes[parent]);
        expect(error.name).toBe(name);
        expect(error.code).toMatch(/^[A-Z_]+$/);
        expect(error.code).not.toBe("UNKNOWN");
      }
    }
  });

  test.each([
    ["UNKNOWN_QUEUE", "UnknownQueueError"],
    ["TRANSIENT_ERROR", "TransientError"],
    ["INTERNAL_ERROR", "InternalError"],
    ["TASK_TOO_LARGE", "TaskTooLargeError"],
    ["INVALID_TASK_NAME", "InvalidTaskNameError"],
    ["INVALID_QUEUE_NAME", "InvalidQueueNameError"],
    ["INVALID_URL", "InvalidUrlError"],
    ["INVALID_QUEUE_RATE", "InvalidQueueError"],
    ["PERMISSION_DENIED", "PermissionDeniedError"],
    ["TASK_ALREADY_EXISTS", "TaskAlreadyExistsError"],
    ["TOMBSTONED_TASK", "TombstonedTaskError"],
    ["INVALID_ETA", "InvalidEtaError"],
    ["INVALID_REQUEST", "TaskQueueError"],
    ["TOMBSTONED_QUEUE", "TaskQueueError"],
    ["DUPLICATE_TASK_NAME", "DuplicateTaskNameError"],
    ["TOO_MANY_TASKS", "TooManyTasksError"],
    ["INVALID_RETRY_PARAMETERS", "InvalidTaskRetryOptionsError"],
    ["INVALID_QUEUE_MODE", "InvalidQueueModeError"],
    ["TRANSACTIONAL_REQUEST_TOO_LARGE", "TransactionalRequestTooLargeError"],
    ["TASK_LEASE_EXPIRED", "TaskLeaseExpiredError"],
    ["QUEUE_PAUSED", "QueuePausedError"],
    ["INVALID_TAG", "InvalidTagError"],
    ["INVALID_DISPATCH_DEADLINE", "InvalidDispatchDeadlineError"],
    ["DATASTORE_BAD_REQUEST", "DatastoreError"],
    ["DATASTORE_CONCURRENT_TRANSACTION", "DatastoreError"],
  ])("the server's %s is a %s", async (reason, name) => {
    const { connection } = fakeServer(refusal(400, "FAILED_PRECONDITION", reason));
    const error = await connection
      .queue()
      .purge()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name, reason, code: "FAILED_PRECONDITION", message: "refused" });
    expect(error).toBeInstanceOf(TaskQueueError);
  });

  test.each([
    [401, "PermissionDeniedError"],
    [403, "PermissionDeniedError"],
    [429, "TransientError"],
    [502, "TransientError"],
    [500, "InternalError"],
    [404, "InternalError"],
  ])("an answer %s of something else than the server is a %s", async (status, name) => {
    const { connection } = fakeServer({ status, body: "<html>" });
    await expect(connection.queue().purge()).rejects.toMatchObject({ name });
  });

  test("an answer that breaks off is a TransientError", async () => {
    const connection = new Connection({
      ...BASE,
      baseUrl: "https://example.com",
      fetch: async () => new Response('{"tasks":'),
    });
    await expect(connection.queue().purge()).rejects.toThrow(TransientError);
  });
});
