/** Makes legal things for tests; a test states only what it is about. */
import type {
  QueueName,
  QueueSettings,
  TaskMeta,
  TaskParts,
  TaskSpec,
} from "../../src/core/model.ts";
import { encodeMeta, partsOf } from "../../src/core/model.ts";

export const SECOND = 1e6;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A fixed moment in 2026, microseconds. */
export const NOW = Date.UTC(2026, 10, 21, 12) * 1000;

let counter = 0;

/** A queue name that no other test of this run has. */
export function uniqueQueue(): QueueName {
  return {
    project: `p-${crypto.randomUUID().slice(0, 8)}`,
    location: "us-central1",
    queue: `q-${++counter}`,
  };
}

/** Settings with rates that do not get in the way. */
export function settings(changes: Partial<QueueSettings> = {}): QueueSettings {
  return {
    type: "PUSH",
    rateLimits: {
      maxDispatchesPerSecond: 100_000,
      maxBurstSize: 10_000,
      maxConcurrentDispatches: 1000,
    },
    retryConfig: {
      maxAttempts: 100,
      maxRetryDurationUs: 0,
      minBackoffUs: 0.1 * SECOND,
      maxBackoffUs: HOUR,
      maxDoublings: 16,
    },
    taskTtlUs: 31 * DAY,
    tombstoneTtlUs: HOUR,
    ...changes,
  };
}

/** The settled part of an HTTP task. */
export function httpMeta(changes: Partial<TaskMeta> = {}): TaskMeta {
  return {
    target: { kind: "http", url: "https://example.com/hook", method: "POST", headers: {} },
    ...changes,
  };
}

/** A small HTTP task that is due now. */
export function taskSpec(changes: Partial<TaskSpec> = {}): TaskSpec {
  return { meta: encodeMeta(httpMeta()), ...changes };
}

/** The same, in the parts that travel to the queue's object. */
export function taskParts(changes: Partial<TaskSpec> = {}): TaskParts {
  return partsOf(taskSpec(changes));
}
