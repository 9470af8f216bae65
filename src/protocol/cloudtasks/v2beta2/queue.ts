/**
 * Queues of google.cloud.tasks.v2beta2, the oldest of the three: a queue says what its target is,
 * and rates and attempts have other names.
 */
import { appEngineHost } from "../../../core/app-engine-host.ts";
import type { QueueRecord, QueueSettings, RetryConfig } from "../../../core/model.ts";
import type { SettingsInput } from "../../../core/queue-settings.ts";
import { ok, type Result } from "../../../core/result.ts";
import type { QueueStats } from "../../../queue/service.ts";
import { invalidField, oneofConflict } from "../../errors.ts";
import * as field from "../../message.ts";
import { commonSchema } from "../common-schema.ts";
import { writeBackoff } from "../current-queue.ts";
import type { QueueInput, Style } from "../dialect.ts";
import type { MaskPaths } from "../field-mask.ts";
import type { FilterFields } from "../filter.ts";
import {
  COMMON_FILTER,
  COMMON_MASK,
  definedOf,
  nonZero,
  readHttpTarget,
  routingFilter,
  routingMask,
  STATS_MASK,
  type Wire,
  writeHttpTarget,
  writeIdentity,
  writeRouting,
} from "../queue-parts.ts";
import { writeLifetimes, writeStats } from "../queue-stats.ts";
import { readRouting } from "../task-draft.ts";

export const PACKAGE = "google.cloud.tasks.v2beta2";

const typeOf = (name: string) => `${PACKAGE}.${name}`;
const { appEngineRouting, httpTarget } = commonSchema(PACKAGE);
const queueSchema = field.message(typeOf("Queue"), {
  name: field.string(),
  appEngineHttpTarget: field.message(typeOf("AppEngineHttpTarget"), {
    appEngineRoutingOverride: appEngineRouting,
  }),
  pullTarget: field.message(typeOf("PullTarget"), {}),
  httpTarget,
  rateLimits: field.message(typeOf("RateLimits"), {
    maxTasksDispatchedPerSecond: field.double(),
    maxBurstSize: field.int32(),
    maxConcurrentTasks: field.int32(),
  }),
  retryConfig: field.message(typeOf("RetryConfig"), {
    maxAttempts: field.int32(),
    unlimitedAttempts: field.bool(),
    maxRetryDuration: field.duration(),
    minBackoff: field.duration(),
    maxBackoff: field.duration(),
    maxDoublings: field.int32(),
  }),
  state: field.outputOnly(),
  purgeTime: field.outputOnly(),
  taskTtl: field.duration(),
  tombstoneTtl: field.duration(),
  stats: field.outputOnly(),
});

type WireQueue = NonNullable<(typeof queueSchema)["_output"]>;

// ---- Reading ---------------------------------------------------------------------------------

/** Reads a queue; output-only fields are let through and ignored, as the live service does. */
export function readQueue(value: unknown, root: string): Result<QueueInput> {
  const read = field.readMessage(queueSchema, value, root);
  if (!read.ok) return read;
  const wire = read.value;
  const target = readTarget(wire, root);
  if (!target.ok) return target;
  const retryConfig = readRetryConfig(wire.retryConfig, root);
  if (!retryConfig.ok) return retryConfig;
  return ok({
    name: wire.name ?? "",
    settings: {
      ...target.value,
      ...(wire.rateLimits ? { rateLimits: readRateLimits(wire.rateLimits) } : {}),
      ...(retryConfig.value === undefined ? {} : { retryConfig: retryConfig.value }),
      ...definedOf({ taskTtlUs: wire.taskTtl, tombstoneTtlUs: wire.tombstoneTtl }),
    },
  });
}

const TARGETS = ["appEngineHttpTarget", "pullTarget", "httpTarget"] as const;

/** What a new queue must say of itself (errors.md §2, recorded in 2018). */
export const REQUIRED_QUEUE_TYPE = {
  field: "queue",
  message: "Queue.queue_type must be set",
};

/** Type and target of a queue; without a target neither is given. */
function readTarget(wire: WireQueue, root: string): Result<SettingsInput> {
  const given = TARGETS.filter((name) => wire[name]);
  const second = given[1];
  if (second !== undefined) return oneofConflict(root, "target_type", second);
  if (wire.pullTarget) return ok({ type: "PULL" });
  if (wire.httpTarget) {
    const target = readHttpTarget(wire.httpTarget, root);
    return target.ok ? ok({ type: "PUSH", httpTarget: target.value }) : target;
  }
  if (!wire.appEngineHttpTarget) return ok({});
  const routing = wire.appEngineHttpTarget.appEngineRoutingOverride;
  return ok({
    type: "PUSH",
    ...(routing ? { appEngineRoutingOverride: readRouting(routing) } : {}),
  });
}

function readRateLimits(wire: NonNullable<WireQueue["rateLimits"]>) {
  return definedOf({
    maxDispatchesPerSecond: wire.maxTasksDispatchedPerSecond,
    maxBurstSize: wire.maxBurstSize,
    maxConcurrentDispatches: wire.maxConcurrentTasks,
  });
}

/** Attempts are a number above 0, or unlimited, which is -1 inside. */
function readRetryConfig(
  wire: WireQueue["retryConfig"],
  root: string,
): Result<Partial<RetryConfig> | undefined> {
  if (!wire) return ok(undefined);
  const { maxAttempts, unlimitedAttempts } = wire;
  const at = `${root}.retry_config`;
  if (maxAttempts !== undefined && unlimitedAttempts === true) {
    return oneofConflict(at, "num_attempts", "unlimitedAttempts");
  }
  if (maxAttempts !== undefined && maxAttempts < 0) {
    return invalidField(`${at}.max_attempts`, "RetryConfig.maxAttempts must be greater than 0.");
  }
  return ok(
    definedOf({
      maxAttempts: unlimitedAttempts === true ? -1 : maxAttempts,
      maxRetryDurationUs: wire.maxRetryDuration,
      minBackoffUs: wire.minBackoff,
      maxBackoffUs: wire.maxBackoff,
      maxDoublings: wire.maxDoublings,
    }),
  );
}

// ---- Masks and filters -----------------------------------------------------------------------

const ROUTING = "appEngineHttpTarget.appEngineRoutingOverride";

/** What each path of an update mask sets. */
export const QUEUE_MASK: MaskPaths = new Map<string, string | readonly string[] | null>([
  ...COMMON_MASK,
  // A target that is named is also said to be the queue's; one of another type is refused.
  ["pullTarget", "type"],
  ["appEngineHttpTarget", ["type", "appEngineRoutingOverride"]],
  ...routingMask(ROUTING),
  ["rateLimits", "rateLimits"],
  ["rateLimits.maxTasksDispatchedPerSecond", "rateLimits.maxDispatchesPerSecond"],
  ["rateLimits.maxBurstSize", "rateLimits.maxBurstSize"],
  ["rateLimits.maxConcurrentTasks", "rateLimits.maxConcurrentDispatches"],
  ["retryConfig.unlimitedAttempts", "retryConfig.maxAttempts"],
  ["taskTtl", "taskTtlUs"],
  ["tombstoneTtl", "tombstoneTtlUs"],
  ...STATS_MASK,
]);

/** The fields of a queue that a filter can name. */
export const QUEUE_FILTER: FilterFields = {
  ...COMMON_FILTER,
  pullTarget: "message",
  appEngineHttpTarget: "message",
  ...routingFilter(ROUTING),
  "rateLimits.maxTasksDispatchedPerSecond": "number",
  "rateLimits.maxConcurrentTasks": "number",
  "retryConfig.unlimitedAttempts": { names: ["FALSE", "TRUE"] },
  taskTtl: "duration",
  tombstoneTtl: "duration",
};

// ---- Writing ---------------------------------------------------------------------------------

/** A queue's wire form; fields with proto3's zero are left out. */
export function writeQueue(queue: QueueRecord, style: Style, stats?: QueueStats): Wire {
  const { settings } = queue;
  const { rateLimits, retryConfig, type } = settings;
  return {
    ...writeIdentity(queue, style),
    ...writeTarget(settings, queue.name.project, style),
    rateLimits: nonZero({
      maxTasksDispatchedPerSecond: rateLimits.maxDispatchesPerSecond,
      maxBurstSize: rateLimits.maxBurstSize,
      // No limit (discovery v2beta2 RateLimits.maxConcurrentTasks).
      maxConcurrentTasks: type === "PULL" ? -1 : rateLimits.maxConcurrentDispatches,
    }),
    retryConfig: {
      ...(retryConfig.maxAttempts === -1
        ? { unlimitedAttempts: true }
        : nonZero({ maxAttempts: retryConfig.maxAttempts })),
      ...writeBackoff(retryConfig),
    },
    ...writeLifetimes(settings),
    ...(stats === undefined ? {} : { stats: writeStats(stats) }),
  };
}

/**
 * The one target that a queue can show here. A push queue made by a newer version without any is an
 * App Engine queue, and where it has both an HTTP target and a routing override, the former counts.
 */
function writeTarget(settings: QueueSettings, project: string, style: Style): Wire {
  const { type, httpTarget: target, appEngineRoutingOverride: routing } = settings;
  if (type === "PULL") return { pullTarget: {} };
  if (target !== undefined) return { httpTarget: writeHttpTarget(target, style.enumsAsInts) };
  if (routing === undefined) return { appEngineHttpTarget: {} };
  const host = appEngineHost(routing, style, project);
  return { appEngineHttpTarget: { appEngineRoutingOverride: writeRouting(routing, host) } };
}

/** Rules of settings speak of rates under their newer names. */
export function reword(message: string): string {
  return message
    .replaceAll("maxDispatchesPerSecond", "maxTasksDispatchedPerSecond")
    .replaceAll("maxConcurrentDispatches", "maxConcurrentTasks")
    .replaceAll("Queue.type", "Queue.queue_type");
}
