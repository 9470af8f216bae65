/** google.cloud.tasks.v2 in one value. */
import type { Dialect } from "../dialect.ts";
import { QUEUE_FILTER, QUEUE_MASK, readQueue, writeQueue } from "./queue.ts";
import { readBatchCreate, readCreateTask, readRunTask, writeTask } from "./task.ts";

export const v2: Dialect = {
  version: "v2",
  package: "google.cloud.tasks.v2",
  readQueue,
  writeQueue,
  queueMask: QUEUE_MASK,
  queueFilter: QUEUE_FILTER,
  readCreateTask,
  readRunTask,
  readBatchCreate,
  writeTask,
};
