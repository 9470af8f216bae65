/** The real server, as `npm start` runs it: the bundle on raw workerd, on a free port. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The root of the project. */
export const ROOT = join(import.meta.dirname, "..", "..");
const START = join(ROOT, "src", "local", "start.ts");
const BUILD = join(ROOT, "src", "local", "build.ts");

/** How a server's process ended and all it printed. */
export interface ServerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningServer {
  /** e.g. http://127.0.0.1:41234 */
  readonly url: string;
  readonly port: number;
  readonly dataFolder: string;
  /** What it printed so far. */
  readonly stdout: string;
  /** Process id of the server itself, whose child is workerd. */
  readonly pid: number;
  readonly workerdPid: number;
  /** Sends a signal, by default that of Ctrl-C, and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<ServerEnd>;
  /** Kills workerd without warning and waits for the server to notice and end. */
  crash(): Promise<ServerEnd>;
}

export interface ServerRequest {
  /** Options of `npm start`; `--port 0` and `--data` come by themselves. */
  readonly args?: readonly string[];
  readonly dataFolder: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Starts a server and waits until it says that it serves. Rejects with its output if it ends
 * before.
 */
export async function startServer(request: ServerRequest): Promise<RunningServer> {
  const args = ["--port", "0", "--data", request.dataFolder, ...(request.args ?? [])];
  const run = launch(args, request.environment);
  const url = await Promise.race([run.url, run.end.then(rejectEarlyEnd)]);
  const workerdPid = readWorkerdPid(request.dataFolder);
  return {
    url,
    port: Number(new URL(url).port),
    dataFolder: request.dataFolder,
    get stdout() {
      return run.output.stdout;
    },
    pid: run.child.pid ?? 0,
    workerdPid,
    stop(signal = "SIGINT") {
      run.child.kill(signal);
      return run.end;
    },
    crash() {
      process.kill(workerdPid, "SIGKILL");
      return run.end;
    },
  };
}

/** Runs the start command to its end, for calls that are expected not to serve. */
export function runStartCommand(
  args: readonly string[],
  environment?: Readonly<Record<string, string>>,
): Promise<ServerEnd> {
  return launch(args, environment).end;
}

/** Bundles the Worker if needed, so that a test which measures a start finds dist/ fresh. */
export async function buildBundle(): Promise<void> {
  const build = spawn(process.execPath, [BUILD], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = (await once(build, "exit")) as [number | null];
  if (code !== 0) throw new Error("the Worker could not be bundled");
}

/** A new empty folder for state, and the function that removes it. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "edgetasks-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

interface Launched {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  readonly url: Promise<string>;
  readonly end: Promise<ServerEnd>;
}

function launch(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Launched {
  const child = spawn(process.execPath, [START, ...args], {
    env: { ...process.env, API_TOKEN: "", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  const url = new Promise<string>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.stdout += text;
      const [, serving] = /^edgetasks serves (\S+)$/m.exec(output.stdout) ?? [];
      if (serving !== undefined) resolve(serving);
    });
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const end = once(child, "close").then(
    ([code, signal]): ServerEnd => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      ...output,
    }),
  );
  return { child, output, url, end };
}

function rejectEarlyEnd(end: ServerEnd): never {
  throw new Error(`the server ended before it served:\n${end.stdout}${end.stderr}`);
}

function readWorkerdPid(dataFolder: string): number {
  const lock: unknown = JSON.parse(readFileSync(join(dataFolder, "server.lock"), "utf8"));
  const pid = (lock as { workerd?: number }).workerd;
  if (pid === undefined) throw new Error("the lock names no workerd");
  return pid;
}
