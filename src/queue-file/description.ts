/** From a queue's settings back to what a queue file says of it, as data and as text. */
import type { DeploymentConfig } from "../core/config.ts";
import { MAX_BURST_SIZE } from "../core/limits.ts";
import type { QueueRecord, QueueSettings } from "../core/model.ts";
import { createSettingsFromPatch } from "../core/queue-settings.ts";
import { SECONDS, TARGET } from "./forms.ts";
import type { QueueDescription } from "./queue-file.ts";
import { creationOf, TASK_TTL_US, TOMBSTONE_TTL_US } from "./settings.ts";

/** A queue with every element given that its settings have a value for. */
export function describeQueue({ name, settings }: QueueRecord): QueueDescription {
  const { type, rateLimits, retryConfig, acl } = settings;
  const { maxAttempts } = retryConfig;
  if (type === "PULL") {
    const retry = maxAttempts < 0 ? {} : { taskRetryLimit: maxAttempts };
    return { name: name.queue, mode: "pull", retry, ...(acl === undefined ? {} : { acl }) };
  }
  const { maxDispatchesPerSecond, maxBurstSize, maxConcurrentDispatches } = rateLimits;
  const target = targetOf(settings);
  return {
    name: name.queue,
    mode: "push",
    rate: maxDispatchesPerSecond,
    ...(maxBurstSize > MAX_BURST_SIZE ? {} : { bucketSize: maxBurstSize }),
    maxConcurrentRequests: maxConcurrentDispatches,
    ...(target === undefined ? {} : { target }),
    retry: {
      ...(maxAttempts < 0 ? {} : { taskRetryLimit: maxAttempts - 1 }),
      ...(retryConfig.maxRetryDurationUs === 0
        ? {}
        : { taskAgeLimitUs: retryConfig.maxRetryDurationUs }),
      minBackoffUs: retryConfig.minBackoffUs,
      maxBackoffUs: retryConfig.maxBackoffUs,
      maxDoublings: retryConfig.maxDoublings,
    },
  };
}

/** Only what a file can say: it knows no instances, and no version without its service. */
function targetOf({ appEngineRoutingOverride }: QueueSettings): QueueDescription["target"] {
  const { service, version, instance } = appEngineRoutingOverride ?? {};
  if (!service || instance) return undefined;
  const target = version ? { service, version } : { service };
  return TARGET.test(targetText(target)) ? target : undefined;
}

function targetText({ service, version }: NonNullable<QueueDescription["target"]>): string {
  return version === undefined ? service : `${version}.${service}`;
}

/** Settings of a queue that no file has a word for, under their names in Cloud Tasks. */
export function unwritable({ settings, state }: QueueRecord): readonly string[] {
  const { type, rateLimits, appEngineRoutingOverride } = settings;
  const { httpTarget, logSamplingRatio, taskTtlUs, tombstoneTtlUs } = settings;
  const isRouted = Object.values(appEngineRoutingOverride ?? {}).some((part) => part !== "");
  return [
    ...(type === "PULL" && state !== "RUNNING" ? ["state: PAUSED"] : []),
    ...(rateLimits.maxBurstSize > MAX_BURST_SIZE ? ["maxBurstSize"] : []),
    ...(isRouted && targetOf(settings) === undefined ? ["appEngineRoutingOverride"] : []),
    ...(httpTarget === undefined ? [] : ["httpTarget"]),
    ...(logSamplingRatio === undefined ? [] : ["stackdriverLoggingConfig"]),
    ...(taskTtlUs === TASK_TTL_US ? [] : [`taskTtl: ${taskTtlUs / 1e6}s`]),
    ...(tombstoneTtlUs === TOMBSTONE_TTL_US ? [] : [`tombstoneTtl: ${tombstoneTtlUs / 1e6}s`]),
  ];
}

/** The same queue in fewer words: without the elements that come back as defaults. */
export function shorten(queue: QueueDescription, config: DeploymentConfig): QueueDescription {
  const meaning = meaningOf(queue, config);
  return OMISSIONS.reduce((shortest, omission) => {
    const shorter = omission(shortest);
    return meaningOf(shorter, config) === meaning ? shorter : shortest;
  }, queue);
}

function meaningOf(queue: QueueDescription, config: DeploymentConfig): string {
  return JSON.stringify(createSettingsFromPatch(creationOf(queue), config));
}

const OMISSIONS: readonly ((queue: QueueDescription) => QueueDescription)[] = [
  ({ bucketSize: _, ...rest }) => rest,
  ({ maxConcurrentRequests: _, ...rest }) => rest,
  ({ retry: { minBackoffUs: _, ...retry }, ...rest }) => ({ ...rest, retry }),
  ({ retry: { maxBackoffUs: _, ...retry }, ...rest }) => ({ ...rest, retry }),
  ({ retry: { maxDoublings: _, ...retry }, ...rest }) => ({ ...rest, retry }),
];

// ---- As text ---------------------------------------------------------------------------------

/** An element of a queue by its path in queue.yaml, and its value as a file has it. */
export type ElementText = readonly [element: string, text: string];

/** What a queue's elements say, in the order of the reference; name and acl are not among them. */
export function elementsOf(queue: QueueDescription): readonly ElementText[] {
  const { mode, rate, bucketSize, maxConcurrentRequests, target, retry } = queue;
  const elements: readonly (readonly [string, string | undefined])[] = [
    ["mode", mode === "pull" ? mode : undefined],
    ["rate", rate === undefined ? undefined : rateText(rate)],
    ["bucket_size", bucketSize?.toString()],
    ["max_concurrent_requests", maxConcurrentRequests?.toString()],
    ["target", target === undefined ? undefined : targetText(target)],
    ["retry_parameters.task_retry_limit", retry.taskRetryLimit?.toString()],
    ["retry_parameters.task_age_limit", textOf(retry.taskAgeLimitUs, ageText)],
    ["retry_parameters.min_backoff_seconds", textOf(retry.minBackoffUs, secondsText)],
    ["retry_parameters.max_backoff_seconds", textOf(retry.maxBackoffUs, secondsText)],
    ["retry_parameters.max_doublings", retry.maxDoublings?.toString()],
  ];
  return elements.flatMap(([element, text]) => (text === undefined ? [] : [[element, text]]));
}

function textOf(value: number | undefined, write: (value: number) => string): string | undefined {
  return value === undefined ? undefined : write(value);
}

/**
 * A rate per second in the first unit that makes it a whole number, else as a fraction per second:
 * read again, either is the very same number.
 */
export function rateText(rate: number): string {
  if (rate === 0) return "0";
  for (const [unit, seconds] of Object.entries(SECONDS)) {
    const tasks = Math.round(rate * seconds);
    if (tasks > 0 && tasks / seconds === rate) return `${decimal(tasks)}/${unit}`;
  }
  return `${decimal(rate)}/s`;
}

/** Without an exponent, which rates cannot have. */
function decimal(number: number): string {
  const [mantissa = "", exponent] = String(number).split("e");
  if (exponent === undefined) return mantissa;
  const [whole = "", fraction = ""] = mantissa.split(".");
  const power = Number(exponent);
  return power < 0
    ? `0.${"0".repeat(-power - 1)}${whole}${fraction}`
    : `${whole}${fraction}`.padEnd(power + 1, "0");
}

function ageText(us: number): string {
  for (const [unit, seconds] of Object.entries(SECONDS).reverse()) {
    if (us % (seconds * 1e6) === 0) return `${us / 1e6 / seconds}${unit}`;
  }
  return `${secondsText(us)}s`;
}

function secondsText(us: number): string {
  const fraction = String(us % 1e6)
    .padStart(6, "0")
    .replace(/0+$/, "");
  const whole = String(Math.floor(us / 1e6));
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
