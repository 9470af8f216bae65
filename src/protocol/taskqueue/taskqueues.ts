/** The method on queues. */
import type { QueueRecord } from "../../core/model.ts";
import { ok } from "../../core/result.ts";
import type { QueueStats } from "../../queue/service.ts";
import { queueStub } from "../../stubs.ts";
import type { Answer, Call } from "./call.ts";
import { readBoolean } from "./query.ts";

/** taskqueue.taskqueues.get */
export async function getTaskQueue({ env, queue: name, query }: Call): Answer {
  const withStats = readBoolean(query, "getStats");
  if (!withStats.ok) return withStats;
  const stub = queueStub(env, name);
  const [queue, stats] = await Promise.all([
    stub.getQueue(),
    withStats.value ? stub.getStats() : undefined,
  ]);
  if (!queue.ok) return queue;
  if (stats === undefined) return ok({ value: writeQueue(queue.value) });
  return stats.ok
    ? ok({ value: { ...writeQueue(queue.value), stats: writeStats(stats.value) } })
    : stats;
}

/**
 * `maxLeases` is absent where tasks may be leased without end. Consumers are the file's users,
 * producers its writers; administrators are the project's, which no queue names.
 */
function writeQueue({ name, settings }: QueueRecord): object {
  const { maxAttempts } = settings.retryConfig;
  const { userEmails = [], writerEmails = [] } = settings.acl ?? {};
  return {
    kind: "taskqueues#taskqueue",
    id: name.queue,
    ...(maxAttempts < 0 ? {} : { maxLeases: maxAttempts }),
    acl: { adminEmails: [], consumerEmails: userEmails, producerEmails: writerEmails },
  };
}

/** `oldestTask` is in seconds, unlike the times of a task (discovery TaskQueue.stats). */
function writeStats(stats: QueueStats): object {
  return {
    totalTasks: stats.tasksCount,
    oldestTask: String(Math.floor((stats.oldestScheduleTimeUs ?? 0) / 1e6)),
    leasedLastMinute: String(stats.leasedLastMinute),
    leasedLastHour: String(stats.leasedLastHour),
  };
}
