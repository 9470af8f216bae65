/**
 * The client and the deployed server (the built bundle, API_TOKEN set), each proving itself to the
 * other: the client by key files and tokens, the server by signatures and identity tokens.
 */
import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  Connection,
  type ConnectionOptions,
  DiscardTask,
  MemorySeenIds,
  PermissionDeniedError,
  pullWorker,
  type ServiceAccountKey,
  Task,
  type TaskHandlerOptions,
  type TaskRequest,
  taskHandler,
  type Verifier,
  verifyOidc,
  verifySignature,
} from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { ROOT, type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const OWNER = "owner-token-of-this-test";
const ISSUER = "https://tasks.example.com";
const PROJECT = "sdk-project";
const BASE = { project: PROJECT, location: "us-central1" } as const;
const LOCATION = `projects/${PROJECT}/locations/us-central1`;
const CALLER = `caller@${PROJECT}.iam.gserviceaccount.com`;
const RETRY = { retryConfig: { minBackoff: "0.05s", maxBackoff: "0.05s" } };

/** What reached the webhook: enough to send it once more. */
interface Arrival {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly status: number;
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;
let webhook: Server;
let webhookUrl: string;
let owner: Connection;
/** By the first part of the path. */
const handlers = new Map<string, (request: Request) => Promise<Response>>();
const arrivals: Arrival[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  webhook = createServer(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray());
    const { method = "GET", url: path = "/" } = incoming;
    const headers = Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    );
    const hasBody = method !== "GET" && method !== "HEAD";
    const request = new Request(`${webhookUrl}${path}`, {
      method,
      headers,
      ...(hasBody ? { body } : {}),
    });
    const handle = handlers.get(path.split(/[/?]/)[1] ?? "");
    const response = (await handle?.(request)) ?? new Response(null, { status: 404 });
    arrivals.push({ path, headers, body, status: response.status });
    outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end();
  });
  webhook.listen(0, "127.0.0.1");
  await once(webhook, "listening");
  webhookUrl = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}`;
  server = await startServer({
    dataFolder: join(folder.path, "data"),
    args: ["--var", `ISSUER=${ISSUER}`, "--app-engine-url", webhookUrl],
    environment: { API_TOKEN: OWNER },
  });
  owner = connect({ token: OWNER });
}, 60_000);

afterAll(async () => {
  await server.stop();
  webhook.closeAllConnections();
  webhook.close();
  await folder.remove();
});

function connect(credential: Pick<ConnectionOptions, "token" | "credentials">): Connection {
  return new Connection({ ...BASE, baseUrl: server.url, ...credential } as ConnectionOptions);
}

/** Runs a command of the project in the folder of the test, as the owner. */
async function command(name: "accounts" | "keys", ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(ROOT, "src", "local", `${name}.ts`), ...args, "--url", server.url],
    { env: { ...process.env, API_TOKEN: OWNER }, cwd: folder.path },
  );
  return stdout;
}

async function keyFile(name: string, roles: string): Promise<ServiceAccountKey> {
  await command("accounts", "create", name, "--project", PROJECT, "--roles", roles);
  return JSON.parse(await readFile(join(folder.path, `${name}.key.json`), "utf8"));
}

let counter = 0;

/** A queue of this test's own; its name in a path too, so that its handler is found. */
async function makeQueue(version: "v2" | "v2beta2", settings: object): Promise<string> {
  const name = `q-${++counter}`;
  const response = await fetch(`${server.url}/${version}/${LOCATION}/queues`, {
    method: "POST",
    headers: { authorization: `Bearer ${OWNER}`, "content-type": "application/json" },
    body: JSON.stringify({ name: `${LOCATION}/queues/${name}`, ...settings }),
  });
  expect(response.status, await response.text()).toBe(200);
  return name;
}

/** The webhook secrets that the command tells, the newest first. */
async function secretsOf(queue: string): Promise<string[]> {
  const told = JSON.parse(await command("keys", "secrets", `${LOCATION}/queues/${queue}`));
  return told.secrets.map(({ secret }: { secret: string }) => secret);
}

function oidc(changes: Partial<Parameters<typeof verifyOidc>[0]> = {}): Verifier {
  return verifyOidc({
    baseUrl: server.url,
    issuer: ISSUER,
    audience: webhookUrl,
    serviceAccountEmail: CALLER,
    ...changes,
  });
}

/** Has tasks below `/name/` handled; what was handled, and why others were refused. */
function receive(
  name: string,
  verify: TaskHandlerOptions["verify"],
  work: (task: TaskRequest) => unknown = () => undefined,
) {
  const tasks: TaskRequest[] = [];
  const refused: string[] = [];
  handlers.set(
    name,
    taskHandler(
      (task) => {
        tasks.push(task);
        return work(task);
      },
      { verify, onError: (error) => refused.push((error as Error).message) },
    ),
  );
  return { tasks, refused };
}

/** A task with an absolute URL below `/name/`, with an identity token. */
function hook(name: string, payload: string, headers: Record<string, string> = {}): Task {
  const oidcToken = { serviceAccountEmail: CALLER, audience: webhookUrl };
  return new Task({ url: `${webhookUrl}/${name}/hook`, payload, headers, oidcToken });
}

function arrivalsOf(name: string): Arrival[] {
  return arrivals.filter(({ path }) => path.startsWith(`/${name}/`));
}

/** Sends what arrived once more, with changes; the status of the answer. */
async function replay(
  { path, headers, body }: Arrival,
  changes: { readonly headers?: Record<string, string>; readonly body?: string } = {},
): Promise<number> {
  const { host: _host, connection: _connection, "content-length": _length, ...rest } = headers;
  const response = await fetch(`${webhookUrl}${path}`, {
    method: "POST",
    headers: { ...rest, ...changes.headers },
    body: changes.body ?? new Uint8Array(body),
  });
  return response.status;
}

describe("the client", () => {
  test("signs in with the key file that the command made, for all that its roles allow", async () => {
    const credentials = await keyFile("sdk-worker", "roles/cloudtasks.admin");
    const queue = connect({ credentials }).queue(await makeQueue("v2beta2", { pullTarget: {} }));
    await queue.add(
      ["a", "b", "c"].map((payload) => new Task({ method: "PULL", payload, tag: payload })),
    );
    const listed: (string | undefined)[] = [];
    for await (const task of queue.list({ withPayload: true })) listed.push(task.text());
    expect(listed).toEqual(["a", "b", "c"]);
    const [leased] = await queue.leaseTasksByTag(60, 1, "b");
    await queue.modifyTaskLease(leased!, 30);
    await queue.acknowledge(leased!);
    await queue.transaction((tx) => tx.add(new Task({ method: "PULL", payload: "d" })));
    const stop = new AbortController();
    const done: string[] = [];
    await pullWorker({
      queue,
      signal: stop.signal,
      handler: (task) => {
        done.push(task.text());
        if (done.length === 3) stop.abort();
      },
    });
    expect(done.sort()).toEqual(["a", "c", "d"]);
    expect((await queue.fetchStatistics()).tasks).toBe(0);
  });

  test("may do no more than the roles of its account", async () => {
    const credentials = await keyFile("sdk-viewer", "roles/cloudtasks.viewer");
    const name = await makeQueue("v2beta2", { pullTarget: {} });
    const queue = connect({ credentials }).queue(name);
    expect(await queue.get()).toMatchObject({ state: "RUNNING" });
    for (const refused of [
      () => queue.add(new Task({ method: "PULL", payload: "x" })),
      () => queue.leaseTasks(60, 1),
      () => queue.purge(),
    ]) {
      await expect(refused()).rejects.toMatchObject({
        name: "PermissionDeniedError",
        code: "PERMISSION_DENIED",
      });
    }
    expect((await owner.queue(name).fetchStatistics()).tasks).toBe(0);
    await expect(pullWorker({ queue, handler: () => undefined })).rejects.toThrow(
      PermissionDeniedError,
    );
  });

  test("is a stranger with a key of nobody's, or one that was deleted", async () => {
    const credentials = await keyFile("sdk-short", "roles/cloudtasks.viewer");
    const queue = await makeQueue("v2", RETRY);
    await connect({ credentials }).queue(queue).get();
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    const forged = { ...credentials, private_key: pem };
    const { private_key_id: id = "" } = credentials;
    await command("accounts", "keys", "delete", credentials.client_email, id);
    for (const stranger of [forged, credentials]) {
      const refused = connect({ credentials: stranger }).queue(queue).get();
      await expect(refused).rejects.toThrow(PermissionDeniedError);
      await expect(refused).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    }
  });

  test("signs in with an API token, asked for at each call, until it is revoked", async () => {
    const roles = ["--roles", "roles/cloudtasks.viewer", "--ttl", "1h"];
    const made = await command("accounts", "tokens", "create", "--project", PROJECT, ...roles);
    let asked = 0;
    const token = async () => {
      asked += 1;
      return made.trim();
    };
    const queue = connect({ token }).queue(await makeQueue("v2", RETRY));
    await queue.get();
    await queue.fetchStatistics();
    expect(asked).toBe(2);
    const [, , id = ""] = made.split("_");
    await command("accounts", "tokens", "revoke", id, "--project", PROJECT);
    await expect(queue.get()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test.each([
    ["nothing", {}],
    ["a wrong token", { token: "wrong" }],
  ])("is refused with %s", async (_name, credential) => {
    const stranger = connect(credential).queue();
    for (const refused of [
      () => stranger.get(),
      () => stranger.add(new Task()),
      () => stranger.transaction((tx) => tx.add(new Task())),
    ]) {
      await expect(refused()).rejects.toMatchObject({
        name: "PermissionDeniedError",
        code: "UNAUTHENTICATED",
      });
    }
  });
});

describe("a handler", () => {
  test("believes what the queue signs: bodies of any kind, and none", async () => {
    const name = await makeQueue("v2", RETRY);
    const secrets = await secretsOf(name);
    const { tasks, refused } = receive(name, verifySignature({ secrets }));
    const queue = owner.queue(name);
    const bytes = new Uint8Array([0, 255, 10, 13]);
    const url = `${webhookUrl}/${name}/`;
    await queue.add([
      new Task({ url, payload: "für dich" }),
      new Task({ url, payload: bytes }),
      new Task({ url, params: { id: 17, tag: ["a", "b"] } }),
      new Task({ url: `${url}?x=1`, method: "GET" }),
      new Task({ url, method: "DELETE" }),
      new Task({ url, payload: "x".repeat(300_000) }),
    ]);
    // A task of App Engine's is signed by its queue too.
    await queue.add(new Task({ url: `/${name}/relative`, payload: "relative" }));
    await eventually(() => expect(tasks).toHaveLength(7));
    expect(refused).toEqual([]);
    expect(new Set(tasks.map(({ trust }) => trust.messageId)).size).toBe(7);
    expect(tasks.every(({ trust }) => trust.by === "signature")).toBe(true);
    expect(tasks.map(({ queueName }) => queueName)).toEqual(Array(7).fill(name));
    const kinds = tasks.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "appEngine")).toHaveLength(1);
    expect(tasks.some(({ payload }) => Buffer.from(payload).equals(bytes))).toBe(true);
  });

  test("believes the identity token, by the server's real keys", async () => {
    const name = await makeQueue("v2", RETRY);
    const { tasks, refused } = receive(name, oidc());
    await owner.queue(name).add(hook(name, "hello"));
    await eventually(() => expect(tasks).toHaveLength(1));
    expect(refused).toEqual([]);
    expect(tasks[0]?.trust).toEqual({ by: "oidc", email: CALLER });
    expect(tasks[0]?.text()).toBe("hello");
  });

  test.each([
    ["of another audience", { audience: "https://other.example.com" }, 403],
    ["of another account", { serviceAccountEmail: `x@${PROJECT}.iam.gserviceaccount.com` }, 403],
    ["of another issuer", { issuer: "https://other.example.com" }, 401],
    ["an hour later", { now: () => Date.now() + 3_700_000 }, 401],
  ])("refuses the server's own token %s", async (_name, changes, status) => {
    const name = await makeQueue("v2", { retryConfig: { maxAttempts: 1 } });
    const { tasks } = receive(name, oidc(changes));
    await owner.queue(name).add(hook(name, "hello"));
    await eventually(() => expect(arrivalsOf(name)).toHaveLength(1));
    expect(arrivalsOf(name)[0]?.status).toBe(status);
    expect(tasks).toEqual([]);
  });

  test("refuses what another queue signed", async () => {
    const [name, other] = [await makeQueue("v2", RETRY), await makeQueue("v2", RETRY)];
    const { tasks, refused } = receive(name, verifySignature({ secrets: await secretsOf(name) }));
    await owner.queue(other).add(new Task({ url: `${webhookUrl}/${name}/`, payload: "x" }));
    await eventually(() => expect(refused.length).toBeGreaterThan(0));
    expect(tasks).toEqual([]);
    expect(refused[0]).toBe("Request refused: its signature is not of this queue's secret");
    await owner.queue(other).purge();
  });

  test("refuses what is sent once more, and never handles a message twice", async () => {
    const name = await makeQueue("v2", RETRY);
    const secrets = await secretsOf(name);
    const now = { offset: 0 };
    const clock = () => Date.now() + now.offset;
    const seen = new MemorySeenIds();
    const { tasks } = receive(name, verifySignature({ secrets, seen, now: clock }));
    await owner.queue(name).add(new Task({ url: `${webhookUrl}/${name}/`, payload: "once" }));
    await eventually(() => expect(arrivalsOf(name)).toHaveLength(1));
    const [arrival] = arrivalsOf(name) as [Arrival];
    expect(arrival.status).toBe(204);

    expect(await replay(arrival)).toBe(204);
    expect(await replay(arrival, { body: "twice" })).toBe(401);
    const { "webhook-id": id = "", "webhook-timestamp": time = "" } = arrival.headers;
    expect(await replay(arrival, { headers: { "webhook-id": `${id}0` } })).toBe(401);
    expect(await replay(arrival, { headers: { "webhook-timestamp": `${+time + 1}` } })).toBe(401);
    now.offset = 301_000;
    expect(await replay(arrival)).toBe(401);
    expect(tasks).toHaveLength(1);
  });

  test("gets a message again whose handling failed, by the same id, until it is done", async () => {
    const name = await makeQueue("v2", RETRY);
    const seen = new MemorySeenIds();
    const verify = verifySignature({ secrets: await secretsOf(name), seen });
    const { tasks } = receive(name, verify, ({ retryCount }) => {
      if (retryCount < 2) throw new Error("not yet");
      throw new DiscardTask("never");
    });
    await owner.queue(name).add(new Task({ url: `${webhookUrl}/${name}/`, payload: "x" }));
    await eventually(() =>
      expect(arrivalsOf(name).map(({ status }) => status)).toEqual([500, 500, 204]),
    );
    expect(tasks.map(({ retryCount }) => retryCount)).toEqual([0, 1, 2]);
    expect(new Set(tasks.map(({ trust }) => trust.messageId)).size).toBe(1);
  });

  test("never believes headers that a task or a stranger made up", async () => {
    const name = await makeQueue("v2", RETRY);
    const secrets = await secretsOf(name);
    const { tasks, refused } = receive(name, [verifySignature({ secrets }), oidc()]);
    const forged = Object.fromEntries(
      ["CloudTasks", "AppEngine"].flatMap((service) => [
        [`X-${service}-QueueName`, "forged"],
        [`X-${service}-TaskName`, "forged"],
        [`X-${service}-TaskRetryCount`, "99"],
        [`X-${service}-TaskExecutionCount`, "99"],
        [`X-${service}-TaskETA`, "1.5"],
        [`X-${service}-TaskPreviousResponse`, "299"],
        [`X-${service}-TaskRetryReason`, "forged"],
        [`X-${service}-FailFast`, "true"],
      ]),
    );
    const webhookHeaders = {
      "webhook-id": "forged",
      "webhook-timestamp": String(Math.floor(Date.now() / 1000)),
      "webhook-signature": "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    for (const headers of [
      forged,
      { ...forged, ...webhookHeaders },
      { ...forged, authorization: "Bearer a.b.c" },
    ]) {
      const answer = await fetch(`${webhookUrl}/${name}/`, { method: "POST", headers, body: "x" });
      expect(answer.status).toBe(401);
    }
    expect(tasks).toEqual([]);
    refused.length = 0;

    const headers = { ...forged, ...webhookHeaders };
    const queue = owner.queue(name);
    await queue.add([
      hook(name, "absolute", headers),
      new Task({ url: `/${name}/relative`, payload: "relative", headers }),
    ]);
    await eventually(() => expect(tasks).toHaveLength(2));
    expect(refused).toEqual([]);
    expect(tasks.map(({ kind }) => kind).sort()).toEqual(["appEngine", "http"]);
    for (const task of tasks) {
      expect(task).toMatchObject({ queueName: name, retryCount: 0, executionCount: 0 });
      expect(task.failFast).toBe(false);
      expect(task.previousResponse).toBeUndefined();
      expect(task.name).not.toBe("forged");
      expect(task.etaPosix).toBeGreaterThan(1e9);
      expect(task.trust.messageId).toMatch(/^msg_/);
    }
  });
});

describe("a rotation while handlers run has no delivery refused", () => {
  test("of a queue's secret", async () => {
    const name = await makeQueue("v2", RETRY);
    const queue = owner.queue(name);
    const before = await secretsOf(name);
    const old = receive(name, verifySignature({ secrets: before }));
    const send = (payload: string) =>
      queue.add(new Task({ url: `${webhookUrl}/${name}/`, payload }));
    await send("before");
    await eventually(() => expect(old.tasks).toHaveLength(1));
    await command("keys", "rotate-secret", `${LOCATION}/queues/${name}`, "--overlap", "3600");
    await send("both sign");
    await eventually(() => expect(old.tasks).toHaveLength(2));
    expect(old.refused).toEqual([]);

    const [next = "", ...rest] = await secretsOf(name);
    expect(rest).toEqual(before);
    const both = receive(name, verifySignature({ secrets: [...before, next] }));
    await send("either");
    await eventually(() => expect(both.tasks).toHaveLength(1));
    const after = receive(name, verifySignature({ secrets: next }));
    await send("the new one alone");
    await eventually(() => expect(after.tasks).toHaveLength(1));
    expect([...both.refused, ...after.refused]).toEqual([]);
  });

  test("of the signing keys", async () => {
    const name = await makeQueue("v2", RETRY);
    const queue = owner.queue(name);
    // A token is used again for its audience, so each task has one of its own.
    const audiences = Array.from({ length: 200 }, (_, index) => `${webhookUrl}/${index}`);
    let asked = 0;
    let isLater = false;
    const verify = oidc({
      audience: audiences,
      // Half a minute on, from when the handler may ask for the keys again.
      now: () => Date.now() + (isLater ? 31_000 : 0),
      fetch: (url, init) => {
        asked += 1;
        return fetch(url, init);
      },
    });
    const { tasks, refused } = receive(name, verify);
    const send = async (): Promise<string> => {
      const audience = audiences[tasks.length] ?? "";
      const oidcToken = { serviceAccountEmail: CALLER, audience };
      const before = arrivalsOf(name).length;
      await queue.add(new Task({ url: `${webhookUrl}/${name}/`, payload: "x", oidcToken }));
      await eventually(() => expect(arrivalsOf(name).length).toBe(before + 1));
      const token = arrivalsOf(name).at(-1)?.headers["authorization"]?.slice("Bearer ".length);
      return decodeProtectedHeader(token ?? "").kid ?? "";
    };
    const old = await send();
    await command("keys", "rotate", "--activate-after", "1");
    isLater = true;
    await eventually(async () => expect(await send()).not.toBe(old));
    expect(refused).toEqual([]);
    expect(tasks.length).toBe(arrivalsOf(name).length);
    expect(asked).toBe(2);
  });
});
