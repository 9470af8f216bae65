/** The services and their methods, by their names on the wire, and what callers must be allowed. */
import * as adding from "./add.ts";
import { type Method, method } from "./call.ts";
import * as datastore from "./datastore.ts";
import * as v3 from "./gen/datastore_v3_pb.js";
import * as pb from "./gen/taskqueue_service_pb.js";
import * as leases from "./leases.ts";
import { queryTasks } from "./query-tasks.ts";
import * as queues from "./queues.ts";
import * as tasks from "./tasks.ts";

type Methods = ReadonlyMap<string, Method>;

const TASKQUEUE: Methods = new Map([
  [
    "Add",
    method(
      pb.TaskQueueAddRequestSchema,
      pb.TaskQueueAddResponseSchema,
      ["cloudtasks.tasks.create"],
      adding.add,
    ),
  ],
  [
    "BulkAdd",
    method(
      pb.TaskQueueBulkAddRequestSchema,
      pb.TaskQueueBulkAddResponseSchema,
      ["cloudtasks.tasks.create"],
      adding.bulkAdd,
    ),
  ],
  [
    "Delete",
    method(
      pb.TaskQueueDeleteRequestSchema,
      pb.TaskQueueDeleteResponseSchema,
      ["cloudtasks.tasks.delete"],
      tasks.deleteTasks,
    ),
  ],
  [
    "ForceRun",
    method(
      pb.TaskQueueForceRunRequestSchema,
      pb.TaskQueueForceRunResponseSchema,
      ["cloudtasks.tasks.run"],
      tasks.forceRun,
    ),
  ],
  [
    "FetchTask",
    method(
      pb.TaskQueueFetchTaskRequestSchema,
      pb.TaskQueueFetchTaskResponseSchema,
      ["cloudtasks.tasks.get", "cloudtasks.tasks.fullView"],
      tasks.fetchTask,
    ),
  ],
  [
    "QueryTasks",
    method(
      pb.TaskQueueQueryTasksRequestSchema,
      pb.TaskQueueQueryTasksResponseSchema,
      ["cloudtasks.tasks.list", "cloudtasks.tasks.fullView"],
      queryTasks,
    ),
  ],
  [
    "QueryAndOwnTasks",
    method(
      pb.TaskQueueQueryAndOwnTasksRequestSchema,
      pb.TaskQueueQueryAndOwnTasksResponseSchema,
      ["cloudtasks.tasks.lease", "cloudtasks.tasks.fullView"],
      leases.queryAndOwnTasks,
    ),
  ],
  [
    "ModifyTaskLease",
    method(
      pb.TaskQueueModifyTaskLeaseRequestSchema,
      pb.TaskQueueModifyTaskLeaseResponseSchema,
      ["cloudtasks.tasks.lease"],
      leases.modifyTaskLease,
    ),
  ],
  [
    "UpdateQueue",
    method(
      pb.TaskQueueUpdateQueueRequestSchema,
      pb.TaskQueueUpdateQueueResponseSchema,
      [
        "cloudtasks.queues.create",
        "cloudtasks.queues.update",
        "cloudtasks.queues.pause",
        "cloudtasks.queues.resume",
      ],
      queues.updateQueue,
    ),
  ],
  [
    "FetchQueues",
    method(
      pb.TaskQueueFetchQueuesRequestSchema,
      pb.TaskQueueFetchQueuesResponseSchema,
      ["cloudtasks.queues.list"],
      queues.fetchQueues,
    ),
  ],
  [
    "FetchQueueStats",
    method(
      pb.TaskQueueFetchQueueStatsRequestSchema,
      pb.TaskQueueFetchQueueStatsResponseSchema,
      ["cloudtasks.queues.get"],
      queues.fetchQueueStats,
    ),
  ],
  [
    "PauseQueue",
    method(
      pb.TaskQueuePauseQueueRequestSchema,
      pb.TaskQueuePauseQueueResponseSchema,
      ["cloudtasks.queues.pause", "cloudtasks.queues.resume"],
      queues.pauseQueue,
    ),
  ],
  [
    "PurgeQueue",
    method(
      pb.TaskQueuePurgeQueueRequestSchema,
      pb.TaskQueuePurgeQueueResponseSchema,
      ["cloudtasks.queues.purge"],
      queues.purgeQueue,
    ),
  ],
  [
    "DeleteQueue",
    method(
      pb.TaskQueueDeleteQueueRequestSchema,
      pb.TaskQueueDeleteQueueResponseSchema,
      ["cloudtasks.queues.delete"],
      queues.deleteQueue,
    ),
  ],
  [
    "DeleteGroup",
    method(
      pb.TaskQueueDeleteGroupRequestSchema,
      pb.TaskQueueDeleteGroupResponseSchema,
      ["cloudtasks.queues.delete"],
      queues.deleteGroup,
    ),
  ],
  [
    "UpdateStorageLimit",
    method(
      pb.TaskQueueUpdateStorageLimitRequestSchema,
      pb.TaskQueueUpdateStorageLimitResponseSchema,
      ["cloudtasks.queues.update"],
      queues.updateStorageLimit,
    ),
  ],
]);

const DATASTORE: Methods = new Map([
  [
    "BeginTransaction",
    method(
      v3.BeginTransactionRequestSchema,
      v3.TransactionSchema,
      ["cloudtasks.tasks.create"],
      datastore.begin,
    ),
  ],
  [
    "Commit",
    method(
      v3.TransactionSchema,
      v3.CommitResponseSchema,
      ["cloudtasks.tasks.create"],
      datastore.commit,
    ),
  ],
  [
    "Rollback",
    method(
      v3.TransactionSchema,
      v3.VoidProtoSchema,
      ["cloudtasks.tasks.create"],
      datastore.rollback,
    ),
  ],
]);

export const SERVICES: ReadonlyMap<string, Methods> = new Map([
  ["taskqueue", TASKQUEUE],
  ["datastore_v3", DATASTORE],
]);
