/**
 * The methods on leases of pull tasks (discovery v2beta2), and two that the original does not have:
 *
 *   POST {queue}/tasks:batchAcknowledge
 *     { "requests": [{ "name", "scheduleTime" }, …] }
 *     → { "failedRequests": { "<index>": google.rpc.Status } }
 *   POST {queue}/tasks:batchRenewLease
 *     { "requests": [{ "name", "scheduleTime" }, …], "leaseDuration" }
 *     → { "tasks": [Task, …], "failedRequests": { "<index>": google.rpc.Status } }
 *
 * Both take up to 1000 requests for tasks of one queue, and are not atomic: each request succeeds
 * or fails for itself, as with batchCreate, and what failed is told by its index. What is not told
 * has succeeded. `tasks` are the renewed ones in the order of their requests, without payloads.
 */
import type { z } from "zod";
import type { TaskRecord } from "../../core/model.ts";
import { queuePath } from "../../core/names.ts";
import { ok, type Result } from "../../core/result.ts";
import type { LeaseKey } from "../../queue/service.ts";
import { queueStub } from "../../stubs.ts";
import { invalidField, type RpcStatus, rpcStatus } from "../errors.ts";
import { readJson } from "../json-body.ts";
import { LazyList } from "../lazy-list.ts";
import { readMessage } from "../message.ts";
import { clientOf } from "../waiting-client.ts";
import { leaseWithWait, readWait } from "../waiting-lease.ts";
import { checkBatch, checkParents, readName } from "./batch.ts";
import { type Answer, type Call, checkView, styleOf } from "./call.ts";
import type { TaskShown, View } from "./dialect.ts";
import { readLeaseFilter } from "./lease-filter.ts";
import { recordShown } from "./tasks.ts";
import * as schema from "./v2beta2/lease-requests.ts";

/** Tasks in a lease, and requests in a batch, at most (limits.md §4). */
const MAX_TASKS = 1000;
const MAX_REQUESTS = 1000;
/** The longest lease (limits.md §3: a week). */
const MAX_LEASE_US = 604_800e6;
/**
 * Payloads in one answer, in bytes: in base64 and with 1000 tasks around them they stay below the
 * 32 MB that an answer may have (limits.md §1).
 */
const MAX_LEASED_BYTES = 23e6;

export async function leaseTasks(call: Call): Answer {
  const message = await read(call, schema.lease);
  if (!message.ok) return message;
  const { maxTasks = 0, leaseDuration, filter, responseView } = message.value;
  if (maxTasks < 1 || maxTasks > MAX_TASKS) {
    return invalidField("max_tasks", `maxTasks must be between [1, ${MAX_TASKS}].`);
  }
  const duration = readLeaseDuration(leaseDuration, 1e6);
  if (!duration.ok) return duration;
  const selection = readLeaseFilter(filter);
  if (!selection.ok) return selection;

  const { env, resource, request, nowMs, dialect } = call;
  const view = viewOf(responseView);
  const refused = await checkView(call, view);
  if (refused !== undefined) return refused;
  const leased = await leaseWithWait(
    queueStub(env, resource),
    {
      maxTasks,
      leaseDurationUs: duration.value,
      selection: selection.value,
      withBody: view === "FULL",
      maxBytes: MAX_LEASED_BYTES,
    },
    (readWait(request.headers) ?? 0) * 1000,
    nowMs,
    clientOf(request),
  );
  if (!leased.ok) return leased;
  if (leased.value.length === 0) return ok({});
  const style = styleOf(call);
  return ok({
    tasks: new LazyList(leased.value, (task) =>
      dialect.writeTask(resource, pulled(task), view, style),
    ),
  });
}

export async function acknowledgeTask(call: Call): Answer {
  const message = await read(call, schema.acknowledge);
  if (!message.ok) return message;
  const key = readKey(call.resource.id, message.value.scheduleTime, "schedule_time");
  if (!key.ok) return key;
  const done = await queueStub(call.env, call.resource).acknowledgeTask(key.value);
  return done.ok ? ok({}) : done;
}

export async function renewLease(call: Call): Answer {
  const message = await read(call, schema.renew);
  if (!message.ok) return message;
  const { scheduleTime, leaseDuration, responseView } = message.value;
  const key = readKey(call.resource.id, scheduleTime, "schedule_time");
  if (!key.ok) return key;
  const duration = readLeaseDuration(leaseDuration, 0);
  if (!duration.ok) return duration;
  const view = viewOf(responseView);
  const refused = await checkView(call, view);
  if (refused !== undefined) return refused;
  const stub = queueStub(call.env, call.resource);
  const task = await stub.renewLease(key.value, duration.value, view === "FULL");
  return shown(call, task, view);
}

export async function cancelLease(call: Call): Answer {
  const message = await read(call, schema.cancel);
  if (!message.ok) return message;
  const { scheduleTime, responseView } = message.value;
  const key = readKey(call.resource.id, scheduleTime, "schedule_time");
  if (!key.ok) return key;
  const view = viewOf(responseView);
  const refused = await checkView(call, view);
  if (refused !== undefined) return refused;
  const stub = queueStub(call.env, call.resource);
  return shown(call, await stub.cancelLease(key.value, view === "FULL"), view);
}

// ---- Many at once ----------------------------------------------------------------------------

export async function batchAcknowledge(call: Call): Answer {
  const message = await read(call, schema.batchAcknowledge);
  if (!message.ok) return message;
  const keys = readKeys(call, message.value);
  if (!keys.ok) return keys;
  const stub = queueStub(call.env, call.resource);
  const results = await stub.acknowledgeTasks(validOf(keys.value));
  if (!results.ok) return results;
  return ok(outcomeOf(keys.value, results.value).failures);
}

export async function batchRenewLease(call: Call): Answer {
  const message = await read(call, schema.batchRenew);
  if (!message.ok) return message;
  const keys = readKeys(call, message.value);
  if (!keys.ok) return keys;
  const duration = readLeaseDuration(message.value.leaseDuration, 0);
  if (!duration.ok) return duration;
  const { env, resource, dialect } = call;
  const stub = queueStub(env, resource);
  const results = await stub.renewLeases(validOf(keys.value), duration.value);
  if (!results.ok) return results;
  const { values, failures } = outcomeOf(keys.value, results.value);
  const style = styleOf(call);
  const tasks = values.map((task) => dialect.writeTask(resource, pulled(task), "BASIC", style));
  return ok({ ...(tasks.length === 0 ? {} : { tasks }), ...failures });
}

interface BatchMessage {
  readonly parent?: string | undefined;
  readonly requests?:
    | readonly (
        | { readonly name?: string | undefined; readonly scheduleTime?: number | undefined }
        | null
        | undefined
      )[]
    | null
    | undefined;
}

/** The lease that each request names, or what is wrong with the request; or with the batch. */
function readKeys(
  call: Call,
  { parent = "", requests }: BatchMessage,
): Result<readonly Result<LeaseKey>[]> {
  const given = requests ?? [];
  const problem =
    checkBatch(given.length, MAX_REQUESTS, "requests") ?? checkParents([parent], call);
  if (problem !== undefined) return problem;
  const queue = queuePath(call.resource);
  return ok(
    given.map((request, index) => {
      const at = `requests[${index}]`;
      const id = readName(request?.name ?? "", `${at}.name`, queue);
      return id.ok ? readKey(id.value, request?.scheduleTime, `${at}.schedule_time`) : id;
    }),
  );
}

function validOf(keys: readonly Result<LeaseKey>[]): readonly LeaseKey[] {
  return keys.flatMap((key) => (key.ok ? [key.value] : []));
}

/** What succeeded, in order, and what failed, by index; `results` are those of the valid keys. */
function outcomeOf<T>(keys: readonly Result<LeaseKey>[], results: readonly Result<T>[]) {
  const failedRequests: Record<string, RpcStatus> = {};
  const values: T[] = [];
  let next = 0;
  for (const [index, key] of keys.entries()) {
    const result = key.ok ? results[next++] : key;
    if (result?.ok === true) values.push(result.value);
    else if (result !== undefined) failedRequests[index] = rpcStatus(result.error);
  }
  return { values, failures: Object.keys(failedRequests).length === 0 ? {} : { failedRequests } };
}

// ---- Parts -----------------------------------------------------------------------------------

async function read<T>(call: Call, type: z.ZodType<T>): Promise<Result<NonNullable<T>>> {
  const json = await readJson(call.request);
  return json.ok ? readMessage(type, json.value, "") : json;
}

/** Truncated to seconds; at least `minUs` after that (limits.md §3). */
function readLeaseDuration(durationUs: number | undefined, minUs: number): Result<number> {
  if (durationUs === undefined) {
    return invalidField("lease_duration", "leaseDuration is required.");
  }
  const truncated = Math.floor(durationUs / 1e6) * 1e6;
  if (truncated >= minUs && truncated <= MAX_LEASE_US) return ok(truncated);
  return invalidField("lease_duration", `leaseDuration must be between [${minUs / 1e6}s, 168h].`);
}

/** A lease is named by its task and the schedule time that the caller knows of it. */
function readKey(id: string, scheduleTimeUs: number | undefined, field: string): Result<LeaseKey> {
  return scheduleTimeUs === undefined
    ? invalidField(field, "scheduleTime is required: it shows that the caller holds the lease.")
    : ok({ id, scheduleTimeUs });
}

function viewOf(view: string | undefined): View {
  return view === "FULL" ? "FULL" : "BASIC";
}

function shown(call: Call, task: Result<TaskRecord>, view: View): Result<object> {
  const { dialect, resource } = call;
  return task.ok ? ok(dialect.writeTask(resource, pulled(task.value), view, styleOf(call))) : task;
}

/** A leased task is a pull task, whatever it was created as (seed page "The Queue Class"). */
function pulled(record: TaskRecord): TaskShown {
  return { ...recordShown(record), meta: { target: { kind: "pull" } } };
}
