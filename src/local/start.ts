/**
 * `npm start`: serves the deployed bundle on this machine. Bundles when sources changed, takes the
 * data folder, runs workerd over it, and ends with it.
 */
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { readConfig } from "../core/config.ts";
import { copyModule, currentBundle } from "./build.ts";
import { lockFolder } from "./lock.ts";
import { HELP, parseCommand, type ServerOptions } from "./options.ts";
import { checkQueueFile, readQueueFile } from "./queue-check.ts";
import { problemLines, summaryOf } from "./queue-report.ts";
import { applyFile, planFile, ServerError } from "./queue-service.ts";
import { describeExit, startWorkerd, type Workerd } from "./workerd.ts";
import { settingsEnvironment, workerdConfig } from "./workerd-config.ts";

/**
 * How long requests may go on after Ctrl-C; attempts cut off by it run again after the next start.
 */
const STOP_GRACE_MS = 2000;
/** From listening to the first answer; a Worker that throws on start never answers. */
const ANSWER_TIMEOUT_MS = 10_000;

const command = parseCommand(process.argv.slice(2), process.env);
if (command.kind === "help") {
  process.stdout.write(HELP);
} else if (command.kind === "refuse") {
  console.error(`${command.message}\nnpm start -- --help lists the options.`);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = await serve(command.options);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

/** Runs the server until it is told to end or workerd ends; answers the exit code. */
async function serve(options: ServerOptions): Promise<number> {
  const folder = resolve(options.dataFolder);
  await mkdir(folder, { recursive: true });
  const lock = lockFolder(folder);
  const signals = stopSignals();
  try {
    await refuseTakenAddress(options);
    const workerd = await launch(options, folder);
    lock.recordWorkerd(workerd.pid);
    return await superviseUntilEnd(workerd, options, folder, signals);
  } finally {
    lock.release();
  }
}

async function launch(options: ServerOptions, folder: string): Promise<Workerd> {
  const bundle = await currentBundle(() => console.error("bundling the Worker …"));
  for (const service of bundle.manifest.services) {
    console.error(`service binding ${service} is not available here; see --app-engine-url`);
  }
  const settings = { ...bundle.manifest.vars, ...options.settings };
  // The Worker would say the same, but only to its first caller.
  readConfig(settings);
  if (options.queueFile !== undefined) await checkQueueFile(options.queueFile, settings);
  const objectFolder = join(folder, "objects");
  await mkdir(objectFolder, { recursive: true });
  const module = await copyModule(bundle, folder);
  const address = `${bracketed(options.host)}:${options.port}`;
  const configFile = join(folder, "workerd.capnp");
  await writeFile(
    configFile,
    workerdConfig({
      manifest: bundle.manifest,
      module,
      objectFolder,
      address,
      settings: Object.keys(settings),
    }),
  );
  return startWorkerd(configFile, settingsEnvironment(settings));
}

async function superviseUntilEnd(
  workerd: Workerd,
  options: ServerOptions,
  folder: string,
  signals: AbortSignal,
): Promise<number> {
  signals.addEventListener("abort", () => workerd.stop(STOP_GRACE_MS));
  if (signals.aborted) workerd.stop(STOP_GRACE_MS);
  try {
    const port = await workerd.listening;
    const base = `http://${bracketed(reachable(options.host))}:${port}`;
    await untilAnswering(base, signals);
    const applied = signals.aborted ? undefined : await applyQueues(base, options);
    if (!signals.aborted) console.log(banner(base, folder, options, applied));
  } catch (error) {
    workerd.stop(0);
    await workerd.ended;
    if (!signals.aborted) throw error;
  }
  const exit = await workerd.ended;
  if (signals.aborted) return 0;
  console.error(`workerd ended by itself (${describeExit(exit)}); the server is down`);
  return 1;
}

/** Aborts at the first signal that asks this process to end. Further ones change nothing. */
function stopSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => controller.abort());
  }
  return controller.signal;
}

/** workerd's own complaint about a taken port is a stack trace; ask the system first. */
async function refuseTakenAddress({ host, port }: ServerOptions): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(port, host);
    await once(probe, "listening");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      code === "EADDRINUSE"
        ? `port ${port} of ${host} is in use: end what listens there, or choose another with --port`
        : `cannot listen on ${bracketed(host)}:${port}: ${message}`,
    );
  }
  probe.close();
  await once(probe, "close");
}

async function untilAnswering(base: string, signals: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([signals, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  const response = await fetch(`${base}/healthz`, { signal });
  if (!response.ok) {
    throw new Error(`the server does not work: /healthz answers ${response.status}`);
  }
  await response.body?.cancel();
}

/** Applies the queue file, if there is one; what it came to, for the first lines. */
async function applyQueues(
  url: string,
  { queueFile: file, settings }: ServerOptions,
): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const token = settings["API_TOKEN"];
  const server = { url, ...(token ? { token } : {}) };
  try {
    const text = await readQueueFile(file);
    const plan = await planFile(server, text);
    await applyFile(server, text);
    return `Queues of ${file}: ${summaryOf(plan)}.`;
  } catch (error) {
    if (!(error instanceof ServerError) || error.problems.length === 0) throw error;
    throw new Error(problemLines(file, error.problems));
  }
}

function banner(
  base: string,
  folder: string,
  options: ServerOptions,
  applied: string | undefined,
): string {
  const queues = `${base}/v2/projects/my-project/locations/us-central1/queues`;
  const token = options.open ? "" : ` -H "Authorization: Bearer $API_TOKEN"`;
  const queue = `{"name":"projects/my-project/locations/us-central1/queues/my-queue"}`;
  const task = `{"task":{"httpRequest":{"url":"http://localhost:8080/"}}}`;
  return [
    `edgetasks serves ${base}`,
    `Data folder: ${folder}`,
    options.open
      ? "Open to loopback only: callers need no credentials."
      : "Callers need the API_TOKEN as their bearer token.",
    ...(applied === undefined ? [] : [applied]),
    "A queue, and a task that calls http://localhost:8080/:",
    `  curl ${queues}${token} -d '${queue}'; curl ${queues}/my-queue/tasks${token} -d '${task}'`,
    "Ctrl-C ends the server.",
  ].join("\n");
}

/** Where a listener on all addresses can be called from this machine. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
