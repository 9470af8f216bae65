/** What permissions are asked about: a resource's name, its kind, and where its policies are. */
import type { QueueName } from "../../core/model.ts";
import { type LocationName, locationPath, queuePath, taskPath } from "../../core/names.ts";

export interface Resource {
  /** The project whose policy counts. */
  readonly project: string;
  /** The queue whose policy counts as well; absent: the project's alone does. */
  readonly queue?: QueueName;
  /** As conditions name it, and errors where they have no other word. */
  readonly name: string;
  /** As errors name it, where that is another. */
  readonly shownAs?: string;
  /** `cloudtasks.googleapis.com/Queue`: the service, and what it is. */
  readonly type: string;
}

const CLOUD_TASKS = "cloudtasks.googleapis.com";

export function projectResource(project: string): Resource {
  const type = "cloudresourcemanager.googleapis.com/Project";
  return { project, name: `projects/${project}`, type };
}

export function locationResource(name: LocationName): Resource {
  const { project } = name;
  return { project, name: locationPath(name), type: `${CLOUD_TASKS}/Location` };
}

export function queueResource({ project, location, queue }: QueueName): Resource {
  const name = { project, location, queue };
  return { project, queue: name, name: queuePath(name), type: `${CLOUD_TASKS}/Queue` };
}

/** The name must belong to a queue: a task has no policy of its own. */
export function taskResource({ project, location, queue }: QueueName, id: string): Resource {
  const name = { project, location, queue };
  return { project, queue: name, name: taskPath(name, id), type: `${CLOUD_TASKS}/Task` };
}

/** Errors name an account by its email alone (errors.md §2). */
export function accountResource(project: string, email: string): Resource {
  const name = `projects/${project}/serviceAccounts/${email}`;
  return { project, name, shownAs: email, type: "iam.googleapis.com/ServiceAccount" };
}
