/** Resource names, parsed and built in one place. */
import type { QueueName } from "./model.ts";

/** The name of a queue's object in its namespace. */
export function queueObjectName(name: QueueName): string {
  return `${name.project}/${name.location}/${name.queue}`;
}

/** The name of the catalogue's object of a project and location. */
export function registryObjectName(name: Pick<QueueName, "project" | "location">): string {
  return `${name.project}/${name.location}`;
}
