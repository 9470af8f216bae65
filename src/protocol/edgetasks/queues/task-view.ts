/** Tasks as answers show them: in the shape in which they are added. */
import { decodeMeta, type TaskRecord, type TaskTarget } from "../../../core/model.ts";
import { writeBytes } from "../../base64.ts";

/** A task; its payload where it was read. */
export function writeTask(task: TaskRecord): object {
  const { target, dispatchDeadlineUs } = decodeMeta(task.meta);
  return {
    name: task.id,
    scheduleTimeUs: String(task.scheduleTimeUs),
    createTimeUs: String(task.createTimeUs),
    retryCount: retryCountOf(task, target),
    ...(dispatchDeadlineUs === undefined ? {} : { dispatchDeadlineUs: String(dispatchDeadlineUs) }),
    [target.kind]: writeTarget(target, task),
  };
}

/** A leased task: whatever it was when it was added, it is a pull task now (Queue.lease_tasks). */
export function writeLeasedTask(task: TaskRecord): object {
  return {
    name: task.id,
    scheduleTimeUs: String(task.scheduleTimeUs),
    createTimeUs: String(task.createTimeUs),
    retryCount: task.dispatchCount,
    pull: writeTarget({ kind: "pull" }, task),
  };
}

/** Leases of a pull task, all of them; of a push task the attempts after the first. */
function retryCountOf({ dispatchCount }: TaskRecord, { kind }: TaskTarget): number {
  return kind === "pull" ? dispatchCount : Math.max(0, dispatchCount - 1);
}

function writeTarget(target: TaskTarget, { body, tag }: TaskRecord): object {
  const payload = body === undefined ? {} : { payload: writeBytes(body) };
  switch (target.kind) {
    case "pull":
      return { ...payload, ...(tag === undefined ? {} : { tag }) };
    case "http":
      return { url: target.url, method: target.method, headers: target.headers, ...payload };
    case "appEngine": {
      const { service, version, instance } = target.routing ?? {};
      const labels = [instance, version, service].filter(Boolean);
      return {
        relativeUrl: target.relativeUri,
        method: target.method,
        headers: target.headers,
        ...(labels.length === 0 ? {} : { target: labels.join(".") }),
        ...payload,
      };
    }
    default:
      return target satisfies never;
  }
}
