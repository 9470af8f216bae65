/** google.cloud.tasks.v2beta2 in one value. */
import type { Dialect } from "../dialect.ts";
import {
  PACKAGE,
  QUEUE_FILTER,
  QUEUE_MASK,
  REQUIRED_QUEUE_TYPE,
  readQueue,
  reword,
  writeQueue,
} from "./queue.ts";
import { readBatchCreate, readCreateTask, readRunTask, TASK_WORDS, writeTask } from "./task.ts";

export const v2beta2: Dialect = {
  version: "v2beta2",
  package: PACKAGE,
  knowsPullQueues: true,
  hasReadMask: true,
  hasLeases: true,
  requiredQueueType: REQUIRED_QUEUE_TYPE,
  readQueue,
  writeQueue,
  queueMask: QUEUE_MASK,
  queueFilter: QUEUE_FILTER,
  reword,
  taskWords: TASK_WORDS,
  readCreateTask,
  readRunTask,
  readBatchCreate,
  writeTask,
};
