/** Resource names: patterns of limits.md §2, building and parsing. */
import { describe, expect, it, test } from "vitest";
import {
  isProjectId,
  isQueueId,
  isTaskId,
  locationPath,
  operationPath,
  parseOperationId,
  parseQueuePath,
  queueObjectName,
  queuePath,
  registryObjectName,
  splitTaskPath,
  taskPath,
} from "../../src/core/names.ts";

const NAME = { project: "p1", location: "us-central1", queue: "q-1" };

describe("ids", () => {
  test.each([
    ["my-project", true],
    ["example.com:app", true],
    ["123", true],
    ["", false],
    ["a_b", false],
    ["a/b", false],
    ["a b", false],
  ])("project %j: %s", (id, valid) => expect(isProjectId(id)).toBe(valid));

  test.each([
    ["q", true],
    ["A-9", true],
    ["q".repeat(100), true],
    ["q".repeat(101), false],
    ["", false],
    ["a_b", false],
    ["a:b", false],
    ["ä", false],
    ["a\n", false],
  ])("queue %j: %s", (id, valid) => expect(isQueueId(id)).toBe(valid));

  test.each([
    ["t", true],
    ["A_9-z", true],
    ["t".repeat(500), true],
    ["t".repeat(501), false],
    ["", false],
    ["a.b", false],
    ["not a valid id", false],
    ["a\n", false],
  ])("task %j: %s", (id, valid) => expect(isTaskId(id)).toBe(valid));
});

describe("paths", () => {
  it("are built", () => {
    expect(locationPath(NAME)).toBe("projects/p1/locations/us-central1");
    expect(queuePath(NAME)).toBe("projects/p1/locations/us-central1/queues/q-1");
    expect(taskPath(NAME, "t")).toBe("projects/p1/locations/us-central1/queues/q-1/tasks/t");
    expect(operationPath(NAME, 7)).toBe("projects/p1/locations/us-central1/operations/q-1-7");
  });

  it("of queues round-trip", () => expect(parseQueuePath(queuePath(NAME))).toEqual(NAME));

  test.each([
    "",
    "q",
    "projects/p1/locations/us-central1/queues/",
    "projects/p1/locations/us-central1/queues/q/",
    "projects/p1/locations/us-central1/queues/q/tasks/t",
    "projects//locations/us-central1/queues/q",
    "projects/p1/locations//queues/q",
    "projects/p1/locations/us-central1/queues/not_valid",
    "projects/p_1/locations/us-central1/queues/q",
    "/projects/p1/locations/us-central1/queues/q",
    "project/p1/locations/us-central1/queues/q",
  ])("%j is no queue's", (path) => expect(parseQueuePath(path)).toBeNull());

  it("of tasks split at the first /tasks/, unchecked", () => {
    expect(splitTaskPath("a/tasks/b")).toEqual({ queuePath: "a", id: "b" });
    expect(splitTaskPath("a/tasks/b/tasks/c")).toEqual({ queuePath: "a", id: "b/tasks/c" });
    expect(splitTaskPath("a/tasks/")).toEqual({ queuePath: "a", id: "" });
    expect(splitTaskPath("a/tasks/x\ny")).toEqual({ queuePath: "a", id: "x\ny" });
    expect(splitTaskPath("tasks/b")).toBeNull();
  });

  test.each([
    ["q-1", { queue: "q", number: 1 }],
    ["my-queue-1795234563550000", { queue: "my-queue", number: 1795234563550000 }],
    ["q-0", null],
    ["q-01", null],
    ["q", null],
    ["-1", null],
    ["q_x-1", null],
    ["q-12345678901234567", null],
  ])("operation %j", (id, expected) => expect(parseOperationId(id)).toEqual(expected));
});

it("objects have one name each", () => {
  expect(queueObjectName(NAME)).toBe("p1/us-central1/q-1");
  expect(registryObjectName(NAME)).toBe("p1/us-central1");
});
