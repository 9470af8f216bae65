/**
 * google.cloud.tasks.v2beta2 over the wire, as transcripts: one test for each method id of its
 * discovery document, and the fields of each message.
 */
import { describe, expect, it, test, vi } from "vitest";
import document from "../../src/protocol/discovery/cloudtasks.v2beta2.json";
import { methodIds } from "./method-ids.ts";
import { httpTask, ok, refusal, send, uniqueLocation } from "./rest.ts";

const TIME = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/;
const SECOND = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const BACKOFF = { minBackoff: "0.100s", maxBackoff: "3600s", maxDoublings: 16 };
const LIFETIMES = { taskTtl: "2678400s", tombstoneTtl: "3600s" };

let counter = 0;

/** A queue with this target; pull queues unless a test is about others. */
async function createQueue(settings: object = { pullTarget: {} }): Promise<string> {
  const location = uniqueLocation();
  const name = `${location}/queues/q-${++counter}`;
  await ok("POST", `/v2beta2/${location}/queues`, { name, ...settings });
  return name;
}

function locationOf(queue: string): string {
  return queue.slice(0, queue.indexOf("/queues/"));
}

async function createTask(queue: string, message: object = {}, changes: object = {}) {
  const payload = { payload: "aGVsbG8=", ...message };
  return ok("POST", `/v2beta2/${queue}/tasks`, { task: { pullMessage: payload, ...changes } });
}

function lease(queue: string, changes: object = {}) {
  return ok("POST", `/v2beta2/${queue}/tasks:lease`, {
    maxTasks: 1,
    leaseDuration: "60s",
    ...changes,
  });
}

async function leaseOne(queue: string, changes: object = {}) {
  const { tasks } = await lease(queue, changes);
  expect(tasks).toHaveLength(1);
  return tasks[0];
}

/** Seconds from now to a time on the wire. */
function secondsUntil(time: string): number {
  return (Date.parse(time) - Date.now()) / 1000;
}

const TRANSCRIPTS: Readonly<Record<string, () => Promise<void>>> = {
  "cloudtasks.api.queue.update": async () => {
    const project = `app-${crypto.randomUUID().slice(0, 8)}`;
    const file = "queue:\n- name: pulled\n  mode: pull\n";
    const reply = await send("POST", `/api/queue/update?appId=${project}`, file);
    expect(reply).toMatchObject({ status: 200, body: {} });
    const name = `projects/${project}/locations/us-central1/queues/pulled`;
    expect(await ok("GET", `/v2beta2/${name}`)).toMatchObject({ name, pullTarget: {} });
  },

  "cloudtasks.projects.locations.list": async () => {
    const location = uniqueLocation();
    const { locations } = await ok("GET", `/v2beta2/${location.split("/locations/")[0]}/locations`);
    expect(locations).toContainEqual(expect.objectContaining({ name: location }));
  },

  "cloudtasks.projects.locations.get": async () => {
    const location = uniqueLocation();
    expect(await ok("GET", `/v2beta2/${location}`)).toMatchObject({
      name: location,
      locationId: "us-central1",
    });
  },

  "cloudtasks.projects.locations.getCmekConfig": async () => {
    const location = uniqueLocation();
    expect(await ok("GET", `/v2beta2/${location}/cmekConfig`)).toEqual({
      name: `${location}/cmekConfig`,
    });
  },

  "cloudtasks.projects.locations.updateCmekConfig": async () => {
    const path = `/v2beta2/${uniqueLocation()}/cmekConfig?updateMask=kmsKey`;
    expect(await send("PATCH", path, { kmsKey: "k" })).toMatchObject(
      refusal(501, "UNIMPLEMENTED", expect.any(String)),
    );
  },

  "cloudtasks.projects.locations.operations.get": async () => {
    const queue = await createQueue();
    const operation = await ok("POST", `/v2beta2/${queue}/tasks:batchDelete`, {
      names: [`${queue}/tasks/none`],
    });
    expect(await ok("GET", `/v2beta2/${operation.name}`)).toEqual(operation);
  },

  "cloudtasks.projects.locations.operations.list": async () => {
    const queue = await createQueue();
    const operation = await ok("POST", `/v2beta2/${queue}/tasks:batchDelete`, {
      names: [`${queue}/tasks/none`],
    });
    expect(await ok("GET", `/v2beta2/${locationOf(queue)}/operations`)).toEqual({
      operations: [operation],
    });
  },

  "cloudtasks.projects.locations.queues.create": async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/pulled`;
    const queue = await ok("POST", `/v2beta2/${location}/queues`, { name, pullTarget: {} });
    expect(queue).toEqual({
      name,
      pullTarget: {},
      rateLimits: { maxTasksDispatchedPerSecond: 500, maxBurstSize: 100, maxConcurrentTasks: -1 },
      retryConfig: { unlimitedAttempts: true, ...BACKOFF },
      state: "RUNNING",
      ...LIFETIMES,
    });
  },

  "cloudtasks.projects.locations.queues.get": async () => {
    const name = await createQueue();
    const queue = await ok("GET", `/v2beta2/${name}`);
    expect(queue).toMatchObject({ name, pullTarget: {} });
    expect(queue).not.toHaveProperty("stats");
    await createTask(name);
    expect(await ok("GET", `/v2beta2/${name}?readMask=name,stats.tasksCount`)).toEqual({
      name,
      stats: { tasksCount: "1" },
    });
  },

  "cloudtasks.projects.locations.queues.list": async () => {
    const location = uniqueLocation();
    for (const [id, target] of Object.entries({
      a: { pullTarget: {} },
      b: { appEngineHttpTarget: {} },
    })) {
      await ok("POST", `/v2beta2/${location}/queues`, {
        name: `${location}/queues/${id}`,
        ...target,
      });
    }
    const list = await ok("GET", `/v2beta2/${location}/queues?readMask=name,stats`);
    expect(list.queues).toEqual([
      { name: `${location}/queues/a`, stats: { effectiveExecutionRate: 500 } },
      { name: `${location}/queues/b`, stats: { effectiveExecutionRate: 500 } },
    ]);
    const filter = encodeURIComponent("app_engine_http_target: *");
    const { queues } = await ok("GET", `/v2beta2/${location}/queues?filter=${filter}`);
    expect(queues).toEqual([await ok("GET", `/v2beta2/${location}/queues/b`)]);
  },

  "cloudtasks.projects.locations.queues.patch": async () => {
    const name = await createQueue();
    const mask = "retry_config.max_attempts";
    const body = { name, retryConfig: { maxAttempts: 3 } };
    const queue = await ok("PATCH", `/v2beta2/${name}?updateMask=${mask}`, body);
    expect(queue.retryConfig).toEqual({ maxAttempts: 3, ...BACKOFF });
    expect(await ok("GET", `/v2beta2/${name}`)).toEqual(queue);
  },

  "cloudtasks.projects.locations.queues.delete": async () => {
    const name = await createQueue();
    expect(await ok("DELETE", `/v2beta2/${name}`)).toEqual({});
    expect(await send("GET", `/v2beta2/${name}`)).toMatchObject({ status: 404 });
  },

  "cloudtasks.projects.locations.queues.purge": async () => {
    const name = await createQueue();
    await createTask(name);
    const queue = await ok("POST", `/v2beta2/${name}:purge`, {});
    expect(queue.purgeTime).toMatch(TIME);
    expect(await lease(name)).toEqual({});
  },

  "cloudtasks.projects.locations.queues.pause": async () => {
    const name = await createQueue();
    expect(await ok("POST", `/v2beta2/${name}:pause`, {})).toMatchObject({ state: "PAUSED" });
    await createTask(name);
    const body = { maxTasks: 1, leaseDuration: "1s" };
    expect(await send("POST", `/v2beta2/${name}/tasks:lease`, body)).toMatchObject(
      refusal(400, "FAILED_PRECONDITION", expect.any(String)),
    );
  },

  "cloudtasks.projects.locations.queues.resume": async () => {
    const name = await createQueue();
    await ok("POST", `/v2beta2/${name}:pause`, {});
    expect(await ok("POST", `/v2beta2/${name}:resume`, {})).toMatchObject({ state: "RUNNING" });
    await createTask(name);
    await leaseOne(name);
  },

  "cloudtasks.projects.locations.queues.getIamPolicy": async () => {
    const name = await createQueue();
    expect(await ok("POST", `/v2beta2/${name}:getIamPolicy`, {})).toEqual({ etag: "ACAB" });
  },

  "cloudtasks.projects.locations.queues.setIamPolicy": async () => {
    const name = await createQueue();
    const bindings = [{ role: "roles/cloudtasks.viewer", members: ["user:a@example.com"] }];
    const set = await ok("POST", `/v2beta2/${name}:setIamPolicy`, { policy: { bindings } });
    expect(set).toEqual({ version: 1, bindings, etag: expect.any(String) });
    expect(await ok("POST", `/v2beta2/${name}:getIamPolicy`, {})).toEqual(set);
  },

  "cloudtasks.projects.locations.queues.testIamPermissions": async () => {
    const body = { permissions: ["cloudtasks.tasks.create"] };
    expect(await ok("POST", `/v2beta2/${await createQueue()}:testIamPermissions`, body)).toEqual(
      body,
    );
  },

  "cloudtasks.projects.locations.queues.tasks.create": async () => {
    const queue = await createQueue();
    const scheduleTime = new Date(Date.now() + 3600_000).toISOString().replace("Z", "456Z");
    const task = await ok("POST", `/v2beta2/${queue}/tasks`, {
      parent: queue,
      task: {
        name: `${queue}/tasks/t-1`,
        pullMessage: { payload: "AP8+Pw==", tag: "ünï✓" },
        scheduleTime,
      },
      responseView: "FULL",
    });
    expect(task).toEqual({
      name: `${queue}/tasks/t-1`,
      pullMessage: { payload: "AP8+Pw==", tag: "ünï✓" },
      scheduleTime,
      createTime: expect.stringMatching(SECOND),
      status: {},
      view: "FULL",
    });
    expect(await ok("GET", `/v2beta2/${task.name}?responseView=FULL`)).toEqual(task);
  },

  "cloudtasks.projects.locations.queues.tasks.get": async () => {
    const queue = await createQueue();
    const task = await createTask(queue, { tag: "a" });
    expect(task).toEqual({
      name: expect.stringMatching(new RegExp(`^${queue}/tasks/\\d+$`)),
      pullMessage: { tag: "a" },
      scheduleTime: expect.stringMatching(TIME),
      createTime: expect.stringMatching(SECOND),
      status: {},
      view: "BASIC",
    });
    expect(await ok("GET", `/v2beta2/${task.name}`)).toEqual(task);
    const full = await ok("GET", `/v2beta2/${task.name}?responseView=FULL`);
    expect(full).toEqual({
      ...task,
      pullMessage: { payload: "aGVsbG8=", tag: "a" },
      view: "FULL",
    });
  },

  "cloudtasks.projects.locations.queues.tasks.list": async () => {
    const queue = await createQueue();
    const tasks = [await createTask(queue, { tag: "a" }), await createTask(queue)];
    const first = await ok("GET", `/v2beta2/${queue}/tasks?pageSize=1`);
    expect(first.tasks).toEqual([tasks[0]]);
    const path = `/v2beta2/${queue}/tasks?pageSize=1&pageToken=${first.nextPageToken}`;
    expect(await ok("GET", path)).toEqual({ tasks: [tasks[1]] });
  },

  "cloudtasks.projects.locations.queues.tasks.delete": async () => {
    const queue = await createQueue();
    const leased = await createTask(queue).then(() => leaseOne(queue));
    expect(await ok("DELETE", `/v2beta2/${leased.name}`)).toEqual({});
    expect(await send("GET", `/v2beta2/${leased.name}`)).toMatchObject({ status: 404 });
  },

  "cloudtasks.projects.locations.queues.tasks.run": async () => {
    vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("", { status: 200 }));
    const queue = await createQueue({ appEngineHttpTarget: {} });
    await ok("POST", `/v2beta2/${queue}:pause`, {});
    const { name } = await ok("POST", `/v2beta2/${queue}/tasks`, httpTask());
    const ran = await ok("POST", `/v2beta2/${name}:run`, { responseView: "BASIC" });
    expect(ran.status).toMatchObject({ attemptDispatchCount: 1 });
    const pull = await createQueue();
    const task = await createTask(pull);
    expect(await send("POST", `/v2beta2/${task.name}:run`, {})).toMatchObject(
      refusal(400, "FAILED_PRECONDITION", expect.any(String)),
    );
  },

  "cloudtasks.projects.locations.queues.tasks.buffer": async () => {
    const queue = await createQueue({ httpTarget: { uriOverride: { host: "h.example.com" } } });
    await ok("POST", `/v2beta2/${queue}:pause`, {});
    const { task } = await ok("POST", `/v2beta2/${queue}/tasks/t-1:buffer`, "hello");
    expect(task).toMatchObject({
      name: `${queue}/tasks/t-1`,
      httpRequest: { url: "https://h.example.com/", httpMethod: "POST" },
    });
    const pull = await createQueue();
    expect(await send("POST", `/v2beta2/${pull}/tasks:buffer`, "hello")).toMatchObject(
      refusal(400, "FAILED_PRECONDITION", expect.any(String)),
    );
  },

  "cloudtasks.projects.locations.queues.tasks.lease": async () => {
    const queue = await createQueue();
    const created = await createTask(queue, { tag: "a" });
    const [task] = (await lease(queue, { maxTasks: 10, responseView: "FULL" })).tasks;
    expect(task).toEqual({
      ...created,
      pullMessage: { payload: "aGVsbG8=", tag: "a" },
      scheduleTime: expect.stringMatching(TIME),
      status: { attemptDispatchCount: 1 },
      view: "FULL",
    });
    expect(secondsUntil(task.scheduleTime)).toBeGreaterThan(50);
    expect(secondsUntil(task.scheduleTime)).toBeLessThanOrEqual(61);
    // Leased is leased: nobody else gets it, and everybody sees it so.
    expect(await lease(queue)).toEqual({});
    expect(await ok("GET", `/v2beta2/${task.name}?responseView=FULL`)).toEqual(task);
  },

  "cloudtasks.projects.locations.queues.tasks.acknowledge": async () => {
    const queue = await createQueue();
    await createTask(queue, {}, { name: `${queue}/tasks/named` });
    const { name, scheduleTime } = await leaseOne(queue);
    expect(await ok("POST", `/v2beta2/${name}:acknowledge`, { scheduleTime })).toEqual({});
    expect(await send("GET", `/v2beta2/${name}`)).toMatchObject({ status: 404 });
    const again = { task: { name, pullMessage: {} } };
    expect(await send("POST", `/v2beta2/${queue}/tasks`, again)).toMatchObject({ status: 409 });
  },

  "cloudtasks.projects.locations.queues.tasks.renewLease": async () => {
    const queue = await createQueue();
    await createTask(queue);
    const { name, scheduleTime } = await leaseOne(queue);
    const renewed = await ok("POST", `/v2beta2/${name}:renewLease`, {
      scheduleTime,
      leaseDuration: "300s",
      responseView: "FULL",
    });
    expect(secondsUntil(renewed.scheduleTime)).toBeGreaterThan(250);
    expect(renewed).toMatchObject({ name, pullMessage: { payload: "aGVsbG8=" }, view: "FULL" });
    // A lease of no time is released.
    await ok("POST", `/v2beta2/${name}:renewLease`, {
      scheduleTime: renewed.scheduleTime,
      leaseDuration: "0s",
    });
    expect(await leaseOne(queue)).toMatchObject({ name, status: { attemptDispatchCount: 2 } });
  },

  "cloudtasks.projects.locations.queues.tasks.cancelLease": async () => {
    const queue = await createQueue();
    await createTask(queue);
    const { name, scheduleTime } = await leaseOne(queue);
    const task = await ok("POST", `/v2beta2/${name}:cancelLease`, { scheduleTime });
    expect(task).toMatchObject({ name, view: "BASIC" });
    expect(secondsUntil(task.scheduleTime)).toBeLessThan(2);
    expect(await leaseOne(queue)).toMatchObject({ name });
  },

  "cloudtasks.projects.locations.queues.tasks.batchCreate": async () => {
    const queue = await createQueue();
    const requests = [
      { task: { pullMessage: { payload: "YQ==", tag: "a" } }, responseView: "FULL" },
      httpTask(),
      { task: { pullMessage: { tag: "b" } } },
    ];
    const operation = await ok("POST", `/v2beta2/${queue}/tasks:batchCreate`, { requests });
    expect(operation).toMatchObject({
      done: true,
      metadata: {
        "@type": "type.googleapis.com/google.cloud.tasks.v2beta2.BatchCreateTasksMetadata",
        state: "PARTIALLY_SUCCEEDED",
        failedRequests: {
          1: { code: 3, message: "Task.httpRequest cannot be set on tasks of a pull queue." },
        },
      },
      response: {
        tasks: [{ pullMessage: { payload: "YQ==", tag: "a" } }, { pullMessage: { tag: "b" } }],
      },
    });
  },

  "cloudtasks.projects.locations.queues.tasks.batchDelete": async () => {
    const queue = await createQueue();
    const { name } = await createTask(queue);
    const operation = await ok("POST", `/v2beta2/${queue}/tasks:batchDelete`, { names: [name] });
    expect(operation).toMatchObject({ done: true, metadata: { state: "SUCCEEDED" } });
    expect(await lease(queue)).toEqual({});
  },

  "cloudtasks.projects.locations.queues.tasks.batchAcknowledge": async () => {
    const queue = await createQueue();
    for (let count = 0; count < 3; count++) await createTask(queue);
    const { tasks } = await lease(queue, { maxTasks: 3 });
    const [first, second, third] = tasks;
    const requests = [
      { name: first.name, scheduleTime: first.scheduleTime },
      { name: second.name, scheduleTime: first.createTime },
      { name: `${queue}/tasks/none`, scheduleTime: first.scheduleTime },
      { name: `${queue}-other/tasks/t`, scheduleTime: first.scheduleTime },
      { name: third.name },
      { name: third.name, scheduleTime: third.scheduleTime },
    ];
    expect(await ok("POST", `/v2beta2/${queue}/tasks:batchAcknowledge`, { requests })).toEqual({
      failedRequests: {
        1: { code: 9, message: expect.any(String) },
        2: { code: 5, message: "Requested entity was not found." },
        3: { code: 3, message: expect.any(String), details: [expect.anything()] },
        4: { code: 3, message: expect.any(String), details: [expect.anything()] },
      },
    });
    const left = await ok("GET", `/v2beta2/${queue}/tasks`);
    expect(left.tasks).toEqual([expect.objectContaining({ name: second.name })]);
    const last = [{ name: second.name, scheduleTime: second.scheduleTime }];
    expect(
      await ok("POST", `/v2beta2/${queue}/tasks:batchAcknowledge`, { requests: last }),
    ).toEqual({});
  },

  "cloudtasks.projects.locations.queues.tasks.batchRenewLease": async () => {
    const queue = await createQueue();
    for (let count = 0; count < 2; count++) await createTask(queue, { tag: "a" });
    const { tasks } = await lease(queue, { maxTasks: 2 });
    const requests = [
      { name: tasks[0].name, scheduleTime: tasks[0].createTime },
      { name: tasks[1].name, scheduleTime: tasks[1].scheduleTime },
    ];
    const path = `/v2beta2/${queue}/tasks:batchRenewLease`;
    const reply = await ok("POST", path, { requests, leaseDuration: "300s" });
    expect(reply).toEqual({
      tasks: [{ ...tasks[1], scheduleTime: expect.stringMatching(TIME) }],
      failedRequests: { 0: { code: 9, message: expect.any(String) } },
    });
    expect(secondsUntil(reply.tasks[0].scheduleTime)).toBeGreaterThan(250);
  },
};

describe("methods", () => {
  test.each(Object.entries(TRANSCRIPTS))("%s", (_id, transcript) => transcript());

  test("each of the document's has its transcript", () => {
    expect(Object.keys(TRANSCRIPTS).sort()).toEqual(methodIds(document));
  });
});

describe("a queue", () => {
  it("shows its target, its rates and its attempts under their old names", async () => {
    const settings = {
      appEngineHttpTarget: { appEngineRoutingOverride: { service: "s", version: "v" } },
      rateLimits: { maxTasksDispatchedPerSecond: 5.5, maxBurstSize: 70, maxConcurrentTasks: 3 },
      retryConfig: {
        maxAttempts: 7,
        maxRetryDuration: "3600s",
        minBackoff: "0.250s",
        maxBackoff: "10s",
        maxDoublings: 2,
      },
      taskTtl: "864000s",
      tombstoneTtl: "7200s",
    };
    const name = await createQueue(settings);
    const host = `v.s.${name.split("/")[1]}.appspot.com`;
    expect(await ok("GET", `/v2beta2/${name}`)).toEqual({
      name,
      ...settings,
      appEngineHttpTarget: {
        appEngineRoutingOverride: {
          ...settings.appEngineHttpTarget.appEngineRoutingOverride,
          host,
        },
      },
      state: "RUNNING",
    });
  });

  it("has an HTTP target in place of another", async () => {
    const httpTarget = {
      uriOverride: { host: "h.example.com", uriOverrideEnforceMode: "ALWAYS" },
      httpMethod: "PUT",
    };
    const name = await createQueue({ httpTarget });
    expect(await ok("GET", `/v2beta2/${name}`)).toMatchObject({ name, httpTarget });
    expect(await ok("GET", `/v2beta2/${name}`)).not.toHaveProperty("appEngineHttpTarget");
  });

  it("made without a target elsewhere is an App Engine queue here", async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/plain`;
    await ok("POST", `/v2/${location}/queues`, { name });
    expect(await ok("GET", `/v2beta2/${name}`)).toMatchObject({ appEngineHttpTarget: {} });
  });

  it("has unlimited attempts by that name", async () => {
    const name = await createQueue({
      appEngineHttpTarget: {},
      retryConfig: { unlimitedAttempts: true },
    });
    const { retryConfig } = await ok("GET", `/v2beta2/${name}`);
    expect(retryConfig).toEqual({ unlimitedAttempts: true, ...BACKOFF });
    const mask = "retryConfig.unlimitedAttempts";
    const limited = await ok("PATCH", `/v2beta2/${name}?updateMask=${mask}`, {
      retryConfig: { maxAttempts: 4 },
    });
    expect(limited.retryConfig).toEqual({ maxAttempts: 4, ...BACKOFF });
  });

  it("that is pulled from has no rates and backoffs of its owner's", async () => {
    const name = await createQueue({
      pullTarget: {},
      rateLimits: { maxTasksDispatchedPerSecond: 3, maxBurstSize: 4, maxConcurrentTasks: 5 },
      retryConfig: { maxAttempts: 5, minBackoff: "9s" },
    });
    const queue = await ok("GET", `/v2beta2/${name}`);
    expect(queue).toMatchObject({
      rateLimits: { maxTasksDispatchedPerSecond: 500, maxBurstSize: 100, maxConcurrentTasks: -1 },
      retryConfig: { maxAttempts: 5, ...BACKOFF },
    });
    const mask = "rate_limits.max_tasks_dispatched_per_second";
    const body = { rateLimits: { maxTasksDispatchedPerSecond: 2 } };
    expect(await ok("PATCH", `/v2beta2/${name}?updateMask=${mask}`, body)).toEqual(queue);
  });

  it("keeps its type through updates that do not name it", async () => {
    const name = await createQueue();
    const body = { retryConfig: { maxAttempts: 9 } };
    expect(await ok("PATCH", `/v2beta2/${name}`, body)).toMatchObject({
      pullTarget: {},
      retryConfig: { maxAttempts: 9 },
    });
    const same = { pullTarget: {} };
    expect(await ok("PATCH", `/v2beta2/${name}?updateMask=pullTarget`, same)).toMatchObject(same);
  });

  it("is made by a patch that says its type", async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/new`;
    expect(await ok("PATCH", `/v2beta2/${name}`, { pullTarget: {} })).toMatchObject({
      name,
      pullTarget: {},
    });
  });

  it("shows enums as numbers on request", async () => {
    const name = await createQueue();
    const query = "$alt=json%3Benum-encoding=int";
    expect(await ok("GET", `/v2beta2/${name}?${query}`)).toMatchObject({ state: 1 });
  });
});

describe("a read mask", () => {
  it("shows what it names, in either spelling", async () => {
    const name = await createQueue();
    const path = `/v2beta2/${name}?readMask=`;
    expect(await ok("GET", `${path}pull_target,retry_config.max_doublings`)).toEqual({
      pullTarget: {},
      retryConfig: { maxDoublings: 16 },
    });
    expect(await ok("GET", `${path}*`)).toEqual(await ok("GET", `/v2beta2/${name}`));
    const all = await ok("GET", `${path}*,stats`);
    expect(all).toEqual({
      ...(await ok("GET", `/v2beta2/${name}`)),
      stats: { effectiveExecutionRate: 500 },
    });
  });

  it("is the one way to statistics", async () => {
    const name = await createQueue();
    const scheduleTime = new Date(Date.now() + 3600_000).toISOString();
    await createTask(name, {}, { scheduleTime });
    expect(await ok("GET", `/v2beta2/${name}?readMask=stats`)).toEqual({
      stats: {
        tasksCount: "1",
        oldestEstimatedArrivalTime: scheduleTime.replace(".000Z", "Z"),
        effectiveExecutionRate: 500,
      },
    });
  });
});

describe("tasks of push queues", () => {
  it("have their own names for App Engine's parts", async () => {
    const queue = await createQueue({ appEngineHttpTarget: {} });
    await ok("POST", `/v2beta2/${queue}:pause`, {});
    const task = await ok("POST", `/v2beta2/${queue}/tasks`, {
      task: {
        appEngineHttpRequest: {
          httpMethod: "PUT",
          relativeUrl: "/work?x=1",
          payload: "aGk=",
          headers: { "X-A": "b" },
          appEngineRouting: { service: "s" },
        },
      },
      responseView: "FULL",
    });
    expect(task.appEngineHttpRequest).toEqual({
      httpMethod: "PUT",
      relativeUrl: "/work?x=1",
      payload: "aGk=",
      headers: {
        "X-A": "b",
        "User-Agent": expect.stringMatching(/^AppEngine-Google/),
        "Content-Type": "application/octet-stream",
        "Content-Length": "2",
      },
      appEngineRouting: { service: "s", host: `s.${queue.split("/")[1]}.appspot.com` },
    });
    const { appEngineHttpRequest } = await ok("GET", `/v2beta2/${task.name}`);
    expect(appEngineHttpRequest).not.toHaveProperty("payload");
  });

  it("may be HTTP tasks", async () => {
    const queue = await createQueue({ appEngineHttpTarget: {} });
    await ok("POST", `/v2beta2/${queue}:pause`, {});
    const { task } = httpTask({}, { body: "aGk=" });
    const body = { task, responseView: "FULL" };
    expect(await ok("POST", `/v2beta2/${queue}/tasks`, body)).toMatchObject({
      httpRequest: { url: "https://example.com/work", httpMethod: "POST", body: "aGk=" },
      status: {},
    });
  });
});

describe("a lease", () => {
  it("takes tasks in the order of their times", async () => {
    const queue = await createQueue();
    for (const tag of ["1", "2", "3"]) await createTask(queue, { tag });
    const { tasks } = await lease(queue, { maxTasks: 2 });
    expect(tasks.map(({ pullMessage }: { pullMessage: object }) => pullMessage)).toEqual([
      { tag: "1" },
      { tag: "2" },
    ]);
    expect(await leaseOne(queue)).toMatchObject({ pullMessage: { tag: "3" } });
  });

  it.each([
    ["tag=b", ["b"]],
    ['tag="b"', ["b"]],
    ['tag = "b"', ["b"]],
    [String.raw`tag="q\"uote\\d"`, [String.raw`q"uote\d`]],
    ["tag=with space, and=more", ["with space, and=more"]],
    ["tag=", [""]],
    ['tag=""', [""]],
    ["tag_function=oldest_tag()", ["a", "a"]],
    ["tag=none", []],
  ])("by %s", async (filter, tags) => {
    const queue = await createQueue();
    for (const tag of ["a", "b", "", String.raw`q"uote\d`, "with space, and=more", "a"]) {
      await createTask(queue, { tag });
    }
    await createTask(queue);
    const { tasks = [] } = await lease(queue, { maxTasks: 10, filter });
    expect(
      tasks.map(({ pullMessage }: { pullMessage: { tag?: string } }) => pullMessage.tag),
    ).toEqual(tags);
  });

  it("is of whole seconds", async () => {
    const queue = await createQueue();
    await createTask(queue);
    const { scheduleTime } = await leaseOne(queue, { leaseDuration: "10.999s" });
    expect(secondsUntil(scheduleTime)).toBeLessThanOrEqual(10);
  });

  it("of 500 characters of any alphabet is by the whole tag", async () => {
    const queue = await createQueue();
    const tag = "🚀".repeat(500);
    await createTask(queue, { tag });
    const task = await leaseOne(queue, { filter: `tag="${tag}"` });
    expect(task.pullMessage.tag).toBe(tag);
  });

  it("of many large tasks is cut to what an answer can hold", async () => {
    const queue = await createQueue();
    const payload = btoa("x".repeat(1_000_000));
    const requests = Array.from({ length: 20 }, () => ({ task: { pullMessage: { payload } } }));
    await ok("POST", `/v2beta2/${queue}/tasks:batchCreate`, { requests });
    await ok("POST", `/v2beta2/${queue}/tasks:batchCreate`, { requests: requests.slice(0, 10) });
    const { tasks } = await lease(queue, { maxTasks: 1000, responseView: "FULL" });
    expect(tasks.length).toBeGreaterThan(15);
    expect(JSON.stringify(tasks).length).toBeLessThan(32e6);
    const rest = await lease(queue, { maxTasks: 1000 });
    expect(tasks.length + rest.tasks.length).toBe(30);
  });

  it("can be cut to parts of the answer", async () => {
    const queue = await createQueue();
    const { name } = await createTask(queue);
    const path = `/v2beta2/${queue}/tasks:lease?fields=tasks/name`;
    expect(await ok("POST", path, { maxTasks: 1, leaseDuration: "9s" })).toEqual({
      tasks: [{ name }],
    });
  });

  it("ends a task that was leased as often as it may be", async () => {
    const queue = await createQueue({ pullTarget: {}, retryConfig: { maxAttempts: 2 } });
    await createTask(queue);
    for (let count = 0; count < 2; count++) {
      const { name, scheduleTime } = await leaseOne(queue);
      await ok("POST", `/v2beta2/${name}:cancelLease`, { scheduleTime });
    }
    expect(await lease(queue)).toEqual({});
    expect(await ok("GET", `/v2beta2/${queue}/tasks`)).toEqual({});
  });
});

describe("a lease that waits", () => {
  const WAIT = { prefer: "respond-async, wait=30" };
  const BODY = { maxTasks: 1, leaseDuration: "60s", filter: "tag=a" };

  it("is answered when a task comes", async () => {
    const queue = await createQueue();
    const waiting = send("POST", `/v2beta2/${queue}/tasks:lease`, BODY, WAIT);
    await createTask(queue, { tag: "b" });
    const { name } = await createTask(queue, { tag: "a" });
    const reply = await waiting;
    expect(reply.body.tasks).toEqual([expect.objectContaining({ name })]);
    expect(reply.headers.get("preference-applied")).toBe("wait=30");
  });

  it("is answered empty when the time is over", async () => {
    const queue = await createQueue();
    const reply = await send("POST", `/v2beta2/${queue}/tasks:lease`, BODY, { prefer: "wait=1" });
    expect(reply).toMatchObject({ status: 200, body: {} });
    expect(reply.headers.get("preference-applied")).toBe("wait=1");
  });

  it("does not wait where a task is there, or where it was not asked to", async () => {
    const queue = await createQueue();
    await createTask(queue, { tag: "a" });
    const reply = await send("POST", `/v2beta2/${queue}/tasks:lease`, BODY, { prefer: "wait=99" });
    expect(reply.body.tasks).toHaveLength(1);
    expect(reply.headers.get("preference-applied")).toBe("wait=60");
    const empty = await send("POST", `/v2beta2/${queue}/tasks:lease`, BODY);
    expect(empty).toMatchObject({ status: 200, body: {} });
    expect(empty.headers.has("preference-applied")).toBe(false);
  });

  it("gives everyone who waits one task", async () => {
    const queue = await createQueue();
    const waiting = [0, 1, 2].map(() => send("POST", `/v2beta2/${queue}/tasks:lease`, BODY, WAIT));
    const created = [];
    for (let count = 0; count < 3; count++) created.push(await createTask(queue, { tag: "a" }));
    const leased = (await Promise.all(waiting)).flatMap(({ body }) => body.tasks);
    expect(leased.map(({ name }) => name).sort()).toEqual(created.map(({ name }) => name).sort());
  });
});
