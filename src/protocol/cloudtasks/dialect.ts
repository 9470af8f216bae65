/**
 * What one version of the interface says in its own words. The methods (queues.ts, tasks.ts,
 * leases.ts, batch.ts) are written once against this; a version is its schema and its translation.
 */
import type { AttemptRecord, QueueName, QueueRecord, TaskMeta } from "../../core/model.ts";
import type { SettingsInput } from "../../core/queue-settings.ts";
import type { Result } from "../../core/result.ts";
import type { QueueStats } from "../../queue/service.ts";
import type { MaskPaths } from "./field-mask.ts";
import type { FilterFields } from "./filter.ts";
import type { TaskInput, TaskWords } from "./task-draft.ts";

/** How much of a task an answer shows: BASIC leaves the body out. */
export type View = "BASIC" | "FULL";

/** How an answer is written. */
export interface Style {
  readonly enumsAsInts: boolean;
  readonly appEngineDomain: string;
}

export interface QueueInput {
  readonly name: string;
  readonly settings: SettingsInput;
}

export interface CreateTaskInput {
  readonly parent: string;
  readonly task: TaskInput | undefined;
  readonly view: View;
}

/** A task as answers show it; counts are absent for a task that was just stored. */
export interface TaskShown {
  readonly id: string;
  readonly scheduleTimeUs: number;
  readonly createTimeUs: number;
  readonly meta: TaskMeta;
  readonly body?: Uint8Array;
  readonly tag?: string;
  readonly dispatchCount?: number;
  readonly responseCount?: number;
  readonly firstAttempt?: { readonly dispatchTimeUs: number };
  readonly lastAttempt?: AttemptRecord;
}

export interface Dialect {
  /** First segment of its paths. */
  readonly version: string;
  /** Its protobuf package: types in errors and operations. */
  readonly package: string;

  /** Whether it can say that a queue is a pull queue; where not, lists leave those out. */
  readonly knowsPullQueues: boolean;
  /** Whether its queues have statistics and its reads a readMask. */
  readonly hasReadMask: boolean;
  /** Whether it leases tasks, and takes a queue.yaml. */
  readonly hasLeases: boolean;
  /** What a new queue must say of itself; absent: nothing. */
  readonly requiredQueueType?: { readonly field: string; readonly message: string };

  /** Reads a queue. `root` is where it stands in the request, for errors. */
  readQueue(value: unknown, root: string): Result<QueueInput>;
  /** A queue with all of its fields; the statistics where they are given. */
  writeQueue(
    queue: QueueRecord,
    style: Style,
    stats?: QueueStats,
  ): Readonly<Record<string, unknown>>;
  /** The paths of an update mask; their names are those of a read mask too. */
  readonly queueMask: MaskPaths;
  /** The fields of ListQueues' filter. */
  readonly queueFilter: FilterFields;
  /** The text of a refused setting in this version's names of fields. */
  reword(message: string): string;

  /** This version's names for parts of a task, for errors. */
  readonly taskWords: TaskWords;
  readCreateTask(value: unknown): Result<CreateTaskInput>;
  readRunTask(value: unknown): Result<View>;
  readBatchCreate(value: unknown): Result<BatchCreateInput>;
  writeTask(
    queue: QueueName,
    task: TaskShown,
    view: View,
    style: Style,
  ): Readonly<Record<string, unknown>>;
}

export interface BatchCreateInput {
  readonly parent: string;
  readonly requests: readonly CreateTaskInput[];
  readonly requestId: string;
}
