/** What the methods of a queue take and tell. */
import type { CallOptions } from "./connection.ts";
import { InvalidLeaseTimeError, InvalidMaxTasksError } from "./errors.ts";
import * as limits from "./limits.ts";

export interface LeaseOptions extends CallOptions {
  /** Seconds to wait for tasks where there are none, at most 60; 0, the default, answers at once. */
  readonly wait?: number | undefined;
}

export interface ListOptions extends CallOptions {
  /** Tasks that are asked for at a time, at most 1000. */
  readonly pageSize?: number | undefined;
  /** Whether tasks come with their payloads. */
  readonly withPayload?: boolean | undefined;
}

/** A queue as it is. */
export interface QueueInfo {
  readonly name: string;
  readonly mode: "push" | "pull";
  readonly state: "RUNNING" | "PAUSED" | "DISABLED";
  /** Tasks a second; push queues. */
  readonly rate?: number;
  /** Tasks that may be sent at once when none was for a while; push queues. */
  readonly bucketSize?: number;
  /** Attempts at a time; push queues. */
  readonly maxConcurrentRequests?: number;
}

/** InvalidLeaseTimeError, InvalidMaxTasksError. */
export function checkLease(leaseSeconds: number, maxTasks: number): void {
  checkLeaseSeconds(leaseSeconds);
  const max = limits.MAX_TASKS_PER_LEASE;
  if (Number.isInteger(maxTasks) && maxTasks >= 1 && maxTasks <= max) return;
  throw new InvalidMaxTasksError(`maxTasks must be a whole number, 1 to ${max}.`);
}

/** InvalidLeaseTimeError for what is no number from 0 to a week. */
export function checkLeaseSeconds(seconds: number): void {
  const max = limits.MAX_LEASE_SECONDS;
  if (typeof seconds === "number" && seconds >= 0 && seconds <= max) return;
  throw new InvalidLeaseTimeError(`leaseSeconds must be a number, 0 to ${max}.`);
}
