/** Scalars of protobuf's JSON form, as tables, and the round trips between them. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  camelCase,
  readBytes,
  readDouble,
  readDuration,
  readEnum,
  readInt32,
  readInt64,
  readTimestamp,
  snakeCase,
  writeBytes,
  writeDuration,
  writeEnum,
  writePacificTime,
  writeSeconds,
  writeTimestamp,
} from "../../src/protocol/wire.ts";

describe("durations", () => {
  test.each([
    ["0s", 0, "0s"],
    ["15s", 15e6, "15s"],
    ["0.100s", 100_000, "0.100s"],
    ["0.1s", 100_000, "0.100s"],
    ["1.500s", 1_500_000, "1.500s"],
    ["10.000001s", 10_000_001, "10.000001s"],
    ["10.000000001s", 10e6, "10s"],
    ["1.000000999s", 1e6, "1s"],
    ["-1.5s", -1_500_000, "-1.500s"],
    ["-0.5s", -500_000, "-0.500s"],
    ["-0s", 0, "0s"],
    ["315576000000s", 9e15, "9000000000s"],
  ])("%s is %i µs, written %s", (text, us, written) => {
    expect(readDuration(text)).toBe(us);
    expect(writeDuration(us)).toBe(written);
  });

  test.each([
    "",
    "s",
    "15",
    "1.s",
    ".5s",
    "1.1234567890s",
    "1m",
    " 1s",
    "1s ",
    "+1s",
    "1e3s",
    "315576000001s",
    15,
    null,
    {},
    true,
  ])("%j is none", (value) => expect(readDuration(value)).toBeUndefined());

  it("round-trip", () => {
    fc.assert(
      fc.property(fc.integer({ min: -9e15, max: 9e15 }), (us) => {
        expect(readDuration(writeDuration(us))).toBe(us === 0 ? 0 : us);
      }),
    );
  });
});

describe("timestamps", () => {
  test.each([
    ["1970-01-01T00:00:00Z", 0],
    ["2030-03-17T17:46:40.000Z", 1_900_000_000e6],
    ["2030-03-17T17:46:40.000005Z", 1_900_000_000e6 + 5],
    ["2030-03-17T17:46:40.123456789Z", 1_900_000_000e6 + 123_456],
    ["2030-03-17T17:46:40.1Z", 1_900_000_000e6 + 100_000],
    ["2030-03-17t17:46:40z", 1_900_000_000e6],
    ["2030-03-17T18:46:40+01:00", 1_900_000_000e6],
    ["2030-03-17T12:16:40-05:30", 1_900_000_000e6],
    ["2024-02-29T00:00:00Z", 1_709_164_800e6],
    ["1969-12-31T23:59:59.5Z", -500_000],
    ["0001-01-01T00:00:00Z", -62_135_596_800e6],
    ["9999-12-31T23:59:59Z", 253_402_300_799e6],
  ])("%s", (text, us) => expect(readTimestamp(text)).toBe(us));

  test.each([
    "",
    "2030-03-17",
    "2030-03-17T17:46:40",
    "2030-03-17 17:46:40Z",
    "2030-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2030-13-01T00:00:00Z",
    "2030-00-01T00:00:00Z",
    "2030-01-01T24:00:00Z",
    "2030-01-01T00:60:00Z",
    "2030-01-01T00:00:60Z",
    "2030-01-01T00:00:00.1234567890Z",
    "2030-01-01T00:00:00+24:00",
    "0000-01-01T00:00:00Z",
    "+2030-01-01T00:00:00Z",
    1,
    null,
    {},
  ])("%j is none", (value) => expect(readTimestamp(value)).toBeUndefined());

  test.each([
    [1_900_000_000e6, "2030-03-17T17:46:40Z"],
    [1_900_000_000e6 + 5, "2030-03-17T17:46:40.000005Z"],
    [1_900_000_000e6 + 120_000, "2030-03-17T17:46:40.120Z"],
    [-500_000, "1969-12-31T23:59:59.500Z"],
  ])("%i is written %s", (us, text) => expect(writeTimestamp(us)).toBe(text));

  it("of creation are whole seconds", () => {
    expect(writeSeconds(1_900_000_000e6 + 999_999)).toBe("2030-03-17T17:46:40Z");
  });

  it("round-trip", () => {
    fc.assert(
      fc.property(fc.integer({ min: -6e15, max: 8e15 }), (us) => {
        expect(readTimestamp(writeTimestamp(us))).toBe(us);
      }),
    );
  });

  test.each([
    ["2100-01-01T00:00:00Z", "2099-12-31T16:00:00-08:00"],
    ["2099-07-01T07:00:00.75Z", "2099-07-01T00:00:00-07:00"],
    ["2100-01-01T08:00:00Z", "2100-01-01T00:00:00-08:00"],
  ])("%s is %s on the Pacific coast", (utc, pacific) => {
    expect(writePacificTime(readTimestamp(utc) ?? 0)).toBe(pacific);
  });
});

describe("numbers", () => {
  test.each([
    [5, 5],
    ["5", 5],
    [-1, -1],
    ["-1", -1],
    [1.0, 1],
    [2147483647, 2147483647],
    [-2147483648, -2147483648],
  ])("int32 %j", (value, number) => expect(readInt32(value)).toBe(number));

  test.each([1.5, "1.5", "", "x", "1e3", 2147483648, "2147483648", true, {}, []])(
    "%j is no int32",
    (value) => expect(readInt32(value)).toBeUndefined(),
  );

  test.each([
    ["8080", 8080],
    [8080, 8080],
    ["-5", -5],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ])("int64 %j", (value, number) => expect(readInt64(value)).toBe(number));

  test.each(["9007199254740993", "1.5", "a", 1.5, null])("%j is no int64 kept here", (value) =>
    expect(readInt64(value)).toBeUndefined(),
  );

  test.each([
    [1.5, 1.5],
    ["1.5", 1.5],
    ["-1e2", -100],
    [".5", 0.5],
    [0, 0],
  ])("double %j", (value, number) => expect(readDouble(value)).toBe(number));

  test.each(["", "x", "NaN", "Infinity", "0x10", Number.NaN, Infinity, null, []])(
    "%j is no double",
    (value) => expect(readDouble(value)).toBeUndefined(),
  );
});

describe("enums", () => {
  const names = ["ZERO", "ONE", "TWO"] as const;
  test.each([
    ["ONE", "ONE"],
    [1, "ONE"],
    ["1", "ONE"],
    [0, "ZERO"],
    ["one", undefined],
    [3, undefined],
    [-1, undefined],
    [1.5, undefined],
    ["", undefined],
    [true, undefined],
  ])("%j is %s", (value, name) => expect(readEnum(names, value)).toBe(name));

  it("are written as names or numbers", () => {
    expect(writeEnum(names, "TWO", false)).toBe("TWO");
    expect(writeEnum(names, "TWO", true)).toBe(2);
  });
});

describe("bytes", () => {
  test.each([
    ["AP8+Pw==", [0, 255, 62, 63]],
    ["AP8-Pw==", [0, 255, 62, 63]],
    ["AP8-Pw", [0, 255, 62, 63]],
    ["_-8=", [255, 239]],
    ["aGk=", [104, 105]],
    ["aGk", [104, 105]],
    ["", []],
  ])("%j", (text, bytes) => expect([...(readBytes(text) ?? [-1])]).toEqual(bytes));

  test.each(["a", "a===", "****", "aGk=a", 5, null, {}])("%j is none", (value) =>
    expect(readBytes(value)).toBeUndefined(),
  );

  it("round-trip, whatever the length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(readBytes(writeBytes(bytes))).toEqual(bytes);
      }),
    );
    const long = new Uint8Array(100_003).map((_, index) => index * 7);
    expect(readBytes(writeBytes(long))).toEqual(long);
  });
});

test.each([
  ["max_attempts", "maxAttempts"],
  ["name", "name"],
  ["a_1b", "a1b"],
])("%s is %s in JSON", (proto, json) => expect(camelCase(proto)).toBe(json));
test.each([
  ["maxAttempts", "max_attempts"],
  ["name", "name"],
])("%s is %s in proto", (json, proto) => expect(snakeCase(json)).toBe(proto));
