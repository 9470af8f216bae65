/** The methods on a queue. */
import type { QueueRecord } from "../../../core/model.ts";
import type { QueueStats } from "../../../queue/service.ts";
import type { RegistryService } from "../../../registry/service.ts";
import type { Answer, Call, Checked } from "./call.ts";
import { askCatalogue, askQueue } from "./current-queue.ts";
import { emptySchema, readBody } from "./schema.ts";

export async function getQueue(call: Call): Answer {
  return shown(await askQueue(call, (queue) => queue.getQueue()));
}

export function pauseQueue(call: Call): Answer {
  return change(call, (registry, queue) => registry.pauseQueue(queue));
}

export function resumeQueue(call: Call): Answer {
  return change(call, (registry, queue) => registry.resumeQueue(queue));
}

/** Deletes the tasks that were added before. */
export function purgeQueue(call: Call): Answer {
  return change(call, (registry, queue) => registry.purgeQueue(queue));
}

async function change(
  call: Call,
  act: (registry: RegistryService, queue: string) => ReturnType<RegistryService["pauseQueue"]>,
): Answer {
  const body = await readBody(call.request, emptySchema);
  if (!body.ok) return body;
  return shown(await askCatalogue(call, act));
}

/** The queue's figures (rpc.md §4 FetchQueueStats, and leases of pull queues). */
export async function fetchStats(call: Call): Answer {
  const body = await readBody(call.request, emptySchema);
  if (!body.ok) return body;
  const stats = await askQueue(call, (queue) => queue.getStats());
  return stats.ok ? { ok: true, value: { value: writeStats(stats.value) } } : stats;
}

function writeStats(stats: QueueStats): object {
  const { oldestScheduleTimeUs } = stats;
  return {
    tasks: stats.tasksCount,
    ...(oldestScheduleTimeUs === undefined ? {} : { oldestEtaUs: String(oldestScheduleTimeUs) }),
    executedLastMinute: stats.executedLastMinute,
    inFlight: stats.concurrentDispatches,
    enforcedRate: stats.effectiveRate,
    leasedLastMinute: stats.leasedLastMinute,
    leasedLastHour: stats.leasedLastHour,
  };
}

function shown(queue: Checked<QueueRecord>): Awaited<Answer> {
  return queue.ok ? { ok: true, value: { value: writeQueue(queue.value) } } : queue;
}

function writeQueue({ name, settings, state, purgeTimeUs }: QueueRecord): object {
  const { type, rateLimits } = settings;
  return {
    name: name.queue,
    mode: type.toLowerCase(),
    state,
    ...(type === "PUSH"
      ? {
          rate: rateLimits.maxDispatchesPerSecond,
          bucketSize: rateLimits.maxBurstSize,
          maxConcurrentRequests: rateLimits.maxConcurrentDispatches,
        }
      : {}),
    ...(purgeTimeUs === undefined ? {} : { purgeTimeUs: String(purgeTimeUs) }),
  };
}
