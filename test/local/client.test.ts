/**
 * The official client against the built server, with a receiver that checks what arrives: the
 * recorded header rows of push.md §1 and the methods as an application calls them.
 */
import type { CloudTasksClient } from "@google-cloud/tasks";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CODE, connectClient } from "../support/client.ts";
import {
  type Answer,
  type ReceivedRequest,
  type Receiver,
  startReceiver,
} from "../support/receiver.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const LOCATION = "projects/my-project/locations/europe-west1";
/** So that a sequence of retries takes no time to speak of. */
const QUICK_RETRIES = { minBackoff: { nanos: 10_000_000 }, maxBackoff: { nanos: 20_000_000 } };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let target: Receiver;
let server: RunningServer;
let client: CloudTasksClient;
let queueId: string;
let queue: string;
let queues = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  target = await startReceiver();
  server = await startServer({
    dataFolder: folder.path,
    args: ["--app-engine-url", `${target.url}/app/{service}`],
  });
  client = connectClient(server.port);
});

afterAll(async () => {
  await client.close();
  await server.stop();
  await target.close();
  await folder.remove();
});

beforeEach(() => {
  queueId = `queue-${++queues}`;
  queue = `${LOCATION}/queues/${queueId}`;
  target.answerWith(() => ({ status: 200 }));
});

/** Requests for the queue of this test. */
function arrived(requests: readonly ReceivedRequest[] = target.requests): ReceivedRequest[] {
  return requests.filter(
    ({ headers }) =>
      headers["x-cloudtasks-queuename"] === queueId || headers["x-appengine-queuename"] === queueId,
  );
}

async function waitFor(count: number, timeoutMs?: number): Promise<ReceivedRequest[]> {
  return arrived(await target.waitUntil((all) => arrived(all).length >= count, timeoutMs));
}

async function createQueue(settings: object = {}) {
  const [created] = await client.createQueue({
    parent: LOCATION,
    queue: { name: queue, ...settings },
  });
  return created;
}

async function createTask(task: object) {
  const [created] = await client.createTask({ parent: queue, task });
  return created;
}

function header(request: ReceivedRequest, name: string): string | undefined {
  return request.headers[name.toLowerCase()];
}

/** Well before the latest schedule time, 30 days from now. */
const FAR = { seconds: Math.floor(Date.now() / 1000) + 20 * 86_400 };

describe("queues", () => {
  test("are created with defaults, read and listed", async () => {
    const created = await createQueue();
    expect(created).toMatchObject({
      name: queue,
      state: "RUNNING",
      rateLimits: { maxDispatchesPerSecond: 500, maxBurstSize: 100, maxConcurrentDispatches: 1000 },
      retryConfig: {
        maxAttempts: 100,
        minBackoff: { seconds: "0", nanos: 100_000_000 },
        maxBackoff: { seconds: "3600", nanos: 0 },
        maxDoublings: 16,
      },
    });
    expect((await client.getQueue({ name: queue }))[0]).toEqual(created);
    expect((await client.listQueues({ parent: LOCATION }))[0]).toContainEqual(created);
  });

  test("exist once, and not after they are deleted", async () => {
    await createQueue();
    await expect(createQueue()).rejects.toMatchObject({ code: CODE.ALREADY_EXISTS });
    await client.deleteQueue({ name: queue });
    await expect(client.getQueue({ name: queue })).rejects.toMatchObject({ code: CODE.NOT_FOUND });
    await expect(createQueue()).rejects.toMatchObject({ code: CODE.FAILED_PRECONDITION });
  });

  test("are changed by a field mask alone", async () => {
    const created = await createQueue();
    const [updated] = await client.updateQueue({
      queue: {
        name: queue,
        rateLimits: { maxDispatchesPerSecond: 3, maxConcurrentDispatches: 7 },
        retryConfig: { maxAttempts: 5 },
      },
      updateMask: { paths: ["rate_limits.max_concurrent_dispatches", "retry_config.max_attempts"] },
    });
    expect(updated.rateLimits).toMatchObject({
      maxDispatchesPerSecond: 500,
      maxConcurrentDispatches: 7,
    });
    expect(updated.retryConfig).toEqual({ ...created.retryConfig, maxAttempts: 5 });
  });

  test("hold their tasks while paused and let them go when resumed", async () => {
    await createQueue();
    const [paused] = await client.pauseQueue({ name: queue });
    expect(paused.state).toBe("PAUSED");
    const task = await createTask({ httpRequest: { url: target.url } });
    const [waiting] = await client.getTask({ name: task.name ?? "" });
    expect(waiting.dispatchCount).toBe(0);
    const [resumed] = await client.resumeQueue({ name: queue });
    expect(resumed.state).toBe("RUNNING");
    await waitFor(1);
  });

  test("are purged of what was created before", async () => {
    await createQueue();
    const early = await createTask({ scheduleTime: FAR, httpRequest: { url: target.url } });
    const [purged] = await client.purgeQueue({ name: queue });
    expect(Number(purged.purgeTime?.seconds)).toBeGreaterThan(1_700_000_000);
    const late = await createTask({ scheduleTime: FAR, httpRequest: { url: target.url } });
    const [tasks] = await client.listTasks({ parent: queue });
    expect(tasks.map(({ name }) => name)).toEqual([late.name]);
    await expect(client.getTask({ name: early.name ?? "" })).rejects.toMatchObject({
      code: CODE.NOT_FOUND,
    });
  });
});

describe("locations", () => {
  test("are listed and read", async () => {
    const ids: (string | null | undefined)[] = [];
    for await (const location of client.listLocationsAsync({ name: "projects/my-project" })) {
      ids.push(location.locationId);
    }
    expect(ids).toContain("us-central1");
    // The client's types and its answer disagree about the array.
    const [location] = [await client.getLocation({ name: LOCATION })].flat();
    expect(location).toMatchObject({ name: LOCATION, locationId: "europe-west1" });
  });
});

describe("tasks", () => {
  test("are read with and without their body, listed by page and deleted", async () => {
    await createQueue();
    const names: string[] = [];
    for (const hour of [1, 2, 3]) {
      const task = await createTask({
        name: `${queue}/tasks/hour-${hour}`,
        scheduleTime: { seconds: FAR.seconds + hour * 3600, nanos: 5000 },
        dispatchDeadline: { seconds: 20 },
        httpRequest: {
          url: `${target.url}/${hour}`,
          httpMethod: "PUT",
          body: Buffer.from(`b${hour}`),
        },
      });
      names.push(task.name ?? "");
    }
    const [name = ""] = names;
    expect(name).toBe(`${queue}/tasks/hour-1`);

    const [basic] = await client.getTask({ name });
    expect(basic).toMatchObject({
      name,
      view: "BASIC",
      dispatchCount: 0,
      responseCount: 0,
      scheduleTime: { seconds: String(FAR.seconds + 3600), nanos: 5000 },
      dispatchDeadline: { seconds: "20", nanos: 0 },
      httpRequest: { url: `${target.url}/1`, httpMethod: "PUT" },
    });
    expect(basic.httpRequest?.body).toHaveLength(0);
    const [full] = await client.getTask({ name, responseView: "FULL" });
    expect(full.view).toBe("FULL");
    expect(Buffer.from(full.httpRequest?.body ?? "").toString()).toBe("b1");

    const [all] = await client.listTasks({ parent: queue, pageSize: 2 });
    expect(all.map((task) => task.name)).toEqual(names);
    await client.deleteTask({ name });
    await expect(client.deleteTask({ name })).rejects.toMatchObject({ code: CODE.NOT_FOUND });
    const [rest] = await client.listTasks({ parent: queue });
    expect(rest.map((task) => task.name)).toEqual(names.slice(1));
  });

  test("have names that are taken once, also after they are done", async () => {
    await createQueue();
    const task = { name: `${queue}/tasks/once`, httpRequest: { url: target.url } };
    await createTask(task);
    await expect(createTask(task)).rejects.toMatchObject({ code: CODE.ALREADY_EXISTS });
    await waitFor(1);
    await expect(createTask(task)).rejects.toMatchObject({ code: CODE.ALREADY_EXISTS });
    expect(arrived()).toHaveLength(1);
  });

  test("run when they are told to, on a paused queue and before their time", async () => {
    await createQueue();
    await client.pauseQueue({ name: queue });
    const task = await createTask({ scheduleTime: FAR, httpRequest: { url: `${target.url}/now` } });
    const [running] = await client.runTask({ name: task.name ?? "" });
    expect(running).toMatchObject({ name: task.name, dispatchCount: 1, responseCount: 0 });
    const [request] = await waitFor(1);
    expect(request?.url).toBe("/now");
  });

  test("that are refused say why", async () => {
    await createQueue();
    await expect(createTask({ httpRequest: { url: "ftp://example.com/" } })).rejects.toMatchObject({
      code: CODE.INVALID_ARGUMENT,
    });
    await expect(
      client.createTask({
        parent: `${LOCATION}/queues/none`,
        task: { httpRequest: { url: target.url } },
      }),
    ).rejects.toMatchObject({ code: CODE.NOT_FOUND });
  });
});

/** The headers that a signed attempt has besides; handlers.test.ts verifies them. */
const SIGNED = {
  "webhook-id": expect.stringMatching(/^msg_[\w-]+$/),
  "webhook-timestamp": expect.stringMatching(/^\d{10}$/),
  "webhook-signature": expect.stringMatching(/^v1,[\w+/]{43}=$/),
};

describe("webhooks", () => {
  test("carry the headers of an HTTP task, the caller's and no others", async () => {
    await createQueue();
    const task = await createTask({
      name: `${queue}/tasks/first`,
      scheduleTime: { seconds: 1_700_000_000 },
      httpRequest: {
        url: `${target.url}/path?query=1`,
        httpMethod: "POST",
        headers: {
          "Content-Type": "application/json",
          "X-Own": "a, b",
          "User-Agent": "mine",
          Host: "elsewhere.example",
          "X-CloudTasks-QueueName": "forged",
          "X-Google-Anything": "forged",
          "X-AppEngine-Anything": "forged",
          "Webhook-Id": "forged",
        },
        body: Buffer.from('{"n":1}'),
      },
    });
    const [request] = await waitFor(1);
    expect(request).toMatchObject({ method: "POST", url: "/path?query=1" });
    expect(request?.body.toString()).toBe('{"n":1}');
    const eta = Number(task.scheduleTime?.seconds) + (task.scheduleTime?.nanos ?? 0) / 1e9;
    expect(request?.headers).toEqual({
      host: new URL(target.url).host,
      "content-length": "7",
      "content-type": "application/json",
      "user-agent": "Google-Cloud-Tasks",
      "x-own": "a, b",
      "x-cloudtasks-queuename": queueId,
      "x-cloudtasks-taskname": "first",
      "x-cloudtasks-taskretrycount": "0",
      "x-cloudtasks-taskexecutioncount": "0",
      "x-cloudtasks-tasketa": eta.toFixed(6),
      ...SIGNED,
    });
  });

  test("carry the headers of an App Engine task", async () => {
    await createQueue();
    const task = await createTask({
      appEngineHttpRequest: {
        relativeUri: "/work?x=1",
        appEngineRouting: { service: "worker" },
        headers: { "User-Agent": "mine", "X-Own": "1" },
        body: Buffer.from("hi"),
      },
    });
    const [request] = await waitFor(1);
    expect(request).toMatchObject({ method: "POST", url: "/app/worker/work?x=1" });
    const eta = Number(task.scheduleTime?.seconds) + (task.scheduleTime?.nanos ?? 0) / 1e9;
    expect(request?.headers).toEqual({
      host: new URL(target.url).host,
      "content-length": "2",
      "content-type": "application/octet-stream",
      "user-agent": "mine AppEngine-Google; (+http://code.google.com/appengine)",
      "x-own": "1",
      "x-appengine-queuename": queueId,
      "x-appengine-taskname": task.name?.split("/").at(-1),
      "x-appengine-taskretrycount": "0",
      "x-appengine-taskexecutioncount": "0",
      "x-appengine-tasketa": eta.toFixed(6),
      ...SIGNED,
      "x-appengine-user-ip": "0.1.0.2",
    });
  });

  const STATUSES = [503, 404, 429, 500, 302, 200];
  const HTTP_ROWS = [
    ["0", "0", undefined, undefined],
    ["1", "0", "503", ""],
    ["2", "1", "404", ""],
    ["3", "2", "429", ""],
    ["4", "2", "500", ""],
    ["5", "3", "302", ""],
  ];
  const APP_ENGINE_ROWS = [
    ["0", "0", undefined, undefined],
    ["1", "1", "503", "App Error"],
    ["2", "2", "404", "App Error"],
    ["3", "3", "429", "App Error"],
    ["4", "4", "500", "App Error"],
    ["5", "5", "302", "App Error"],
  ];

  test.each([
    ["HTTP", "X-CloudTasks", HTTP_ROWS, () => ({ httpRequest: { url: target.url } })],
    ["App Engine", "X-AppEngine", APP_ENGINE_ROWS, () => ({ appEngineHttpRequest: {} })],
  ])(
    "of %s tasks tell the attempts before them (push.md §1.1)",
    async (_kind, prefix, rows, task) => {
      await createQueue({ retryConfig: QUICK_RETRIES });
      target.script(
        ...STATUSES.map(
          (status): Answer => ({
            status,
            headers: status === 302 ? { location: "/elsewhere" } : {},
          }),
        ),
      );
      const created = await createTask(task());
      const requests = await waitFor(STATUSES.length);
      expect(
        requests.map((request) => [
          header(request, `${prefix}-TaskRetryCount`),
          header(request, `${prefix}-TaskExecutionCount`),
          header(request, `${prefix}-TaskPreviousResponse`),
          header(request, `${prefix}-TaskRetryReason`),
        ]),
      ).toEqual(rows);
      await expect(untilGone(created.name ?? "")).resolves.toBe(true);
      expect(arrived()).toHaveLength(STATUSES.length);
    },
  );

  test("that got no answer in time tell so (push.md §1.2)", async () => {
    await createQueue({ retryConfig: QUICK_RETRIES });
    let hung = 0;
    target.answerWith(() => (hung++ < 2 ? "hang" : { status: 200 }));
    const dispatchDeadline = { seconds: 15 };
    await createTask({ dispatchDeadline, httpRequest: { url: target.url } });
    await createTask({ dispatchDeadline, appEngineHttpRequest: {} });
    const requests = await waitFor(4, 60_000);
    const [http] = requests.slice(2).filter((request) => header(request, "X-CloudTasks-TaskName"));
    const [appEngine] = requests
      .slice(2)
      .filter((request) => header(request, "X-AppEngine-TaskName"));
    expect(http?.headers).toMatchObject({
      "x-cloudtasks-taskretrycount": "1",
      "x-cloudtasks-taskexecutioncount": "0",
      "x-cloudtasks-taskpreviousresponse": "504",
      "x-cloudtasks-taskretryreason": "",
    });
    expect(appEngine?.headers).toMatchObject({
      "x-appengine-taskretrycount": "1",
      "x-appengine-taskexecutioncount": "0",
      "x-appengine-taskpreviousresponse": "0",
      "x-appengine-taskretryreason": "Instance Unavailable",
    });
  });

  test("are not repeated before the time that Retry-After asks for", async () => {
    await createQueue({ retryConfig: QUICK_RETRIES });
    target.script({ status: 503, headers: { "retry-after": "1" } });
    await createTask({ httpRequest: { url: target.url } });
    const [refused, repeated] = await waitFor(2);
    expect((repeated?.arrivedAt ?? 0) - (refused?.answeredAt ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  test("carry an identity token that the server's public keys verify", async () => {
    await createQueue();
    const serviceAccountEmail = "caller@my-project.iam.gserviceaccount.com";
    const url = `${target.url}/secured`;
    await createTask({
      httpRequest: { url, headers: { Authorization: "mine" }, oidcToken: { serviceAccountEmail } },
    });
    const [request] = await waitFor(1);
    const [scheme, token = ""] = request?.headers["authorization"]?.split(" ") ?? [];
    expect(scheme).toBe("Bearer");
    const keys = createRemoteJWKSet(new URL(`${server.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(token, keys, { audience: url, algorithms: ["RS256"] });
    expect(payload).toMatchObject({ email: serviceAccountEmail, email_verified: true });
  });

  test("that break off are tried again, and the task shows what happened", async () => {
    await createQueue({
      retryConfig: { minBackoff: { seconds: 3600 }, maxBackoff: { seconds: 3600 } },
    });
    target.script("reset");
    const task = await createTask({ httpRequest: { url: target.url } });
    await waitFor(1);
    const shown = await untilShown(
      task.name ?? "",
      (seen) => seen.lastAttempt?.responseStatus != null,
    );
    expect(shown).toMatchObject({
      dispatchCount: 1,
      lastAttempt: { responseStatus: { code: 14 } },
    });
    expect(Number(shown.scheduleTime?.seconds)).toBeGreaterThan(Date.now() / 1000 + 3000);
  });
});

/** Reads a task again and again until it shows what is waited for. */
async function untilShown(
  name: string,
  isThere: (task: Awaited<ReturnType<typeof createTask>>) => boolean,
) {
  for (;;) {
    const [task] = await client.getTask({ name });
    if (isThere(task)) return task;
  }
}

async function untilGone(name: string): Promise<boolean> {
  for (;;) {
    const isGone = await client.getTask({ name }).then(
      () => false,
      (error: { code?: number }) => error.code === CODE.NOT_FOUND,
    );
    if (isGone) return true;
  }
}
