/** The command line of `npm run accounts`: what may be asked, and what is refused. */
import { parseArgs } from "node:util";
import { accountEmail, isAccountId, projectOfEmail } from "../core/account-names.ts";
import { isProjectId } from "../core/names.ts";

/** What is to be done, all names checked. */
export type AccountsTask =
  | {
      readonly kind: "createAccount";
      readonly project: string;
      readonly id: string;
      readonly email: string;
      readonly displayName: string;
      readonly roles: readonly string[];
      readonly out: string;
    }
  | { readonly kind: "listAccounts"; readonly project: string }
  | {
      readonly kind: "changeAccount";
      readonly change: "disable" | "enable" | "delete";
      readonly email: string;
      readonly project: string;
    }
  | {
      readonly kind: "createKey";
      readonly email: string;
      readonly project: string;
      readonly out: string;
    }
  | { readonly kind: "listKeys"; readonly email: string; readonly project: string }
  | {
      readonly kind: "changeKey";
      readonly change: "disable" | "enable" | "delete";
      readonly email: string;
      readonly project: string;
      readonly key: string;
    }
  | {
      readonly kind: "createToken";
      readonly project: string;
      readonly displayName: string;
      readonly roles: readonly string[];
      readonly member: string | undefined;
      /** Seconds; undefined: it does not expire. */
      readonly ttlS: number | undefined;
    }
  | { readonly kind: "listTokens"; readonly project: string }
  | { readonly kind: "revokeToken"; readonly project: string; readonly id: string }
  | { readonly kind: "listAudit"; readonly project: string };

export type AccountsCommand =
  | {
      readonly kind: "run";
      readonly task: AccountsTask;
      readonly url: string;
      readonly token: string;
    }
  | { readonly kind: "help" }
  | { readonly kind: "refuse"; readonly message: string };

export const HELP = `Makes and revokes who may call a deployment: service accounts, their keys, API tokens.

Usage: npm run accounts -- COMMAND [options]

  create NAME --project P       make a service account and its first key; NAME may exist already
      [--roles R1,R2]           roles to give it on the project, such as roles/cloudtasks.enqueuer
      [--display-name TEXT]
      [--out FILE]              where the key file goes (default NAME.key.json); never overwritten
  list --project P              list the accounts
  disable|enable|delete EMAIL   what stops, stops everywhere within a minute

  keys create EMAIL [--out FILE]
  keys list EMAIL
  keys disable|enable|delete EMAIL KEY

  tokens create --project P     make an API token; its text is shown once
      [--roles R1,R2] [--display-name TEXT]
      [--member M]              whom it speaks for, such as serviceAccount:EMAIL
      [--ttl DURATION]          such as 90d, 12h, 30m
  tokens list --project P
  tokens revoke ID --project P

  audit --project P             who changed what

  --url URL                     the deployment (default http://127.0.0.1:8787)
  --help                        this text

The deployment's own token is taken from API_TOKEN in the environment.
`;

type Values = ReturnType<typeof readArguments>["values"];

/** Reads the arguments after the script's name; `environment` is asked for API_TOKEN only. */
export function parseAccountsCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): AccountsCommand {
  let read: ReturnType<typeof readArguments>;
  try {
    read = readArguments(args);
  } catch (error) {
    return refuse(
      error instanceof Error ? (error.message.split(/\.\s|\n/)[0] ?? "") : String(error),
    );
  }
  const { values, positionals } = read;
  if (values.help === true) return { kind: "help" };
  const url = readUrl(values.url ?? "http://127.0.0.1:8787");
  if (url === undefined) return refuse("--url must be like https://tasks.example.com");
  const task = readTask(positionals, values);
  if (typeof task === "string") return refuse(task);
  // A server that is open to loopback asks for none.
  return { kind: "run", task, url, token: environment["API_TOKEN"] ?? "" };
}

/** The task, or why there is none. */
function readTask(words: readonly string[], values: Values): AccountsTask | string {
  const [first = "", second = "", ...rest] = words;
  switch (first) {
    case "":
      return "say what to do: create, list, disable, enable, delete, keys, tokens or audit";
    case "create":
      return rest.length > 0 ? unexpected(rest) : readCreate(second, values);
    case "list":
    case "audit":
      if (second !== "") return unexpected([second]);
      return inProject(values, (project) => ({
        kind: first === "list" ? "listAccounts" : "listAudit",
        project,
      }));
    case "disable":
    case "enable":
    case "delete":
      if (rest.length > 0) return unexpected(rest);
      return ofAccount(second, (of) => ({ kind: "changeAccount", change: first, ...of }));
    case "keys":
      return readKeysTask(second, rest, values);
    case "tokens":
      return readTokensTask(second, rest, values);
    default:
      return `there is no command "${first}"`;
  }
}

function readCreate(id: string, values: Values): AccountsTask | string {
  if (!isAccountId(id)) {
    return "NAME must be 6 to 30 characters: small letters, digits and hyphens, a letter first";
  }
  return inProject(values, (project) => {
    const email = accountEmail(id, project);
    if (email === null) return `project ${project} cannot have service accounts`;
    const displayName = values["display-name"] ?? "";
    const out = values.out ?? `${id}.key.json`;
    return { kind: "createAccount", project, id, email, displayName, roles: rolesOf(values), out };
  });
}

function readKeysTask(
  verb: string,
  rest: readonly string[],
  values: Values,
): AccountsTask | string {
  const [email = "", key = "", ...more] = rest;
  if (more.length > 0) return unexpected(more);
  switch (verb) {
    case "create": {
      if (key !== "") return unexpected([key]);
      const out = values.out ?? `${email.split("@")[0]}.key.json`;
      return ofAccount(email, (of) => ({ kind: "createKey", ...of, out }));
    }
    case "list":
      return key === ""
        ? ofAccount(email, (of) => ({ kind: "listKeys", ...of }))
        : unexpected([key]);
    case "disable":
    case "enable":
    case "delete":
      if (!/^[0-9a-f]{40}$/.test(key)) return "KEY must be the 40 digits of a key's id";
      return ofAccount(email, (of) => ({ kind: "changeKey", change: verb, ...of, key }));
    default:
      return "say what to do with keys: create, list, disable, enable or delete";
  }
}

function readTokensTask(
  verb: string,
  rest: readonly string[],
  values: Values,
): AccountsTask | string {
  const [id = "", ...more] = rest;
  if (more.length > 0 || (verb !== "revoke" && id !== "")) return unexpected(rest);
  switch (verb) {
    case "create": {
      const ttlS = values.ttl === undefined ? undefined : readTtl(values.ttl);
      if (ttlS === null) return "--ttl must be like 90d, 12h or 30m";
      const displayName = values["display-name"] ?? "";
      const { member } = values;
      return inProject(values, (project) => ({
        kind: "createToken",
        project,
        displayName,
        roles: rolesOf(values),
        member,
        ttlS,
      }));
    }
    case "list":
      return inProject(values, (project) => ({ kind: "listTokens", project }));
    case "revoke":
      if (!/^[0-9a-f]{16}$/.test(id)) return "ID must be the 16 digits of a token's id";
      return inProject(values, (project) => ({ kind: "revokeToken", project, id }));
    default:
      return "say what to do with tokens: create, list or revoke";
  }
}

function inProject(
  { project }: Values,
  task: (project: string) => AccountsTask | string,
): AccountsTask | string {
  if (project === undefined) return "--project says which project";
  return isProjectId(project) ? task(project) : `"${project}" is not the id of a project`;
}

function ofAccount(
  email: string,
  task: (of: { email: string; project: string }) => AccountsTask,
): AccountsTask | string {
  const project = projectOfEmail(email);
  return project === null
    ? "EMAIL must be ID@PROJECT.iam.gserviceaccount.com"
    : task({ email, project });
}

function rolesOf({ roles = "" }: Values): readonly string[] {
  const names = roles.split(",").map((role) => role.trim());
  return names.filter((role) => role !== "");
}

/** Seconds; null: it cannot be read. */
function readTtl(text: string): number | null {
  const [, amount, unit = ""] = /^([1-9]\d{0,5})([dhms])$/.exec(text) ?? [];
  const seconds = { d: 86_400, h: 3600, m: 60, s: 1 }[unit];
  return amount === undefined || seconds === undefined ? null : Number(amount) * seconds;
}

function readUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.pathname === "/" && url.search === "" && url.username === "";
  return isPlain && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}

function readArguments(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: true,
    options: {
      project: { type: "string" },
      roles: { type: "string" },
      "display-name": { type: "string" },
      member: { type: "string" },
      ttl: { type: "string" },
      out: { type: "string" },
      url: { type: "string" },
      help: { type: "boolean" },
    },
  });
}

function unexpected(words: readonly string[]): string {
  return `there is nothing to do with "${words[0]}"`;
}

function refuse(message: string): AccountsCommand {
  return { kind: "refuse", message };
}
