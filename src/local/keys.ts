/** `npm run keys`: the keys by which handlers know a deployment, from the command line. */
import { parseArgs } from "node:util";

const HELP = `The keys by which handlers know a deployment: those of identity tokens, and webhook secrets.

Usage: npm run keys -- COMMAND [options]

  list                        the signing keys, and when each signs and goes
  rotate                      makes a new one: published now, signing later, the old one gone last
    --activate-after SECONDS  how long it is only published (default 3600): as long as receivers
                              keep the published keys
    --revoke-others           for a key that leaked: the new one signs at once and the others are gone
  secrets QUEUE               the webhook secrets of a queue (projects/P/locations/L/queues/Q)
  rotate-secret QUEUE         gives the queue a new one; the old one signs along
    --overlap SECONDS         for so long (default 86400)
  enable QUEUE, disable QUEUE switches the signing of a queue's webhooks on or off

  --url URL                   the deployment (default http://127.0.0.1:8787); its token is taken from
                              API_TOKEN in the environment
  --help                      this text
`;

interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: object;
}

class Misuse extends Error {}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isMisuse = error instanceof Misuse;
  console.error(error instanceof Error ? error.message : error);
  if (isMisuse) console.error("npm run keys -- --help lists the commands.");
  process.exitCode = isMisuse ? 2 : 1;
}

/** Answers the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args);
  if (values.help === true || positionals.length === 0) {
    process.stdout.write(HELP);
    return values.help === true ? 0 : 2;
  }
  const [command = "", queue, ...rest] = positionals;
  if (rest.length > 0) throw new Misuse(`what is "${rest[0]}"?`);
  const call = callOf(command, queue, values);
  const answer = await ask(values.url ?? "http://127.0.0.1:8787", call);
  console.log(JSON.stringify(answer, null, 2));
  return 0;
}

function callOf(
  command: string,
  queue: string | undefined,
  values: ReturnType<typeof readArguments>["values"],
): Call {
  if (command === "list" || command === "rotate") {
    if (queue !== undefined) throw new Misuse(`${command} takes no "${queue}"`);
    if (command === "list") return { method: "GET", path: "keys" };
    const activateAfter = seconds("--activate-after", values["activate-after"]);
    const revokeOthers = values["revoke-others"];
    const body = { ...given({ activateAfter }), ...given({ revokeOthers }) };
    return { method: "POST", path: "keys:rotate", body };
  }
  const verbs: Readonly<Record<string, string>> = {
    "rotate-secret": "rotateSigningSecret",
    enable: "enableSigning",
    disable: "disableSigning",
  };
  const verb = verbs[command];
  if (verb === undefined && command !== "secrets") throw new Misuse(`no command "${command}"`);
  if (queue === undefined) throw new Misuse(`${command} needs the name of a queue`);
  if (!/^projects\/[^/]+\/locations\/[^/]+\/queues\/[^/]+$/.test(queue)) {
    throw new Misuse(`a queue is named projects/P/locations/L/queues/Q, not "${queue}"`);
  }
  if (verb === undefined) return { method: "GET", path: `${queue}/signingSecrets` };
  const overlap = seconds("--overlap", values.overlap);
  return { method: "POST", path: `${queue}:${verb}`, body: given({ overlap }) };
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: true,
      options: {
        url: { type: "string" },
        "activate-after": { type: "string" },
        "revoke-others": { type: "boolean" },
        overlap: { type: "string" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new Misuse(error instanceof Error ? (error.message.split(/\.\s/)[0] ?? "") : "");
  }
}

/** A number of seconds as JSON writes durations. */
function seconds(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const [, number] = /^(\d{1,9}(?:\.\d{1,3})?)s?$/.exec(text) ?? [];
  if (number === undefined) throw new Misuse(`${option} must be seconds, not "${text}"`);
  return `${number}s`;
}

function given(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The answer's JSON; an error with what the deployment said. */
async function ask(base: string, { method, path, body }: Call): Promise<unknown> {
  const url = URL.parse(`edgetasks/v1/${path}`, base.endsWith("/") ? base : `${base}/`);
  if (url === null) throw new Misuse(`--url must be a URL, not "${base}"`);
  const token = process.env["API_TOKEN"];
  const response = await fetch(url, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    // The token is for this deployment alone.
    redirect: "manual",
  }).catch((error: Error) => {
    throw new Error(`${url.origin} cannot be reached: ${error.message}`);
  });
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  throw new Error(`${url.origin} answers ${response.status}: ${messageOf(text)}`);
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { error?: { message?: string } }).error?.message ?? text;
  } catch {
    return text.slice(0, 300);
  }
}
