/** From a queue of a queue file to the settings that it stands for (push.md §11). */
import type { SettingsInput, SettingsPatch } from "../core/queue-settings.ts";
import type { QueueDescription, RetryParameters } from "./queue-file.ts";

/** The one queue that every app has, and whose rate has a default. */
export const DEFAULT_QUEUE = "default";

/** Defaults of the file, where they are others than the interface's. */
const DEFAULT_RATE = 5;
const DEFAULT_BUCKET_SIZE = 5;
/** Queues of a file keep task names for 9 days and tasks for 10 years (limits.md §3). */
export const TOMBSTONE_TTL_US = 777_600e6;
export const TASK_TTL_US = 315_360_000e6;

/** What a file sets of a queue, whether it is given there or not. */
const PATHS = [
  "rateLimits.maxBurstSize",
  "rateLimits.maxConcurrentDispatches",
  "retryConfig.maxAttempts",
  "retryConfig.maxRetryDurationUs",
  "retryConfig.minBackoffUs",
  "retryConfig.maxBackoffUs",
  "retryConfig.maxDoublings",
  "appEngineRoutingOverride",
];
const PULL_PATHS = ["retryConfig.maxAttempts", "acl"];
const RATE_PATH = "rateLimits.maxDispatchesPerSecond";

/**
 * The change that makes an existing queue what the file says. A rate of 0 pauses it and leaves its
 * rate for when it is resumed.
 */
export function updateOf(entry: QueueDescription): SettingsPatch {
  if (entry.mode === "pull") {
    return { input: inputOf(entry), paths: ["type", ...PULL_PATHS] };
  }
  const keepsRate = entry.rate === 0;
  return { input: inputOf(entry), paths: ["type", ...(keepsRate ? [] : [RATE_PATH]), ...PATHS] };
}

/** The settings of a queue that the file makes. */
export function creationOf(entry: QueueDescription): SettingsPatch {
  return {
    input: { ...inputOf(entry), taskTtlUs: TASK_TTL_US, tombstoneTtlUs: TOMBSTONE_TTL_US },
    paths: [
      ...["type", "taskTtlUs", "tombstoneTtlUs"],
      ...(entry.mode === "pull" ? PULL_PATHS : [RATE_PATH, ...PATHS]),
    ],
  };
}

/** Whether a deployment of the file has the queue stand still. */
export function isPausing({ rate }: QueueDescription): boolean {
  return rate === 0;
}

/** Whether a deployment leaves a queue alone that its file does not name. */
export function isExempt(name: string): boolean {
  return name === DEFAULT_QUEUE;
}

function inputOf(entry: QueueDescription): SettingsInput {
  const { mode, rate, bucketSize, maxConcurrentRequests, target, retry, acl } = entry;
  if (mode === "pull") {
    return {
      type: "PULL",
      retryConfig: { maxAttempts: leasesOf(retry) },
      ...(acl === undefined ? {} : { acl }),
    };
  }
  return {
    type: "PUSH",
    rateLimits: {
      maxDispatchesPerSecond: rate || DEFAULT_RATE,
      // 0 was once the way to pause a queue; the pause is the rate's to make.
      maxBurstSize: bucketSize || DEFAULT_BUCKET_SIZE,
      ...(maxConcurrentRequests ? { maxConcurrentDispatches: maxConcurrentRequests } : {}),
    },
    retryConfig: {
      // Attempts count the first one, retries do not.
      maxAttempts: retry.taskRetryLimit === undefined ? -1 : retry.taskRetryLimit + 1,
      maxRetryDurationUs: retry.taskAgeLimitUs ?? 0,
      ...(retry.minBackoffUs === undefined ? {} : { minBackoffUs: retry.minBackoffUs }),
      ...(retry.maxBackoffUs === undefined ? {} : { maxBackoffUs: retry.maxBackoffUs }),
      ...(retry.maxDoublings === undefined ? {} : { maxDoublings: retry.maxDoublings }),
    },
    ...(target === undefined ? {} : { appEngineRoutingOverride: target }),
  };
}

/** A pull task's limit is the number of its leases; a task that nobody may lease would be none. */
function leasesOf({ taskRetryLimit }: RetryParameters): number {
  return taskRetryLimit === undefined ? -1 : Math.max(taskRetryLimit, 1);
}
