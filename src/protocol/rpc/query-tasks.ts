/**
 * QueryTasks: a queue's tasks in order. From `start_eta_usec` on they come by time, those of one time
 * by name, and a page goes on where the last task of the one before was, which it repeats. Without
 * that time they come by name, for which a queue must be looked through: so up to MAX_LOOKED tasks;
 * in a queue with more, the first page comes by time, and a later one is refused.
 */
import { isFieldSet, type MessageInitShape } from "@bufbuild/protobuf";
import type { ListCursor, QueueName, TaskRecord } from "../../core/model.ts";
import type { Call } from "./call.ts";
import { askQueue, queueOf } from "./current-queue.ts";
import { answer, Code, type Reply, refuse } from "./errors.ts";
import {
  type TaskQueueQueryTasksRequest,
  TaskQueueQueryTasksRequestSchema,
  type TaskQueueQueryTasksResponseSchema,
} from "./gen/taskqueue_service_pb.js";
import { inParallel } from "./in-parallel.ts";
import { taskShown } from "./task-shown.ts";
import { textOf } from "./text.ts";

const MAX_ROWS = 1000;
/** Tasks looked at in one call, bodies apart. */
const MAX_LOOKED = 10_000;
const PAGE_SIZE = 1000;
/** Bodies in one answer, in bytes; the tasks after that are left for the next page. */
const MAX_BODIES = 16e6;

const { field } = TaskQueueQueryTasksRequestSchema;

export async function queryTasks(
  call: Call,
  request: TaskQueueQueryTasksRequest,
): Promise<Reply<MessageInitShape<typeof TaskQueueQueryTasksResponseSchema>>> {
  const queue = queueOf(call, request.queueName, request.appId);
  if (!queue.ok) return queue;
  const { startEtaUsec } = request;
  if (request.maxRows < 1) return refuse(Code.INVALID_REQUEST, "max_rows must be 1 or more.");
  if (isFieldSet(request, field.startTag)) {
    return refuse(Code.INVALID_REQUEST, "Tasks cannot be listed by tag: start_tag is not served.");
  }
  const isByTime = isFieldSet(request, field.startEtaUsec);
  if (isByTime && startEtaUsec < 0n) {
    return refuse(Code.INVALID_ETA, "start_eta_usec must not be negative.");
  }
  const rows = Math.min(request.maxRows, MAX_ROWS);
  const name = textOf(request.startTaskName) ?? "";
  const chosen = isByTime
    ? await tasksFrom(call, queue.value, Number(startEtaUsec), name, rows)
    : await tasksByName(call, queue.value, name, rows);
  if (!chosen.ok) return chosen;
  return answer({ task: (await withBodies(call, queue.value, chosen.value)).map(taskShown) });
}

/** Tasks by time, then name; read on until nothing that is still to come belongs before them. */
async function tasksFrom(
  call: Call,
  queue: QueueName,
  atUs: number,
  name: string,
  rows: number,
): Promise<Reply<readonly TaskRecord[]>> {
  const isBefore = (task: TaskRecord) => task.scheduleTimeUs === atUs && task.id < name;
  const isEnough = (tasks: readonly TaskRecord[]) => {
    const last = tasks.filter((task) => !isBefore(task))[rows - 1];
    return last !== undefined && (tasks.at(-1)?.scheduleTimeUs ?? 0) > last.scheduleTimeUs;
  };
  const looked = await look(call, queue, { scheduleTimeUs: atUs, sequence: -1 }, isEnough);
  if (!looked.ok) return looked;
  const ordered = [...looked.value.tasks].sort(
    (a, b) => a.scheduleTimeUs - b.scheduleTimeUs || compare(a.id, b.id),
  );
  return answer(ordered.filter((task) => !isBefore(task)).slice(0, rows));
}

async function tasksByName(
  call: Call,
  queue: QueueName,
  name: string,
  rows: number,
): Promise<Reply<readonly TaskRecord[]>> {
  const looked = await look(call, queue, undefined, () => false);
  if (!looked.ok) return looked;
  const { tasks, isAll } = looked.value;
  if (!isAll && name === "") return answer(tasks.slice(0, rows));
  if (!isAll) {
    return refuse(
      Code.INVALID_REQUEST,
      `A queue with more than ${MAX_LOOKED} tasks is listed from a start_eta_usec on.`,
    );
  }
  const ordered = [...tasks].sort((a, b) => compare(a.id, b.id));
  return answer(ordered.filter(({ id }) => id >= name).slice(0, rows));
}

/** Tasks in the queue's order, without bodies, until it is enough or too many. */
async function look(
  call: Call,
  queue: QueueName,
  from: ListCursor | undefined,
  isEnough: (tasks: readonly TaskRecord[]) => boolean,
): Promise<Reply<{ readonly tasks: readonly TaskRecord[]; readonly isAll: boolean }>> {
  const tasks: TaskRecord[] = [];
  let cursor = from;
  for (let pages = 0; pages < MAX_LOOKED / PAGE_SIZE; pages++) {
    const page = await askQueue(call, queue, (stub) =>
      stub.listTasks({
        pageSize: PAGE_SIZE,
        withBody: false,
        ...(cursor === undefined ? {} : { cursor }),
      }),
    );
    if (!page.ok) return page;
    tasks.push(...page.value.tasks);
    cursor = page.value.next;
    if (cursor === undefined) return answer({ tasks, isAll: true });
    if (isEnough(tasks)) break;
  }
  return answer({ tasks, isAll: false });
}

/** The tasks as they are now, each with its body; one that is gone by now is left out. */
async function withBodies(
  call: Call,
  queue: QueueName,
  chosen: readonly TaskRecord[],
): Promise<readonly TaskRecord[]> {
  let bytes = 0;
  const found = await inParallel(chosen, async (task) => {
    if (bytes > MAX_BODIES) return undefined;
    const whole = await askQueue(call, queue, (stub) => stub.getTask(task.id, true));
    if (!whole.ok) return null;
    bytes += whole.value.body?.length ?? 0;
    return whole.value;
  });
  const end = found.indexOf(undefined);
  return found
    .slice(0, end === -1 ? undefined : end)
    .filter((task): task is TaskRecord => task !== null && task !== undefined);
}

/** By code units: names are ASCII. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
