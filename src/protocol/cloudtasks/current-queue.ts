/**
 * Queue settings under the names that v2 and v2beta3 share; what differs is in their own queue.ts.
 */
import type { QueueSettings, RetryConfig } from "../../core/model.ts";
import type { SettingsInput } from "../../core/queue-settings.ts";
import { ok, type Result } from "../../core/result.ts";
import { writeDuration } from "../wire.ts";
import type { currentSchema, WireHttpTarget, WireRetryConfig } from "./common-schema.ts";
import { definedOf, nonZero, readHttpTarget, type Wire, writeHttpTarget } from "./queue-parts.ts";

type Schema = ReturnType<typeof currentSchema>["queueFields"];

interface WireSettings {
  readonly rateLimits?: NonNullable<Schema["rateLimits"]["_output"]> | null | undefined;
  readonly retryConfig?: WireRetryConfig | null | undefined;
  readonly httpTarget?: WireHttpTarget | null | undefined;
  readonly stackdriverLoggingConfig?:
    | { readonly samplingRatio?: number | undefined }
    | null
    | undefined;
}

/** Settings from the fields that both versions have; output-only ones are ignored. */
export function readSettings(wire: WireSettings, root: string): Result<SettingsInput> {
  const httpTarget = wire.httpTarget ? readHttpTarget(wire.httpTarget, root) : undefined;
  if (httpTarget?.ok === false) return httpTarget;
  return ok({
    ...(wire.rateLimits ? { rateLimits: definedOf(withoutBurst(wire.rateLimits)) } : {}),
    ...(wire.retryConfig ? { retryConfig: readRetryConfig(wire.retryConfig) } : {}),
    ...(httpTarget === undefined ? {} : { httpTarget: httpTarget.value }),
    ...(wire.stackdriverLoggingConfig
      ? { logSamplingRatio: wire.stackdriverLoggingConfig.samplingRatio ?? 0 }
      : {}),
  });
}

/** These versions pick the burst themselves; a given one is ignored (push.md §5). */
function withoutBurst({
  maxDispatchesPerSecond,
  maxConcurrentDispatches,
}: NonNullable<WireSettings["rateLimits"]>) {
  return { maxDispatchesPerSecond, maxConcurrentDispatches };
}

/** Retry settings of a queue or of a task, under their internal names. */
export function readRetryConfig(wire: WireRetryConfig): Partial<RetryConfig> {
  return definedOf({
    maxAttempts: wire.maxAttempts,
    maxRetryDurationUs: wire.maxRetryDuration,
    minBackoffUs: wire.minBackoff,
    maxBackoffUs: wire.maxBackoff,
    maxDoublings: wire.maxDoublings,
  });
}

/** What readSettings reads, and the burst. A pull queue has no limit of concurrency: -1. */
export function writeSettings(settings: QueueSettings, enumsAsInts: boolean): Wire {
  const { rateLimits, httpTarget, logSamplingRatio } = settings;
  return {
    ...(httpTarget === undefined ? {} : { httpTarget: writeHttpTarget(httpTarget, enumsAsInts) }),
    rateLimits: nonZero({
      maxDispatchesPerSecond: rateLimits.maxDispatchesPerSecond,
      maxBurstSize: rateLimits.maxBurstSize,
      maxConcurrentDispatches: settings.type === "PULL" ? -1 : rateLimits.maxConcurrentDispatches,
    }),
    retryConfig: writeRetryConfig(settings.retryConfig),
    ...(logSamplingRatio === undefined
      ? {}
      : { stackdriverLoggingConfig: nonZero({ samplingRatio: logSamplingRatio }) }),
  };
}

/** Retry settings; maxRetryDuration is unset where the duration is unlimited. */
export function writeRetryConfig(retry: RetryConfig): Wire {
  return {
    ...nonZero({ maxAttempts: retry.maxAttempts }),
    ...writeBackoff(retry),
  };
}

/** Retry settings without the number of attempts. */
export function writeBackoff(retry: RetryConfig): Wire {
  return {
    ...(retry.maxRetryDurationUs === 0
      ? {}
      : { maxRetryDuration: writeDuration(retry.maxRetryDurationUs) }),
    minBackoff: writeDuration(retry.minBackoffUs),
    maxBackoff: writeDuration(retry.maxBackoffUs),
    ...nonZero({ maxDoublings: retry.maxDoublings }),
  };
}
