/** `npm start` as its user sees it: first lines, options, restart, Ctrl-C, and what it refuses. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import {
  buildBundle,
  type RunningServer,
  runStartCommand,
  type ServerEnd,
  startServer,
  temporaryFolder,
} from "../support/server.ts";

const QUEUES = "/v2/projects/my-project/locations/us-central1/queues";
const QUEUE = "projects/my-project/locations/us-central1/queues/my-queue";

const cleanups: (() => Promise<unknown>)[] = [];
let dataFolder: string;

beforeAll(buildBundle);

beforeEach(async () => {
  const folder = await temporaryFolder();
  dataFolder = folder.path;
  cleanups.push(folder.remove);
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<RunningServer> {
  const server = await startServer({ args, dataFolder, environment });
  cleanups.push(() => server.stop("SIGTERM"));
  return server;
}

async function receiver(): Promise<Receiver> {
  const started = await startReceiver();
  cleanups.push(started.close);
  return started;
}

function post(server: RunningServer, path: string, body: unknown, token?: string) {
  return fetch(server.url + path, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function expectEndedCleanly(server: RunningServer, end: ServerEnd): void {
  expect({ code: end.code, signal: end.signal, stderr: end.stderr }).toEqual({
    code: 0,
    signal: null,
    stderr: "",
  });
  expect(isAlive(server.workerdPid)).toBe(false);
  expect(existsSync(join(server.dataFolder, "server.lock"))).toBe(false);
}

describe("first lines", () => {
  test("come within 5 s and say address, data folder and who may call", async () => {
    const before = performance.now();
    const server = await start();
    expect(performance.now() - before).toBeLessThan(5000);
    const lines = server.stdout.split("\n");
    expect(lines.slice(0, 3)).toEqual([
      `edgetasks serves http://127.0.0.1:${server.port}`,
      `Data folder: ${dataFolder}`,
      "Open to loopback only: callers need no credentials.",
    ]);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test("hold a curl line that creates a queue and a task", async () => {
    const server = await start();
    const line = /^ +(curl .*)$/m.exec(server.stdout)?.[1] ?? "";
    const { stdout } = await promisify(execFile)("bash", ["-c", line]);
    expect(stdout).toContain(`"name":"${QUEUE}"`);
    expect(stdout).toContain(`"name":"${QUEUE}/tasks/`);
    const tasks = await (await fetch(`${server.url}${QUEUES}/my-queue/tasks`)).json();
    expect(tasks).toMatchObject({ tasks: [{ httpRequest: { url: "http://localhost:8080/" } }] });
  });

  test("of a server with a token ask for it, and so does the server", async () => {
    const server = await start([], { API_TOKEN: "s3cret-token" });
    expect(server.stdout).toContain("Callers need the API_TOKEN as their bearer token.\n");
    expect(server.stdout).not.toContain("s3cret-token");
    expect((await post(server, QUEUES, { name: QUEUE })).status).toBe(401);
    expect((await post(server, QUEUES, { name: QUEUE }, "wrong")).status).toBe(401);
    expect((await post(server, QUEUES, { name: QUEUE }, "s3cret-token")).status).toBe(200);
    expect(readFileSync(join(dataFolder, "workerd.capnp"), "utf8")).not.toContain("s3cret-token");
  });
});

describe("options", () => {
  test("--help lists them and ends", async () => {
    const end = await runStartCommand(["--help"]);
    expect(end).toMatchObject({ code: 0, stderr: "" });
    expect(end.stdout).toMatch(/--port PORT[\s\S]*--host HOST[\s\S]*--data DIR/);
  });

  test("a wrong one is named, with where to read on", async () => {
    expect(await runStartCommand(["--prot", "1"])).toEqual({
      code: 2,
      signal: null,
      stdout: "",
      stderr: "Unknown option '--prot'\nnpm start -- --help lists the options.\n",
    });
  });

  test("a setting that cannot be read is named before anything is served", async () => {
    const args = ["--port", "0", "--data", dataFolder, "--var", "MAX_ATTEMPT_SECONDS=long"];
    expect(await runStartCommand(args)).toEqual({
      code: 1,
      signal: null,
      stdout: "",
      stderr: 'setting MAX_ATTEMPT_SECONDS must be a number of 0 or more, not "long"\n',
    });
  });

  test("--queue-tombstone frees the name of a deleted queue at once", async () => {
    const server = await start(["--queue-tombstone", "0"]);
    expect((await post(server, QUEUES, { name: QUEUE })).status).toBe(200);
    const deleted = await fetch(`${server.url}${QUEUES}/my-queue`, { method: "DELETE" });
    expect(deleted.status).toBe(200);
    expect((await post(server, QUEUES, { name: QUEUE })).status).toBe(200);
  });

  test("without it the name stays taken", async () => {
    const server = await start();
    await post(server, QUEUES, { name: QUEUE });
    await fetch(`${server.url}${QUEUES}/my-queue`, { method: "DELETE" });
    const again = await post(server, QUEUES, { name: QUEUE });
    expect(await again.json()).toMatchObject({ error: { status: "FAILED_PRECONDITION" } });
  });

  test("--host takes an IPv6 address", async () => {
    const server = await start(["--host", "::1"]);
    expect(server.url).toBe(`http://[::1]:${server.port}`);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });
});

describe("the data folder", () => {
  test("keeps queues and tasks over a restart", async () => {
    const first = await start();
    await post(first, QUEUES, { name: QUEUE });
    const now = Math.floor(Date.now() / 1000);
    const scheduleTime = new Date((now + 86_400.5) * 1000).toISOString();
    const created = await post(first, `${QUEUES}/my-queue/tasks`, {
      task: {
        name: `${QUEUE}/tasks/kept`,
        scheduleTime,
        httpRequest: { url: "http://localhost:1/" },
      },
    });
    expect(created.status).toBe(200);
    await first.stop();

    const second = await start();
    const queues = await (await fetch(second.url + QUEUES)).json();
    expect(queues).toMatchObject({ queues: [{ name: QUEUE, state: "RUNNING" }] });
    const task = await (await fetch(`${second.url}${QUEUES}/my-queue/tasks/kept`)).json();
    expect(task).toMatchObject({ scheduleTime });
  });

  test("serves one server at a time", async () => {
    const server = await start();
    expect(await runStartCommand(["--port", "0", "--data", dataFolder])).toMatchObject({
      code: 1,
      stderr:
        `the data folder ${dataFolder} is in use by another server ` +
        `(process ${server.workerdPid})\n`,
    });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test.each([
    ["of a dead process", JSON.stringify({ server: 2 ** 22 + 1, workerd: 2 ** 22 + 2 })],
    ["whose ids another program has now", JSON.stringify({ server: process.ppid, workerd: 1 })],
    ["that was cut off in the middle", '{"serv'],
  ])("is taken over from a lock %s", async (_which, lock) => {
    writeFileSync(join(dataFolder, "server.lock"), lock);
    const server = await start();
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });
});

describe("the end", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("by %s is clean", async (signal) => {
    const server = await start();
    await fetch(`${server.url}/healthz`);
    expectEndedCleanly(server, await server.stop(signal));
  });

  test("does not wait for attempts whose target keeps silent", async () => {
    const target = await receiver();
    target.answerWith(() => "hang");
    const server = await start();
    await post(server, QUEUES, { name: QUEUE });
    await post(server, `${QUEUES}/my-queue/tasks`, { task: { httpRequest: { url: target.url } } });
    await target.waitFor(1);
    expectEndedCleanly(server, await server.stop());
  });

  test("by Ctrl-C in a terminal, where npm gets the signal too, leaves nothing behind", async () => {
    const run = await npmStart();
    process.kill(-(run.npm.pid ?? 0), "SIGINT");
    await expectNothingLeft(run);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("by %s to npm alone, too", async (signal) => {
    const run = await npmStart();
    run.npm.kill(signal);
    await expectNothingLeft(run);
  });

  test("by a kill takes workerd along, and the next start has port and data folder", async () => {
    const killed = await start();
    expect(await killed.stop("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
    const next = await start(["--port", String(killed.port)]);
    expect((await fetch(`${next.url}/healthz`)).status).toBe(200);
  });

  test("of workerd is the end of the server, and an error", async () => {
    const server = await start();
    const end = await server.crash();
    expect(end.code).toBe(1);
    expect(end.stderr).toBe("workerd ended by itself (signal SIGKILL); the server is down\n");
    expect(existsSync(join(dataFolder, "server.lock"))).toBe(false);
  });
});

interface NpmRun {
  readonly npm: ChildProcess;
  readonly lock: { readonly server: number; readonly workerd: number };
}

/** `npm start` in a process group of its own, once it serves. */
async function npmStart(): Promise<NpmRun> {
  const npm = spawn("npm", ["start", "--", "--port", "0", "--data", dataFolder], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve) => {
    let printed = "";
    npm.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      if (printed.includes("Ctrl-C ends the server.")) resolve();
    });
  });
  return { npm, lock: JSON.parse(readFileSync(join(dataFolder, "server.lock"), "utf8")) };
}

/** The output of npm is closed once all that could write to it have ended. */
async function expectNothingLeft({ npm, lock }: NpmRun): Promise<void> {
  await once(npm, "close");
  expect(isAlive(lock.server)).toBe(false);
  expect(isAlive(lock.workerd)).toBe(false);
  expect(existsSync(join(dataFolder, "server.lock"))).toBe(false);
}

test("a taken port is named, and the other program stays", async () => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const end = await runStartCommand(["--port", String(port), "--data", dataFolder]);
  other.close();
  expect(end).toMatchObject({
    code: 1,
    stdout: "",
    stderr:
      `port ${port} of 127.0.0.1 is in use: ` +
      "end what listens there, or choose another with --port\n",
  });
  expect(existsSync(join(dataFolder, "server.lock"))).toBe(false);
});
