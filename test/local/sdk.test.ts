/** The client from Node against the built server: what is added arrives, and what is killed comes back. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  Connection,
  PermissionDeniedError,
  pullWorker,
  type Queue,
  RetryTask,
  Task,
  TaskAlreadyExistsError,
  type TaskFunction,
  TaskQueueError,
  type TaskRequest,
  TransientError,
  taskHandler,
  verifyOidc,
} from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { ROOT, type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const TOKEN = "secret";
const BASE = { project: "my-project", location: "us-central1" };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;
let webhook: Server;
let webhookUrl: string;
let handle: (request: Request) => Promise<Response>;
let connection: Connection;
let queue: Queue;
let queues = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  webhook = createServer(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray());
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
    const { method = "GET", url = "/" } = incoming;
    const hasBody = method !== "GET" && method !== "HEAD";
    const request = new Request(`${webhookUrl}${url}`, {
      method,
      headers,
      ...(hasBody ? { body } : {}),
    });
    const response = await handle(request);
    outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end();
  });
  webhook.listen(0, "127.0.0.1");
  await once(webhook, "listening");
  webhookUrl = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}`;
  server = await startServer({
    dataFolder: folder.path,
    args: ["--app-engine-url", webhookUrl],
    environment: { API_TOKEN: TOKEN },
  });
  connection = new Connection({ ...BASE, baseUrl: server.url, token: TOKEN });
});

afterAll(async () => {
  await server.stop();
  webhook.closeAllConnections();
  webhook.close();
  await folder.remove();
});

beforeEach(async () => {
  queue = connection.queue(`pull-${++queues}`);
  await makePullQueue(server.url, queue.name);
});

async function makePullQueue(url: string, name: string): Promise<void> {
  const location = `projects/${BASE.project}/locations/${BASE.location}`;
  const response = await fetch(`${url}/v2beta2/${location}/queues`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ name: `${location}/queues/${name}`, pullTarget: {} }),
  });
  expect(response.status).toBe(200);
}

/** Has the webhook answer as the function says; the tasks it gets. */
function receive(
  work: TaskFunction = () => undefined,
  verify: Parameters<typeof taskHandler>[1]["verify"] = "none",
): TaskRequest[] {
  const tasks: TaskRequest[] = [];
  handle = taskHandler(
    (task) => {
      tasks.push(task);
      return work(task);
    },
    { verify },
  );
  return tasks;
}

describe("a push task", () => {
  test("arrives at its path in the app, with its parameters", async () => {
    const tasks = receive();
    const params = { id: 17, tag: ["a", "b"] };
    const task = await connection.queue().add(new Task({ url: "/work", params, name: "own-name" }));
    await eventually(() => expect(tasks).toHaveLength(1));
    expect(tasks[0]).toMatchObject({
      kind: "appEngine",
      queueName: "default",
      name: "own-name",
      retryCount: 0,
      method: "POST",
    });
    expect(tasks[0]?.url.pathname).toBe("/work");
    expect(tasks[0]?.params()).toEqual(task.extractParams());
    await expect(connection.queue().add(new Task({ name: "own-name" }))).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
  });

  test("arrives at the queue's own path where it has none, and again when it failed", async () => {
    const tasks = receive((task) => {
      if (task.retryCount === 0) throw new RetryTask("not yet", { status: 409 });
    });
    const retryOptions = { taskRetryLimit: 1, minBackoffSeconds: 0.01 };
    await connection.queue().add(new Task({ payload: { a: 1 }, retryOptions }));
    await eventually(() => expect(tasks).toHaveLength(2));
    expect(tasks[1]).toMatchObject({ retryCount: 1, previousResponse: 409 });
    expect(tasks[1]?.url.pathname).toBe("/_ah/queue/default");
    expect([tasks[1]?.json(), tasks[1]?.headers.get("content-type")]).toEqual([
      { a: 1 },
      "application/json",
    ]);
  });

  test("is tried no more often than its own options say", async () => {
    const tasks = receive(() => {
      throw new Error("never");
    });
    const retryOptions = { taskRetryLimit: 2, minBackoffSeconds: 0.01 };
    await connection.queue().add(new Task({ url: "/never", retryOptions }));
    await eventually(async () => {
      expect((await connection.queue().fetchStatistics()).tasks).toBe(0);
    });
    expect(tasks.map(({ retryCount }) => retryCount)).toEqual([0, 1, 2]);
  });

  test("with an absolute URL arrives with an identity token that verifyOidc believes", async () => {
    const serviceAccountEmail = "queue@my-project.iam.gserviceaccount.com";
    const url = `${webhookUrl}/hook`;
    const verify = verifyOidc({
      baseUrl: server.url,
      issuer: "https://edgetasks",
      audience: url,
      serviceAccountEmail,
    });
    const tasks = receive(undefined, verify);
    const oidcToken = { serviceAccountEmail };
    await connection.queue().add(new Task({ url, payload: "hello", oidcToken }));
    await eventually(() => expect(tasks).toHaveLength(1));
    expect(tasks[0]?.trust).toEqual({ by: "oidc", email: serviceAccountEmail });
    expect([tasks[0]?.kind, tasks[0]?.text()]).toEqual(["http", "hello"]);
    const forged = await fetch(url, {
      method: "POST",
      headers: { "X-CloudTasks-QueueName": "default", "X-CloudTasks-TaskName": "x" },
    });
    expect(forged.status).toBe(401);
  });
});

describe("a caller", () => {
  test("without the right token is a PermissionDeniedError", async () => {
    const stranger = new Connection({ ...BASE, baseUrl: server.url, token: "wrong" });
    const call = stranger.queue().get();
    await expect(call).rejects.toThrow(PermissionDeniedError);
    await expect(call).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test("of nobody gets a TransientError", async () => {
    const nobody = new Connection({ ...BASE, baseUrl: "http://127.0.0.1:1", retry: false });
    await expect(nobody.queue().get()).rejects.toThrow(TransientError);
  });
});

describe("a pull queue", () => {
  test("gives what was put into it, by tag, waiting where there is nothing", async () => {
    const waiting = queue.leaseTasksByTag(60, 10, "b", { wait: 30 });
    await queue.add([
      new Task({ method: "PULL", payload: "1", tag: "a", name: "one" }),
      new Task({ method: "PULL", payload: new Uint8Array([0, 255]), tag: "b" }),
    ]);
    const [leased] = await waiting;
    expect(leased?.payload).toEqual(new Uint8Array([0, 255]));
    await queue.acknowledge(leased!);
    await expect(
      queue.add(new Task({ method: "PULL", payload: "2", name: "one" })),
    ).rejects.toThrow(TaskAlreadyExistsError);
    expect((await queue.fetchStatistics()).tasks).toBe(1);
  });

  test("keeps a thousand tasks of 1 KB through a split add and one lease", async () => {
    const tasks = Array.from({ length: 1000 }, (_, index) => {
      return new Task({ method: "PULL", payload: `${index} ${"x".repeat(1000)}` });
    });
    await queue.addAll(tasks);
    const leased = await queue.leaseTasks(60, 1000);
    expect(leased.map((task) => task.text())).toEqual(tasks.map((task) => task.text()));
    await queue.acknowledge(leased);
    expect((await queue.fetchStatistics()).tasks).toBe(0);
  });
});

describe("pull workers in processes of their own", () => {
  /** A worker that tells each task it has done. */
  function startWorker(): { child: ChildProcess; done: string[] } {
    const code = `
      const { Connection, pullWorker } = await import(${JSON.stringify(join(ROOT, "src", "client", "index.ts"))});
      const connection = new Connection(${JSON.stringify({ ...BASE, baseUrl: server.url, token: TOKEN })});
      await pullWorker({
        queue: connection.queue(${JSON.stringify(queue.name)}),
        concurrency: 8,
        leaseSeconds: 1.5,
        handler: async (task) => {
          await new Promise((wake) => setTimeout(wake, 30));
          console.log(task.text());
        },
      });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const done: string[] = [];
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      done.push(...text.split("\n").filter(Boolean));
    });
    return { child, done };
  }

  test("lose nothing when they are killed over and over", async () => {
    const names = Array.from({ length: 200 }, (_, index) => `task-${index}`);
    await queue.addAll(names.map((payload) => new Task({ method: "PULL", payload })));
    const seen: string[] = [];
    for (let kills = 0; kills < 3; kills++) {
      const { child, done } = startWorker();
      await eventually(() => expect(done.length).toBeGreaterThan(15));
      child.kill("SIGKILL");
      await once(child, "close");
      seen.push(...done);
    }
    const stop = new AbortController();
    const last = pullWorker({
      queue,
      signal: stop.signal,
      concurrency: 50,
      handler: (task) => {
        seen.push(task.text());
      },
    });
    await eventually(async () => expect((await queue.fetchStatistics()).tasks).toBe(0));
    stop.abort();
    await last;
    expect(new Set(seen)).toEqual(new Set(names));
  });

  test("outlive a server that is killed and comes back", async () => {
    const own = await temporaryFolder();
    const environment = { API_TOKEN: TOKEN };
    const first = await startServer({ dataFolder: own.path, environment });
    const there = new Connection({ ...BASE, baseUrl: first.url, token: TOKEN });
    const far = there.queue("restarted");
    await makePullQueue(first.url, far.name);
    const names = Array.from({ length: 60 }, (_, index) => `task-${index}`);
    await far.addAll(names.map((payload) => new Task({ method: "PULL", payload })));
    const seen: string[] = [];
    const errors: unknown[] = [];
    const stop = new AbortController();
    const worker = pullWorker({
      queue: far,
      concurrency: 4,
      leaseSeconds: 2,
      signal: stop.signal,
      onError: (error) => errors.push(error),
      handler: async (task) => {
        await new Promise((wake) => setTimeout(wake, 20));
        seen.push(task.text());
      },
    });
    await eventually(() => expect(seen.length).toBeGreaterThan(10));
    await first.crash();
    await eventually(() => expect(errors.length).toBeGreaterThan(1));
    const args = ["--port", String(first.port)];
    const second = await startServer({ dataFolder: own.path, environment, args });
    await eventually(async () => expect((await far.fetchStatistics()).tasks).toBe(0));
    stop.abort();
    await worker;
    expect(new Set(seen)).toEqual(new Set(names));
    expect(errors.every((error) => error instanceof TaskQueueError)).toBe(true);
    // It asks in pauses while nobody answers.
    expect(errors.length).toBeLessThan(40);
    await second.stop();
    await own.remove();
  });
});
