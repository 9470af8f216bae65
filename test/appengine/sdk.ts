/**
 * The real App Engine SDKs, of Python and of Go, against the server: where they are kept, and how
 * their programs are run. `npm run appengine:install` (install.ts) puts them there.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT, type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

/** What is installed is kept here, outside of git. */
export const SDK_FOLDER = join(ROOT, ".appengine");
const HERE = join(ROOT, "test", "appengine");
export const REQUIREMENTS = join(HERE, "requirements.txt");
export const PYTHON = join(SDK_FOLDER, "venv", "bin", "python");
/** Holds the digest of the requirements that are installed. */
export const PYTHON_STAMP = join(SDK_FOLDER, "venv", "requirements.sha256");
const GO_PROGRAM = join(SDK_FOLDER, "go-proof");

/** How a proof is started, and where. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly folder: string;
}

/** One case of a proof: what it says, and what went wrong. */
export interface CaseOutcome {
  readonly case: string;
  readonly error: string | null;
}

/** The program of a language, or the reason why it cannot run. */
export type Installed = { readonly program: Program } | { readonly missing: string };

/** The digest of the requirements, by which an installation is known to be of them. */
export function requirementsDigest(): string {
  return createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
}

/** The Python proof, if the SDK is installed as requirements.txt has it. */
export function pythonProof(): Installed {
  if (!existsSync(PYTHON_STAMP)) return { missing: "the SDK is not installed" };
  if (readFileSync(PYTHON_STAMP, "utf8") !== requirementsDigest()) {
    return { missing: "the SDK that is installed is not the one of requirements.txt" };
  }
  // Nothing is left behind in the folder of the sources.
  const args = ["-B", "main.py"];
  return { program: { command: PYTHON, args, folder: join(HERE, "python") } };
}

/** The Go proof, built anew if its sources have changed; nothing is downloaded. */
export function goProof(): Installed {
  if (!existsSync(GO_PROGRAM)) return { missing: "the SDK is not installed" };
  buildGo({ GOPROXY: "off" });
  return { program: { command: GO_PROGRAM, args: [], folder: join(HERE, "go") } };
}

/** Builds the Go proof; throws with the compiler's words if it cannot be. */
export function buildGo(environment: Readonly<Record<string, string>> = {}): void {
  execFileSync("go", ["build", "-mod=readonly", "-o", GO_PROGRAM, "."], {
    cwd: join(HERE, "go"),
    env: { ...process.env, GOTOOLCHAIN: "local", ...environment },
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** The line of a test run that leaves a proof out. */
export function announceMissing(language: string, missing: string): void {
  console.warn(
    `SKIPPED: the proof with Google's ${language} SDK: ${missing} (npm run appengine:install)`,
  );
}

/**
 * Runs a proof against a server of its own with the queues of queue.yaml. The program says where it
 * is to be called, is told the server, and tells of each case. Rejects when it does not come to an
 * end as it should.
 */
export async function runProof(program: Program): Promise<readonly CaseOutcome[]> {
  const folder = await temporaryFolder();
  const child = start(program);
  const exit = once(child, "exit");
  let server: RunningServer | undefined;
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { receiver } = (await read(lines)) as { receiver: number };
    // The first part of a task's path tells the service that it came to.
    const target = `http://127.0.0.1:${receiver}/{version}.{service}`;
    server = await startServer({
      dataFolder: folder.path,
      args: ["--app-engine-url", target],
    });
    await uploadQueues(server);
    child.stdin.end(`${JSON.stringify({ server: server.url })}\n`);
    const outcomes: CaseOutcome[] = [];
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      outcomes.push(JSON.parse(line.value) as CaseOutcome);
    }
    const [code, signal] = await exit;
    if (code !== 0) throw new Error(`the proof ended with ${code ?? signal}`);
    return outcomes;
  } finally {
    child.kill("SIGKILL");
    await server?.stop();
    await folder.remove();
  }
}

/** A proof that has not ended by then is stopped, in milliseconds. */
const PATIENCE = 90_000;

function start({ command, args, folder }: Program) {
  return spawn(command, args, {
    cwd: folder,
    stdio: ["pipe", "pipe", "inherit"],
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  }) satisfies ChildProcess;
}

async function read(lines: AsyncIterator<string>): Promise<unknown> {
  const line = await lines.next();
  if (line.done === true) throw new Error("the proof ended before it began");
  return JSON.parse(line.value);
}

async function uploadQueues({ url }: RunningServer): Promise<void> {
  const reply = await fetch(`${url}/api/queue/update?appId=my-project`, {
    method: "POST",
    body: readFileSync(join(HERE, "queue.yaml")),
  });
  if (!reply.ok) throw new Error(`queue.yaml was refused: ${await reply.text()}`);
}
