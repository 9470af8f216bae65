/** The services and their methods, by their names on the wire. */
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
  ["Add", method(pb.TaskQueueAddRequestSchema, pb.TaskQueueAddResponseSchema, adding.add)],
  [
    "BulkAdd",
    method(pb.TaskQueueBulkAddRequestSchema, pb.TaskQueueBulkAddResponseSchema, adding.bulkAdd),
  ],
  [
    "Delete",
    method(pb.TaskQueueDeleteRequestSchema, pb.TaskQueueDeleteResponseSchema, tasks.deleteTasks),
  ],
  [
    "ForceRun",
    method(pb.TaskQueueForceRunRequestSchema, pb.TaskQueueForceRunResponseSchema, tasks.forceRun),
  ],
  [
    "FetchTask",
    method(
      pb.TaskQueueFetchTaskRequestSchema,
      pb.TaskQueueFetchTaskResponseSchema,
      tasks.fetchTask,
    ),
  ],
  [
    "QueryTasks",
    method(pb.TaskQueueQueryTasksRequestSchema, pb.TaskQueueQueryTasksResponseSchema, queryTasks),
  ],
  [
    "QueryAndOwnTasks",
    method(
      pb.TaskQueueQueryAndOwnTasksRequestSchema,
      pb.TaskQueueQueryAndOwnTasksResponseSchema,
      leases.queryAndOwnTasks,
    ),
  ],
  [
    "ModifyTaskLease",
    method(
      pb.TaskQueueModifyTaskLeaseRequestSchema,
      pb.TaskQueueModifyTaskLeaseResponseSchema,
      leases.modifyTaskLease,
    ),
  ],
  [
    "UpdateQueue",
    method(
      pb.TaskQueueUpdateQueueRequestSchema,
      pb.TaskQueueUpdateQueueResponseSchema,
      queues.updateQueue,
    ),
  ],
  [
    "FetchQueues",
    method(
      pb.TaskQueueFetchQueuesRequestSchema,
      pb.TaskQueueFetchQueuesResponseSchema,
      queues.fetchQueues,
    ),
  ],
  [
    "FetchQueueStats",
    method(
      pb.TaskQueueFetchQueueStatsRequestSchema,
      pb.TaskQueueFetchQueueStatsResponseSchema,
      queues.fetchQueueStats,
    ),
  ],
  [
    "PauseQueue",
    method(
      pb.TaskQueuePauseQueueRequestSchema,
      pb.TaskQueuePauseQueueResponseSchema,
      queues.pauseQueue,
    ),
  ],
  [
    "PurgeQueue",
    method(
      pb.TaskQueuePurgeQueueRequestSchema,
      pb.TaskQueuePurgeQueueResponseSchema,
      queues.purgeQueue,
    ),
  ],
  [
    "DeleteQueue",
    method(
      pb.TaskQueueDeleteQueueRequestSchema,
      pb.TaskQueueDeleteQueueResponseSchema,
      queues.deleteQueue,
    ),
  ],
  [
    "DeleteGroup",
    method(
      pb.TaskQueueDeleteGroupRequestSchema,
      pb.TaskQueueDeleteGroupResponseSchema,
      queues.deleteGroup,
    ),
  ],
  [
    "UpdateStorageLimit",
    method(
      pb.TaskQueueUpdateStorageLimitRequestSchema,
      pb.TaskQueueUpdateStorageLimitResponseSchema,
      queues.updateStorageLimit,
    ),
  ],
]);

const DATASTORE: Methods = new Map([
  [
    "BeginTransaction",
    method(v3.BeginTransactionRequestSchema, v3.TransactionSchema, datastore.begin),
  ],
  ["Commit", method(v3.TransactionSchema, v3.CommitResponseSchema, datastore.commit)],
  ["Rollback", method(v3.TransactionSchema, v3.VoidProtoSchema, datastore.rollback)],
]);

export const SERVICES: ReadonlyMap<string, Methods> = new Map([
  ["taskqueue", TASKQUEUE],
  ["datastore_v3", DATASTORE],
]);
