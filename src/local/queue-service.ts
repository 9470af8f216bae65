/** A server's queue files over HTTP: planned, applied, exported (protocol/cloudtasks/queue-upload). */
import type { FileFormat } from "../queue-file/queue-file.ts";

/** Which server, and as whom. */
export interface Server {
  /** Its base, e.g. http://127.0.0.1:8787 */
  readonly url: string;
  readonly token?: string;
  /** Absent: the server's own APP_PROJECT. */
  readonly project?: string;
}

/** What happens to one queue, as the server tells it. */
export interface PlannedQueue {
  readonly queue: string;
  readonly actions: readonly string[];
  readonly changes: readonly {
    readonly element: string;
    readonly from: string | null;
    readonly to: string | null;
  }[];
}

/** A place in a file and what is wrong there. */
export interface FileProblem {
  readonly line: number;
  /** Empty: the file itself. */
  readonly element: string;
  readonly message: string;
}

/** The server could not be asked, or would not; the message is for whoever typed the command. */
export class ServerError extends Error {
  /** What is wrong with the file, when it is the file. */
  readonly problems: readonly FileProblem[];

  constructor(message: string, problems: readonly FileProblem[] = []) {
    super(message);
    this.problems = problems;
  }
}

/** A hundred queues are some hundred calls between objects, which may be far apart. */
const TIMEOUT_MS = 120_000;

const JSON_TYPE = "application/json";

/** What applying the file would do. */
export async function planFile(server: Server, text: string): Promise<readonly PlannedQueue[]> {
  const answer = await call(server, "POST", "update", { dryRun: "true" }, JSON_TYPE, text);
  const { plan } = JSON.parse(answer) as { plan?: readonly PlannedQueue[] };
  if (plan === undefined) throw new ServerError(`${server.url} knows no dry runs`);
  return plan;
}

export async function applyFile(server: Server, text: string): Promise<void> {
  await call(server, "POST", "update", {}, JSON_TYPE, text);
}

export function exportFile(server: Server, format: FileFormat): Promise<string> {
  return call(server, "GET", "export", { format }, `application/${format}`);
}

/** The answer's text. One of another type than `type` is some other server's, whatever its status. */
async function call(
  server: Server,
  method: string,
  action: string,
  query: Readonly<Record<string, string>>,
  type: string,
  body?: string,
): Promise<string> {
  const { url, token, project } = server;
  const target = new URL(`${url.replace(/\/+$/, "")}/api/queue/${action}`);
  const params = { ...(project === undefined ? {} : { appId: project }), ...query };
  for (const [name, value] of Object.entries(params)) target.searchParams.set(name, value);
  try {
    const response = await fetch(target, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "text/plain; charset=utf-8" }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      ...(body === undefined ? {} : { body }),
      // The token is for this server and no other.
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    const isOfType = response.headers.get("content-type")?.startsWith(type) === true;
    if (response.ok && isOfType) return text;
    throw refusalOf(server, response.status, text);
  } catch (error) {
    throw error instanceof ServerError ? error : new ServerError(reasonOf(error, url));
  }
}

/** Why no answer came. */
function reasonOf(error: unknown, url: string): string {
  const { name, message, cause } = error as Error & { readonly cause?: unknown };
  const { code, message: detail } = (cause ?? {}) as { code?: string; message?: string };
  if (name === "TimeoutError") return `${url} did not answer within ${TIMEOUT_MS / 1000} s`;
  if (code === "ECONNREFUSED") return `nothing listens at ${url}: is the server running?`;
  if (code === "ENOTFOUND") return `${url} is not found: no such host`;
  return `${url} cannot be asked: ${detail ?? message}`;
}

function refusalOf({ url, token }: Server, status: number, text: string): ServerError {
  const error = errorIn(text);
  if (status === 401) {
    const what = token ? "the API_TOKEN is not the server's" : "put its token into API_TOKEN";
    return new ServerError(`${url} asks for credentials: ${what}`);
  }
  if (error === undefined) {
    return new ServerError(`${url} does not look like this service: it answers ${status}`);
  }
  return new ServerError(error.message, problemsIn(error));
}

interface ErrorAnswer {
  readonly message: string;
  readonly details?: readonly {
    readonly fieldViolations?: readonly { readonly field: string; readonly description: string }[];
  }[];
}

function errorIn(text: string): ErrorAnswer | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: ErrorAnswer };
    return typeof error?.message === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}

/** Violations read `queue.yaml line 3: queue[0].rate must be ...`. */
function problemsIn({ details = [] }: ErrorAnswer): readonly FileProblem[] {
  return details
    .flatMap(({ fieldViolations = [] }) => fieldViolations)
    .flatMap(({ field, description }) => {
      const [, line, text = ""] = /^queue\.\w+ line (\d+): (.*)$/s.exec(description) ?? [];
      if (line === undefined) return [];
      const isElement = text.startsWith(`${field} `);
      const message = isElement ? text.slice(field.length + 1) : text;
      return [{ line: Number(line), element: isElement ? field : "", message }];
    });
}
