/**
 * Permissions, and the roles that hold them (auth.md §4). Roles are predefined; a project cannot make
 * its own.
 *
 * Three things here are not Google's, whose current lists have no word for leases:
 *  - `cloudtasks.tasks.lease`: to lease tasks of a pull queue, to renew and to cancel leases.
 *  - `cloudtasks.tasks.acknowledge`: to end a lease by deleting its task.
 *  - `roles/cloudtasks.dequeuer`: what a worker of a pull queue needs. It is exactly what a
 *    `user_email` in the acl of a queue.yaml could do.
 */

const LOCATIONS = ["cloudtasks.locations.get", "cloudtasks.locations.list"] as const;
const CMEK_CONFIG = ["cloudtasks.cmekConfig.get", "cloudtasks.cmekConfig.update"] as const;
const QUEUE_USE = [
  "cloudtasks.queues.create",
  "cloudtasks.queues.delete",
  "cloudtasks.queues.get",
  "cloudtasks.queues.list",
  "cloudtasks.queues.pause",
  "cloudtasks.queues.purge",
  "cloudtasks.queues.resume",
  "cloudtasks.queues.update",
] as const;
const QUEUE_POLICY = ["cloudtasks.queues.getIamPolicy", "cloudtasks.queues.setIamPolicy"] as const;
const TASKS = [
  "cloudtasks.tasks.acknowledge",
  "cloudtasks.tasks.create",
  "cloudtasks.tasks.delete",
  "cloudtasks.tasks.fullView",
  "cloudtasks.tasks.get",
  "cloudtasks.tasks.lease",
  "cloudtasks.tasks.list",
  "cloudtasks.tasks.run",
] as const;
const PROJECT = ["resourcemanager.projects.get", "resourcemanager.projects.list"] as const;
const PROJECT_POLICY = [
  "resourcemanager.projects.getIamPolicy",
  "resourcemanager.projects.setIamPolicy",
] as const;
const ACCOUNTS_READ = ["iam.serviceAccounts.get", "iam.serviceAccounts.list"] as const;
const ACCOUNTS_WRITE = [
  "iam.serviceAccounts.create",
  "iam.serviceAccounts.delete",
  "iam.serviceAccounts.disable",
  "iam.serviceAccounts.enable",
  "iam.serviceAccounts.update",
] as const;
const KEYS_READ = ["iam.serviceAccountKeys.get", "iam.serviceAccountKeys.list"] as const;
const KEYS_WRITE = [
  "iam.serviceAccountKeys.create",
  "iam.serviceAccountKeys.delete",
  "iam.serviceAccountKeys.disable",
  "iam.serviceAccountKeys.enable",
] as const;
const ACT_AS = ["iam.serviceAccounts.actAs"] as const;
const MAKE_TOKENS = [
  "iam.serviceAccounts.getAccessToken",
  "iam.serviceAccounts.getOpenIdToken",
] as const;
/** API tokens are this service's own, and so are their permissions. */
const API_TOKENS_READ = ["edgetasks.apiTokens.get", "edgetasks.apiTokens.list"] as const;
const API_TOKENS_WRITE = ["edgetasks.apiTokens.create", "edgetasks.apiTokens.delete"] as const;
const AUDIT = ["logging.logEntries.list"] as const;
const MONITORING = ["monitoring.timeSeries.list"] as const;

/** Every permission there is, in alphabetical order. */
export const PERMISSIONS = [
  ...CMEK_CONFIG,
  ...LOCATIONS,
  ...QUEUE_USE,
  ...QUEUE_POLICY,
  ...TASKS,
  ...API_TOKENS_READ,
  ...API_TOKENS_WRITE,
  ...KEYS_READ,
  ...KEYS_WRITE,
  ...ACT_AS,
  ...ACCOUNTS_READ,
  ...ACCOUNTS_WRITE,
  ...MAKE_TOKENS,
  ...AUDIT,
  ...MONITORING,
  ...PROJECT,
  ...PROJECT_POLICY,
].sort() as readonly Permission[];

export type Permission =
  | (typeof CMEK_CONFIG)[number]
  | (typeof LOCATIONS)[number]
  | (typeof QUEUE_USE)[number]
  | (typeof QUEUE_POLICY)[number]
  | (typeof TASKS)[number]
  | (typeof API_TOKENS_READ)[number]
  | (typeof API_TOKENS_WRITE)[number]
  | (typeof KEYS_READ)[number]
  | (typeof KEYS_WRITE)[number]
  | (typeof ACT_AS)[number]
  | (typeof ACCOUNTS_READ)[number]
  | (typeof ACCOUNTS_WRITE)[number]
  | (typeof MAKE_TOKENS)[number]
  | (typeof AUDIT)[number]
  | (typeof MONITORING)[number]
  | (typeof PROJECT)[number]
  | (typeof PROJECT_POLICY)[number];

/** What a viewer of everything sees: no payloads, no policies, no credentials. */
const VIEWER = [
  "cloudtasks.cmekConfig.get",
  ...LOCATIONS,
  "cloudtasks.queues.get",
  "cloudtasks.queues.list",
  "cloudtasks.tasks.get",
  "cloudtasks.tasks.list",
  ...PROJECT,
  ...MONITORING,
] as const;

const EDITOR = [...CMEK_CONFIG, ...LOCATIONS, ...QUEUE_USE, ...TASKS, ...PROJECT, ...MONITORING];

const PERMISSIONS_OF_ROLES: Readonly<Record<string, readonly Permission[]>> = {
  "roles/cloudtasks.admin": [
    ...CMEK_CONFIG,
    ...LOCATIONS,
    ...QUEUE_USE,
    ...QUEUE_POLICY,
    ...TASKS,
    ...PROJECT,
    ...MONITORING,
  ],
  "roles/cloudtasks.editor": EDITOR,
  "roles/cloudtasks.viewer": VIEWER,
  "roles/cloudtasks.queueAdmin": [...LOCATIONS, ...QUEUE_USE, ...QUEUE_POLICY, ...PROJECT],
  "roles/cloudtasks.enqueuer": ["cloudtasks.tasks.create", "cloudtasks.tasks.fullView", ...PROJECT],
  "roles/cloudtasks.dequeuer": [
    "cloudtasks.queues.get",
    "cloudtasks.tasks.acknowledge",
    "cloudtasks.tasks.delete",
    "cloudtasks.tasks.fullView",
    "cloudtasks.tasks.get",
    "cloudtasks.tasks.lease",
    "cloudtasks.tasks.list",
    ...PROJECT,
  ],
  "roles/cloudtasks.taskDeleter": ["cloudtasks.tasks.delete", ...PROJECT],
  "roles/cloudtasks.taskRunner": ["cloudtasks.tasks.fullView", "cloudtasks.tasks.run", ...PROJECT],
  "roles/cloudtasks.serviceAgent": MAKE_TOKENS,

  "roles/iam.serviceAccountUser": [...ACT_AS, ...ACCOUNTS_READ, ...PROJECT],
  "roles/iam.serviceAccountTokenCreator": [...MAKE_TOKENS, ...ACCOUNTS_READ],
  "roles/iam.serviceAccountAdmin": [...ACCOUNTS_READ, ...ACCOUNTS_WRITE, ...PROJECT],
  "roles/iam.serviceAccountKeyAdmin": [...ACCOUNTS_READ, ...KEYS_READ, ...KEYS_WRITE, ...PROJECT],
  "roles/resourcemanager.projectIamAdmin": [...PROJECT, ...PROJECT_POLICY],
  "roles/logging.viewer": [...AUDIT, ...PROJECT],

  // The basic roles, as Google cuts them: an editor may change everything but who may do what.
  "roles/owner": PERMISSIONS,
  "roles/editor": [...EDITOR, ...ACT_AS, ...ACCOUNTS_READ, ...ACCOUNTS_WRITE, ...KEYS_READ],
  "roles/viewer": [...VIEWER, ...ACCOUNTS_READ, ...KEYS_READ],
};

const ROLES: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(PERMISSIONS_OF_ROLES).map(([role, permissions]) => [role, new Set(permissions)]),
);

/** The names of all roles. */
export const ROLE_NAMES: readonly string[] = [...ROLES.keys()];

/** The permissions of a role; undefined: there is no such role. */
export function permissionsOf(role: string): ReadonlySet<string> | undefined {
  return ROLES.get(role);
}

/**
 * Whether a role can be given on a single queue. Those that speak of accounts or of the project as a
 * whole cannot: there they would look like something and be nothing.
 */
export function isQueueRole(role: string): boolean {
  return (
    ROLES.has(role) && /^roles\/(cloudtasks\.(?!serviceAgent$)\w+|owner|editor|viewer)$/.test(role)
  );
}
