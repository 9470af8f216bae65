/** `npm run accounts`: makes and revokes who may call a deployment, by its admin interface. */
import { open, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { type AccountsTask, HELP, parseAccountsCommand } from "./accounts-options.ts";

/** Tries of a change of the policy that somebody else changes as well. */
const POLICY_TRIES = 5;
const ALREADY_EXISTS = 409;

interface Policy {
  bindings?: { role: string; members: string[]; condition?: unknown }[];
  etag?: string;
}

/** A refusal of the deployment, in its words. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

class Deployment {
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.#token = token;
  }

  get<T>(path: string): Promise<T> {
    return this.#call("GET", path, undefined);
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.#call("POST", path, body);
  }

  delete(path: string): Promise<unknown> {
    return this.#call("DELETE", path, undefined);
  }

  /** All pages of a list. */
  async list<T>(path: string, name: string): Promise<T[]> {
    const found: T[] = [];
    let pageToken = "";
    do {
      const query = pageToken === "" ? "" : `?pageToken=${encodeURIComponent(pageToken)}`;
      const page = await this.get<Record<string, unknown>>(`${path}${query}`);
      found.push(...((page[name] ?? []) as T[]));
      pageToken = (page["nextPageToken"] ?? "") as string;
    } while (pageToken !== "");
    return found;
  }

  async #call<T>(method: string, path: string, body: object | undefined): Promise<T> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (this.#token !== "") headers["authorization"] = `Bearer ${this.#token}`;
    let response: Response;
    try {
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      response = await fetch(`${this.url}${path}`, { method, headers, redirect: "error", ...sent });
    } catch {
      throw new Error(`${this.url} cannot be reached; --url says where the deployment is`);
    }
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as T;
    throw new Refusal(response.status, refusalOf(response.status, text, this.#token === ""));
  }
}

function refusalOf(status: number, text: string, isStranger: boolean): string {
  if (status === 401 && isStranger) return "the deployment asks for its token: set API_TOKEN";
  try {
    const { error } = JSON.parse(text) as { error: { message: string } };
    return error.message;
  } catch {
    return `the deployment answered ${status}`;
  }
}

async function run(task: AccountsTask, deployment: Deployment): Promise<void> {
  const project = `projects/${encodeURIComponent(task.project)}`;
  const accounts = `/v1/${project}/serviceAccounts`;
  const tokens = `/edgetasks/v1/${project}/tokens`;
  switch (task.kind) {
    case "createAccount":
      return createAccount(task, accounts, deployment);
    case "listAccounts":
      return printAll(await deployment.list(accounts, "accounts"), [
        "email",
        "disabled",
        "displayName",
      ]);
    case "changeAccount":
      return change(`${accounts}/${task.email}`, task.change, deployment);
    case "createKey":
      return createKey(task, accounts, deployment);
    case "listKeys": {
      const keys = await deployment.list<Row>(`${accounts}/${task.email}/keys`, "keys");
      return printAll(keys.map(withId), ["id", "disabled", "validAfterTime"]);
    }
    case "changeKey":
      return change(`${accounts}/${task.email}/keys/${task.key}`, task.change, deployment);
    case "createToken":
      return createToken(task, tokens, deployment);
    case "listTokens": {
      const found = await deployment.list<Row>(tokens, "tokens");
      return printAll(found.map(withId), [
        "id",
        "member",
        "roles",
        "expireTime",
        "lastUsedTime",
        "displayName",
      ]);
    }
    case "revokeToken":
      await deployment.delete(`${tokens}/${task.id}`);
      return console.log("revoked; it stops everywhere within a minute");
    case "listAudit":
      return printAll(await deployment.list(`/edgetasks/v1/${project}/auditLog`, "entries"), [
        "timestamp",
        "actor",
        "method",
        "resource",
      ]);
  }
}

// ---- Accounts and keys -------------------------------------------------------------------------

async function createAccount(
  task: Extract<AccountsTask, { kind: "createAccount" }>,
  accounts: string,
  deployment: Deployment,
): Promise<void> {
  const { id, email, displayName, roles } = task;
  await withKeyFile(task.out, async (write) => {
    try {
      await deployment.post(accounts, { accountId: id, serviceAccount: { displayName } });
      console.log(`made ${email}`);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== ALREADY_EXISTS) throw error;
      console.log(`${email} exists already; it gets another key`);
    }
    await write(await keyOf(`${accounts}/${email}`, deployment));
  });
  await giveRoles(task.project, `serviceAccount:${email}`, roles, deployment);
  printUse(task.out, deployment.url);
}

async function createKey(
  { email, out }: Extract<AccountsTask, { kind: "createKey" }>,
  accounts: string,
  deployment: Deployment,
): Promise<void> {
  await withKeyFile(out, async (write) => write(await keyOf(`${accounts}/${email}`, deployment)));
  printUse(out, deployment.url);
}

/** The text of a new key's file. */
async function keyOf(account: string, deployment: Deployment): Promise<string> {
  const key = await deployment.post<{ privateKeyData: string }>(`${account}/keys`, {});
  return Buffer.from(key.privateKeyData, "base64").toString();
}

/** Opens the file before there is a key, so that no key is made which cannot be kept. */
async function withKeyFile(
  path: string,
  work: (write: (text: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const file = await open(path, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "EEXIST" ? "it exists; --out names another" : error.message;
    throw new Error(`${path} cannot be written: ${reason}`);
  });
  let isWritten = false;
  try {
    await work(async (text) => {
      await file.writeFile(text);
      isWritten = true;
    });
  } finally {
    await file.close();
    if (!isWritten) await rm(path, { force: true });
  }
}

/** Adds to the project's policy; what is there already stays as it is. */
async function giveRoles(
  project: string,
  member: string,
  roles: readonly string[],
  deployment: Deployment,
): Promise<void> {
  if (roles.length === 0) return;
  const path = `/v1/projects/${encodeURIComponent(project)}`;
  for (let tries = 1; ; tries++) {
    const options = { requestedPolicyVersion: 3 };
    const policy = await deployment.post<Policy>(`${path}:getIamPolicy`, { options });
    const bindings = policy.bindings ?? [];
    for (const role of roles) {
      const binding = bindings.find((one) => one.role === role && one.condition === undefined);
      if (binding === undefined) bindings.push({ role, members: [member] });
      else if (!binding.members.includes(member)) binding.members.push(member);
    }
    try {
      await deployment.post(`${path}:setIamPolicy`, { policy: { ...policy, bindings } });
      return console.log(`gave it ${roles.join(", ")} on ${project}`);
    } catch (error) {
      const isStale = error instanceof Refusal && error.status === 409;
      if (!isStale || tries === POLICY_TRIES) throw error;
    }
  }
}

function printUse(path: string, url: string): void {
  const { hostname, port, protocol } = new URL(url);
  const scheme = protocol.slice(0, -1);
  const number = port || (scheme === "https" ? "443" : "80");
  console.log(`wrote the key to ${path}, readable by you alone; nobody can get it again

  export GOOGLE_APPLICATION_CREDENTIALS=${resolve(path)}

Node:    new CloudTasksClient({ fallback: true, apiEndpoint: "${hostname}", port: ${number}, protocol: "${scheme}" })
Python:  CloudTasksClient(transport="rest", client_options={"api_endpoint": "${url}"})`);
}

// ---- Tokens ------------------------------------------------------------------------------------

async function createToken(
  { displayName, roles, member, ttlS }: Extract<AccountsTask, { kind: "createToken" }>,
  tokens: string,
  deployment: Deployment,
): Promise<void> {
  const made = await deployment.post<{ token: string; member: string }>(tokens, {
    displayName,
    roles,
    ...(member === undefined ? {} : { member }),
    ...(ttlS === undefined ? {} : { ttl: `${ttlS}s` }),
  });
  console.log(made.token);
  console.error(`speaks for ${made.member}; this is the only time that its text is shown`);
}

// ---- What is common ----------------------------------------------------------------------------

async function change(
  path: string,
  verb: "disable" | "enable" | "delete",
  deployment: Deployment,
): Promise<void> {
  if (verb === "delete") await deployment.delete(path);
  else await deployment.post(`${path}:${verb}`, {});
  const done = { disable: "disabled", enable: "enabled", delete: "deleted" }[verb];
  console.log(verb === "enable" ? done : `${done}; it stops everywhere within a minute`);
}

type Row = Readonly<Record<string, unknown>>;

/** The last part of a resource's name. */
function withId(row: Row): Row {
  return { ...row, id: String(row["name"]).split("/").at(-1) };
}

/** One line a row, the columns apart by tabs. */
function printAll(rows: readonly Row[], columns: readonly string[]): void {
  for (const row of rows) console.log(columns.map((name) => cell(name, row[name])).join("\t"));
}

function cell(name: string, value: unknown): string {
  if (value === true) return name;
  return value === undefined ? "-" : String(value);
}

const command = parseAccountsCommand(process.argv.slice(2), process.env);
if (command.kind === "help") {
  process.stdout.write(HELP);
} else if (command.kind === "refuse") {
  console.error(`${command.message}\nTry: npm run accounts -- --help`);
  process.exitCode = 2;
} else {
  try {
    await run(command.task, new Deployment(command.url, command.token));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
