/** The command line of `npm run queues`: what may be asked, and what is refused. */
import { parseArgs } from "node:util";
import { isProjectId } from "../core/names.ts";
import type { FileFormat } from "../queue-file/queue-file.ts";
import type { Server } from "./queue-service.ts";

export type QueuesCommand =
  | {
      readonly kind: "apply";
      readonly file: string;
      readonly server: Server;
      readonly dryRun: boolean;
      /** True: nobody is asked, not even at a terminal. */
      readonly yes: boolean;
    }
  | { readonly kind: "export"; readonly format: FileFormat; readonly server: Server }
  | { readonly kind: "check"; readonly file: string }
  | { readonly kind: "help" }
  | { readonly kind: "refuse"; readonly message: string };

export const HELP = `Makes a project's queues what a queue.yaml or queue.xml says.

Usage: npm run queues -- apply FILE [options]   prints what would change, then changes it
       npm run queues -- export [options]       prints the queues as such a file
       npm run queues -- check FILE             says what is wrong with a file; asks no server

  --url URL        the server (default http://127.0.0.1:8787)
  --project ID     the project (default: the server's APP_PROJECT)
  --dry-run        apply: change nothing
  --yes            apply: don't ask at a terminal either
  --format FORMAT  export: yaml or xml (default yaml)
  --help           this text

A server with a token is given API_TOKEN of the environment. Queues that the file does not name are
paused, but for the one called default. check takes the limits of a default deployment, or those of
MAX_DISPATCHES_PER_SECOND and MAX_CONCURRENT_DISPATCHES in the environment.

Exit codes: 0 done; 1 the file is wrong, or the server refused or could not be reached; 2 the
command line is wrong.
`;

/** Reads the arguments after the script's name; `environment` is asked for API_TOKEN only. */
export function parseQueuesCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): QueuesCommand {
  try {
    const { values, positionals } = readArguments(args);
    if (values.help === true) return { kind: "help" };
    return commandOf(positionals, values, environment["API_TOKEN"]);
  } catch (error) {
    return refuse(error instanceof Error ? (error.message.split(/\.\s|\n/)[0] ?? "") : `${error}`);
  }
}

type Values = ReturnType<typeof readArguments>["values"];

const OPTIONS = {
  apply: ["url", "project", "dry-run", "yes"],
  export: ["url", "project", "format"],
  check: [],
} as const;

function commandOf(
  [name, ...files]: readonly string[],
  values: Values,
  token: string | undefined,
): QueuesCommand {
  if (name === undefined) return refuse("say what to do: apply, export or check");
  if (name !== "apply" && name !== "export" && name !== "check") {
    return refuse(`there is no command "${name}": only apply, export and check`);
  }
  const allowed: readonly string[] = OPTIONS[name];
  const alien = Object.keys(values).find((option) => !allowed.includes(option));
  if (alien !== undefined) return refuse(`--${alien} is no option of ${name}`);
  const [file, ...more] = files;
  if (name === "export") {
    if (file !== undefined) return refuse("export prints to its output and takes no file");
  } else if (!file || more.length > 0) return refuse(`${name} takes one file`);
  const problem = serverProblem(values);
  if (problem !== undefined) return refuse(problem);
  const server: Server = {
    url: values.url ?? "http://127.0.0.1:8787",
    ...(token ? { token } : {}),
    ...(values.project === undefined ? {} : { project: values.project }),
  };
  if (name === "check") return { kind: "check", file: file ?? "" };
  if (name === "apply") {
    const dryRun = values["dry-run"] === true;
    return { kind: "apply", file: file ?? "", server, dryRun, yes: values.yes === true };
  }
  const { format = "yaml" } = values;
  if (format === "yaml" || format === "xml") return { kind: "export", format, server };
  return refuse(`--format must be yaml or xml, not "${format}"`);
}

function serverProblem({ url, project }: Values): string | undefined {
  if (url !== undefined && !/^https?:\/\/[^/@]+\/*$/.test(url)) {
    return `--url must be a server's address such as https://queues.example.com, not "${url}"`;
  }
  return project === undefined || isProjectId(project)
    ? undefined
    : `--project must be a project's id, not "${project}"`;
}

function readArguments(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: true,
    options: {
      url: { type: "string" },
      project: { type: "string" },
      "dry-run": { type: "boolean" },
      yes: { type: "boolean" },
      format: { type: "string" },
      help: { type: "boolean" },
    },
  });
}

function refuse(message: string): QueuesCommand {
  return { kind: "refuse", message };
}
