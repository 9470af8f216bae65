/** The size of a stored task, held against bytes that a small encoder really writes. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { TaskMeta } from "../../src/core/model.ts";
import {
  MAX_STORED_TASK_SIZE,
  type SizedTask,
  storedTaskSize,
  utf8Size,
} from "../../src/core/task-size.ts";

const NAME = "projects/p/locations/us-central1/queues/q/tasks/t";
const CREATED = 1_795_234_563_525_123;

/**
 * What a field holds, for the encoder: text, bytes, a message, or an integer (zero: not written).
 */
type Value = string | Uint8Array | bigint | readonly Field[];
type Field = readonly [number: number, value: Value];

function encode(fields: readonly Field[]): Uint8Array {
  const out: number[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "bigint") {
      if (value === 0n) continue;
      out.push(...varint(BigInt(number << 3)), ...varint(BigInt.asUintN(64, value)));
      continue;
    }
    if (value === "") continue;
    const bytes =
      typeof value === "string"
        ? new TextEncoder().encode(value)
        : value instanceof Uint8Array
          ? value
          : encode(value);
    out.push(...varint(BigInt((number << 3) | 2)), ...varint(BigInt(bytes.length)));
    for (const byte of bytes) out.push(byte);
  }
  return new Uint8Array(out);
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return bytes;
}

function time(us: number): Field[] {
  const seconds = Math.floor(us / 1e6);
  return [
    [1, BigInt(seconds)],
    [2, BigInt((us - seconds * 1e6) * 1000)],
  ];
}

const headerFields = (number: number, headers: Readonly<Record<string, string>>): Field[] =>
  Object.entries(headers).map(([key, value]) => [
    number,
    [
      [1, key],
      [2, value],
    ],
  ]);

function sized(meta: TaskMeta, bodySize = 0, changes: Partial<SizedTask> = {}): SizedTask {
  return {
    nameSize: NAME.length,
    scheduleTimeUs: CREATED,
    createTimeUs: CREATED,
    meta,
    bodySize,
    ...changes,
  };
}

const http = (changes: object = {}): TaskMeta => ({
  target: {
    kind: "http",
    url: "https://example.com/wörk",
    method: "POST",
    headers: { "User-Agent": "Google-Cloud-Tasks", "X-Empty": "" },
    ...changes,
  },
});

describe("an HTTP task", () => {
  const request: Field[] = [
    [1, "https://example.com/wörk"],
    [2, 1n],
    ...headerFields(3, { "User-Agent": "Google-Cloud-Tasks", "X-Empty": "" }),
  ];
  const rest: Field[] = [
    [4, time(CREATED)],
    [5, time(CREATED - 525_123)],
  ];

  it("counts name, request, times and the default deadline", () => {
    const bytes = encode([[1, NAME], [3, request], ...rest, [6, time(600e6)]]);
    expect(storedTaskSize(sized(http()))).toBe(bytes.length);
  });

  test.each([1, 127, 128, 16_383, 16_384, 100_000])("counts a body of %i bytes", (size) => {
    const withBody: Field[] = [...request, [4, new Uint8Array(size)]];
    const bytes = encode([[1, NAME], [3, withBody], ...rest, [6, time(600e6)]]);
    expect(storedTaskSize(sized(http(), size))).toBe(bytes.length);
  });

  it("counts its own deadline, retry settings and token", () => {
    const meta: TaskMeta = {
      ...http({ token: { kind: "oidc", serviceAccountEmail: "a@b.c", audience: "aud" } }),
      dispatchDeadlineUs: 15_500_000,
      retryConfig: {
        maxAttempts: -1,
        maxRetryDurationUs: 0,
        minBackoffUs: 100_000,
        maxBackoffUs: 3600e6,
        maxDoublings: 16,
      },
    };
    const token: Field = [
      6,
      [
        [1, "a@b.c"],
        [2, "aud"],
      ],
    ];
    const retry: Field[] = [
      [1, -1n],
      [2, time(0)],
      [3, time(100_000)],
      [4, time(3600e6)],
      [5, 16n],
    ];
    const bytes = encode([
      [1, NAME],
      [3, [...request, token]],
      ...rest,
      [6, time(15_500_000)],
      [14, retry],
    ]);
    expect(storedTaskSize(sized(meta))).toBe(bytes.length);
  });

  it("may have any headers", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ unit: "binary" })), (headers) => {
        const wanted = encode([
          [1, NAME],
          [3, [[1, "u"], [2, 1n], ...headerFields(3, headers)]],
          ...rest,
          [6, time(600e6)],
        ]);
        expect(storedTaskSize(sized(http({ url: "u", headers })))).toBe(wanted.length);
      }),
    );
  });
});

describe("an App Engine task", () => {
  const meta: TaskMeta = {
    target: {
      kind: "appEngine",
      relativeUri: "/x",
      method: "PUT",
      headers: {},
      routing: { service: "worker", host: "worker.p.appspot.com" },
    },
  };
  // The regional form of the host, which is what the live service counts; the service is in it.
  const fields = (deadline: readonly Field[]) =>
    encode([
      [1, NAME],
      [
        2,
        [
          [1, 4n],
          [2, [[4, "worker.p.uc.r.appspot.com"]]],
          [3, "/x"],
        ],
      ],
      [4, time(CREATED)],
      [5, time(CREATED - 525_123)],
      ...deadline,
    ]).length;

  it("counts no deadline but its own", () => {
    expect(storedTaskSize(sized(meta))).toBe(fields([]));
    expect(storedTaskSize(sized({ ...meta, dispatchDeadlineUs: 900e6 }))).toBe(
      fields([[6, time(900e6)]]),
    );
  });
});

it("the limit is the measured one", () => expect(MAX_STORED_TASK_SIZE).toBe(2 ** 20 - 7));

it("UTF-8 sizes are those of the encoder", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(utf8Size(text)).toBe(new TextEncoder().encode(text).length);
    }),
  );
  for (const lone of ["\ud800", "\udc00x", "a\ud83d", "\udc00\ud800", "\ud83d\ude00"]) {
    expect(utf8Size(lone)).toBe(new TextEncoder().encode(lone).length);
  }
});

describe("a pull task", () => {
  it.each([
    [0, ""],
    [5, "a"],
    [100_000, "größe 🎉"],
  ])("of %i bytes with the tag %j is as long as its message", (bodySize, tag) => {
    const times = { scheduleTimeUs: CREATED, createTimeUs: CREATED };
    const meta: TaskMeta = { target: { kind: "pull" } };
    const bytes = encode([
      [1, NAME],
      [3, time(CREATED)],
      [4, time(Math.floor(CREATED / 1e6) * 1e6)],
      [
        13,
        [
          [1, new Uint8Array(bodySize)],
          [2, tag],
        ],
      ],
    ]);
    const size = storedTaskSize({ nameSize: NAME.length, ...times, meta, bodySize, tag });
    expect(size).toBe(bytes.length);
  });
});
