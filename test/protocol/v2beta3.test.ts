/**
 * google.cloud.tasks.v2beta3 over the wire, as transcripts: one test for each method id of its
 * discovery document, and what it has beyond v2, with which it shares the rest.
 */
import { describe, expect, it, test, vi } from "vitest";
import document from "../../src/protocol/discovery/cloudtasks.v2beta3.json";
import { methodIds } from "./method-ids.ts";
import { httpTask, ok, refusal, send, uniqueLocation } from "./rest.ts";

const TIME = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/;
const SECOND = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const DEFAULTS = {
  rateLimits: { maxDispatchesPerSecond: 500, maxBurstSize: 100, maxConcurrentDispatches: 1000 },
  retryConfig: { maxAttempts: 100, minBackoff: "0.100s", maxBackoff: "3600s", maxDoublings: 16 },
  taskTtl: "2678400s",
  tombstoneTtl: "3600s",
  state: "RUNNING",
};

let counter = 0;

/** A queue that stands still. */
async function createQueue(settings: object = {}): Promise<string> {
  const location = uniqueLocation();
  const name = `${location}/queues/q-${++counter}`;
  await ok("POST", `/v2beta3/${location}/queues`, { name, ...settings });
  await ok("POST", `/v2beta3/${name}:pause`, {});
  return name;
}

async function createTask(queue: string, changes: object = {}) {
  return ok("POST", `/v2beta3/${queue}/tasks`, httpTask(changes));
}

function locationOf(queue: string): string {
  return queue.slice(0, queue.indexOf("/queues/"));
}

const TRANSCRIPTS: Readonly<Record<string, () => Promise<void>>> = {
  "cloudtasks.projects.locations.list": async () => {
    const location = uniqueLocation();
    const { locations } = await ok("GET", `/v2beta3/${location.split("/locations/")[0]}/locations`);
    expect(locations).toContainEqual(expect.objectContaining({ name: location }));
  },

  "cloudtasks.projects.locations.get": async () => {
    const location = uniqueLocation();
    expect(await ok("GET", `/v2beta3/${location}`)).toMatchObject({ name: location });
  },

  "cloudtasks.projects.locations.getCmekConfig": async () => {
    const location = uniqueLocation();
    expect(await ok("GET", `/v2beta3/${location}/cmekConfig`)).toEqual({
      name: `${location}/cmekConfig`,
    });
  },

  "cloudtasks.projects.locations.updateCmekConfig": async () => {
    const path = `/v2beta3/${uniqueLocation()}/cmekConfig?updateMask=kmsKey`;
    expect(await send("PATCH", path, { kmsKey: "k" })).toMatchObject(
      refusal(501, "UNIMPLEMENTED", expect.any(String)),
    );
  },

  "cloudtasks.projects.locations.operations.get": async () => {
    const queue = await createQueue();
    const operation = await ok("POST", `/v2beta3/${queue}/tasks:batchCreate`, {
      requests: [httpTask()],
    });
    expect(await ok("GET", `/v2beta3/${operation.name}`)).toEqual(operation);
  },

  "cloudtasks.projects.locations.operations.list": async () => {
    const queue = await createQueue();
    const operation = await ok("POST", `/v2beta3/${queue}/tasks:batchCreate`, {
      requests: [httpTask()],
    });
    expect(await ok("GET", `/v2beta3/${locationOf(queue)}/operations`)).toEqual({
      operations: [operation],
    });
  },

  "cloudtasks.projects.locations.queues.create": async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/plain`;
    expect(await ok("POST", `/v2beta3/${location}/queues`, { name })).toEqual({
      name,
      type: "PUSH",
      ...DEFAULTS,
    });
  },

  "cloudtasks.projects.locations.queues.get": async () => {
    const name = await createQueue();
    await createTask(name);
    const queue = await ok("GET", `/v2beta3/${name}`);
    expect(queue).toEqual({ name, type: "PUSH", ...DEFAULTS, state: "PAUSED" });
    expect(await ok("GET", `/v2beta3/${name}?readMask=type,stats`)).toEqual({
      type: "PUSH",
      stats: {
        tasksCount: "1",
        oldestEstimatedArrivalTime: expect.stringMatching(TIME),
        effectiveExecutionRate: 500,
      },
    });
  },

  "cloudtasks.projects.locations.queues.list": async () => {
    const location = uniqueLocation();
    for (const type of ["PULL", "PUSH"]) {
      const name = `${location}/queues/${type.toLowerCase()}`;
      await ok("POST", `/v2beta3/${location}/queues`, { name, type });
    }
    const types = async (query: string) =>
      (await ok("GET", `/v2beta3/${location}/queues${query}`)).queues;
    expect(await types("?readMask=type")).toEqual([{ type: "PULL" }, { type: "PUSH" }]);
    expect(await types("?filter=type%3DPULL&readMask=type")).toEqual([{ type: "PULL" }]);
    expect(await types("?readMask=stats.effective_execution_rate&pageSize=1")).toEqual([
      { stats: { effectiveExecutionRate: 500 } },
    ]);
  },

  "cloudtasks.projects.locations.queues.patch": async () => {
    const name = await createQueue({ stackdriverLoggingConfig: { samplingRatio: 1 } });
    const mask = "app_engine_http_queue.app_engine_routing_override.service";
    const queue = await ok("PATCH", `/v2beta3/${name}?updateMask=${mask}`, {
      appEngineHttpQueue: { appEngineRoutingOverride: { service: "s", version: "ignored" } },
    });
    const host = `s.${name.split("/")[1]}.appspot.com`;
    expect(queue).toEqual({
      name,
      type: "PUSH",
      ...DEFAULTS,
      state: "PAUSED",
      stackdriverLoggingConfig: { samplingRatio: 1 },
      appEngineHttpQueue: { appEngineRoutingOverride: { service: "s", host } },
    });
  },

  "cloudtasks.projects.locations.queues.delete": async () => {
    const name = await createQueue();
    expect(await ok("DELETE", `/v2beta3/${name}`)).toEqual({});
    expect(await send("GET", `/v2beta3/${name}`)).toMatchObject({ status: 404 });
  },

  "cloudtasks.projects.locations.queues.purge": async () => {
    const name = await createQueue();
    await createTask(name);
    expect((await ok("POST", `/v2beta3/${name}:purge`, {})).purgeTime).toMatch(TIME);
    expect(await ok("GET", `/v2beta3/${name}/tasks`)).toEqual({});
  },

  "cloudtasks.projects.locations.queues.pause": async () => {
    const name = await createQueue();
    expect(await ok("POST", `/v2beta3/${name}:pause`, {})).toMatchObject({ state: "PAUSED" });
  },

  "cloudtasks.projects.locations.queues.resume": async () => {
    const name = await createQueue();
    expect(await ok("POST", `/v2beta3/${name}:resume`, {})).toMatchObject({ state: "RUNNING" });
  },

  "cloudtasks.projects.locations.queues.getIamPolicy": async () => {
    const name = await createQueue();
    expect(await ok("POST", `/v2beta3/${name}:getIamPolicy`, {})).toEqual({ etag: "ACAB" });
  },

  "cloudtasks.projects.locations.queues.setIamPolicy": async () => {
    const name = await createQueue();
    const bindings = [{ role: "roles/cloudtasks.viewer", members: ["user:a@example.com"] }];
    const set = await ok("POST", `/v2beta3/${name}:setIamPolicy`, { policy: { bindings } });
    expect(set).toEqual({ version: 1, bindings, etag: expect.any(String) });
    expect(await ok("POST", `/v2beta3/${name}:getIamPolicy`, {})).toEqual(set);
  },

  "cloudtasks.projects.locations.queues.testIamPermissions": async () => {
    const body = { permissions: ["cloudtasks.tasks.create"] };
    expect(await ok("POST", `/v2beta3/${await createQueue()}:testIamPermissions`, body)).toEqual(
      body,
    );
  },

  "cloudtasks.projects.locations.queues.tasks.create": async () => {
    const queue = await createQueue();
    const task = await ok("POST", `/v2beta3/${queue}/tasks`, {
      task: {
        name: `${queue}/tasks/t-1`,
        httpRequest: { url: "https://example.com/work", body: "aGk=" },
        retryConfig: { maxAttempts: 3 },
        dispatchDeadline: "20s",
      },
      responseView: "FULL",
    });
    expect(task).toEqual({
      name: `${queue}/tasks/t-1`,
      httpRequest: {
        url: "https://example.com/work",
        httpMethod: "POST",
        headers: { "User-Agent": "Google-Cloud-Tasks" },
        body: "aGk=",
      },
      retryConfig: { ...DEFAULTS.retryConfig, maxAttempts: 3 },
      dispatchDeadline: "20s",
      scheduleTime: expect.stringMatching(TIME),
      createTime: expect.stringMatching(SECOND),
      view: "FULL",
    });
  },

  "cloudtasks.projects.locations.queues.tasks.get": async () => {
    const task = await createTask(await createQueue());
    expect(await ok("GET", `/v2beta3/${task.name}`)).toEqual(task);
  },

  "cloudtasks.projects.locations.queues.tasks.list": async () => {
    const queue = await createQueue();
    const tasks = [await createTask(queue), await createTask(queue)];
    expect(await ok("GET", `/v2beta3/${queue}/tasks`)).toEqual({ tasks });
  },

  "cloudtasks.projects.locations.queues.tasks.delete": async () => {
    const { name } = await createTask(await createQueue());
    expect(await ok("DELETE", `/v2beta3/${name}`)).toEqual({});
    expect(await send("GET", `/v2beta3/${name}`)).toMatchObject({ status: 404 });
  },

  "cloudtasks.projects.locations.queues.tasks.run": async () => {
    vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("", { status: 200 }));
    const { name } = await createTask(await createQueue());
    expect(await ok("POST", `/v2beta3/${name}:run`, {})).toMatchObject({ name, dispatchCount: 1 });
  },

  "cloudtasks.projects.locations.queues.tasks.buffer": async () => {
    const queue = await createQueue({ httpTarget: { uriOverride: { host: "h.example.com" } } });
    const { task } = await ok("POST", `/v2beta3/${queue}/tasks/t-1:buffer`, "hello");
    expect(task).toMatchObject({ name: `${queue}/tasks/t-1`, view: "BASIC" });
  },

  "cloudtasks.projects.locations.queues.tasks.batchCreate": async () => {
    const queue = await createQueue();
    const operation = await ok("POST", `/v2beta3/${queue}/tasks:batchCreate`, {
      requests: [httpTask(), httpTask({ name: `${queue}/tasks/t-1` })],
      requestId: "r-1",
    });
    expect(operation).toMatchObject({
      done: true,
      metadata: {
        "@type": "type.googleapis.com/google.cloud.tasks.v2beta3.BatchCreateTasksMetadata",
        state: "SUCCEEDED",
      },
      response: {
        "@type": "type.googleapis.com/google.cloud.tasks.v2beta3.BatchCreateTasksResponse",
        tasks: [{ view: "BASIC" }, { name: `${queue}/tasks/t-1` }],
      },
    });
  },

  "cloudtasks.projects.locations.queues.tasks.batchDelete": async () => {
    const queue = await createQueue();
    const { name } = await createTask(queue);
    expect(
      await ok("POST", `/v2beta3/${queue}/tasks:batchDelete`, { names: [name] }),
    ).toMatchObject({ done: true, metadata: { state: "SUCCEEDED" } });
  },
};

describe("methods", () => {
  test.each(Object.entries(TRANSCRIPTS))("%s", (_id, transcript) => transcript());

  test("each of the document's has its transcript", () => {
    expect(Object.keys(TRANSCRIPTS).sort()).toEqual(methodIds(document));
  });
});

describe("a queue", () => {
  it("has a type, by name or number, that stays as it is", async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/pull`;
    const queue = await ok("POST", `/v2beta3/${location}/queues`, { name, type: 1 });
    expect(queue).toEqual({
      name,
      type: "PULL",
      ...DEFAULTS,
      rateLimits: { ...DEFAULTS.rateLimits, maxConcurrentDispatches: -1 },
      retryConfig: { ...DEFAULTS.retryConfig, maxAttempts: -1 },
    });
    const patched = await send("PATCH", `/v2beta3/${name}?updateMask=type`, { type: "PUSH" });
    expect(patched).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "Queue.type cannot be changed after the queue is created."),
    );
    const asInt = await ok("GET", `/v2beta3/${name}?$alt=json%3Benum-encoding=int`);
    expect(asInt.type).toBe(1);
  });

  it.each([
    [{ taskTtl: "864000s" }, 200, {}],
    [{ taskTtl: "315360000s" }, 200, {}],
    [{ tombstoneTtl: "777600s" }, 200, {}],
    [{ taskTtl: "863999s" }, 400, /taskTtl must be between/],
    [{ taskTtl: "315360001s" }, 400, /taskTtl must be between/],
    [{ tombstoneTtl: "3599s" }, 400, /tombstoneTtl must be between/],
    [{ tombstoneTtl: "777601s" }, 400, /tombstoneTtl must be between/],
  ])("lives by %j", async (lifetime, status, message) => {
    const location = uniqueLocation();
    const name = `${location}/queues/q`;
    const reply = await send("POST", `/v2beta3/${location}/queues`, { name, ...lifetime });
    expect(reply.status).toBe(status);
    if (message instanceof RegExp) expect(reply.body.error.message).toMatch(message);
    else expect(reply.body).toMatchObject(lifetime);
  });

  it("keeps its lifetimes", async () => {
    const name = await createQueue({ taskTtl: "864000s" });
    const path = `/v2beta3/${name}?updateMask=task_ttl`;
    expect(await send("PATCH", path, { taskTtl: "864001s" })).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", expect.stringMatching(/taskTtl cannot be changed/)),
    );
    expect(await ok("PATCH", path, { taskTtl: "864000s" })).toMatchObject({ taskTtl: "864000s" });
  });

  it("of the type PULL has no target", async () => {
    const location = uniqueLocation();
    const body = {
      name: `${location}/queues/q`,
      type: "PULL",
      httpTarget: { uriOverride: { host: "h.example.com" } },
    };
    expect(await send("POST", `/v2beta3/${location}/queues`, body)).toMatchObject(
      refusal(
        400,
        "INVALID_ARGUMENT",
        "A pull queue cannot have a target: nothing is sent from it.",
      ),
    );
  });
});

describe("a pull task", () => {
  it("shows its message", async () => {
    const queue = await createQueue({ type: "PULL" });
    const task = await ok("POST", `/v2beta3/${queue}/tasks`, {
      task: { pullMessage: { payload: "aGk=", tag: "a" } },
    });
    expect(task).toEqual({
      name: expect.any(String),
      pullMessage: { tag: "a" },
      scheduleTime: expect.stringMatching(TIME),
      createTime: expect.stringMatching(SECOND),
      view: "BASIC",
    });
    expect(await ok("GET", `/v2beta3/${task.name}?responseView=2`)).toEqual({
      ...task,
      pullMessage: { payload: "aGk=", tag: "a" },
      view: "FULL",
    });
  });
});
