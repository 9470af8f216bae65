/** The lifetimes and statistics that queues of the betas show, the same in both. */
import type { QueueSettings } from "../../core/model.ts";
import type { QueueStats } from "../../queue/service.ts";
import { writeDuration, writeTimestamp } from "../wire.ts";
import { nonZero, type Wire } from "./queue-parts.ts";

export function writeLifetimes(settings: QueueSettings): Wire {
  return {
    taskTtl: writeDuration(settings.taskTtlUs),
    tombstoneTtl: writeDuration(settings.tombstoneTtlUs),
  };
}

/** QueueStats: int64 as text, zeros left out. */
export function writeStats(stats: QueueStats): Wire {
  const { tasksCount, executedLastMinute, concurrentDispatches, oldestScheduleTimeUs } = stats;
  return {
    ...count("tasksCount", tasksCount),
    ...(oldestScheduleTimeUs === undefined
      ? {}
      : { oldestEstimatedArrivalTime: writeTimestamp(oldestScheduleTimeUs) }),
    ...count("executedLastMinuteCount", executedLastMinute),
    ...count("concurrentDispatchesCount", concurrentDispatches),
    ...nonZero({ effectiveExecutionRate: stats.effectiveRate }),
  };
}

function count(name: string, value: number): Wire {
  return value === 0 ? {} : { [name]: String(value) };
}
