/**
 * Google's official client of v2beta2 against the built server: pull queues as an application uses
 * them, and the other ways of the same server to the same tasks.
 */
import { v2beta2 } from "@google-cloud/tasks";
import { OAuth2Client } from "google-auth-library";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CODE } from "../support/client.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const LOCATION = "projects/my-project/locations/us-central1";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;
let client: v2beta2.CloudTasksClient;
let queue: string;
let queues = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer({ dataFolder: folder.path });
  client = connect(server.port);
});

afterAll(async () => {
  await client.close();
  await server.stop();
  await folder.remove();
});

beforeEach(async () => {
  queue = `${LOCATION}/queues/pull-${++queues}`;
  await client.createQueue({ parent: LOCATION, queue: { name: queue, pullTarget: {} } });
});

function connect(port: number): v2beta2.CloudTasksClient {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: "anything" });
  return new v2beta2.CloudTasksClient({
    authClient,
    fallback: true,
    apiEndpoint: "127.0.0.1",
    port,
    protocol: "http",
  });
}

async function createTask(payload: string, tag?: string) {
  const pullMessage = { payload: Buffer.from(payload), ...(tag === undefined ? {} : { tag }) };
  const [task] = await client.createTask({ parent: queue, task: { pullMessage } });
  return task;
}

async function lease(changes: object = {}) {
  const [{ tasks }] = await client.leaseTasks({
    parent: queue,
    maxTasks: 10,
    leaseDuration: { seconds: 60 },
    responseView: "FULL",
    ...changes,
  });
  return tasks ?? [];
}

function payloadsOf(tasks: Awaited<ReturnType<typeof lease>>): string[] {
  return tasks.map(({ pullMessage }) => Buffer.from(pullMessage?.payload ?? "").toString());
}

describe("a pull queue", () => {
  test("is made, read with its figures, changed and listed", async () => {
    await createTask("a");
    const [read] = await client.getQueue({ name: queue, readMask: { paths: ["name", "stats"] } });
    expect(read).toMatchObject({ name: queue, stats: { tasksCount: "1" } });
    const [changed] = await client.updateQueue({
      queue: { name: queue, retryConfig: { maxAttempts: 3 } },
      updateMask: { paths: ["retry_config.max_attempts"] },
    });
    expect(changed).toMatchObject({
      targetType: "pullTarget",
      pullTarget: {},
      rateLimits: { maxConcurrentTasks: -1 },
      retryConfig: { maxAttempts: 3, numAttempts: "maxAttempts" },
    });
    const [all] = await client.listQueues({ parent: LOCATION, filter: "pull_target: *" });
    expect(all).toContainEqual(changed);
  });

  test("must say that it is one", async () => {
    const name = `${LOCATION}/queues/without-target`;
    await expect(client.createQueue({ parent: LOCATION, queue: { name } })).rejects.toMatchObject({
      code: CODE.INVALID_ARGUMENT,
      message: expect.stringContaining("Queue.queue_type must be set"),
    });
  });

  test("gives no leases while it is paused", async () => {
    await createTask("a");
    await client.pauseQueue({ name: queue });
    await expect(lease()).rejects.toMatchObject({ code: CODE.FAILED_PRECONDITION });
    await client.resumeQueue({ name: queue });
    expect(payloadsOf(await lease())).toEqual(["a"]);
  });

  test("is purged", async () => {
    await createTask("a");
    const [purged] = await client.purgeQueue({ name: queue });
    expect(Number(purged.purgeTime?.seconds)).toBeGreaterThan(0);
    expect(await lease()).toEqual([]);
  });
});

describe("leases", () => {
  test("are taken by tag, renewed, and acknowledged", async () => {
    await createTask("mail 1", "mail");
    await createTask("print 1", "print");
    await createTask("mail 2", "mail");
    const leased = await lease({ filter: 'tag="mail"' });
    expect(payloadsOf(leased)).toEqual(["mail 1", "mail 2"]);
    const [first, second] = leased;
    const [renewed] = await client.renewLease({
      name: first?.name ?? "",
      scheduleTime: first?.scheduleTime ?? null,
      leaseDuration: { seconds: 300 },
    });
    expect(Number(renewed.scheduleTime?.seconds)).toBeGreaterThan(
      Number(first?.scheduleTime?.seconds) + 200,
    );
    // The time of the old lease is no proof any more.
    await expect(
      client.acknowledgeTask({
        name: first?.name ?? "",
        scheduleTime: first?.scheduleTime ?? null,
      }),
    ).rejects.toMatchObject({ code: CODE.FAILED_PRECONDITION });
    for (const { name, scheduleTime } of [renewed, second ?? {}]) {
      await client.acknowledgeTask({ name: name ?? "", scheduleTime: scheduleTime ?? null });
    }
    const [left] = await client.listTasks({ parent: queue });
    expect(left).toHaveLength(1);
    expect(payloadsOf(await lease({ filter: "tag_function=oldest_tag()" }))).toEqual(["print 1"]);
  });

  test("are cancelled, and count", async () => {
    await createTask("a");
    const [task] = await lease();
    const [cancelled] = await client.cancelLease({
      name: task?.name ?? "",
      scheduleTime: task?.scheduleTime ?? null,
      responseView: "FULL",
    });
    expect(cancelled).toMatchObject({ status: { attemptDispatchCount: 1 }, view: "FULL" });
    const [again] = await lease();
    expect(again).toMatchObject({ name: task?.name, status: { attemptDispatchCount: 2 } });
  });

  test("wait for a task when they are asked to", async () => {
    const waiting = client.leaseTasks(
      { parent: queue, maxTasks: 1, leaseDuration: { seconds: 60 }, responseView: "FULL" },
      { otherArgs: { headers: { Prefer: "wait=30" } } },
    );
    await createTask("late");
    const [{ tasks }] = await waiting;
    expect(payloadsOf(tasks ?? [])).toEqual(["late"]);
  });

  test("pass by a client that has gone, and lose no task to it", async () => {
    const path = `${server.url}/v2beta2/${queue}/tasks:lease`;
    const ask = (signal?: AbortSignal) =>
      fetch(path, {
        method: "POST",
        headers: { prefer: "wait=30" },
        body: JSON.stringify({ maxTasks: 1, leaseDuration: "60s", responseView: "FULL" }),
        ...(signal === undefined ? {} : { signal }),
      });
    const client = new AbortController();
    const gone = ask(client.signal);
    // It stands in line when another that came after it has had its answer.
    await lease({ maxTasks: 1 });
    const waiting = ask();
    await lease({ maxTasks: 1 });
    client.abort();
    await expect(gone).rejects.toThrow();
    await createTask("for who is left");
    const reply = (await (await waiting).json()) as { tasks: { pullMessage: object }[] };
    expect(reply.tasks).toMatchObject([{ pullMessage: { payload: btoa("for who is left") } }]);
  });

  test("are not to be had of tasks that are deleted or run", async () => {
    const { name } = await createTask("a");
    await expect(client.runTask({ name: name ?? "" })).rejects.toMatchObject({
      code: CODE.FAILED_PRECONDITION,
    });
    await client.deleteTask({ name: name ?? "" });
    expect(await lease()).toEqual([]);
    await expect(client.getTask({ name: name ?? "" })).rejects.toMatchObject({
      code: CODE.NOT_FOUND,
    });
  });
});

describe("a discovery-built client's way", () => {
  test("from the document to a lease", async () => {
    await createTask("found");
    const rest = await fetch(`${server.url}/discovery/v1/apis/cloudtasks/v2beta2/rest`);
    const document = (await rest.json()) as {
      baseUrl: string;
      resources: {
        projects: {
          resources: {
            locations: {
              resources: {
                queues: {
                  resources: {
                    tasks: { methods: { lease: { path: string; httpMethod: string } } };
                  };
                };
              };
            };
          };
        };
      };
    };
    const { lease: method } =
      document.resources.projects.resources.locations.resources.queues.resources.tasks.methods;
    const response = await fetch(document.baseUrl + method.path.replace("{+parent}", queue), {
      method: method.httpMethod,
      body: JSON.stringify({ maxTasks: 1, leaseDuration: "60s", responseView: "FULL" }),
    });
    expect(await response.json()).toMatchObject({
      tasks: [{ pullMessage: { payload: btoa("found") } }],
    });
  });

  test("and a queue.yaml to a queue", async () => {
    const response = await fetch(`${server.url}/api/queue/update?appId=yaml-project`, {
      method: "POST",
      body: "queue:\n- name: pulled\n  mode: pull\n- name: pushed\n  rate: 5/s\n",
    });
    expect([response.status, await response.json()]).toEqual([200, {}]);
    const parent = "projects/yaml-project/locations/us-central1";
    const [all] = await client.listQueues({ parent });
    expect(all).toEqual([
      expect.objectContaining({ name: `${parent}/queues/pulled`, pullTarget: {} }),
      expect.objectContaining({
        name: `${parent}/queues/pushed`,
        targetType: "appEngineHttpTarget",
      }),
    ]);
  });
});
