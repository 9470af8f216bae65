/** Conditions of bindings: which expressions are taken, and what they say. */
import { describe, expect, it, test } from "vitest";
import { compileCondition } from "../../src/auth/iam/condition.ts";
import type { Attributes } from "../../src/auth/iam/evaluate.ts";

/** A Saturday noon in UTC. */
const NOW = Date.UTC(2026, 10, 21, 12, 30) * 1000;

const QUEUE: Attributes = {
  name: "projects/p/locations/us-central1/queues/mail-1",
  type: "cloudtasks.googleapis.com/Queue",
  service: "cloudtasks.googleapis.com",
  nowUs: NOW,
};

function holds(expression: string, changes: Partial<Attributes> = {}): boolean {
  const compiled = compileCondition(expression);
  if (!compiled.ok) throw new Error(compiled.error.message);
  return compiled.value({ ...QUEUE, ...changes });
}

describe("an expression", () => {
  test.each([
    ["resource.name.startsWith('projects/p/locations/us-central1/queues/mail-')", true],
    ["resource.name.startsWith('projects/q/')", false],
    ["resource.name.endsWith('/mail-1')", true],
    ["resource.name.contains('/queues/')", true],
    ["resource.type == 'cloudtasks.googleapis.com/Queue'", true],
    ["resource.service != 'cloudtasks.googleapis.com'", false],
    ["resource.type in ['a', 'cloudtasks.googleapis.com/Queue']", true],
    ["resource.name.extract('/queues/{queue}') == 'mail-1'", true],
    ["resource.name.extract('projects/{project}/') == 'p'", true],
    ["resource.name.extract('/locations/{l}/queues/') == 'us-central1'", true],
    ["resource.name.extract('/tasks/{task}') == ''", true],
    ["resource.name.extract('queues/{queue}/tasks') == ''", true],
    ["resource.name.extract('{all}') == resource.name", true],
    ["resource.name.extract('no template') == ''", true],
    ["resource.name.extract('{a}/{b}') == ''", true],
    ["request.time < timestamp('2026-11-21T12:30:00.001Z')", true],
    ["request.time < timestamp('2026-11-21T12:30:00Z')", false],
    ["request.time >= timestamp('2026-11-21T00:00:00+01:00')", true],
    ["request.time - timestamp('2026-11-21T12:00:00Z') == duration('1800s')", true],
    ["request.time + duration('1h') > timestamp('2026-11-21T13:00:00Z')", true],
    ["request.time.getHours() == 12", true],
    ["request.time.getHours('America/Los_Angeles') == 4", true],
    ["request.time.getHours('+02:00') == 14", true],
    [
      "request.time.getDayOfWeek('Europe/Berlin') >= 1 && request.time.getDayOfWeek('UTC') <= 5",
      false,
    ],
    ["request.time.getFullYear() == 2026 && request.time.getMonth() == 10", true],
    ["request.time.getDate() == 21 || request.time.getDayOfYear() == 0", true],
    ["!(resource.name == 'x') ? true : false", true],
    ["true", true],
    ["-1 + 2 - 1 == 0", true],
  ])("%s is %s", (expression, expected) => expect(holds(expression)).toBe(expected));

  it("that fails while it is evaluated is false, whatever stands around it", () => {
    const expression = "!(timestamp(resource.name.extract('/queues/{t}')) < request.time)";
    expect(holds(expression)).toBe(false);
    expect(holds(expression, { name: "projects/p/queues/2100-01-01T00:00:00Z" })).toBe(true);
    expect(holds("request.time.getHours(resource.name) >= 0")).toBe(false);
  });
});

describe("an expression is refused", () => {
  test.each([
    ["", "empty"],
    ["   ", "empty"],
    ["resource.name ==", /at 1:\d+/],
    ["resource.name =\n= 'x'", /at 1:\d+/],
    ["resource.name == 'x' &&\n resource.size > 1", "wrong at 2:10: 'resource.size' is unknown"],
    ["request.auth.claims.email == 'x'", "unknown"],
    ["resource.matchTag('1/env', 'prod')", "is unknown"],
    ["api.getAttribute('a', []) == 'x'", "'api' is unknown"],
    ["resource.name", "it is a string, not a bool"],
    ["request.time", "it is a timestamp, not a bool"],
    ["resource.name > 5", "there is no string > int"],
    ["resource.name == 5", "there is no string == int"],
    ["request.time < '2030-01-01T00:00:00Z'", "there is no timestamp < string"],
    ["resource.name && true", "there is no string && bool"],
    ["resource.name in 'x'", "there is no string in string"],
    ["resource.name in []", "elements of one type"],
    ["resource.name.matches('^a+$')", "there is no .matches(string,string)"],
    ["[1, 2].all(x, x > 0)", "part of the language"],
    ["[resource.name].exists(x, x == 'a')", "part of the language"],
    ["has(resource.name)", "'resource.name' is unknown"],
    ["{'a': 1} == {'a': 1}", "part of the language"],
    ["1.5 > 1.0", "no use here"],
    ["size(resource.name) > 1", "there is no size(string)"],
    ["request.time < timestamp('tomorrow')", "'tomorrow' is not what timestamp() takes"],
    ["request.time - request.time < duration('soon')", "'soon' is not what duration() takes"],
    ["request.time.getHours('Mars/Olympus') == 1", "'Mars/Olympus' is not what getHours() takes"],
    [Array.from({ length: 14 }, () => "true").join(" && "), "more than 12 logical operators"],
    [`${"(".repeat(21)}true${")".repeat(21)}`, "nested deeper than 20"],
    [`resource.name == '${"x".repeat(2048)}'`, "longer than 2048"],
  ])("%j", (expression, reason) => {
    const compiled = compileCondition(expression);
    expect(compiled).toMatchObject({ ok: false, error: { code: "INVALID_ARGUMENT" } });
    if (compiled.ok) return;
    if (typeof reason === "string") expect(compiled.error.message).toContain(reason);
    else expect(compiled.error.message).toMatch(reason);
  });
});
