/** What an answer or a failure is taken for. */
import { describe, expect, it } from "vitest";
import {
  endOfFailure,
  endOfResponse,
  failureText,
  retryAfterUs,
} from "../../src/dispatch/outcome.ts";

const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 0);
const HOUR_US = 3600e6;

describe("Retry-After", () => {
  it.each([
    ["0", undefined],
    ["1", 1e6],
    [" 120 ", 120e6],
    ["1.5", 1.5e6],
    ["3600", HOUR_US],
    ["3601", HOUR_US],
    ["99999999999999999999", HOUR_US],
    ["Sat, 21 Nov 2026 12:00:30 GMT", 30e6],
    ["Saturday, 21-Nov-26 12:00:30 GMT", 30e6],
    ["Sat Nov 21 12:00:30 2026", 30e6],
    ["Sun, 22 Nov 2026 12:00:00 GMT", HOUR_US],
    ["Sat, 21 Nov 2026 11:59:59 GMT", undefined],
    ["Sat, 99 Foo 2026 12:00:30 GMT", undefined],
    ["-5", undefined],
    ["soon", undefined],
    ["", undefined],
    ["2026-11-21T12:00:30Z", undefined],
    [null, undefined],
  ])("%s: %s µs", (value, expected) => {
    expect(retryAfterUs(503, value, NOW_MS)).toBe(expected);
  });

  it.each([
    [200, undefined],
    [204, undefined],
    [301, 7e6],
    [404, 7e6],
    [429, 7e6],
    [503, 7e6],
  ])("of an answer %i: %s", (status, expected) => {
    expect(retryAfterUs(status, "7", NOW_MS)).toBe(expected);
  });
});

describe("an answer", () => {
  const response = (status: number, headers: Record<string, string> = {}) =>
    new Response(null, { status, headers });

  it.each([200, 204, 302, 404, 500])("%i is a response", (status) => {
    expect(endOfResponse(response(status), "http", NOW_MS)).toEqual({
      end: { kind: "response", status },
    });
  });

  it("tells how long to wait, for HTTP targets only", () => {
    const slow = response(429, { "Retry-After": "7" });
    const end = { kind: "response", status: 429 };
    expect(endOfResponse(slow, "http", NOW_MS)).toEqual({ end, retryAfterUs: 7e6 });
    expect(endOfResponse(slow, "appEngine", NOW_MS)).toEqual({ end });
  });
});

describe("a failure", () => {
  const lost = Object.assign(new Error("Network connection lost."), { retryable: true });

  it("past the deadline is a timeout, whatever it says", () => {
    expect(endOfFailure(lost, true, false)).toEqual({ kind: "timeout" });
    expect(endOfFailure(lost, true, true)).toEqual({ kind: "timeout" });
  });

  it("before it is unreachable", () => {
    expect(endOfFailure(lost, false, false)).toEqual({
      kind: "unreachable",
      message: "Network connection lost.",
    });
  });

  it("thrown by a bound Worker's handler is its answer of 500", () => {
    const thrown = Object.assign(new Error("boom"), { remote: true });
    expect(endOfFailure(thrown, false, true)).toEqual({ kind: "response", status: 500 });
    expect(endOfFailure(thrown, false, false).kind).toBe("unreachable");
  });

  it.each([
    ["retryable", { remote: true, retryable: true }],
    ["overloaded", { remote: true, overloaded: true }],
    ["local", {}],
  ])("of a binding that is %s is unreachable", (_, marks) => {
    expect(endOfFailure(Object.assign(new Error("x"), marks), false, true)).toEqual({
      kind: "unreachable",
      message: "x",
    });
  });
});

describe("the text of a failure", () => {
  const HIDDEN =
    "The target could not be reached: its name did not resolve or the connection failed.";
  it.each([
    [new Error("Network connection lost."), "Network connection lost."],
    ["just text", "just text"],
    [new Error("internal error; reference = 63t0v8otv8dit6p9aki70v79"), HIDDEN],
    [new Error(""), HIDDEN],
    [undefined, "undefined"],
    [new Error("x".repeat(1000)), "x".repeat(300)],
  ])("%s", (error, text) => {
    expect(failureText(error)).toBe(text);
  });
});
