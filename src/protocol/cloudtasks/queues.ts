/**
 * The methods on queues. Which queues exist is the registry's to say; a queue's own object is asked
 * for one queue.
 */
import { locationResource } from "../../auth/iam/resource.ts";
import { MAX_QUEUES_PER_PAGE } from "../../core/limits.ts";
import type { QueueName, QueueRecord } from "../../core/model.ts";
import { locationPath, parseQueuePath } from "../../core/names.ts";
import {
  createSettings,
  createSettingsFromPatch,
  patchSettings,
  type SettingsInput,
  type SettingsPatch,
} from "../../core/queue-settings.ts";
import { fail, ok, type Result } from "../../core/result.ts";
import { urlOfOverride } from "../../core/target-override.ts";
import { checkTarget } from "../../core/target-policy.ts";
import type { QueueStats } from "../../queue/service.ts";
import type { RegistryService } from "../../registry/service.ts";
import { queueStub, registryStub } from "../../stubs.ts";
import { echo, invalidField, malformedQueueName } from "../errors.ts";
import { readJson } from "../json-body.ts";
import { readMessage } from "../message.ts";
import { readPageSize } from "../query.ts";
import { type Answer, type Call, checkToken, styleOf } from "./call.ts";
import { type ReadMask, readReadMask, readUpdateMask } from "./field-mask.ts";
import { readFilter } from "./filter.ts";
import { type ListIdentity, readPageToken, writePageToken } from "./page-token.ts";
import { namedSchema } from "./requests.ts";

export async function getQueue(call: Call): Answer {
  const mask = readQueueMask(call);
  if (!mask.ok) return mask;
  const stub = queueStub(call.env, call.resource);
  const queue = await stub.getQueue();
  if (!queue.ok || !mask.value.withStats) return shown(call, queue, mask.value);
  const stats = await stub.getStats();
  return stats.ok ? shown(call, queue, mask.value, stats.value) : stats;
}

function readQueueMask({ query, dialect }: Call): Result<ReadMask> {
  return readReadMask(query.values.get("readMask"), dialect.queueMask);
}

export async function createQueue(call: Call): Answer {
  const { resource, dialect, config } = call;
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const input = dialect.readQueue(json.value, "queue");
  if (!input.ok) return input;
  const name = parseQueuePath(input.value.name);
  if (name === null) return malformedQueueName();
  const parent = locationPath(resource);
  if (locationPath(name) !== parent) {
    return invalidField("queue.name", `${echo(input.value.name)} must begin with ${parent}.`);
  }
  const { requiredQueueType } = dialect;
  if (requiredQueueType !== undefined && input.value.settings.type === undefined) {
    return invalidField(requiredQueueType.field, requiredQueueType.message);
  }
  const settings = createSettings(input.value.settings, config);
  if (!settings.ok) return reworded(call, settings);
  const refusal = checkOverriddenHost(input.value.settings, call);
  if (!refusal.ok) return refusal;
  const refused = await checkToken(call, settings.value.httpTarget?.token);
  if (refused !== undefined) return refused;
  return shown(call, await registry(call).createQueue(name.queue, settings.value));
}

/** Changes the fields that the mask names, or creates the queue (discovery v2 queues.patch). */
export async function patchQueue(call: Call): Answer {
  const { resource, dialect, query } = call;
  const paths = readUpdateMask(query.values.get("updateMask"), dialect.queueMask);
  if (!paths.ok) return paths;
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const input = dialect.readQueue(json.value, "queue");
  if (!input.ok) return input;
  const { settings } = input.value;
  const refusal = checkOverriddenHost(settings, call);
  if (!refusal.ok) return refusal;
  const patch =
    paths.value === undefined ? { input: settings } : { input: settings, paths: paths.value };
  const refused = (await checkTargetsToken(call, patch)) ?? (await checkMayCreate(call));
  if (refused !== undefined) return refused;
  const untyped = settings.type === undefined ? await checkExists(call) : undefined;
  if (untyped !== undefined) return untyped;
  return shown(call, reworded(call, await registry(call).patchQueue(resource.queue, patch)));
}

/**
 * A queue's token goes wherever its target points. Who changes the target must be allowed to act as
 * the account of the token that the patch brings, and of the one that is there when it is done.
 */
async function checkTargetsToken(
  call: Call,
  patch: SettingsPatch,
): Promise<Result<never> | undefined> {
  const { access, env, resource, config } = call;
  const { input, paths } = patch;
  const isTouched = paths?.some((path) => path.startsWith("httpTarget")) ?? true;
  if (access.isTrusted || !(isTouched || input.httpTarget)) return undefined;
  const given = input.httpTarget?.token;
  // A patch of single fields may leave the account to the token that is there.
  const refused = given?.serviceAccountEmail ? await checkToken(call, given) : undefined;
  if (refused !== undefined || !isTouched) return refused;
  const queue = await queueStub(env, resource).getQueue();
  const settings = queue.ok
    ? patchSettings(queue.value.settings, patch, config)
    : createSettingsFromPatch(patch, config);
  return settings.ok ? checkToken(call, settings.value.httpTarget?.token) : undefined;
}

/**
 * A patch that would create a queue needs the permission for that too. Asked first, as checkExists
 * does: a queue that is deleted in between leaves its name taken for a while.
 */
async function checkMayCreate({ access, env, resource }: Call): Promise<Result<never> | undefined> {
  if (access.isTrusted) return undefined;
  const refusal = await access.require("cloudtasks.queues.create", locationResource(resource));
  if (refusal === undefined) return undefined;
  const queue = await queueStub(env, resource).getQueue();
  return queue.ok ? undefined : { ok: false, error: refusal };
}

/**
 * A patch that would create a queue must say its type where the version demands it. Asked first:
 * whoever deletes the queue in between gets a push queue.
 */
async function checkExists({ env, resource, dialect }: Call): Promise<Result<never> | undefined> {
  const { requiredQueueType } = dialect;
  if (requiredQueueType === undefined) return undefined;
  const queue = await queueStub(env, resource).getQueue();
  return queue.ok || queue.error.code !== "NOT_FOUND"
    ? undefined
    : invalidField(requiredQueueType.field, requiredQueueType.message);
}

/** A refused setting under the names of the caller's version. */
function reworded<T>({ dialect }: Call, result: Result<T>): Result<T> {
  if (result.ok || result.error.code !== "INVALID_ARGUMENT") return result;
  return { ok: false, error: { ...result.error, message: dialect.reword(result.error.message) } };
}

export async function deleteQueue(call: Call): Answer {
  const deleted = await registry(call).deleteQueue(call.resource.queue);
  return deleted.ok ? ok({}) : deleted;
}

export function pauseQueue(call: Call): Answer {
  return change(call, (queues, queue) => queues.pauseQueue(queue));
}

export function resumeQueue(call: Call): Answer {
  return change(call, (queues, queue) => queues.resumeQueue(queue));
}

export function purgeQueue(call: Call): Answer {
  return change(call, (queues, queue) => queues.purgeQueue(queue));
}

/** Queues in a page with statistics: each is a call to its object. */
const MAX_QUEUES_WITH_STATS = 100;

/**
 * A filter may leave a page with fewer queues than asked for, even none; the token still leads on.
 * So may pull queues, in the version that has no word for them.
 */
export async function listQueues(call: Call): Answer {
  const { resource, dialect, query, nowUs } = call;
  const mask = readQueueMask(call);
  if (!mask.ok) return mask;
  const { withStats, show } = mask.value;
  const pageSize = readPageSize(query, withStats ? MAX_QUEUES_WITH_STATS : MAX_QUEUES_PER_PAGE);
  if (!pageSize.ok) return pageSize;
  const filterText = query.values.get("filter") ?? "";
  const filter = readFilter(filterText, dialect.queueFilter);
  if (!filter.ok) return filter;
  const list: ListIdentity = ["queues", locationPath(resource), filterText];
  const cursor = readPageToken(query.values.get("pageToken"), list, ["string"], nowUs);
  if (!cursor.ok) return cursor;

  const after = String(cursor.value?.[0] ?? "");
  const page = await registry(call).listQueues(after, pageSize.value);
  const style = styleOf(call);
  const asNames = { ...style, enumsAsInts: false };
  const chosen = page.queues.filter(
    (queue) =>
      (dialect.knowsPullQueues || queue.settings.type === "PUSH") &&
      (filterText === "" || filter.value(dialect.writeQueue(queue, asNames))),
  );
  const stats = withStats ? await Promise.all(chosen.map(({ name }) => statsOf(call, name))) : [];
  const queues = chosen.map((queue, index) => show(dialect.writeQueue(queue, style, stats[index])));
  const last = page.queues.at(-1);
  return ok({
    ...(queues.length === 0 ? {} : { queues }),
    ...(page.more && last !== undefined
      ? { nextPageToken: writePageToken(list, [last.name.queue], nowUs) }
      : {}),
  });
}

/** A queue that went away since it was listed has no statistics. */
async function statsOf({ env }: Call, name: QueueName): Promise<QueueStats | undefined> {
  const stats = await queueStub(env, name).getStats();
  return stats.ok ? stats.value : undefined;
}

async function change(
  call: Call,
  act: (queues: RegistryService, queue: string) => Promise<Result<QueueRecord>>,
): Answer {
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const message = readMessage(namedSchema, json.value, "");
  if (!message.ok) return message;
  return shown(call, await act(registry(call), call.resource.queue));
}

function registry(call: Call): RegistryService {
  return registryStub(call.env, call.resource);
}

function shown(
  call: Call,
  queue: Result<QueueRecord>,
  mask?: ReadMask,
  stats?: QueueStats,
): Result<object> {
  if (!queue.ok) return queue;
  const written = call.dialect.writeQueue(queue.value, styleOf(call), stats);
  return ok(mask === undefined ? written : mask.show(written));
}

/** A queue that sends all of its tasks to one host is refused where that host may not be called. */
function checkOverriddenHost(settings: SettingsInput, call: Call): Result<null> {
  const override = settings.httpTarget?.uriOverride;
  // The empty host is for the settings' own rules to refuse.
  const url = override?.host === "" ? null : urlOfOverride(override);
  if (url === null) return ok(null);
  const field = "queue.http_target.uri_override.host";
  if (!url.ok) return invalidField(field, url.error.message);
  const reason = checkTarget(url.value, call.config, call.ownHost);
  return reason === null
    ? ok(null)
    : invalidField(field, `UriOverride.host is not allowed. ${reason}`);
}

// ---- Encryption keys -------------------------------------------------------------------------

/** There is no key but the platform's own: the configuration of every location is empty. */
export async function getCmekConfig({ resource }: Call): Answer {
  return ok({ name: `${locationPath(resource)}/cmekConfig` });
}

export async function updateCmekConfig(): Answer {
  return fail(
    "UNIMPLEMENTED",
    "Customer-managed encryption keys are not supported by this service.",
  );
}
