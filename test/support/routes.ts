/** Every route there is: from the router itself, and from the tables of what stands behind it. */
import { createApp } from "../../src/app.ts";
import { ADMIN_METHODS } from "../../src/auth/admin/methods.ts";
import { methodsOf, V1_METHODS } from "../../src/protocol/cloudtasks/methods.ts";
import { v2 } from "../../src/protocol/cloudtasks/v2/dialect.ts";
import { v2beta2 } from "../../src/protocol/cloudtasks/v2beta2/dialect.ts";
import { v2beta3 } from "../../src/protocol/cloudtasks/v2beta3/dialect.ts";
import { SERVICES } from "../../src/protocol/rpc/methods.ts";
import { METHODS as TASK_QUEUE_METHODS } from "../../src/protocol/taskqueue/routes.ts";

export interface Route {
  readonly method: string;
  readonly path: string;
}

const LOCATION = "projects/my-project/locations/us-central1";
const ACCOUNT = "/v1/projects/my-project/serviceAccounts/worker@my-project.iam.gserviceaccount.com";
const TOKENS = "/edgetasks/v1/projects/my-project/tokens";
const TASK_QUEUE = "/taskqueue/v1beta2/projects/my-project/taskqueues/q";

const CLOUD_TASKS_PATHS: Readonly<Record<string, string>> = {
  project: "projects/my-project",
  locations: "projects/my-project/locations",
  location: LOCATION,
  cmekConfig: `${LOCATION}/cmekConfig`,
  operations: `${LOCATION}/operations`,
  operation: `${LOCATION}/operations/q-1`,
  queues: `${LOCATION}/queues`,
  queue: `${LOCATION}/queues/q`,
  tasks: `${LOCATION}/queues/q/tasks`,
  task: `${LOCATION}/queues/q/tasks/t`,
};
const ADMIN_PATHS: Readonly<Record<string, string>> = {
  accounts: "/v1/projects/my-project/serviceAccounts",
  account: ACCOUNT,
  keys: `${ACCOUNT}/keys`,
  key: `${ACCOUNT}/keys/k`,
  tokens: TOKENS,
  token: `${TOKENS}/t`,
  auditLog: "/edgetasks/v1/projects/my-project/auditLog",
};
const TASK_QUEUE_PATHS: Readonly<Record<string, string>> = {
  taskqueue: TASK_QUEUE,
  tasks: `${TASK_QUEUE}/tasks`,
  task: `${TASK_QUEUE}/tasks/t`,
};

const EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** What the router matches, made into paths, by every method where it takes all. */
export function routerRoutes(): readonly Route[] {
  return createApp().routes.flatMap(({ method, path }) => {
    const methods = method === "ALL" ? EVERY_METHOD : [method];
    return methods.map((one) => ({ method: one, path: sampleOf(path) }));
  });
}

/** Every method of every face. */
export function methodRoutes(): readonly Route[] {
  const faces = {
    v1: V1_METHODS,
    v2: methodsOf(v2),
    v2beta2: methodsOf(v2beta2),
    v2beta3: methodsOf(v2beta3),
  };
  return [
    ...Object.entries(faces).flatMap(([version, table]) =>
      routesOf(table, (kind) => `/${version}/${CLOUD_TASKS_PATHS[kind]}`),
    ),
    ...routesOf(ADMIN_METHODS, (kind) => `${ADMIN_PATHS[kind]}`),
    ...routesOf(TASK_QUEUE_METHODS, (kind) => `${TASK_QUEUE_PATHS[kind]}`),
  ];
}

/** Every method of App Engine's interface, whose one path is /rpc_http. */
export function rpcMethods(): readonly (readonly [service: string, method: string])[] {
  return [...SERVICES].flatMap(([service, methods]) =>
    [...methods.keys()].map((method) => [service, method] as const),
  );
}

/** `VERB` or `VERB:action` by kind of resource. */
function routesOf(
  table: Readonly<Record<string, object | undefined>>,
  pathOf: (kind: string) => string,
): Route[] {
  return Object.entries(table).flatMap(([kind, methods]) =>
    Object.keys(methods ?? {}).map((name) => {
      const [method = "", action] = name.split(":");
      const path = pathOf(kind);
      if (path.includes("undefined")) throw new Error(`no path is known for ${kind}`);
      return { method, path: action === undefined ? path : `${path}:${action}` };
    }),
  );
}

/** A path that a pattern of the router matches. */
function sampleOf(pattern: string): string {
  return pattern
    .replace(/\/:queueAndVerb\{.*\}/, "/q:rotateSigningSecret")
    .replace(/\/:[a-zA-Z]+/g, "/x")
    .replace(/\/\*$/, "/projects/x");
}
