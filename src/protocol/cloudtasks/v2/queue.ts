/** Queues of google.cloud.tasks.v2: wire form to settings, and a queue back to its wire form. */
import { appEngineHost } from "../../../core/app-engine-host.ts";
import type { QueueRecord } from "../../../core/model.ts";
import { ok, type Result } from "../../../core/result.ts";
import { message, readMessage } from "../../message.ts";
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
  routingFilter,
  routingMask,
  type Wire,
  writeIdentity,
  writeRouting,
} from "../queue-parts.ts";
import { readRouting } from "../task-draft.ts";

export const PACKAGE = "google.cloud.tasks.v2";

const { queueFields, appEngineRouting, typeOf } = currentSchema(PACKAGE);
const queueSchema = message(typeOf("Queue"), {
  ...queueFields,
  appEngineRoutingOverride: appEngineRouting,
});

/** Reads a queue; output-only fields are let through and ignored, as the live service does. */
export function readQueue(value: unknown, root: string): Result<QueueInput> {
  const read = readMessage(queueSchema, value, root);
  if (!read.ok) return read;
  const { name, appEngineRoutingOverride } = read.value;
  const settings = readSettings(read.value, root);
  if (!settings.ok) return settings;
  return ok({
    name: name ?? "",
    settings: {
      ...settings.value,
      ...(appEngineRoutingOverride
        ? { appEngineRoutingOverride: readRouting(appEngineRoutingOverride) }
        : {}),
    },
  });
}

/** What each path of an update mask sets. */
export const QUEUE_MASK: MaskPaths = new Map<string, string | null>([
  ...COMMON_MASK,
  ...CURRENT_MASK,
  ...routingMask("appEngineRoutingOverride"),
]);

/** The fields of a queue that a filter can name. */
export const QUEUE_FILTER: FilterFields = {
  ...COMMON_FILTER,
  ...CURRENT_FILTER,
  ...routingFilter("appEngineRoutingOverride"),
};

/**
 * A queue's wire form. As in every answer of this interface, fields with proto3's zero are left
 * out. That a queue is a pull queue has no word here.
 */
export function writeQueue(queue: QueueRecord, style: Style): Wire {
  const { settings, name } = queue;
  const { appEngineRoutingOverride } = settings;
  return {
    ...writeIdentity(queue, style),
    ...(appEngineRoutingOverride === undefined
      ? {}
      : {
          appEngineRoutingOverride: writeRouting(
            appEngineRoutingOverride,
            appEngineHost(appEngineRoutingOverride, style, name.project),
          ),
        }),
    ...writeSettings(settings, style.enumsAsInts),
  };
}
