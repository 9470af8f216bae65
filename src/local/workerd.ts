/** The workerd process: started, watched until it serves, ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import type { Readable } from "node:stream";
import { SOCKET } from "./workerd-config.ts";

/** The package's export is the path of the binary for this platform. */
const { default: workerdBinary } = createRequire(import.meta.url)("workerd") as { default: string };

/** How workerd ended: its exit code or the signal that killed it. */
export interface WorkerdExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Workerd {
  readonly pid: number;
  /** Resolves with the port once the socket listens; rejects when workerd ends before. */
  readonly listening: Promise<number>;
  readonly ended: Promise<WorkerdExit>;
  /** Lets open requests finish for up to `graceMs`, then kills. Safe to call again. */
  stop(graceMs: number): void;
}

/**
 * Starts workerd in a process group of its own: a Ctrl-C in the terminal reaches the server alone,
 * which then ends workerd in order. However this process ends, workerd does not outlive it.
 */
export function startWorkerd(
  configFile: string,
  environment: Readonly<Record<string, string>>,
): Workerd {
  const child = spawn(workerdBinary, ["serve", "--control-fd=3", configFile], {
    detached: true,
    env: environment,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const ended = new Promise<WorkerdExit>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  if (child.pid === undefined) throw new Error(`workerd could not be started: ${workerdBinary}`);
  guard(child.pid, ended);
  return {
    pid: child.pid,
    listening: Promise.race([readPort(child.stdio[3] as Readable), endedEarly(ended)]),
    ended,
    stop: (graceMs) => stop(child, graceMs),
  };
}

/**
 * Lets workerd die with this process even when it is killed: left alone it would hold the port and
 * the data folder against the next start. A shell reads from this process; its input ending before
 * it was told that workerd has ended means that this process is gone.
 */
function guard(pid: number, ended: Promise<WorkerdExit>): void {
  const shell = spawn("sh", ["-c", 'read -r ended || kill -KILL "$0"', String(pid)], {
    // Neither a Ctrl-C nor a kill of the whole group may reach the guard first.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const release = () => shell.stdin.end("ended\n");
  // Without a shell there is no guard; the lock of the data folder then names who is left.
  shell.on("error", () => {});
  shell.stdin.on("error", () => {});
  ended.then(release, release);
}

function stop(child: ChildProcess, graceMs: number): void {
  if (!child.kill("SIGTERM")) return;
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  child.once("exit", () => clearTimeout(timer));
}

/** Reads the line `{"event":"listen","socket":"http","port":8787}` from workerd's control pipe. */
function readPort(control: Readable): Promise<number> {
  let received = "";
  return new Promise((resolve) => {
    control.setEncoding("utf8").on("data", (text: string) => {
      received += text;
      const lines = received.split("\n");
      received = lines.pop() ?? "";
      for (const line of lines) {
        const event = JSON.parse(line) as { event?: string; socket?: string; port?: number };
        if (event.event === "listen" && event.socket === SOCKET && event.port !== undefined) {
          resolve(event.port);
        }
      }
    });
  });
}

async function endedEarly(ended: Promise<WorkerdExit>): Promise<never> {
  throw new Error(`workerd did not start (${describeExit(await ended)})`);
}

/** `exit code 1` or `signal SIGKILL`. */
export function describeExit(exit: WorkerdExit): string {
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
}
