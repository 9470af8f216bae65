/** The methods on stored tasks: Delete, ForceRun, FetchTask. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { isTaskId } from "../../core/names.ts";
import type { Call } from "./call.ts";
import { askQueue, queueOf } from "./current-queue.ts";
import { answer, Code, codeOf, echo, type Reply, refuse } from "./errors.ts";
import type {
  TaskQueueDeleteRequest,
  TaskQueueDeleteResponseSchema,
  TaskQueueFetchTaskRequest,
  TaskQueueFetchTaskResponseSchema,
  TaskQueueForceRunRequest,
  TaskQueueForceRunResponseSchema,
} from "./gen/taskqueue_service_pb.js";
import { taskShown } from "./task-shown.ts";
import { textOf } from "./text.ts";

/** Names deleted in one commit: a call for more is done in parts. */
const PART = 1000;

/** Deletes tasks; one result for each name. What is wrong with the queue is every name's result. */
export async function deleteTasks(
  call: Call,
  request: TaskQueueDeleteRequest,
): Promise<Reply<MessageInitShape<typeof TaskQueueDeleteResponseSchema>>> {
  const names = request.taskName.map((bytes) => textOf(bytes) ?? "");
  const queue = queueOf(call, request.queueName, request.appId);
  if (!queue.ok) return answer({ result: names.map(() => queue.error.code) });
  const results: Code[] = names.map((name) => (isTaskId(name) ? Code.OK : Code.INVALID_TASK_NAME));
  const valid = [...results.keys()].filter((index) => results[index] === Code.OK);
  for (let start = 0; start < valid.length; start += PART) {
    const indexes = valid.slice(start, start + PART);
    const ids = indexes.map((index) => names[index] ?? "");
    const deleted = await askQueue(call, queue.value, (stub) => stub.deleteTasks(ids));
    for (const [place, index] of indexes.entries()) {
      const result = deleted.ok ? deleted.value[place] : undefined;
      if (!deleted.ok) results[index] = deleted.error.code;
      else if (result?.ok === false) results[index] = codeOf(result.error);
    }
  }
  return answer({ result: results });
}

/** Dispatches a push task now. */
export async function forceRun(
  call: Call,
  request: TaskQueueForceRunRequest,
): Promise<Reply<MessageInitShape<typeof TaskQueueForceRunResponseSchema>>> {
  const task = taskOf(call, request);
  if (!task.ok) return answer({ result: task.error.code });
  const { queue, id } = task.value;
  const run = await askQueue(call, queue, (stub) => stub.runTask(id, false));
  return answer({ result: run.ok ? Code.OK : run.error.code });
}

export async function fetchTask(
  call: Call,
  request: TaskQueueFetchTaskRequest,
): Promise<Reply<MessageInitShape<typeof TaskQueueFetchTaskResponseSchema>>> {
  const task = taskOf(call, request);
  if (!task.ok) return task;
  const { queue, id } = task.value;
  const found = await askQueue(call, queue, (stub) => stub.getTask(id, true));
  return found.ok ? answer({ task: { task: [taskShown(found.value)] } }) : found;
}

function taskOf(call: Call, request: TaskQueueForceRunRequest | TaskQueueFetchTaskRequest) {
  const queue = queueOf(call, request.queueName, request.appId);
  if (!queue.ok) return queue;
  const id = textOf(request.taskName) ?? "";
  if (!isTaskId(id)) return refuse(Code.INVALID_TASK_NAME, `Invalid task name "${echo(id)}".`);
  return answer({ queue: queue.value, id });
}
