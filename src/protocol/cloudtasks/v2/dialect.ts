/** google.cloud.tasks.v2 in one value. */
import { currentTasks } from "../current-task.ts";
import type { Dialect } from "../dialect.ts";
import { PACKAGE, QUEUE_FILTER, QUEUE_MASK, readQueue, writeQueue } from "./queue.ts";

export const v2: Dialect = {
  version: "v2",
  package: PACKAGE,
  knowsPullQueues: false,
  hasReadMask: false,
  hasLeases: false,
  readQueue,
  writeQueue,
  queueMask: QUEUE_MASK,
  queueFilter: QUEUE_FILTER,
  reword: (message) => message,
  ...currentTasks(PACKAGE, false),
};
