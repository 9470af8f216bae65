/** What a queue's settings say about a task that is to be put into it. */
import type { EncodedMeta, QueueSettings, TaskSpec } from "../core/model.ts";
import { decodeMeta, encodeMeta } from "../core/model.ts";
import type { DomainError } from "../core/result.ts";
import { refuse } from "../core/result.ts";
import { applyHeaderOverrides } from "../core/target-override.ts";

/** Refuses a task that is for the other type of queue; undefined where it fits, or does not mind. */
export function wrongType(
  { queueType }: TaskSpec,
  { type }: QueueSettings,
): { readonly ok: false; readonly error: DomainError } | undefined {
  if (queueType === undefined || queueType === type) return undefined;
  const [given, actual] = [queueType, type].map((name) => name.toLowerCase());
  const text = `A ${given} task cannot be put into a ${actual} queue.`;
  return refuse("INVALID_ARGUMENT", "WRONG_QUEUE_TYPE", text);
}

/** The schedule time a task is stored with: not before now, but where past times keep their order. */
export function firstDueUs(
  { scheduleTimeUs, keepsPast }: TaskSpec,
  { type }: QueueSettings,
  nowUs: number,
): number {
  if (scheduleTimeUs === undefined) return nowUs;
  const earliestUs = keepsPast === true && type === "PULL" ? 1 : nowUs;
  return Math.max(earliestUs, scheduleTimeUs);
}

/** A task's meta with the queue-level header overrides; null where they change nothing. */
export function overrideMeta(meta: EncodedMeta, settings: QueueSettings): EncodedMeta | null {
  if (settings.httpTarget?.headers === undefined) return null;
  const before = decodeMeta(meta);
  const after = applyHeaderOverrides(before, settings.httpTarget);
  return after === before ? null : encodeMeta(after);
}
