/**
 * `POST /api/queue/update?appId=P`: makes the queues of a project what a queue.yaml says (discovery
 * v2beta2 UploadQueueYaml), as `gcloud app deploy queue.yaml` does. The body is the file, or an
 * HttpBody message with it.
 *
 *  - The queues are those of the deployment's APP_LOCATION: an app has one location, never named.
 *  - Queues of the file are changed, or created where there are none. A rate of 0 pauses a queue;
 *    any other resumes it, unless the file says `resume_paused_queues: false`.
 *  - Other queues of the location are paused, but for the one called `default`.
 *  - `acl`, `total_storage_limit` and `application` are checked and have no effect.
 *
 * Everything that can be checked is, before anything is done: a file with a mistake changes
 * nothing. What only the catalogue can refuse (the name of a queue that was just deleted) ends the
 * work with the queue's name, before any queue that was there is touched; the upload can be
 * repeated.
 */
import type { Context } from "hono";
import type { Access } from "../../auth/iam/access.ts";
import { locationResource } from "../../auth/iam/resource.ts";
import type { Permission } from "../../auth/iam/roles.ts";
import { type DeploymentConfig, readConfig } from "../../core/config.ts";
import type { QueueRecord } from "../../core/model.ts";
import { isProjectId } from "../../core/names.ts";
import { createSettingsFromPatch, patchSettings } from "../../core/queue-settings.ts";
import { fail, ok, type Result } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import type { RegistryService } from "../../registry/service.ts";
import { registryStub } from "../../stubs.ts";
import type { QueueEntry, QueueFile } from "../queue-yaml/queue-file.ts";
import { creationOf, isExempt, isPausing, updateOf } from "../queue-yaml/settings.ts";
import type { Problem } from "../queue-yaml/yaml-reader.ts";
import { parseJson, readBody } from "./body.ts";
import { badRequest, echo, errorResponse, invalidField, JSON_TYPE } from "./errors.ts";
import { readMessage } from "./message.ts";
import { readQuery } from "./query.ts";
import { httpBodySchema } from "./requests.ts";

/** Longest file, in bytes; a hundred queues take some tens of thousands. */
const MAX_FILE_SIZE = 1024 * 1024;
/** Problems of a file that an error tells. */
const MAX_PROBLEMS = 50;

/** All that a file can do to the queues of a location. */
export const UPLOAD_PERMISSIONS = [
  "cloudtasks.queues.create",
  "cloudtasks.queues.update",
  "cloudtasks.queues.pause",
  "cloudtasks.queues.resume",
] as const satisfies readonly Permission[];

/** Answers the upload; any other verb is refused. */
export async function uploadQueueYaml(
  context: Context<{ Bindings: Env }>,
  access: Access,
): Promise<Response> {
  const { req, env } = context;
  if (req.method !== "POST") {
    const error = fail("UNIMPLEMENTED", `The method ${req.method} is not allowed for this path.`);
    return errorResponse(error.error, 405, { allow: "POST, OPTIONS" });
  }
  const result = await upload(req.raw, env, access);
  return result.ok
    ? new Response("{}", { headers: { "content-type": JSON_TYPE } })
    : errorResponse(result.error);
}

async function upload(request: Request, env: Env, access: Access): Promise<Result<null>> {
  const config = readConfig(env);
  const query = readQuery(new URL(request.url).search.slice(1), ["appId"]);
  if (!query.ok) return query;
  // `s~` and the like were part of an app's id; of a project's they are not.
  const project = (query.value.values.get("appId") ?? "").replace(/^[a-z]~/, "");
  if (!isProjectId(project)) return invalidField("app_id", "appId is required: a project's id.");
  const home = { project, location: config.appLocation };
  for (const permission of UPLOAD_PERMISSIONS) {
    const error = await access.require(permission, locationResource(home));
    if (error !== undefined) return { ok: false, error };
  }
  const text = await readFileText(request);
  if (!text.ok) return text;

  // Loaded when it is needed: hardly any isolate ever reads YAML.
  const { parseQueueYaml } = await import("../queue-yaml/queue-file.ts");
  const parsed = parseQueueYaml(text.value, config);
  if (!parsed.ok) return refuse(parsed.problems);
  const registry = registryStub(env, home);
  const present = await readQueues(registry);
  const problems = parsed.file.queues.flatMap(
    (entry) => problemOf(entry, present.get(entry.name), config) ?? [],
  );
  return problems.length > 0 ? refuse(problems) : apply(parsed.file, present, registry, config);
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
function refuse(problems: readonly Problem[]): Result<never> {
  const told = problems.slice(0, MAX_PROBLEMS).map(({ line, element, message }) => ({
    field: element === "" ? "http_body" : element,
    description: `queue.yaml line ${line}: ${element === "" ? "" : `${element} `}${message}`,
  }));
  const more = problems.length - told.length;
  const text = told.map(({ description }) => description).join("\n");
  return fail("INVALID_ARGUMENT", more > 0 ? `${text}\n(and ${more} more)` : text, [
    badRequest(told),
  ]);
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

/** What keeps an entry from being applied. */
function problemOf(
  entry: QueueEntry,
  present: QueueRecord | undefined,
  config: DeploymentConfig,
): Problem | undefined {
  const { line, path } = entry;
  if (present !== undefined && present.settings.type.toLowerCase() !== entry.mode) {
    const type = present.settings.type.toLowerCase();
    const message = `cannot be changed: the queue "${entry.name}" is a ${type} queue.`;
    return { line, element: `${path}.mode`, message };
  }
  const settings =
    present === undefined
      ? createSettingsFromPatch(creationOf(entry), config)
      : patchSettings(present.settings, updateOf(entry), config);
  return settings.ok
    ? undefined
    : { line, element: path, message: `is not possible: ${settings.error.message}` };
}

/** Creates first: only that can still be refused. */
async function apply(
  file: QueueFile,
  present: ReadonlyMap<string, QueueRecord>,
  registry: RegistryService,
  config: DeploymentConfig,
): Promise<Result<null>> {
  const isNew = ({ name }: QueueEntry) => !present.has(name);
  for (const entry of file.queues.filter(isNew)) {
    const settings = createSettingsFromPatch(creationOf(entry), config);
    if (!settings.ok) return settings;
    const created = await registry.createQueue(entry.name, settings.value);
    if (!created.ok) return inQueue(entry.name, created);
    if (!isPausing(entry)) continue;
    const paused = await registry.pauseQueue(entry.name);
    if (!paused.ok) return inQueue(entry.name, paused);
  }
  for (const entry of file.queues.filter((entry) => !isNew(entry))) {
    const done = await update(entry, file, registry);
    if (!done.ok) return inQueue(entry.name, done);
  }
  const named = new Set(file.queues.map(({ name }) => name));
  for (const [name, { state }] of present) {
    if (named.has(name) || isExempt(name) || state !== "RUNNING") continue;
    const paused = await registry.pauseQueue(name);
    if (!paused.ok && paused.error.code !== "NOT_FOUND") return inQueue(name, paused);
  }
  return ok(null);
}

async function update(
  entry: QueueEntry,
  { resumePausedQueues }: QueueFile,
  registry: RegistryService,
): Promise<Result<QueueRecord>> {
  const queue = await registry.patchQueue(entry.name, updateOf(entry));
  if (!queue.ok) return queue;
  const isRunning = queue.value.state === "RUNNING";
  if (isPausing(entry)) return isRunning ? registry.pauseQueue(entry.name) : queue;
  return isRunning || !resumePausedQueues ? queue : registry.resumeQueue(entry.name);
}

function inQueue(name: string, failure: Result<unknown>): Result<null> {
  if (failure.ok) return ok(null);
  const { code, message } = failure.error;
  return fail(code, `Queue "${echo(name)}": ${message}`);
}
