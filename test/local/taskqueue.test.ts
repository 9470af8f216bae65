/**
 * taskqueue/v1beta2 on the built server, through a client that is made from the discovery document
 * which this same server serves, and that sends what the `googleapis` client of old sends.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const TOKEN = "secret";
const LOCATION = "projects/app/locations/us-central1";

interface Document {
  readonly rootUrl: string;
  readonly servicePath: string;
  readonly batchPath: string;
  readonly resources: Readonly<Record<string, { readonly methods: Record<string, Method> }>>;
}

interface Method {
  readonly id: string;
  readonly httpMethod: string;
  readonly path: string;
  readonly parameters: Readonly<
    Record<string, { readonly location: string; readonly required?: boolean }>
  >;
  readonly request?: object;
}

// biome-ignore lint/suspicious/noExplicitAny: a client looks into an answer field by field.
type Json = any;
type Params = Readonly<Record<string, string | number | boolean | object>>;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;
let document: Document;
let queue: string;
let queues = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer({
    dataFolder: folder.path,
    environment: { API_TOKEN: TOKEN },
  });
  const reply = await fetch(`${server.url}/discovery/v1/apis/taskqueue/v1beta2/rest`);
  document = (await reply.json()) as Document;
});

afterAll(async () => {
  await server.stop();
  await folder.remove();
});

/** A pull queue for each test, made where queues are made: through v2beta2. */
beforeEach(async () => {
  queue = `pq-${++queues}`;
  const name = `${LOCATION}/queues/${queue}`;
  const created = await send("POST", `/v2beta2/${LOCATION}/queues`, { name, pullTarget: {} });
  expect(created.status).toBe(200);
});

async function send(method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(server.url + path, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** The method of an id such as `taskqueue.tasks.lease`. */
function methodOf(id: string): Method {
  const [, resource = "", name = ""] = id.split(".");
  const method = document.resources[resource]?.methods[name];
  if (method === undefined) throw new Error(`the document has no ${id}`);
  return method;
}

/** Path and query as the document says; `~` stays as it is. */
function pathOf(method: Method, params: Params): string {
  const query = new URLSearchParams();
  let path = document.servicePath + method.path;
  for (const [name, { location, required }] of Object.entries(method.parameters)) {
    const value = params[name];
    if (value === undefined) {
      if (required === true) throw new Error(`Missing required parameter: ${name}`);
    } else if (location === "path") {
      path = path.replace(`{${name}}`, encodeURIComponent(String(value)));
    } else {
      query.set(name, String(value));
    }
  }
  return query.size === 0 ? `/${path}` : `/${path}?${query}`;
}

/** Calls a method of the document; null for an answer without a body. */
async function call(id: string, params: Params = {}): Promise<Json> {
  const method = methodOf(id);
  const all = { project: "s~app", taskqueue: queue, ...params };
  const reply = await send(method.httpMethod, pathOf(method, all), params["resource"]);
  const text = await reply.text();
  if (!reply.ok) throw Object.assign(new Error(text), { code: reply.status });
  return text === "" ? null : JSON.parse(text);
}

const insert = (task: object = {}) =>
  call("taskqueue.tasks.insert", {
    resource: { queueName: queue, payloadBase64: "aGk=", ...task },
  });

describe("the discovery document", () => {
  test("leads to this server, and is told without a credential", () => {
    expect(document.rootUrl).toBe(`${server.url}/`);
    expect(document.batchPath).toBe("batch/taskqueue/v1beta2");
  });

  test("has no method that is not called below", () => {
    const ids = Object.values(document.resources).flatMap(({ methods }) =>
      Object.values(methods).map(({ id }) => id),
    );
    expect(ids.sort()).toEqual([
      "taskqueue.taskqueues.get",
      "taskqueue.tasks.delete",
      "taskqueue.tasks.get",
      "taskqueue.tasks.insert",
      "taskqueue.tasks.lease",
      "taskqueue.tasks.list",
      "taskqueue.tasks.patch",
      "taskqueue.tasks.update",
    ]);
  });
});

describe("a worker", () => {
  test("leases a task, asks for more time, and deletes it when it is done", async () => {
    const startUs = Date.now() * 1000;
    const task = await insert({ tag: "a/b c" });
    expect(task).toMatchObject({
      kind: "taskqueues#task",
      queueName: `projects/s~app/taskqueues/${queue}`,
      leaseTimestamp: "0",
      retry_count: 0,
    });
    expect(Math.abs(Number(task.enqueueTimestamp) - startUs)).toBeLessThan(60e6);

    const { items } = await call("taskqueue.tasks.lease", {
      numTasks: 5,
      leaseSecs: 30,
      groupByTag: true,
      tag: "a/b c",
    });
    expect(items).toMatchObject([{ id: task.id, retry_count: 1, payloadBase64: "aGk=" }]);
    const [leased] = items;
    const updated = await call("taskqueue.tasks.update", {
      task: task.id,
      newLeaseSeconds: 600,
      resource: { id: task.id, queueName: queue },
    });
    expect(Number(updated.leaseTimestamp) - Number(leased.leaseTimestamp)).toBeGreaterThan(500e6);
    expect(await call("taskqueue.tasks.get", { task: task.id })).toEqual(updated);
    expect(await call("taskqueue.taskqueues.get", { getStats: true })).toMatchObject({
      id: queue,
      stats: { totalTasks: 1, leasedLastMinute: "1", leasedLastHour: "1" },
    });
    expect(await call("taskqueue.tasks.delete", { task: task.id })).toBeNull();
    expect(await call("taskqueue.tasks.list")).toEqual({ kind: "taskqueues#tasks" });
  });

  test("gives a task back, and another gets it", async () => {
    const { id } = await insert();
    await call("taskqueue.tasks.lease", { numTasks: 1, leaseSecs: 604_800 });
    await call("taskqueue.tasks.patch", {
      task: id,
      newLeaseSeconds: 0,
      resource: { queueName: queue },
    });
    const { items } = await call("taskqueue.tasks.lease", { numTasks: 1, leaseSecs: 60 });
    expect(items).toMatchObject([{ id, retry_count: 2 }]);
  });

  test("learns what it did wrong in the old shape", async () => {
    await expect(call("taskqueue.tasks.get", { task: "none" })).rejects.toMatchObject({
      code: 404,
      message: expect.stringContaining('"reason":"notFound"'),
    });
    const unknown = await fetch(`${server.url}/taskqueue/v1beta2/projects/app/taskqueues/${queue}`);
    expect(unknown.status).toBe(401);
    expect(await unknown.json()).toMatchObject({
      error: { code: 401, errors: [{ reason: "required", location: "Authorization" }] },
    });
  });

  test("that waits gets a task as soon as there is one", async () => {
    const waiting = fetch(
      server.url +
        pathOf(methodOf("taskqueue.tasks.lease"), {
          project: "s~app",
          taskqueue: queue,
          numTasks: 1,
          leaseSecs: 60,
        }),
      { method: "POST", headers: { authorization: `Bearer ${TOKEN}`, prefer: "wait=60" } },
    );
    const { id } = await insert();
    expect(await (await waiting).json()).toMatchObject({ items: [{ id }] });
  });
});

describe("one queue, two interfaces", () => {
  const v2beta2 = () => `/v2beta2/${LOCATION}/queues/${queue}/tasks`;

  test("what is inserted here is leased and acknowledged there", async () => {
    const { id } = await insert({ tag: "t" });
    const lease = { maxTasks: 1, leaseDuration: "60s", responseView: "FULL", filter: 'tag="t"' };
    const { tasks } = await json(send("POST", `${v2beta2()}:lease`, lease));
    expect(tasks).toMatchObject([{ pullMessage: { payload: "aGk=", tag: "t" } }]);
    expect(tasks[0].name.endsWith(`/tasks/${id}`)).toBe(true);
    expect(await call("taskqueue.tasks.lease", { numTasks: 1, leaseSecs: 1 })).toEqual({
      kind: "taskqueue#tasks",
    });
    const { scheduleTime } = tasks[0];
    await json(send("POST", `${v2beta2()}/${id}:acknowledge`, { scheduleTime }));
    await expect(call("taskqueue.tasks.get", { task: id })).rejects.toMatchObject({ code: 404 });
  });

  test("what is created there is leased and deleted here", async () => {
    const task = { pullMessage: { payload: "aGk=", tag: "" } };
    const { name } = await json(send("POST", v2beta2(), { task }));
    const { items } = await call("taskqueue.tasks.lease", { numTasks: 10, leaseSecs: 60 });
    expect(items).toMatchObject([{ payloadBase64: "aGk=", retry_count: 1 }]);
    expect(await call("taskqueue.tasks.delete", { task: items[0].id })).toBeNull();
    expect((await send("GET", `/v2beta2/${name}`)).status).toBe(404);
  });
});

describe("a batch", () => {
  test("inserts, shows and deletes in one request, as the Python client writes it", async () => {
    const { id } = await insert();
    const batchId = "b29c5de2-0db4-490b-b421-6a51b598bd22";
    const request = (number: number, method: string, path: string, body = "") =>
      [
        "Content-Type: application/http",
        "MIME-Version: 1.0",
        "Content-Transfer-Encoding: binary",
        `Content-ID: <${batchId} + ${number}>`,
        "",
        `${method} ${path} HTTP/1.1`,
        "Content-Type: application/json",
        "MIME-Version: 1.0",
        "Host: www.googleapis.com",
        `content-length: ${body.length}`,
        "",
        body,
      ].join("\n");
    const names = { project: "s~app", taskqueue: queue };
    const parts = [
      request(
        1,
        "POST",
        `${pathOf(methodOf("taskqueue.tasks.insert"), names)}?alt=json`,
        JSON.stringify({ queueName: queue, payloadBase64: "aGk=", id: "from-a-batch" }),
      ),
      request(
        2,
        "DELETE",
        `${pathOf(methodOf("taskqueue.tasks.delete"), { ...names, task: id })}?`,
      ),
      request(3, "GET", `${pathOf(methodOf("taskqueue.tasks.get"), { ...names, task: "none" })}`),
    ];
    const boundary = "===============7330845974216740156==";
    const reply = await fetch(document.rootUrl + document.batchPath, {
      method: "POST",
      headers: {
        authorization: `Bearer ${TOKEN}`,
        "content-type": `multipart/mixed; boundary="${boundary}"`,
      },
      body: `${parts.map((part) => `--${boundary}\n${part}\n`).join("")}--${boundary}--`,
    });
    expect(reply.status).toBe(200);
    const type = reply.headers.get("content-type") ?? "";
    const answers = (await reply.text()).split(`--${type.replace(/^.*boundary=/, "")}`);
    expect(answers).toHaveLength(5);
    const [, inserted, deleted, missing, end] = answers;
    expect(inserted).toContain(`Content-ID: <response-${batchId} + 1>\r\n\r\nHTTP/1.1 200 OK\r\n`);
    expect(JSON.parse(inserted?.split("\r\n\r\n")[2] ?? "")).toMatchObject({ id: "from-a-batch" });
    expect(deleted).toContain(`+ 2>\r\n\r\nHTTP/1.1 204 No Content\r\n`);
    expect(missing).toContain(`+ 3>\r\n\r\nHTTP/1.1 404 Not Found\r\n`);
    expect(end).toBe("--\r\n");
    const { items } = await call("taskqueue.tasks.list");
    expect(items).toMatchObject([{ id: "from-a-batch" }]);
  });
});

async function json(reply: Promise<Response>): Promise<Json> {
  const answer = await reply;
  expect(answer.status).toBe(200);
  return answer.json();
}
