/** How an end is told, as the tables of errors.md §1 and push.md §1. */
import { describe, expect, it } from "vitest";
import type { AttemptEnd } from "../../src/core/attempt.ts";
import {
  attemptStatus,
  isSuccessStatus,
  previousResponse,
  retryReason,
} from "../../src/core/attempt-status.ts";

const response = (status: number): AttemptEnd => ({ kind: "response", status });

describe("attemptStatus", () => {
  it.each([
    [200, 0, "OK(0): HTTP status code 200"],
    [204, 0, "OK(0): HTTP status code 204"],
    [400, 3, "INVALID_ARGUMENT(3): HTTP status code 400"],
    [401, 16, "UNAUTHENTICATED(16): HTTP status code 401"],
    [403, 7, "PERMISSION_DENIED(7): HTTP status code 403"],
    [404, 5, "NOT_FOUND(5): HTTP status code 404"],
    [409, 6, "ALREADY_EXISTS(6): HTTP status code 409"],
    [429, 8, "RESOURCE_EXHAUSTED(8): HTTP status code 429"],
    [499, 1, "CANCELLED(1): HTTP status code 499"],
    [500, 13, "INTERNAL(13): HTTP status code 500"],
    [501, 12, "UNIMPLEMENTED(12): HTTP status code 501"],
    [503, 14, "UNAVAILABLE(14): HTTP status code 503"],
    [504, 4, "DEADLINE_EXCEEDED(4): HTTP status code 504"],
    [302, 2, "UNKNOWN(2): HTTP status code 302"],
    [418, 2, "UNKNOWN(2): HTTP status code 418"],
    [502, 2, "UNKNOWN(2): HTTP status code 502"],
  ])("an answer of %i", (status, code, message) => {
    expect(attemptStatus(response(status))).toEqual({ code, message });
  });

  it.each([
    [
      { kind: "timeout" },
      4,
      "DEADLINE_EXCEEDED(4): The target did not answer before the deadline.",
    ],
    [{ kind: "unreachable", message: "no way" }, 14, "UNAVAILABLE(14): no way"],
    [{ kind: "refused", message: "not there" }, 9, "FAILED_PRECONDITION(9): not there"],
    [{ kind: "lost" }, 2, "UNKNOWN(2): The attempt was lost before its outcome was known."],
  ] as const)("%o", (end, code, message) => {
    expect(attemptStatus(end)).toEqual({ code, message });
  });
});

it.each([
  [199, false],
  [200, true],
  [299, true],
  [300, false],
  [500, false],
])("success: %i is %s", (status, expected) => {
  expect(isSuccessStatus(status)).toBe(expected);
});

describe("the headers of the next attempt", () => {
  it.each([
    [response(503), "503", "", "503", "App Error"],
    [response(404), "404", "", "404", "App Error"],
    [response(302), "302", "", "302", "App Error"],
    [{ kind: "timeout" }, "504", "", "0", "Instance Unavailable"],
    [{ kind: "unreachable", message: "" }, "503", "", "0", "Instance Unavailable"],
    [{ kind: "refused", message: "" }, "503", "", "0", "Instance Unavailable"],
    [{ kind: "lost" }, "503", "", "0", "Instance Unavailable"],
  ] as const)("after %o", (end, httpPrevious, httpReason, previous, reason) => {
    expect(previousResponse(end, "http")).toBe(httpPrevious);
    expect(retryReason(end, "http")).toBe(httpReason);
    expect(previousResponse(end, "appEngine")).toBe(previous);
    expect(retryReason(end, "appEngine")).toBe(reason);
  });
});
