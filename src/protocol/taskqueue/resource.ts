/** The paths of this face, and the names in them. */
import type { QueueName } from "../../core/model.ts";
import { isProjectId, isQueueId, isTaskId } from "../../core/names.ts";
import { echo, invalidParameter, type Refusal } from "./errors.ts";

/** Where all paths begin (discovery `basePath`). */
export const BASE_PATH = "/taskqueue/v1beta2/projects/";

export type ResourceKind = "taskqueue" | "tasks" | "task";

export interface Resource {
  readonly kind: ResourceKind;
  /** As the path has it, decoded. */
  readonly project: string;
  readonly queue: string;
  readonly taskId: string;
}

/** Reads what follows the base. Null: no path of this face. */
export function readPath(rest: string): Resource | null {
  const parts = decodeParts(rest);
  if (parts === null || parts.length > 5 || parts.includes("")) return null;
  const [project = "", taskqueues, queue = "", tasks, taskId] = parts;
  if (taskqueues !== "taskqueues" || queue === "") return null;
  if (tasks === undefined) return { kind: "taskqueue", project, queue, taskId: "" };
  if (tasks !== "tasks") return null;
  return { kind: taskId === undefined ? "tasks" : "task", project, queue, taskId: taskId ?? "" };
}

function decodeParts(path: string): string[] | null {
  try {
    return path.split("/").map(decodeURIComponent);
  } catch {
    return null;
  }
}

/**
 * The project of an application id: without the partition that App Engine puts in front (`s~app`,
 * `e~app`, `b~app`).
 */
export function projectOf(applicationId: string): string {
  return applicationId.replace(/^[a-z\d-]{1,100}~/, "");
}

/** What is wrong with the names of a path, if anything is. */
export function nameProblem({ kind, project, queue, taskId }: Resource): Refusal | undefined {
  if (!isProjectId(projectOf(project))) return invalidName("project", project);
  if (!isQueueId(queue)) return invalidName("taskqueue", queue);
  if (kind === "task" && !isTaskId(taskId)) return invalidName("task", taskId);
  return undefined;
}

function invalidName(parameter: string, value: string): Refusal {
  return invalidParameter(parameter, `Invalid value for ${parameter}: '${echo(value)}'.`);
}

/** `projects/s~app/taskqueues/pq`: a queue's name in answers (recorded from the live service). */
export function writeQueueName(project: string, queue: string): string {
  return `projects/${project}/taskqueues/${queue}`;
}

/** Whether a queue's name in a request, short or in full, means this queue. */
export function isNameOf(name: string, { project, queue }: QueueName): boolean {
  const [, givenProject, givenQueue] = /^projects\/([^/]+)\/taskqueues\/([^/]+)$/.exec(name) ?? [];
  if (givenProject === undefined) return name === queue;
  return projectOf(givenProject) === project && givenQueue === queue;
}
