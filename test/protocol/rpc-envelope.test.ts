/** The envelope of App Engine's RPC interface: every error inside it, whatever arrives. */
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { RecordingTarget } from "../support/recording-target.ts";
import {
  bytes,
  envelope,
  type Input,
  inputOf,
  METHOD_NAMES,
  type MethodName,
  pb,
  post,
  Rpc,
  RpcApp,
  serviceOf,
  task,
} from "./rpc-client.ts";

// Whatever is dispatched on the way is answered, and stays in the test.
beforeEach(() => new RecordingTarget().release());

const PARSE_ERROR = { kind: "rpc", code: Rpc.PARSE_ERROR };
const vars = { APP_PROJECT: "fuzzed" };

/** The default queue's figures: a call that needs nothing. */
const STATS = toBinary(
  pb.TaskQueueFetchQueueStatsRequestSchema,
  create(pb.TaskQueueFetchQueueStatsRequestSchema, {}),
);

/** A message of raw fields: [number, wire type, payload]. */
function raw(...parts: readonly (readonly number[] | Uint8Array)[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** A field of bytes. */
function lengthDelimited(number: number, payload: Uint8Array): Uint8Array {
  if (payload.length > 127) throw new Error("too long for one byte of length");
  return raw([(number << 3) | 2, payload.length], payload);
}

/** queue_name, task_name, eta_usec. */
const MINIMAL_ADD = raw(lengthDelimited(1, bytes("default")), [0x12, 0x00], [0x18, 0x00]);

/** A well-formed message of each method. */
const SAMPLES = samples();

function samples(): Record<MethodName, Uint8Array> {
  const queueName = bytes("default");
  const taskName = bytes("1");
  const appId = bytes("s~fuzzed");
  const transaction = { handle: 7n, app: "fuzzed" };
  const retryParameters = { retryLimit: 3, ageLimitSec: 60n, minBackoffSec: 1, maxBackoffSec: 9 };
  const addRequest = task({
    url: bytes("/work?x=1"),
    header: [{ key: bytes("X-A"), value: bytes("b") }],
    body: bytes("hello"),
    retryParameters,
    dispatchDeadlineUsec: 60_000_000n,
    // Far away, so that nothing leaves.
    etaUsec: BigInt(Date.now() + 86_400_000) * 1000n,
  });
  const messages: { [M in MethodName]: Input<M> } = {
    Add: addRequest,
    BulkAdd: { addRequest: [addRequest, addRequest] },
    Delete: { queueName, taskName: [taskName, bytes("2")], appId },
    ForceRun: { queueName, taskName, appId },
    FetchTask: { queueName, taskName, appId },
    QueryTasks: { queueName, appId, startEtaUsec: 5n, maxRows: 3 },
    QueryAndOwnTasks: { queueName, leaseSeconds: 1.5, maxTasks: 4n, groupByTag: true },
    ModifyTaskLease: { queueName, taskName, etaUsec: 9n, leaseSeconds: 2 },
    UpdateQueue: {
      queueName,
      appId,
      bucketRefillPerSecond: 5,
      bucketCapacity: 5,
      retryParameters,
      headerOverride: [{ key: bytes("Host"), value: bytes("worker.fuzzed.appspot.com") }],
    },
    FetchQueues: { appId, maxRows: 5 },
    FetchQueueStats: { queueName: [queueName, queueName], appId },
    PauseQueue: { appId, queueName, pause: true },
    PurgeQueue: { appId, queueName },
    DeleteQueue: { appId, queueName: bytes("fuzzed") },
    DeleteGroup: { appId: bytes("s~nobody") },
    UpdateStorageLimit: { appId, limit: 5n },
    BeginTransaction: { app: "fuzzed" },
    Commit: transaction,
    Rollback: transaction,
  };
  return Object.fromEntries(
    METHOD_NAMES.map((name) => {
      const input = inputOf(name);
      return [name, toBinary(input, create(input, messages[name]))];
    }),
  ) as Record<MethodName, Uint8Array>;
}

describe("a call", () => {
  it("is answered in the envelope", async () => {
    expect(await post(envelope("taskqueue", "FetchQueueStats", STATS), { vars })).toMatchObject({
      kind: "ok",
    });
  });

  it.each([
    ["taskqueue", "Nothing"],
    ["taskqueue", "constructor"],
    ["memcache", "Get"],
    ["datastore_v3", "Put"],
    ["datastore_v3", "AddActions"],
    ["", ""],
  ])("of %s.%s is CALL_NOT_FOUND", async (service, method) => {
    expect(await post(envelope(service, method, STATS), { vars })).toMatchObject({
      kind: "rpc",
      code: Rpc.CALL_NOT_FOUND,
    });
  });

  it.each(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])("by %s is BAD_REQUEST", async (method) => {
    expect(await post(undefined, { method, vars })).toMatchObject({
      kind: "rpc",
      code: Rpc.BAD_REQUEST,
    });
  });

  it("of a path below is CALL_NOT_FOUND", async () => {
    const body = envelope("taskqueue", "FetchQueueStats", STATS);
    expect(await post(body, { path: "/rpc_http/x", vars })).toMatchObject({
      kind: "rpc",
      code: Rpc.CALL_NOT_FOUND,
    });
  });
});

describe("what cannot be read", () => {
  it.each([
    ["nothing", raw()],
    ["a varint that does not end", raw([0x10, 0xff, 0xff])],
    ["a varint of eleven bytes", raw([0x10], new Uint8Array(11).fill(0xff))],
    ["a field number of 0", raw([0x02, 0x00])],
    ["an unknown wire type", raw([0x17])],
    ["a length beyond the end", raw([0x12, 0x7f, 0x41])],
    ["a length beyond 2^32", raw([0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ["a group that ends without beginning", raw([0x0c])],
    ["a group that does not end", raw([0x0b])],
    ["a required field with the wrong wire type", raw([0x10, 0x01, 0x1a, 0, 0x22, 0])],
    ["no method", lengthDelimited(2, bytes("taskqueue"))],
  ])("as an envelope: %s", async (_what, body) => {
    expect(await post(body, { vars })).toMatchObject(PARSE_ERROR);
  });

  it.each<[string, MethodName, Uint8Array]>([
    ["a required field missing", "PurgeQueue", raw()],
    ["a required field missing in a part", "BulkAdd", raw([0x0a, 0x03, 0x0a, 0x01, 0x61])],
    [
      "a required field missing in a group",
      "Add",
      raw(MINIMAL_ADD, [0x33, 0x3a, 0x01, 0x61, 0x34]),
    ],
    ["a group that ends as another", "Add", raw(MINIMAL_ADD, [0x33, 0x3c])],
    ["a group within bytes", "Add", raw(MINIMAL_ADD, [0x32, 0x00])],
    [
      "a part that is longer than its length",
      "BulkAdd",
      raw([0x0a, 0x02, 0x0a, 0x05], bytes("hello")),
    ],
    ["an enum value that is none", "Add", raw(MINIMAL_ADD, [0x28, 0x63])],
    ["a fixed64 for a double", "ModifyTaskLease", raw([0x0a, 0, 0x12, 0, 0x18, 0, 0x20, 0])],
  ])("as a message: %s", async (_what, name, message) => {
    expect(await post(envelope("taskqueue", name, message), { vars })).toMatchObject(PARSE_ERROR);
  });

  it("names the field that is missing", async () => {
    const answer = await post(envelope("taskqueue", "PurgeQueue", raw()), { vars });
    expect(answer).toMatchObject({
      detail:
        "The message cannot be read: TaskQueuePurgeQueueRequest lacks its required field queue_name.",
    });
  });

  it("skips what it does not know, groups included, but not groups without end in groups", async () => {
    const unknown = raw([0xf8, 0x01, 0x05], [0xfb, 0x01, 0x08, 0x01, 0xfc, 0x01]);
    const name = lengthDelimited(2, bytes("default"));
    const body = envelope("taskqueue", "PurgeQueue", raw(unknown, name));
    expect(await post(body, { vars })).toMatchObject({ kind: "ok" });
    const deep = new Uint8Array(1_000_000).fill(0x53);
    for (const message of [deep, raw(name, deep.subarray(0, 5000))]) {
      const answer = await post(envelope("taskqueue", "PurgeQueue", message), { vars });
      expect(answer).toMatchObject(PARSE_ERROR);
    }
    expect(await post(deep, { vars })).toMatchObject(PARSE_ERROR);
  });
});

describe("what is too large", () => {
  const TOO_LARGE = { kind: "rpc", code: Rpc.REQUEST_TOO_LARGE };

  it("is refused by its declared length and by what arrives, and no more is read", async () => {
    const headers = { "content-length": String(2 ** 25 + 1) };
    expect(await post(new Uint8Array(2 ** 25 + 1), { vars, headers })).toMatchObject(TOO_LARGE);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 2 ** 20;
        controller.enqueue(new Uint8Array(2 ** 20));
      },
    });
    expect(await post(endless, { vars })).toMatchObject(TOO_LARGE);
    expect(sent).toBeLessThan(2 ** 26);
  });

  it("is a small body that would fill the memory once it is decoded", async () => {
    const empties = new Uint8Array(400_000);
    for (let index = 0; index < empties.length; index += 2) empties[index] = 0x12;
    const message = raw(lengthDelimited(1, bytes("q")), empties);
    expect(await post(envelope("taskqueue", "Delete", message), { vars })).toMatchObject(TOO_LARGE);
  });

  it("is read up to 32 MiB", async () => {
    const message = new Uint8Array(2 ** 25 - 100);
    expect(await post(envelope("taskqueue", "Add", message), { vars })).toMatchObject(PARSE_ERROR);
  });
});

describe("the deadline", () => {
  const body = envelope("taskqueue", "FetchQueueStats", STATS);
  const late = { kind: "rpc", code: Rpc.DEADLINE_EXCEEDED };

  it.each(["10", "5.0", "60", "0.5e2", "soon", "", "NaN"])(
    "%s lets a call through",
    async (value) => {
      const headers = { "x-google-rpc-service-deadline": value };
      expect(await post(body, { vars, headers })).toMatchObject({ kind: "ok" });
    },
  );

  it.each(["0", "-1", "-Infinity"])("%s has passed", async (value) => {
    const headers = { "x-google-rpc-service-deadline": value };
    expect(await post(body, { vars, headers })).toMatchObject(late);
  });

  it("ends a call whose body never comes", async () => {
    const silent = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) });
    const headers = { "x-google-rpc-service-deadline": "0.02" };
    expect(await post(silent, { vars, headers })).toMatchObject(late);
  });
});

describe("the caller", () => {
  const closed = { ...vars, OPEN_MODE: "" };
  const guarded = { ...closed, API_TOKEN: "s3cret" };
  const call = (given: object, ticket?: string, headers: Record<string, string> = {}) =>
    post(envelope("taskqueue", "FetchQueueStats", STATS, ticket), { vars: { ...given }, headers });
  const refused = { kind: "rpc", code: Rpc.SECURITY_VIOLATION };

  it("shows the token as the ticket, or in a header", async () => {
    expect(await call(guarded, "s3cret")).toMatchObject({ kind: "ok" });
    const headers = { authorization: "Bearer s3cret" };
    expect(await call(guarded, undefined, headers)).toMatchObject({ kind: "ok" });
    expect(await call(guarded, "some-request-id", headers)).toMatchObject({ kind: "ok" });
  });

  it("is refused without it, and where no token is set at all", async () => {
    const hint = expect.stringContaining("HTTP_X_APPENGINE_API_TICKET");
    expect(await call(guarded)).toMatchObject({ ...refused, detail: hint });
    expect(await call(guarded, "")).toMatchObject(refused);
    expect(await call(guarded, "wrong")).toMatchObject(refused);
    expect(await call(guarded, "s3cret s3cret")).toMatchObject(refused);
    expect(await call(closed, "s3cret")).toMatchObject(refused);
  });

  it("is refused before the method is looked at, and never told the token", async () => {
    const answer = await post(envelope("memcache", "Get", STATS, "wrong"), { vars: guarded });
    expect(answer).toMatchObject(refused);
    expect(JSON.stringify(answer)).not.toContain("s3cret");
  });

  it("is not asked in open mode", async () => {
    expect(await call(vars)).toMatchObject({ kind: "ok" });
    expect(await call(vars, "anything")).toMatchObject({ kind: "ok" });
  });
});

describe("a platform failure", () => {
  const failing = (error: Error) => {
    const REGISTRY = {};
    const stub = () => {
      throw error;
    };
    const QUEUE = { idFromName: () => ({}), get: stub, getByName: stub };
    return { QUEUE, REGISTRY } as unknown as Record<string, string>;
  };
  const call = (error: Error) => {
    const app = new RpcApp();
    app.vars = failing(error);
    return app.refused("PurgeQueue", { queueName: bytes("q") });
  };

  it("is TRANSIENT_ERROR where the platform says that it may be tried again", async () => {
    const app = new RpcApp();
    app.vars = failing(Object.assign(new Error("restarting"), { retryable: true }));
    const stats = () => app.refused("FetchQueueStats", { queueName: [bytes("q")] });
    expect(await stats()).toBe("TRANSIENT_ERROR");
    app.vars = failing(Object.assign(new Error("busy"), { overloaded: true }));
    expect(await stats()).toBe("TRANSIENT_ERROR");
  });

  it("is INTERNAL_ERROR otherwise, told in the log alone", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    try {
      expect(await call(new Error("a secret of the inside"))).toBe("INTERNAL_ERROR");
      expect(log).toHaveBeenCalledOnce();
    } finally {
      log.mockRestore();
    }
  });
});

describe("any bytes", () => {
  const method = fc.constantFrom(...METHOD_NAMES);

  it("make a proper answer as an envelope", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (body) => {
        // post() itself expects HTTP 200 and an envelope that can be read.
        expect((await post(body, { vars })).kind).toBe("rpc");
      }),
      { numRuns: 150 },
    );
  });

  it("make a proper answer as a message of any method", async () => {
    await fc.assert(
      fc.asyncProperty(method, fc.uint8Array({ maxLength: 100 }), async (name, message) => {
        await post(envelope(serviceOf(name), name, message), { vars });
      }),
      { numRuns: 200 },
    );
  });

  it("make a proper answer as a message that was damaged", async () => {
    const edits = fc.array(
      fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), cut: fc.boolean() }),
      { maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(method, edits, fc.boolean(), async (name, changes, isInEnvelope) => {
        const message = damaged(SAMPLES[name], isInEnvelope ? [] : changes);
        const body = envelope(serviceOf(name), name, message);
        await post(damaged(body, isInEnvelope ? changes : []), { vars });
      }),
      { numRuns: 300 },
    );
  });
});

function damaged(
  message: Uint8Array,
  changes: readonly { at: number; byte: number; cut: boolean }[],
): Uint8Array {
  let bytesLeft = message.slice();
  for (const { at, byte, cut } of changes) {
    if (bytesLeft.length === 0) break;
    const place = at % bytesLeft.length;
    if (cut) bytesLeft = bytesLeft.slice(0, place);
    else bytesLeft[place] = byte;
  }
  return bytesLeft;
}
