/** Resource names, parsed and built in one place; their patterns are those of limits.md §2. */
import { MAX_TAG_LENGTH } from "./limits.ts";
import type { QueueName } from "./model.ts";

const PROJECT_ID = /^[A-Za-z0-9:.-]+$/;
const QUEUE_ID = /^[A-Za-z0-9-]{1,100}$/;
const TASK_ID = /^[A-Za-z0-9_-]{1,500}$/;
const OPERATION_ID = /^([A-Za-z0-9-]{1,100})-([1-9]\d{0,15})$/;

/** A project and one of its locations: the parent of queues and operations. */
export type LocationName = Pick<QueueName, "project" | "location">;

/** The name of a queue's object in its namespace. */
export function queueObjectName(name: QueueName): string {
  return `${name.project}/${name.location}/${name.queue}`;
}

/** The name of the catalogue's object of a project and location. */
export function registryObjectName(name: LocationName): string {
  return `${name.project}/${name.location}`;
}

export function isProjectId(text: string): boolean {
  return PROJECT_ID.test(text);
}

export function isQueueId(text: string): boolean {
  return QUEUE_ID.test(text);
}

export function isTaskId(text: string): boolean {
  return TASK_ID.test(text);
}

/** The name of a transaction's object in its namespace. */
export function transactionObjectName(name: LocationName & { readonly id: string }): string {
  return `${name.project}/${name.location}/${name.id}`;
}

/** `projects/P/locations/L` */
export function locationPath(name: LocationName): string {
  return `projects/${name.project}/locations/${name.location}`;
}

/** `projects/P/locations/L/queues/Q` */
export function queuePath(name: QueueName): string {
  return `${locationPath(name)}/queues/${name.queue}`;
}

/** `projects/P/locations/L/queues/Q/tasks/T` */
export function taskPath(name: QueueName, id: string): string {
  return `${queuePath(name)}/tasks/${id}`;
}

/** Reads a queue's full name. Null: not of that form, or an id outside its pattern. */
export function parseQueuePath(path: string): QueueName | null {
  const [projects, project, locations, location, queues, queue, ...rest] = path.split("/");
  if (projects !== "projects" || locations !== "locations" || queues !== "queues") return null;
  if (!project || !location || !queue || rest.length > 0) return null;
  if (!isProjectId(project) || !isQueueId(queue)) return null;
  return { project, location, queue };
}

/** A task's full name in its two parts, neither of them checked. Null: it has no `/tasks/`. */
export function splitTaskPath(path: string): { queuePath: string; id: string } | null {
  const [, queue, id] = /^(.*?)\/tasks\/(.*)$/s.exec(path) ?? [];
  return queue === undefined || id === undefined ? null : { queuePath: queue, id };
}

/** `projects/P/locations/L/operations/Q-N`: an operation's number is its queue's own, from 1. */
export function operationPath(name: QueueName, number: number): string {
  return `${locationPath(name)}/operations/${name.queue}-${number}`;
}

/** The queue and number that an operation's id tells. Null: no operation has such an id. */
export function parseOperationId(id: string): { queue: string; number: number } | null {
  const [, queue, number] = OPERATION_ID.exec(id) ?? [];
  return queue === undefined ? null : { queue, number: Number(number) };
}

/** What is wrong with a tag; null when nothing is. */
export function tagFault(tag: string): "too long" | "malformed" | null {
  // A character is one or two units of UTF-16, so only a text of more units can be too long.
  if (tag.length > MAX_TAG_LENGTH && [...tag].length > MAX_TAG_LENGTH) return "too long";
  return tag.isWellFormed() ? null : "malformed";
}

/** `projects/P/locations/L/transactions/ID` */
export function transactionPath(name: LocationName & { readonly id: string }): string {
  return `${locationPath(name)}/transactions/${name.id}`;
}

/**
 * Whether a text can be a transaction's id: a number from 1 below 2^63, which fits the handle of an
 * App Engine transaction (rpc.md §4, fixed64), in decimal digits without leading zeros.
 */
export function isTransactionId(text: string): boolean {
  return /^[1-9]\d{0,18}$/.test(text) && BigInt(text) < 2n ** 63n;
}
