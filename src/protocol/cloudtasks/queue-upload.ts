/**
 * Queue files: the queues of a project made what a queue.yaml or queue.xml says, as `gcloud app
 * deploy queue.yaml` does, and written as such a file.
 *
 * `POST /api/queue/update?appId=P` (discovery v2beta2 UploadQueueYaml). The body is the file, or an
 * HttpBody message with it; one that begins with `<` is a queue.xml.
 *
 *  - The queues are those of the deployment's APP_LOCATION: an app has one location, never named.
 *    Without `appId` they are APP_PROJECT's.
 *  - Queues of the file are changed, or created where there are none, then with task names taken
 *    for 9 days and tasks kept for 10 years. A rate of 0 pauses a queue, and a new one is paused
 *    from its first moment; any other resumes it, unless the file says
 *    `resume_paused_queues: false`.
 *  - Other queues of the location are paused, but for the one called `default`.
 *  - `total_storage_limit` and `application` are checked and have no effect: storage is not limited,
 *    and the project is the request's.
 *  - `dryRun=true` changes nothing and answers the plan, or the same error: `{"plan": [{"queue",
 *    "actions": ["create" | "update" | "pause" | "resume", ...] or ["unchanged"], "changes":
 *    [{"element", "from", "to"}]}, ...]}`, values as the file has them, null where there is none.
 *
 * Everything that can be checked is, before anything is done: a file with a mistake changes nothing,
 * and neither does one with a new queue whose name was deleted too recently. What the catalogue
 * refuses all the same (a name that was taken or deleted in this very moment) ends the work with
 * the queue's name, before any queue that was there is touched; the upload can be repeated.
 *
 * `GET /api/queue/export?appId=P&format=yaml` (or `xml`), an addition: the queues as a file. See
 * queue-file/writer.ts for its form; settings that such files have no words for are named in
 * comments. Applied again it changes nothing but two of those: a routing override that is no
 * `target` (a version alone, an instance) goes, and a queue.xml has paused pull queues run.
 */
import type { Context } from "hono";
import { type Access, requireAll } from "../../auth/iam/access.ts";
import { locationResource, queueResource } from "../../auth/iam/resource.ts";
import type { Permission } from "../../auth/iam/roles.ts";
import { type DeploymentConfig, readConfig } from "../../core/config.ts";
import type { QueueRecord } from "../../core/model.ts";
import { isProjectId, type LocationName, locationPath } from "../../core/names.ts";
import { createSettingsFromPatch } from "../../core/queue-settings.ts";
import { assert, type DomainError, fail, ok, type Result } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import type { Step } from "../../queue-file/plan.ts";
import type { FileFormat } from "../../queue-file/queue-file.ts";
import type { Problem } from "../../queue-file/reader.ts";
import { creationOf, updateOf } from "../../queue-file/settings.ts";
import type { RegistryService } from "../../registry/service.ts";
import { registryStub } from "../../stubs.ts";
import { badRequest, echo, errorResponse, invalidField, JSON_TYPE } from "../errors.ts";
import { parseJson, readBody } from "../json-body.ts";
import { readMessage } from "../message.ts";
import { readQuery } from "../query.ts";
import { httpBodySchema } from "./requests.ts";

/** Longest file, in bytes; a hundred queues take some tens of thousands. */
const MAX_FILE_SIZE = 256 * 1024;
/** Problems of a file that an error tells. */
const MAX_PROBLEMS = 50;

/** All that a file can do to the queues of a location. */
export const UPLOAD_PERMISSIONS = [
  "cloudtasks.queues.create",
  "cloudtasks.queues.update",
  "cloudtasks.queues.pause",
  "cloudtasks.queues.resume",
] as const satisfies readonly Permission[];

/** An export shows every queue of a location whole. */
export const EXPORT_PERMISSIONS = [
  "cloudtasks.queues.list",
  "cloudtasks.queues.get",
] as const satisfies readonly Permission[];

/** A condition of the caller's role may spare single queues: then the file is refused as a whole. */
async function refusalOfSteps(
  access: Access,
  steps: readonly Step[],
  place: LocationName,
): Promise<DomainError | undefined> {
  if (access.isTrusted) return undefined;
  for (const { queue, actions } of steps) {
    if (actions.length === 0) continue;
    const refusal = await requireAll(
      access,
      UPLOAD_PERMISSIONS,
      queueResource({ ...place, queue }),
    );
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

type Handled = Context<{ Bindings: Env }>;

/** Answers the upload; any other verb is refused. */
export async function uploadQueueFile({ req, env }: Handled, access: Access): Promise<Response> {
  if (req.method !== "POST") return notAllowed(req.method, "POST, OPTIONS");
  const result = await upload(req.raw, env, access);
  if (!result.ok) return errorResponse(result.error);
  return new Response(JSON.stringify(result.value), { headers: { "content-type": JSON_TYPE } });
}

/** Answers the export; any other verb is refused. */
export async function exportQueueFile({ req, env }: Handled, access: Access): Promise<Response> {
  if (req.method !== "GET" && req.method !== "HEAD") {
    return notAllowed(req.method, "GET, HEAD, OPTIONS");
  }
  const result = await exportFile(req.raw, env, access);
  if (!result.ok) return errorResponse(result.error);
  const { text, format } = result.value;
  return new Response(text, {
    headers: {
      "content-type": `application/${format}; charset=utf-8`,
      "x-content-type-options": "nosniff",
    },
  });
}

function notAllowed(method: string, allow: string): Response {
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const { error } = fail("UNIMPLEMENTED", `The method ${method} is not allowed for this path.`);
  return errorResponse(error, 405, { allow });
}

/** Query of both, besides the one's own parameter. */
interface Target {
  readonly place: LocationName;
  readonly own: string | undefined;
}

function readTarget(request: Request, config: DeploymentConfig, own: string): Result<Target> {
  const query = readQuery(new URL(request.url).search.slice(1), ["appId", own]);
  if (!query.ok) return query;
  const { values } = query.value;
  // `s~` and the like were part of an app's id; of a project's they are not.
  const project = (values.get("appId") ?? config.appProject ?? "").replace(/^[a-z]~/, "");
  if (!isProjectId(project)) return invalidField("app_id", "appId is required: a project's id.");
  return ok({ place: { project, location: config.appLocation }, own: values.get(own) });
}

// ---- Upload ----------------------------------------------------------------------------------

async function upload(request: Request, env: Env, access: Access): Promise<Result<object>> {
  const config = readConfig(env);
  const target = readTarget(request, config, "dryRun");
  if (!target.ok) return target;
  const { place, own: dryRun = "false" } = target.value;
  const refusal = await requireAll(access, UPLOAD_PERMISSIONS, locationResource(place));
  if (refusal !== undefined) return { ok: false, error: refusal };
  if (dryRun !== "true" && dryRun !== "false") {
    return invalidField("dry_run", "dryRun must be true or false.");
  }
  const text = await readFileText(request);
  if (!text.ok) return text;
  const registry = registryStub(env, place);
  const steps = await planOf(text.value, registry, config);
  if (!steps.ok) return steps;
  const spared = await refusalOfSteps(access, steps.value, place);
  if (spared !== undefined) return { ok: false, error: spared };
  return dryRun === "true" ? ok(writePlan(steps.value)) : apply(steps.value, registry, config);
}

/** What the file asks for, once nothing is known to stand against it. */
async function planOf(
  text: string,
  registry: RegistryService,
  config: DeploymentConfig,
): Promise<Result<readonly Step[]>> {
  // Loaded when they are needed: hardly any isolate ever reads a queue file.
  const { formatOf, parseQueueFile } = await import("../../queue-file/queue-file.ts");
  const { makePlan } = await import("../../queue-file/plan.ts");
  const format = formatOf(text);
  const parsed = parseQueueFile(text, config);
  if (!parsed.ok) return refuse(parsed.problems, format);
  const plan = makePlan(parsed.file, await readQueues(registry), config);
  if (!plan.ok) return refuse(plan.problems, format);
  const obstacles = await obstaclesOf(plan.steps, registry, format);
  return obstacles ?? ok(plan.steps);
}

/** New queues that the catalogue would refuse. */
async function obstaclesOf(
  steps: readonly Step[],
  registry: RegistryService,
  format: FileFormat,
): Promise<Result<never> | undefined> {
  const entries = steps.flatMap(({ actions, entry }) =>
    actions.includes("create") && entry !== undefined ? [entry] : [],
  );
  if (entries.length === 0) return undefined;
  const obstacles = await registry.checkCreatable(entries.map(({ name }) => name));
  const [first] = obstacles;
  if (first === undefined) return undefined;
  const problems = obstacles.flatMap(({ queue, error }) =>
    entries
      .filter(({ name }) => name === queue)
      .map(({ line, path }) => ({
        line,
        element: `${path}.name`,
        message: `"${queue}": ${error.message}`,
      })),
  );
  return refuse(problems, format, first.error.code);
}

async function readFileText(request: Request): Promise<Result<string>> {
  const body = await readBody(request);
  if (!body.ok) return body;
  const isJson = /^application\/json\b/i.test(request.headers.get("content-type") ?? "");
  const bytes = isJson ? unwrap(body.value) : body;
  if (!bytes.ok) return bytes;
  if (bytes.value.length > MAX_FILE_SIZE) {
    return invalidField("http_body", `The file must be no longer than ${MAX_FILE_SIZE} bytes.`);
  }
  try {
    return ok(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes.value));
  } catch {
    return invalidField("http_body", "The file must be UTF-8.");
  }
}

/** The data of an HttpBody message; JSON of another form is a file, for JSON is YAML. */
function unwrap(bytes: Uint8Array): Result<Uint8Array> {
  const json = parseJson(new TextDecoder().decode(bytes));
  if (!json.ok) return ok(bytes);
  const message = readMessage(httpBodySchema, json.value, "http_body");
  return ok(message.ok ? (message.value.data ?? new Uint8Array()) : bytes);
}

/** One error for all that is wrong with a file. */
function refuse(
  problems: readonly Problem[],
  format: FileFormat,
  code: DomainError["code"] = "INVALID_ARGUMENT",
): Result<never> {
  const told = problems.slice(0, MAX_PROBLEMS).map(({ line, element, message }) => ({
    field: element === "" ? "http_body" : element,
    description: `queue.${format} line ${line}: ${element === "" ? "" : `${element} `}${message}`,
  }));
  const more = problems.length - told.length;
  const text = told.map(({ description }) => description).join("\n");
  return fail(code, more > 0 ? `${text}\n(and ${more} more)` : text, [badRequest(told)]);
}

/** All queues of the location, by name. */
async function readQueues(registry: RegistryService): Promise<ReadonlyMap<string, QueueRecord>> {
  const queues = new Map<string, QueueRecord>();
  for (let after = ""; ; ) {
    const page = await registry.listQueues(after, 1000);
    for (const queue of page.queues) queues.set(queue.name.queue, queue);
    const last = page.queues.at(-1);
    if (!page.more || last === undefined) return queues;
    after = last.name.queue;
  }
}

function writePlan(steps: readonly Step[]): object {
  const plan = steps.map(({ queue, actions, changes }) => ({
    queue,
    actions: actions.length === 0 ? ["unchanged"] : actions,
    changes,
  }));
  return { plan };
}

async function apply(
  steps: readonly Step[],
  registry: RegistryService,
  config: DeploymentConfig,
): Promise<Result<object>> {
  for (const step of steps) {
    const done = await carryOut(step, registry, config);
    if (!done.ok) return inQueue(step.queue, done);
  }
  return ok({});
}

async function carryOut(
  { queue, actions, entry }: Step,
  registry: RegistryService,
  config: DeploymentConfig,
): Promise<Result<unknown>> {
  let result: Result<unknown> = ok(null);
  if (entry !== undefined && actions.includes("create")) {
    const settings = createSettingsFromPatch(creationOf(entry), config);
    if (!settings.ok) return settings;
    const state = actions.includes("pause") ? "PAUSED" : "RUNNING";
    return registry.createQueue(queue, settings.value, state);
  }
  // Paused before it is changed and resumed after, so that no attempt sees what was not asked for.
  if (actions.includes("pause")) result = await registry.pauseQueue(queue);
  // Somebody deleted a queue that the file does not name: it cannot be quieter.
  if (!result.ok)
    return entry === undefined && result.error.code === "NOT_FOUND" ? ok(null) : result;
  if (entry !== undefined && actions.includes("update")) {
    result = await registry.patchQueue(queue, updateOf(entry));
  }
  return result.ok && actions.includes("resume") ? registry.resumeQueue(queue) : result;
}

function inQueue(name: string, failure: Result<unknown>): Result<never> {
  assert(!failure.ok, "only a failure is told");
  const { code, message } = failure.error;
  return fail(code, `Queue "${echo(name)}": ${message}`);
}

// ---- Export ----------------------------------------------------------------------------------

async function exportFile(
  request: Request,
  env: Env,
  access: Access,
): Promise<Result<{ readonly text: string; readonly format: FileFormat }>> {
  const config = readConfig(env);
  const target = readTarget(request, config, "format");
  if (!target.ok) return target;
  const { place, own: format = "yaml" } = target.value;
  const refusal = await requireAll(access, EXPORT_PERMISSIONS, locationResource(place));
  if (refusal !== undefined) return { ok: false, error: refusal };
  if (format !== "yaml" && format !== "xml") {
    return invalidField("format", "format must be yaml or xml.");
  }
  const queues = await readQueues(registryStub(env, place));
  const { writeQueueFile } = await import("../../queue-file/writer.ts");
  const title = `The queues of ${locationPath(place)}.`;
  return ok({ text: writeQueueFile([...queues.values()], format, title, config), format });
}
