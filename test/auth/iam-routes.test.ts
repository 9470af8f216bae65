/**
 * Every route × every role. The routes come from the faces' own tables, so that one without a
 * permission cannot be added unseen; what each must ask for is written down here once more.
 */
import { describe, expect, it, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { ADMIN_METHODS } from "../../src/auth/admin/methods.ts";
import { ADMIN_PATHS as ADMIN_FACE } from "../../src/auth/admin/routes.ts";
import { permissionsOf, ROLE_NAMES } from "../../src/auth/iam/roles.ts";
import { methodsOf, type Table, V1_METHODS } from "../../src/protocol/cloudtasks/methods.ts";
import {
  EXPORT_PERMISSIONS,
  UPLOAD_PERMISSIONS,
} from "../../src/protocol/cloudtasks/queue-upload.ts";
import { v2 } from "../../src/protocol/cloudtasks/v2/dialect.ts";
import { v2beta2 } from "../../src/protocol/cloudtasks/v2beta2/dialect.ts";
import { v2beta3 } from "../../src/protocol/cloudtasks/v2beta3/dialect.ts";
import { METHODS as QUEUES_METHODS } from "../../src/protocol/edgetasks/queues/routes.ts";
import { ROUTES as EDGETASKS_ROUTES } from "../../src/protocol/edgetasks/routes.ts";
import { HANDLER_KEYS_PATHS } from "../../src/protocol/handlers/routes.ts";
import { LEASE, METHODS } from "../../src/protocol/taskqueue/routes.ts";
import { newProject, type Reply, send, tokenFor } from "./iam-world.ts";

/** What the methods of Cloud Tasks ask for (auth.md §4; leases and operations are our own). */
const CLOUD_TASKS: Readonly<Record<string, string>> = {
  "locations GET": "cloudtasks.locations.list",
  "location GET": "cloudtasks.locations.get",
  "cmekConfig GET": "cloudtasks.cmekConfig.get",
  "cmekConfig PATCH": "cloudtasks.cmekConfig.update",
  "operations GET": "cloudtasks.tasks.list",
  "operation GET": "cloudtasks.tasks.list",
  "queues GET": "cloudtasks.queues.list",
  "queues POST": "cloudtasks.queues.create",
  "queue GET": "cloudtasks.queues.get",
  "queue PATCH": "cloudtasks.queues.update",
  "queue DELETE": "cloudtasks.queues.delete",
  "queue POST:pause": "cloudtasks.queues.pause",
  "queue POST:resume": "cloudtasks.queues.resume",
  "queue POST:purge": "cloudtasks.queues.purge",
  "queue POST:getIamPolicy": "cloudtasks.queues.getIamPolicy",
  "queue POST:setIamPolicy": "cloudtasks.queues.setIamPolicy",
  "tasks GET": "cloudtasks.tasks.list",
  "tasks POST": "cloudtasks.tasks.create",
  "tasks POST:buffer": "cloudtasks.tasks.create",
  "tasks POST:batchCreate": "cloudtasks.tasks.create",
  "tasks POST:batchDelete": "cloudtasks.tasks.delete",
  "task GET": "cloudtasks.tasks.get",
  "task DELETE": "cloudtasks.tasks.delete",
  "task POST:run": "cloudtasks.tasks.run",
  "task POST:buffer": "cloudtasks.tasks.create",
};
const LEASES: Readonly<Record<string, string>> = {
  "tasks POST:lease": "cloudtasks.tasks.lease",
  "tasks POST:batchAcknowledge": "cloudtasks.tasks.acknowledge",
  "tasks POST:batchRenewLease": "cloudtasks.tasks.lease",
  "task POST:acknowledge": "cloudtasks.tasks.acknowledge",
  "task POST:renewLease": "cloudtasks.tasks.lease",
  "task POST:cancelLease": "cloudtasks.tasks.lease",
};
const PROJECTS: Readonly<Record<string, string>> = {
  "locations GET": "cloudtasks.locations.list",
  "location GET": "cloudtasks.locations.get",
  "project POST:getIamPolicy": "resourcemanager.projects.getIamPolicy",
  "project POST:setIamPolicy": "resourcemanager.projects.setIamPolicy",
};
const TASK_QUEUE: Readonly<Record<string, readonly string[]>> = {
  "taskqueue GET": ["cloudtasks.queues.get"],
  "tasks GET": ["cloudtasks.tasks.list"],
  "tasks POST": ["cloudtasks.tasks.create"],
  "task GET": ["cloudtasks.tasks.get", "cloudtasks.tasks.fullView"],
  "task POST": ["cloudtasks.tasks.lease", "cloudtasks.tasks.fullView"],
  "task PATCH": ["cloudtasks.tasks.lease", "cloudtasks.tasks.fullView"],
  "task DELETE": ["cloudtasks.tasks.delete"],
};

const EDGETASKS: Readonly<Record<string, string>> = {
  "POST transactions": "cloudtasks.tasks.create",
  "GET transactions/5": "cloudtasks.tasks.create",
  "POST transactions/5:commit": "cloudtasks.tasks.create",
  "POST transactions/5:rollback": "cloudtasks.tasks.create",
};

/** By what follows the queue's name. */
const QUEUES: Readonly<Record<string, readonly string[]>> = {
  "": ["cloudtasks.queues.get"],
  ":purge": ["cloudtasks.queues.purge"],
  ":pause": ["cloudtasks.queues.pause"],
  ":resume": ["cloudtasks.queues.resume"],
  ":stats": ["cloudtasks.queues.get"],
  "/tasks:add": ["cloudtasks.tasks.create"],
  "/tasks:delete": ["cloudtasks.tasks.delete"],
  "/tasks:list": ["cloudtasks.tasks.list"],
  "/tasks:lease": ["cloudtasks.tasks.lease", "cloudtasks.tasks.fullView"],
  "/tasks:modifyLease": ["cloudtasks.tasks.lease"],
  "/tasks:acknowledge": ["cloudtasks.tasks.acknowledge"],
};

const ADMIN: Readonly<Record<string, string>> = {
  "accounts GET": "iam.serviceAccounts.list",
  "accounts POST": "iam.serviceAccounts.create",
  "account GET": "iam.serviceAccounts.get",
  "account PATCH": "iam.serviceAccounts.update",
  "account PUT": "iam.serviceAccounts.update",
  "account DELETE": "iam.serviceAccounts.delete",
  "account POST:disable": "iam.serviceAccounts.disable",
  "account POST:enable": "iam.serviceAccounts.enable",
  "keys GET": "iam.serviceAccountKeys.list",
  "keys POST": "iam.serviceAccountKeys.create",
  "key GET": "iam.serviceAccountKeys.get",
  "key DELETE": "iam.serviceAccountKeys.delete",
  "key POST:disable": "iam.serviceAccountKeys.disable",
  "key POST:enable": "iam.serviceAccountKeys.enable",
  "tokens GET": "edgetasks.apiTokens.list",
  "tokens POST": "edgetasks.apiTokens.create",
  "token GET": "edgetasks.apiTokens.get",
  "token DELETE": "edgetasks.apiTokens.delete",
  "auditLog GET": "logging.logEntries.list",
};
/** The secrets of a queue's webhooks. */
const SIGNING = [
  ["GET", "/signingSecrets"],
  ["POST", ":rotateSigningSecret"],
  ["POST", ":enableSigning"],
  ["POST", ":disableSigning"],
] as const;

/** Faces of Cloud Tasks: their tables, and what is expected of them. */
const FACES: readonly (readonly [string, Table, Readonly<Record<string, string>>])[] = [
  ["v1", V1_METHODS, PROJECTS],
  ["v2", methodsOf(v2), CLOUD_TASKS],
  ["v2beta2", methodsOf(v2beta2), { ...CLOUD_TASKS, ...LEASES }],
  ["v2beta3", methodsOf(v2beta3), CLOUD_TASKS],
];

interface Route {
  readonly label: string;
  readonly verb: string;
  readonly path: (project: string) => string;
  readonly permissions: readonly string[];
}

/** What everyone may see, and what asks for a credential in its own way. */
const OPEN = [
  "/",
  "/healthz",
  "/.well-known/jwks.json",
  "/.well-known/openid-configuration",
  "/$discovery/rest",
  "/discovery/v1/apis",
  "/discovery/v1/apis/:name/:version/rest",
  "/token",
  // Its credential is in the envelope: rpc-permissions.test.ts.
  "/rpc_http",
  "/rpc_http/*",
];
/** Whose methods are walked below. */
const GUARDED = [
  "/v1/*",
  "/v2/*",
  "/v2beta2/*",
  "/v2beta3/*",
  "/api/queue/update",
  "/api/queue/export",
  "/edgetasks/v1/*",
  "/edgetasks/v1/projects/:project/locations/:location/queues/*",
  "/taskqueue/v1beta2/projects/*",
  "/batch",
  "/batch/taskqueue/v1beta2",
  ...ADMIN_FACE,
  ...HANDLER_KEYS_PATHS,
];

describe("the router", () => {
  it("has no path that is neither open on purpose nor walked here", () => {
    const paths = new Set(createApp().routes.map(({ path }) => path));
    expect([...paths].sort()).toEqual([...OPEN, ...GUARDED].sort());
  });
});

describe("the tables", () => {
  test.each(FACES)("every method of %s asks for its permission", (_version, table, expected) => {
    const found = Object.fromEntries(
      keysOf(table).map(([key, { permission }]) => [key, permission]),
    );
    const open = Object.keys(found).filter((key) => found[key] === null);
    expect(open.every((key) => key.endsWith("POST:testIamPermissions"))).toBe(true);
    for (const key of open) delete found[key];
    expect(found).toEqual(expected);
  });

  it("so does every method of taskqueue/v1beta2", () => {
    const found = keysOf(METHODS).map(([key, { permissions }]) => [key, permissions]);
    expect(Object.fromEntries(found)).toEqual(TASK_QUEUE);
    expect(LEASE.permissions).toEqual(["cloudtasks.tasks.lease", "cloudtasks.tasks.fullView"]);
  });

  it("so does every method of edgetasks/v1", () => {
    const found = EDGETASKS_ROUTES.flatMap(({ path, methods }) =>
      Object.entries(methods).map(([verb, { permission }]) => [
        `${verb} ${sampleOf(path)}`,
        permission,
      ]),
    );
    expect(Object.fromEntries(found)).toEqual(EDGETASKS);
  });

  it("so does every method of edgetasks/v1 on queues", () => {
    const found = [...QUEUES_METHODS].map(([rest, { permissions }]) => [rest, permissions]);
    expect(Object.fromEntries(found)).toEqual(QUEUES);
  });

  it("so does every method of the admin interface", () => {
    const found = keysOf(ADMIN_METHODS).map(([key, { permission }]) => [key, permission]);
    expect(Object.fromEntries(found)).toEqual(ADMIN);
  });
});

describe("every route", () => {
  const routes = allRoutes();
  const project = newProject();

  it("is walked", () => expect(routes.length).toBeGreaterThan(115));

  test.each(ROLE_NAMES)("does for %s what the role says, and nothing else", async (role) => {
    const token = await tokenFor(project, { roles: [role] });
    const held = permissionsOf(role) ?? new Set();
    for (const { label, verb, path, permissions } of routes) {
      const reply = await send(token, verb, path(project), verb === "GET" ? undefined : {});
      const missing = permissions.find((permission) => !held.has(permission));
      if (missing === undefined) {
        expect([401, 403], `${role} at ${label}`).not.toContain(reply.status);
      } else {
        expect(messageOf(reply), `${role} at ${label}`).toContain(
          `lacks IAM permission "${missing}" for the resource "`,
        );
        expect(reply.status, `${role} at ${label}`).toBe(403);
      }
    }
  });

  it("is closed to a caller without any role", async () => {
    const token = await tokenFor(project);
    for (const { label, verb, path } of routes) {
      const reply = await send(token, verb, path(project), verb === "GET" ? undefined : {});
      expect(reply.status, label).toBe(403);
    }
  });

  it("is closed to a caller of another project, whatever its roles there", async () => {
    const token = await tokenFor(newProject(), { roles: ["roles/owner"] });
    for (const { label, verb, path } of routes) {
      const reply = await send(token, verb, path(project), verb === "GET" ? undefined : {});
      expect(reply.status, label).toBe(403);
    }
  });

  it("of the deployment's own keys is for the holder of its token", async () => {
    const token = await tokenFor(project, { roles: ["roles/owner"] });
    expect((await send(token, "GET", "/edgetasks/v1/keys")).status).toBe(403);
    expect((await send(token, "POST", "/edgetasks/v1/keys:rotate", {})).status).toBe(403);
  });

  it("asks a caller without credentials for some, and so do paths that lead nowhere", async () => {
    const wrong = [
      "/v2/nothing",
      "/edgetasks/v1/keys:rotate",
      `/v2/projects/${project}/locations/mars/queues`,
      "/batch",
    ];
    const paths = [
      ...routes.map(({ verb, path }) => [verb, path(project)] as const),
      ...wrong.map((path) => ["POST", path] as const),
      [
        "POST",
        `/v2/projects/${project}/locations/us-central1/queues/q:testIamPermissions`,
      ] as const,
    ];
    for (const [verb, path] of paths) {
      const reply = await send(null, verb, path, verb === "GET" ? undefined : {});
      expect(reply.status, `${verb} ${path}`).toBe(401);
    }
  });
});

/** A missing queue and body fields that are missing too: nothing is changed by who gets through. */
function allRoutes(): readonly Route[] {
  const cloudTasks = FACES.flatMap(([version, table]) =>
    keysOf(table)
      .filter(([, { permission }]) => permission !== null)
      .map(([key, { permission }]): Route => {
        const [kind = "", method = ""] = key.split(" ");
        const [verb = "", action] = method.split(":");
        const suffix = action === undefined ? "" : `:${action}`;
        // A mask that is wrong, so that no patch creates a queue.
        const query = verb === "PATCH" ? "?updateMask=nothing" : "";
        return {
          label: `${version} ${key}`,
          verb,
          path: (project) => `/${version}/${PATHS[kind]?.(project)}${suffix}${query}`,
          permissions: [permission as string],
        };
      }),
  );
  const admin = keysOf(ADMIN_METHODS).map(([key, { permission }]): Route => {
    const [kind = "", method = ""] = key.split(" ");
    const [verb = "", action] = method.split(":");
    const suffix = action === undefined ? "" : `:${action}`;
    return {
      label: `admin ${key}`,
      verb,
      path: (project) => `${ADMIN_PATHS[kind]?.(project)}${suffix}`,
      permissions: [permission],
    };
  });
  const signing = SIGNING.map(
    ([verb, rest]): Route => ({
      label: `signing ${rest}`,
      verb,
      path: (project) => `/edgetasks/v1/${location(project)}/queues/q${rest}`,
      permissions: ["cloudtasks.queues.update"],
    }),
  );
  const edgeTasks = EDGETASKS_ROUTES.flatMap(({ path, methods }) =>
    Object.entries(methods).map(
      ([verb, { permission }]): Route => ({
        label: `edgetasks ${verb} ${path.source}`,
        verb,
        path: (project) => `/edgetasks/v1/${location(project)}/${sampleOf(path)}`,
        permissions: [permission],
      }),
    ),
  );
  const queues = [...QUEUES_METHODS].map(
    ([rest, { verb, permissions }]): Route => ({
      label: `edgetasks queues ${rest}`,
      verb,
      path: (project) => `/edgetasks/v1/${location(project)}/queues/q${rest}`,
      permissions,
    }),
  );
  const taskQueue = keysOf(METHODS).map(([key, { permissions }]): Route => {
    const [kind = "", verb = ""] = key.split(" ");
    return taskQueueRoute(kind, verb, permissions);
  });
  return [
    ...cloudTasks,
    ...admin,
    ...signing,
    ...edgeTasks,
    ...queues,
    ...taskQueue,
    taskQueueRoute("lease", "POST", LEASE.permissions),
    {
      label: "queue.yaml",
      verb: "POST",
      path: (project) => `/api/queue/update?appId=${project}`,
      permissions: UPLOAD_PERMISSIONS,
    },
    {
      label: "queue.yaml's export",
      verb: "GET",
      path: (project) => `/api/queue/export?appId=${project}`,
      permissions: EXPORT_PERMISSIONS,
    },
  ];
}

/** A path that the pattern matches; nothing is there. */
function sampleOf({ source }: RegExp): string {
  return source
    .replace(/^\^|\$$/g, "")
    .replaceAll("\\/", "/")
    .replaceAll("([^/:]*)", "5");
}

function taskQueueRoute(kind: string, verb: string, permissions: readonly string[]): Route {
  const rest = { taskqueue: "", tasks: "/tasks", task: "/tasks/t", lease: "/tasks/lease" }[kind];
  return {
    label: `taskqueue ${kind} ${verb}`,
    verb,
    path: (project) => `/taskqueue/v1beta2/projects/s~${project}/taskqueues/q${rest}`,
    permissions,
  };
}

const location = (project: string) => `projects/${project}/locations/us-central1`;
const PATHS: Readonly<Record<string, (project: string) => string>> = {
  project: (project) => `projects/${project}`,
  locations: (project) => `projects/${project}/locations`,
  location,
  cmekConfig: (project) => `${location(project)}/cmekConfig`,
  operations: (project) => `${location(project)}/operations`,
  operation: (project) => `${location(project)}/operations/q-1`,
  queues: (project) => `${location(project)}/queues`,
  queue: (project) => `${location(project)}/queues/q`,
  tasks: (project) => `${location(project)}/queues/q/tasks`,
  task: (project) => `${location(project)}/queues/q/tasks/t`,
};

const accounts = (project: string) => `/v1/projects/${project}/serviceAccounts`;
const account = (project: string) =>
  `${accounts(project)}/nobody-1@${project}.iam.gserviceaccount.com`;
const ADMIN_PATHS: Readonly<Record<string, (project: string) => string>> = {
  accounts,
  account,
  keys: (project) => `${account(project)}/keys`,
  key: (project) => `${account(project)}/keys/0123`,
  tokens: (project) => `/edgetasks/v1/projects/${project}/tokens`,
  token: (project) => `/edgetasks/v1/projects/${project}/tokens/0123456789abcdef`,
  auditLog: (project) => `/edgetasks/v1/projects/${project}/auditLog`,
};

function keysOf<M>(
  table: Readonly<Record<string, Readonly<Record<string, M>>>>,
): readonly (readonly [string, M])[] {
  return Object.entries(table).flatMap(([kind, methods]) =>
    Object.entries(methods).map(([key, method]) => [`${kind} ${key}`, method] as const),
  );
}

function messageOf({ body }: Reply): string {
  return body.error?.message ?? JSON.stringify(body);
}
