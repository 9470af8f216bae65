/** google.cloud.tasks.v2beta3 in one value. */
import { currentTasks } from "../current-task.ts";
import type { Dialect } from "../dialect.ts";
import { PACKAGE, QUEUE_FILTER, QUEUE_MASK, readQueue, writeQueue } from "./queue.ts";

export const v2beta3: Dialect = {
  version: "v2beta3",
  package: PACKAGE,
  knowsPullQueues: true,
  hasReadMask: true,
  hasLeases: false,
  readQueue,
  writeQueue,
  queueMask: QUEUE_MASK,
  queueFilter: QUEUE_FILTER,
  reword: (message) => message,
  ...currentTasks(PACKAGE, true),
};
