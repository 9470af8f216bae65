/** The command line of `npm start`: what may be given, what it means, and what is refused. */
import { parseArgs } from "node:util";
import { isProjectId } from "../core/names.ts";

/** What the local server was asked to do. */
export interface ServerOptions {
  /** Address to listen on: a name or an IP literal, without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Folder that keeps the state, as it was given. */
  readonly dataFolder: string;
  /** Settings of the Worker (core/config.ts) by name; they go over the ones of wrangler.toml. */
  readonly settings: Readonly<Record<string, string>>;
  /** A queue.yaml or queue.xml that is applied at each start, as it was given. */
  readonly queueFile?: string;
  /** True: loopback only, and nobody is asked for credentials. */
  readonly open: boolean;
}

export type Command =
  | { readonly kind: "serve"; readonly options: ServerOptions }
  | { readonly kind: "help" }
  | { readonly kind: "refuse"; readonly message: string };

export const HELP = `Serves edgetasks on this machine: the bundle that \`npm run deploy\` uploads, under workerd.

Usage: npm start -- [options]

  --port PORT               port to listen on; 0 takes any free one (default 8787)
  --host HOST               address to listen on (default 127.0.0.1); another than loopback needs
                            API_TOKEN, in the environment or as --var API_TOKEN=...
  --data DIR                folder that keeps queues and tasks (default ./data)
  --queue-tombstone SECONDS how long the name of a deleted queue stays taken (default 7 days)
  --app-engine-url URL      base URL of App Engine targets; {project}, {service}, {version} and
                            {instance} are filled in, e.g. http://localhost:8080
  --project ID              project of App Engine calls that name none (default my-project)
  --queues FILE             queue.yaml or queue.xml to apply to that project once the server serves
  --var NAME=VALUE          any other setting of README's configuration table; may be repeated
  --help                    this text
`;

/**
 * What the local server sets where nobody said otherwise: local targets and long attempts are fine,
 * and App Engine code that names no project has one.
 */
const LOCAL_SETTINGS: Readonly<Record<string, string>> = {
  TARGET_ALLOW: "*",
  MAX_ATTEMPT_SECONDS: "1800",
  APP_PROJECT: "my-project",
};

/** Reads the arguments after the script's name; `environment` is asked for API_TOKEN only. */
export function parseCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  let values: ReturnType<typeof readArguments>;
  try {
    values = readArguments(args);
  } catch (error) {
    return refuse(error instanceof Error ? firstSentence(error.message) : String(error));
  }
  if (values.help === true) return { kind: "help" };
  return serveCommand(values, environment);
}

function serveCommand(
  values: ReturnType<typeof readArguments>,
  environment: Readonly<Record<string, string | undefined>>,
): Command {
  const port = wholeNumber(values.port ?? "8787", 65535);
  if (port === undefined) {
    return refuse(`--port must be a number from 0 to 65535, not "${values.port}"`);
  }
  const host = (values.host ?? "127.0.0.1").replace(/^\[(.*)\]$/, "$1");
  if (!/^[\w.:%-]+$/.test(host)) {
    return refuse(`--host must be a host name or an address, not "${values.host}"`);
  }
  if (values.data === "") return refuse("--data must name a folder");

  const settings: Record<string, string> = { ...LOCAL_SETTINGS };
  if (environment["API_TOKEN"]) settings["API_TOKEN"] = environment["API_TOKEN"];
  const tombstone = values["queue-tombstone"];
  if (tombstone !== undefined) {
    if (wholeNumber(tombstone, Number.MAX_SAFE_INTEGER) === undefined) {
      return refuse(`--queue-tombstone must be a whole number of seconds, not "${tombstone}"`);
    }
    settings["QUEUE_TOMBSTONE_SECONDS"] = tombstone;
  }
  // Where the port is not known beforehand, nor is the address that tokens could name.
  if (port !== 0) settings["ISSUER"] = `http://${urlHost(host)}:${port}`;
  const appEngineUrl = values["app-engine-url"];
  if (appEngineUrl !== undefined) {
    if (!/^https?:\/\/[^/]/.test(appEngineUrl)) {
      return refuse(`--app-engine-url must begin with http:// or https://, not "${appEngineUrl}"`);
    }
    settings["APP_ENGINE_URL"] = appEngineUrl;
  }
  const { project, queues } = values;
  if (project !== undefined) {
    if (!isProjectId(project)) return refuse(`--project must be a project's id, not "${project}"`);
    settings["APP_PROJECT"] = project;
  }
  if (queues === "") return refuse("--queues must name a file");
  for (const assignment of values.var ?? []) {
    const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(assignment) ?? [];
    if (name === undefined || value === undefined) {
      return refuse(`--var must have the form NAME=VALUE, not "${assignment}"`);
    }
    if (name === "OPEN_MODE") {
      return refuse("--var OPEN_MODE cannot be set: it follows from --host and API_TOKEN");
    }
    settings[name] = value;
  }
  const open = !settings["API_TOKEN"];
  if (open && !isLoopback(host)) {
    return refuse(
      `without a token the server is open to everyone who reaches it, so --host ${host} needs ` +
        "API_TOKEN in the environment or as --var API_TOKEN=...",
    );
  }
  if (open) settings["OPEN_MODE"] = "loopback";
  const dataFolder = values.data ?? "data";
  const queueFile = queues === undefined ? {} : { queueFile: queues };
  return { kind: "serve", options: { host, port, dataFolder, settings, open, ...queueFile } };
}

/** True for names and addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** A host as local receivers of tokens would reach it. */
function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}

function readArguments(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: false,
    options: {
      port: { type: "string" },
      host: { type: "string" },
      data: { type: "string" },
      "queue-tombstone": { type: "string" },
      "app-engine-url": { type: "string" },
      project: { type: "string" },
      queues: { type: "string" },
      var: { type: "string", multiple: true },
      help: { type: "boolean" },
    },
  }).values;
}

function wholeNumber(text: string, most: number): number | undefined {
  return /^\d+$/.test(text) && Number(text) <= most ? Number(text) : undefined;
}

/** parseArgs adds advice about positional arguments, which this command does not take. */
function firstSentence(message: string): string {
  return message.split(/\.\s|\n/)[0] ?? message;
}

function refuse(message: string): Command {
  return { kind: "refuse", message };
}
