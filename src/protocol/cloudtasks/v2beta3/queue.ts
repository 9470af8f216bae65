/** Queues of google.cloud.tasks.v2beta3: those of v2, with a type, lifetimes and statistics. */
import { appEngineHost } from "../../../core/app-engine-host.ts";
import type { QueueRecord } from "../../../core/model.ts";
import { ok, type Result } from "../../../core/result.ts";
import type { QueueStats } from "../../../queue/service.ts";
import * as field from "../../message.ts";
import { writeEnum } from "../../wire.ts";
import { currentSchema } from "../common-schema.ts";
import { readSettings, writeSettings } from "../current-queue.ts";
import type { QueueInput, Style } from "../dialect.ts";
import type { MaskPaths } from "../field-mask.ts";
import type { FilterFields } from "../filter.ts";
import {
  COMMON_FILTER,
  COMMON_MASK,
  CURRENT_FILTER,
  CURRENT_MASK,
  definedOf,
  routingFilter,
  routingMask,
  STATS_MASK,
  type Wire,
  writeIdentity,
  writeRouting,
} from "../queue-parts.ts";
import { writeLifetimes, writeStats } from "../queue-stats.ts";
import { readRouting } from "../task-draft.ts";

export const PACKAGE = "google.cloud.tasks.v2beta3";

/** In the numeric order of the enum Queue.Type. */
const TYPES = ["TYPE_UNSPECIFIED", "PULL", "PUSH"] as const;

const { queueFields, appEngineRouting, typeOf } = currentSchema(PACKAGE);
const queueSchema = field.message(typeOf("Queue"), {
  ...queueFields,
  appEngineHttpQueue: field.message(typeOf("AppEngineHttpQueue"), {
    appEngineRoutingOverride: appEngineRouting,
  }),
  taskTtl: field.duration(),
  tombstoneTtl: field.duration(),
  type: field.enumeration(typeOf("Queue.Type"), TYPES),
  stats: field.outputOnly(),
});

/** Reads a queue; output-only fields are let through and ignored, as the live service does. */
export function readQueue(value: unknown, root: string): Result<QueueInput> {
  const read = field.readMessage(queueSchema, value, root);
  if (!read.ok) return read;
  const { name, type, taskTtl, tombstoneTtl, appEngineHttpQueue } = read.value;
  const settings = readSettings(read.value, root);
  if (!settings.ok) return settings;
  const routing = appEngineHttpQueue?.appEngineRoutingOverride;
  return ok({
    name: name ?? "",
    settings: {
      ...settings.value,
      ...(type === undefined || type === "TYPE_UNSPECIFIED" ? {} : { type }),
      ...(routing ? { appEngineRoutingOverride: readRouting(routing) } : {}),
      ...definedOf({ taskTtlUs: taskTtl, tombstoneTtlUs: tombstoneTtl }),
    },
  });
}

const ROUTING = "appEngineHttpQueue.appEngineRoutingOverride";

/** What each path of an update mask sets. */
export const QUEUE_MASK: MaskPaths = new Map<string, string | null>([
  ...COMMON_MASK,
  ...CURRENT_MASK,
  ["appEngineHttpQueue", "appEngineRoutingOverride"],
  ...routingMask(ROUTING),
  ["type", "type"],
  ["taskTtl", "taskTtlUs"],
  ["tombstoneTtl", "tombstoneTtlUs"],
  ...STATS_MASK,
]);

/** The fields of a queue that a filter can name. */
export const QUEUE_FILTER: FilterFields = {
  ...COMMON_FILTER,
  ...CURRENT_FILTER,
  appEngineHttpQueue: "message",
  ...routingFilter(ROUTING),
  type: { names: TYPES },
  taskTtl: "duration",
  tombstoneTtl: "duration",
};

/** A queue's wire form; fields with proto3's zero are left out. */
export function writeQueue(queue: QueueRecord, style: Style, stats?: QueueStats): Wire {
  const { settings, name } = queue;
  const { appEngineRoutingOverride: routing } = settings;
  return {
    ...writeIdentity(queue, style),
    ...(routing === undefined
      ? {}
      : {
          appEngineHttpQueue: {
            appEngineRoutingOverride: writeRouting(
              routing,
              appEngineHost(routing, style, name.project),
            ),
          },
        }),
    ...writeSettings(settings, style.enumsAsInts),
    ...writeLifetimes(settings),
    type: writeEnum(TYPES, settings.type, style.enumsAsInts),
    ...(stats === undefined ? {} : { stats: writeStats(stats) }),
  };
}
