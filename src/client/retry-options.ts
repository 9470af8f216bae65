/** How a task is retried. */
import { InvalidTaskRetryOptionsError } from "./errors.ts";

/** Each stands for the queue's own setting of the name; all of the queue's are replaced together. */
export interface RetryOptions {
  /** Retries after the first attempt; leases of a pull task. */
  readonly taskRetryLimit?: number | undefined;
  /** Seconds since the first attempt for which a task is retried. */
  readonly taskAgeLimit?: number | undefined;
  /** Seconds before the first retry. */
  readonly minBackoffSeconds?: number | undefined;
  /** Seconds between retries, at most. */
  readonly maxBackoffSeconds?: number | undefined;
  /** How often the time between retries doubles before it grows evenly. */
  readonly maxDoublings?: number | undefined;
}

const NAMES = [
  "taskRetryLimit",
  "taskAgeLimit",
  "minBackoffSeconds",
  "maxBackoffSeconds",
  "maxDoublings",
] as const;
const WHOLE: readonly string[] = ["taskRetryLimit", "maxDoublings"];

/**
 * Retry options of a task. With both limits a task is given up when both are passed.
 * InvalidTaskRetryOptionsError when one is negative, not a number, or min is above max.
 *
 * @example
 * const retryOptions = new TaskRetryOptions({ taskRetryLimit: 5, minBackoffSeconds: 2 });
 * await connection.queue().add(new Task({ url: "/report", retryOptions }));
 */
export class TaskRetryOptions implements RetryOptions {
  declare readonly taskRetryLimit?: number;
  declare readonly taskAgeLimit?: number;
  declare readonly minBackoffSeconds?: number;
  declare readonly maxBackoffSeconds?: number;
  declare readonly maxDoublings?: number;

  constructor(options: RetryOptions = {}) {
    for (const name of NAMES) {
      const value = options[name];
      if (value === undefined) continue;
      const isWrong = !(value >= 0) || !Number.isFinite(value);
      if (isWrong || (WHOLE.includes(name) && !Number.isInteger(value))) {
        throw new InvalidTaskRetryOptionsError(
          `${name} must be a ${WHOLE.includes(name) ? "whole " : ""}number, 0 or more.`,
        );
      }
      this[name] = value;
    }
    const { minBackoffSeconds: min, maxBackoffSeconds: max } = this;
    if (min !== undefined && max !== undefined && min > max) {
      throw new InvalidTaskRetryOptionsError(
        "minBackoffSeconds must not be above maxBackoffSeconds.",
      );
    }
  }

  /** The names of what is given. */
  get given(): readonly (keyof RetryOptions)[] {
    return NAMES.filter((name) => this[name] !== undefined);
  }
}
