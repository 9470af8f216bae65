/**
 * The methods of the Cloud Tasks REST interface: which path they answer, and what a caller must be
 * allowed. Three mappings are our own, where Google's lists have no word (auth.md §4):
 *
 *  - lease, renewLease, cancelLease and batchRenewLease need `cloudtasks.tasks.lease`; acknowledge and
 *    batchAcknowledge need `cloudtasks.tasks.acknowledge`. The role for workers that has them is
 *    roles/cloudtasks.dequeuer.
 *  - Operations are what batches made of tasks, and need `cloudtasks.tasks.list`.
 *  - buffer and the batches need what the single call needs.
 *
 * What else a method asks for depends on its body or query: `cloudtasks.tasks.fullView` on the queue
 * for FULL views, `cloudtasks.queues.create` on the location for a patch that creates,
 * `iam.serviceAccounts.actAs` on the account of a token.
 */
import type { Permission } from "../../auth/iam/roles.ts";
import { batchCreateTasks, batchDeleteTasks, getOperation, listOperations } from "./batch.ts";
import type { Answer, Call } from "./call.ts";
import type { Dialect } from "./dialect.ts";
import {
  getProjectPolicy,
  getQueuePolicy,
  setProjectPolicy,
  setQueuePolicy,
  testProjectPermissions,
  testQueuePermissions,
} from "./iam.ts";
import {
  acknowledgeTask,
  batchAcknowledge,
  batchRenewLease,
  cancelLease,
  leaseTasks,
  renewLease,
} from "./leases.ts";
import { getLocation, listLocations } from "./locations.ts";
import {
  createQueue,
  deleteQueue,
  getCmekConfig,
  getQueue,
  listQueues,
  patchQueue,
  pauseQueue,
  purgeQueue,
  resumeQueue,
  updateCmekConfig,
} from "./queues.ts";
import type { ResourceKind } from "./resource.ts";
import { bufferTask, createTask, deleteTask, getTask, listTasks, runTask } from "./tasks.ts";

/** A method of the interface. */
export interface Method {
  /** Its name in the service, for error details. */
  readonly name: string;
  /**
   * What the caller must be allowed on the resource of the path, before the body is read. Null:
   * nothing, for a method that tells everyone what they may do.
   */
  readonly permission: Permission | null;
  readonly run: (call: Call) => Answer;
  /** The fields it reads from the query. */
  readonly params?: readonly string[];
  /** It creates tasks, which may be of a transaction (transactions.ts). */
  readonly canTakePart?: boolean;
  /** It honours a preference to wait, and the answer says so. */
  readonly canWait?: boolean;
  /** Its refusals of bad names are those of a parent, not of a subject. */
  readonly isQueueParent?: boolean;
}

export type Table = Partial<Record<ResourceKind, Readonly<Record<string, Method>>>>;

const LOCATIONS: Table = {
  locations: {
    GET: {
      name: "ListLocations",
      permission: "cloudtasks.locations.list",
      run: listLocations,
      params: ["filter", "pageSize", "pageToken", "extraLocationTypes"],
    },
  },
  location: {
    GET: { name: "GetLocation", permission: "cloudtasks.locations.get", run: getLocation },
  },
};

/** Policies of projects, which clients look for under /v1 (Resource Manager v1). */
const PROJECTS: Table = {
  project: {
    "POST:getIamPolicy": {
      name: "GetIamPolicy",
      permission: "resourcemanager.projects.getIamPolicy",
      run: getProjectPolicy,
    },
    "POST:setIamPolicy": {
      name: "SetIamPolicy",
      permission: "resourcemanager.projects.setIamPolicy",
      run: setProjectPolicy,
    },
    "POST:testIamPermissions": {
      name: "TestIamPermissions",
      permission: null,
      run: testProjectPermissions,
    },
  },
};

/** What is served under /v1. */
export const V1_METHODS: Table = { ...LOCATIONS, ...PROJECTS };

/** Methods by kind of resource and `VERB` or `VERB:action`. */
const METHODS: Table = {
  ...LOCATIONS,
  cmekConfig: {
    GET: { name: "GetCmekConfig", permission: "cloudtasks.cmekConfig.get", run: getCmekConfig },
    PATCH: {
      name: "UpdateCmekConfig",
      permission: "cloudtasks.cmekConfig.update",
      run: updateCmekConfig,
      params: ["updateMask"],
    },
  },
  operations: {
    GET: {
      name: "ListOperations",
      permission: "cloudtasks.tasks.list",
      run: listOperations,
      params: ["filter", "pageSize", "pageToken", "returnPartialSuccess"],
    },
  },
  operation: {
    GET: { name: "GetOperation", permission: "cloudtasks.tasks.list", run: getOperation },
  },
  queues: {
    GET: {
      name: "ListQueues",
      permission: "cloudtasks.queues.list",
      run: listQueues,
      params: ["filter", "pageSize", "pageToken"],
    },
    POST: { name: "CreateQueue", permission: "cloudtasks.queues.create", run: createQueue },
  },
  queue: {
    GET: { name: "GetQueue", permission: "cloudtasks.queues.get", run: getQueue },
    PATCH: {
      name: "UpdateQueue",
      permission: "cloudtasks.queues.update",
      run: patchQueue,
      params: ["updateMask"],
    },
    DELETE: { name: "DeleteQueue", permission: "cloudtasks.queues.delete", run: deleteQueue },
    "POST:pause": { name: "PauseQueue", permission: "cloudtasks.queues.pause", run: pauseQueue },
    "POST:resume": {
      name: "ResumeQueue",
      permission: "cloudtasks.queues.resume",
      run: resumeQueue,
    },
    "POST:purge": { name: "PurgeQueue", permission: "cloudtasks.queues.purge", run: purgeQueue },
    "POST:getIamPolicy": {
      name: "GetIamPolicy",
      permission: "cloudtasks.queues.getIamPolicy",
      run: getQueuePolicy,
    },
    "POST:setIamPolicy": {
      name: "SetIamPolicy",
      permission: "cloudtasks.queues.setIamPolicy",
      run: setQueuePolicy,
    },
    "POST:testIamPermissions": {
      name: "TestIamPermissions",
      permission: null,
      run: testQueuePermissions,
    },
  },
  tasks: {
    GET: {
      name: "ListTasks",
      permission: "cloudtasks.tasks.list",
      run: listTasks,
      params: ["responseView", "pageSize", "pageToken"],
      isQueueParent: true,
    },
    POST: {
      name: "CreateTask",
      permission: "cloudtasks.tasks.create",
      run: createTask,
      canTakePart: true,
      isQueueParent: true,
    },
    "POST:buffer": {
      name: "BufferTask",
      permission: "cloudtasks.tasks.create",
      run: bufferTask,
      isQueueParent: true,
    },
    "POST:batchCreate": {
      name: "BatchCreateTasks",
      permission: "cloudtasks.tasks.create",
      run: batchCreateTasks,
      canTakePart: true,
      isQueueParent: true,
    },
    "POST:batchDelete": {
      name: "BatchDeleteTasks",
      permission: "cloudtasks.tasks.delete",
      run: batchDeleteTasks,
      isQueueParent: true,
    },
  },
  task: {
    GET: {
      name: "GetTask",
      permission: "cloudtasks.tasks.get",
      run: getTask,
      params: ["responseView"],
    },
    DELETE: { name: "DeleteTask", permission: "cloudtasks.tasks.delete", run: deleteTask },
    "POST:run": { name: "RunTask", permission: "cloudtasks.tasks.run", run: runTask },
    "POST:buffer": { name: "BufferTask", permission: "cloudtasks.tasks.create", run: bufferTask },
  },
};

/** What readMask adds to, in the versions that have it. */
const READ_MASK: Table = {
  queues: {
    GET: {
      name: "ListQueues",
      permission: "cloudtasks.queues.list",
      run: listQueues,
      params: ["filter", "pageSize", "pageToken", "readMask"],
    },
  },
  queue: {
    GET: {
      name: "GetQueue",
      permission: "cloudtasks.queues.get",
      run: getQueue,
      params: ["readMask"],
    },
  },
};

/** Leases of pull tasks: v2beta2 alone has them. */
const LEASES: Table = {
  tasks: {
    "POST:lease": {
      name: "LeaseTasks",
      permission: "cloudtasks.tasks.lease",
      run: leaseTasks,
      isQueueParent: true,
      canWait: true,
    },
    "POST:batchAcknowledge": {
      name: "BatchAcknowledgeTasks",
      permission: "cloudtasks.tasks.acknowledge",
      run: batchAcknowledge,
      isQueueParent: true,
    },
    "POST:batchRenewLease": {
      name: "BatchRenewLease",
      permission: "cloudtasks.tasks.lease",
      run: batchRenewLease,
      isQueueParent: true,
    },
  },
  task: {
    "POST:acknowledge": {
      name: "AcknowledgeTask",
      permission: "cloudtasks.tasks.acknowledge",
      run: acknowledgeTask,
    },
    "POST:renewLease": {
      name: "RenewLease",
      permission: "cloudtasks.tasks.lease",
      run: renewLease,
    },
    "POST:cancelLease": {
      name: "CancelLease",
      permission: "cloudtasks.tasks.lease",
      run: cancelLease,
    },
  },
};

/** The methods of a version. */
export function methodsOf(dialect: Dialect): Table {
  const additions = [
    ...(dialect.hasReadMask ? [READ_MASK] : []),
    ...(dialect.hasLeases ? [LEASES] : []),
  ];
  const table = { ...METHODS };
  for (const addition of additions) {
    for (const kind of Object.keys(addition) as ResourceKind[]) {
      table[kind] = { ...table[kind], ...addition[kind] };
    }
  }
  return table;
}
