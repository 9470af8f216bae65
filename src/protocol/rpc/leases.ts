/** The methods of pull workers: QueryAndOwnTasks and ModifyTaskLease. */
import { isFieldSet, type MessageInitShape } from "@bufbuild/protobuf";
import type { QueueRecord } from "../../core/model.ts";
import { isTaskId } from "../../core/names.ts";
import type { LeaseSelection } from "../../queue/service.ts";
import type { Call } from "./call.ts";
import { askQueue, queueOf } from "./current-queue.ts";
import { answer, Code, type Reply, refuse } from "./errors.ts";
import {
  type TaskQueueModifyTaskLeaseRequest,
  type TaskQueueModifyTaskLeaseResponseSchema,
  type TaskQueueQueryAndOwnTasksRequest,
  TaskQueueQueryAndOwnTasksRequestSchema,
  type TaskQueueQueryAndOwnTasksResponseSchema,
} from "./gen/taskqueue_service_pb.js";
import { readTag } from "./task-draft.ts";
import { bytesOf, textOf } from "./text.ts";

/** Tasks in a lease (limits.md §4). */
const MAX_TASKS = 1000n;
/** The longest lease (limits.md §3: a week); fractions and 0 are allowed. */
const MAX_LEASE_S = 604_800;
/** Bodies in one answer, in bytes: with 1000 tasks around them a call between objects holds them. */
const MAX_LEASED_BYTES = 28e6;

/** Leases tasks that are available; `eta_usec` is the lease's expiry, and names it. */
export async function queryAndOwnTasks(
  call: Call,
  request: TaskQueueQueryAndOwnTasksRequest,
): Promise<Reply<MessageInitShape<typeof TaskQueueQueryAndOwnTasksResponseSchema>>> {
  const name = queueOf(call, request.queueName);
  if (!name.ok) return name;
  const { maxTasks } = request;
  const leaseDurationUs = readLease(request.leaseSeconds);
  if (!leaseDurationUs.ok) return leaseDurationUs;
  if (maxTasks < 1n || maxTasks > MAX_TASKS) {
    return refuse(Code.INVALID_REQUEST, `max_tasks must be between 1 and ${MAX_TASKS}.`);
  }
  const selection = readSelection(request);
  if (!selection.ok) return selection;
  const leased = await askQueue(call, name.value, (queue) =>
    queue.leaseTasks({
      maxTasks: Number(maxTasks),
      leaseDurationUs: leaseDurationUs.value,
      selection: selection.value,
      withBody: true,
      maxBytes: MAX_LEASED_BYTES,
    }),
  );
  if (!leased.ok) return leased;
  return answer({
    task: leased.value.map(({ id, scheduleTimeUs, dispatchCount, body, tag }) => ({
      taskName: bytesOf(id),
      etaUsec: BigInt(scheduleTimeUs),
      // The lease just given counts, as in Google's own development server.
      retryCount: dispatchCount,
      body: body ?? new Uint8Array(),
      ...(tag === undefined ? {} : { tag: bytesOf(tag) }),
    })),
  });
}

/** Gives a lease another end; 0 seconds release the task. */
export async function modifyTaskLease(
  call: Call,
  request: TaskQueueModifyTaskLeaseRequest,
): Promise<Reply<MessageInitShape<typeof TaskQueueModifyTaskLeaseResponseSchema>>> {
  const name = queueOf(call, request.queueName);
  if (!name.ok) return name;
  const found = await askQueue(call, name.value, (queue) => queue.getQueue());
  if (!found.ok) return found;
  const problem = modeProblem(found.value);
  if (problem !== undefined) return problem;
  const leaseDurationUs = readLease(request.leaseSeconds);
  if (!leaseDurationUs.ok) return leaseDurationUs;
  const id = textOf(request.taskName) ?? "";
  if (!isTaskId(id)) return refuse(Code.INVALID_TASK_NAME, "Invalid task name.");
  const key = { id, scheduleTimeUs: Number(request.etaUsec) };
  const renewed = await askQueue(call, name.value, (queue) =>
    queue.renewLease(key, leaseDurationUs.value, false),
  );
  return renewed.ok ? answer({ updatedEtaUsec: BigInt(renewed.value.scheduleTimeUs) }) : renewed;
}

function modeProblem({ settings, state }: QueueRecord): Reply<never> | undefined {
  if (settings.type !== "PULL") {
    return refuse(Code.INVALID_QUEUE_MODE, "Only tasks of a pull queue have leases.");
  }
  if (state === "RUNNING") return undefined;
  return refuse(Code.QUEUE_PAUSED, "The queue is not running: no lease can be changed.");
}

function readLease(seconds: number): Reply<number> {
  if (seconds >= 0 && seconds <= MAX_LEASE_S) return answer(Math.round(seconds * 1e6));
  return refuse(Code.INVALID_REQUEST, `lease_seconds must be between 0 and ${MAX_LEASE_S}.`);
}

/** By a tag, by the tag of the oldest task (or its absence), or any. */
function readSelection(request: TaskQueueQueryAndOwnTasksRequest): Reply<LeaseSelection> {
  const isTagged = isFieldSet(request, TaskQueueQueryAndOwnTasksRequestSchema.field.tag);
  if (!request.groupByTag) {
    return isTagged
      ? refuse(Code.INVALID_REQUEST, "Tag specified, but group_by_tag was not.")
      : answer({ kind: "any" });
  }
  const tag = readTag(request.tag);
  if (!tag.ok) return tag;
  return answer(tag.value === "" ? { kind: "oldestTag" } : { kind: "tag", tag: tag.value });
}
