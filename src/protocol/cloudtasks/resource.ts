/**
 * Paths of the interface: which resource a path names, and the checks on its parts. Reading a path
 * only cuts it up; what an id may be is checked apart, for each method words its refusal
 * differently.
 */
import {
  locationResource,
  type Resource as ProtectedResource,
  projectResource,
  queueResource,
  taskResource,
} from "../../auth/iam/resource.ts";
import { findLocation } from "../../core/locations.ts";
import type { QueueName } from "../../core/model.ts";
import { isProjectId, isQueueId, isTaskId, parseOperationId } from "../../core/names.ts";
import type { DomainError } from "../../core/result.ts";
import {
  type Failure,
  invalidResource,
  malformedQueueName,
  malformedTaskId,
  unknownLocation,
  unknownProject,
} from "../errors.ts";

export type ResourceKind =
  | "project"
  | "locations"
  | "location"
  | "cmekConfig"
  | "operations"
  | "operation"
  | "queues"
  | "queue"
  | "tasks"
  | "task";

/** What a path names. Parts that its kind does not have are empty. */
export interface Resource extends QueueName {
  readonly kind: ResourceKind;
  /** Of a task or an operation. */
  readonly id: string;
  /** What stands after the last `:`; empty for plain paths. */
  readonly verb: string;
}

/** By the number of segments: the words at odd places, and the kind they make. */
const SHAPES: Readonly<
  Record<number, readonly { readonly words: readonly string[]; readonly kind: ResourceKind }[]>
> = {
  2: [{ words: ["projects"], kind: "project" }],
  3: [{ words: ["projects", "locations"], kind: "locations" }],
  4: [{ words: ["projects", "locations"], kind: "location" }],
  5: [
    { words: ["projects", "locations", "queues"], kind: "queues" },
    { words: ["projects", "locations", "operations"], kind: "operations" },
    { words: ["projects", "locations", "cmekConfig"], kind: "cmekConfig" },
  ],
  6: [
    { words: ["projects", "locations", "queues"], kind: "queue" },
    { words: ["projects", "locations", "operations"], kind: "operation" },
  ],
  7: [{ words: ["projects", "locations", "queues", "tasks"], kind: "tasks" }],
  8: [{ words: ["projects", "locations", "queues", "tasks"], kind: "task" }],
};

const PROJECT_VERB = /:(?:getIamPolicy|setIamPolicy|testIamPermissions)$/;

/**
 * Cuts up the path after the version. Segments are percent-decoded one by one, and the verb is
 * split off before that, so `%3A` stays part of an id. Null: no resource has such a path.
 */
export function readPath(path: string): Resource | null {
  const segments = path.split("/");
  const last = segments.length - 1;
  let verb = "";
  const colon = segments[last]?.lastIndexOf(":") ?? -1;
  // A project's id may have a colon of its own.
  if (colon !== -1 && (last !== 1 || PROJECT_VERB.test(path))) {
    verb = segments[last]?.slice(colon + 1) ?? "";
    segments[last] = segments[last]?.slice(0, colon) ?? "";
    if (verb === "") return null;
  }
  if (path.includes("%") && !decodeAll(segments)) return null;
  if (last === 1 && verb === "") return null;
  const shape = SHAPES[segments.length]?.find(({ words }) =>
    words.every((word, index) => segments[index * 2] === word),
  );
  if (shape === undefined) return null;
  const { kind } = shape;
  const hasQueue = kind === "queue" || kind === "tasks" || kind === "task";
  return {
    kind,
    project: segments[1] ?? "",
    location: segments[3] ?? "",
    queue: hasQueue ? (segments[5] ?? "") : "",
    id: kind === "task" ? (segments[7] ?? "") : kind === "operation" ? (segments[5] ?? "") : "",
    verb,
  };
}

function decodeAll(segments: string[]): boolean {
  try {
    for (const [index, segment] of segments.entries())
      segments[index] = decodeURIComponent(segment);
    return true;
  } catch {
    return false;
  }
}

/** What permissions are asked about: a task's and a queue's policies are the queue's and its project's. */
export function protectedResource(resource: Resource): ProtectedResource {
  switch (resource.kind) {
    case "project":
    case "locations":
      return projectResource(resource.project);
    case "queue":
    case "tasks":
      return queueResource(resource);
    case "task":
      return taskResource(resource, resource.id);
    case "operation": {
      const queue = parseOperationId(resource.id)?.queue;
      return queue === undefined
        ? locationResource(resource)
        : queueResource({ ...resource, queue });
    }
    default:
      return locationResource(resource);
  }
}

/** How a method words the refusal of a bad parent or name (errors.md §2). */
export interface NameRules {
  /** Full name of the method, for ErrorInfo. */
  readonly method: string;
  /** The project is looked at before anything else is: createQueue. */
  readonly checksProject: boolean;
  /** The queue is the method's parent, not its subject. */
  readonly isQueueParent: boolean;
}

/** The first thing wrong with a resource's parts; undefined when every part could exist. */
export function nameProblem(resource: Resource, rules: NameRules): DomainError | undefined {
  return findProblem(resource, rules)?.error;
}

function findProblem(resource: Resource, rules: NameRules): Failure | undefined {
  const { kind, project, location, queue, id } = resource;
  if (!isProjectId(project)) {
    return rules.checksProject && project !== ""
      ? unknownProject(project)
      : invalidResource(rules.method);
  }
  if (kind === "project" || kind === "locations") return undefined;
  if (location === "") return invalidResource(rules.method);
  if (findLocation(location) === undefined) return unknownLocation(location);
  if ((kind === "queue" || kind === "tasks" || kind === "task") && !isQueueId(queue)) {
    return rules.isQueueParent ? invalidResource(rules.method) : malformedQueueName();
  }
  if (kind === "task" && !isTaskId(id)) return malformedTaskId(id);
  return undefined;
}
