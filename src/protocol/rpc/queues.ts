/** The methods on queues: what an administrator does with them, and their figures. */
import { isFieldSet, type MessageInitShape } from "@bufbuild/protobuf";
import { locationResource, queueResource } from "../../auth/iam/resource.ts";
import { appEngineHost } from "../../core/app-engine-host.ts";
import { MAX_BURST_SIZE } from "../../core/limits.ts";
import type { QueueName, QueueRecord } from "../../core/model.ts";
import { createSettingsFromPatch } from "../../core/queue-settings.ts";
import type { DomainError } from "../../core/result.ts";
import { rateText } from "../../queue-file/description.ts";
import type { QueueEntry } from "../../queue-file/queue-file.ts";
import { creationOf, DEFAULT_QUEUE, isPausing, updateOf } from "../../queue-file/settings.ts";
import { registryStub } from "../../stubs.ts";
import { type Call, denial, homeOf } from "./call.ts";
import { askCatalogue, askQueue, queueOf, tombstonedQueue } from "./current-queue.ts";
import { answer, Code, echo, type Reply, refuse, translate } from "./errors.ts";
import {
  TaskQueueMode_Mode as Mode,
  type TaskQueueFetchQueuesResponse_QueueSchema as QueueSchema,
  type TaskQueueAcl,
  type TaskQueueDeleteGroupRequest,
  type TaskQueueDeleteQueueRequest,
  type TaskQueueFetchQueueStatsRequest,
  type TaskQueueFetchQueueStatsResponseSchema,
  type TaskQueueFetchQueuesRequest,
  type TaskQueueFetchQueuesResponseSchema,
  type TaskQueuePauseQueueRequest,
  type TaskQueuePurgeQueueRequest,
  type TaskQueueUpdateQueueRequest,
  TaskQueueUpdateQueueRequestSchema,
  type TaskQueueUpdateStorageLimitRequest,
} from "./gen/taskqueue_service_pb.js";
import { routingOfHost } from "./host.ts";
import { inParallel } from "./in-parallel.ts";
import { readRetry, writeRetry } from "./retry.ts";
import { bytesOf, headerTextOf, textOf } from "./text.ts";

type Empty = Promise<Reply<Record<string, never>>>;

/** Queues that one FetchQueueStats may name. */
const MAX_STATS = 1000;
/** Queues listed at a time. */
const PAGE_SIZE = 1000;
/** 1000 TiB (rpc.md §7). */
const MAX_STORAGE_LIMIT = 1000n * 1024n ** 4n;

// ---- Figures ---------------------------------------------------------------------------------

/** Figures of queues, in the order asked for; one that is not there refuses the call. */
export async function fetchQueueStats(
  call: Call,
  request: TaskQueueFetchQueueStatsRequest,
): Promise<Reply<MessageInitShape<typeof TaskQueueFetchQueueStatsResponseSchema>>> {
  const { queueName, appId, maxNumTasks } = request;
  if (queueName.length > MAX_STATS) {
    return refuse(Code.INVALID_REQUEST, `A call can name no more than ${MAX_STATS} queues.`);
  }
  const names: QueueName[] = [];
  for (const bytes of queueName) {
    const name = queueOf(call, bytes, appId);
    if (!name.ok) return name;
    names.push(name.value);
  }
  const stats = await inParallel(names, (name) => askQueue(call, name, (stub) => stub.getStats()));
  const queuestats = [];
  for (const found of stats) {
    if (!found.ok) return found;
    const { value } = found;
    queuestats.push({
      numTasks: maxNumTasks > 0 ? Math.min(value.tasksCount, maxNumTasks) : value.tasksCount,
      oldestEtaUsec: BigInt(value.oldestScheduleTimeUs ?? -1),
      scannerInfo: {
        // What ends of a pull queue's tasks is no attempt: there, leases count.
        executedLastMinute: BigInt(value.executedLastMinute + value.leasedLastMinute),
        executedLastHour: BigInt(value.executedLastHour + value.leasedLastHour),
        samplingDurationSeconds: 60,
        requestsInFlight: value.concurrentDispatches,
        enforcedRate: value.effectiveRate,
      },
    });
  }
  return answer({ queuestats });
}

/** The app's queues by name; the default one is always among them. */
export async function fetchQueues(
  call: Call,
  { appId, maxRows }: TaskQueueFetchQueuesRequest,
): Promise<Reply<MessageInitShape<typeof TaskQueueFetchQueuesResponseSchema>>> {
  if (maxRows < 1) return refuse(Code.INVALID_REQUEST, "max_rows must be 1 or more.");
  const home = homeOf(call, appId);
  if (!home.ok) return home;
  const denied = await denial(call, locationResource(home.value));
  if (denied !== undefined) return denied;
  const defaultQueue = { ...home.value, queue: DEFAULT_QUEUE };
  const made = await askQueue(call, defaultQueue, (stub) => stub.getQueue());
  if (!made.ok && made.error.code !== Code.TOMBSTONED_QUEUE) return made;
  const queue: MessageInitShape<typeof QueueSchema>[] = [];
  for await (const record of queuesOf(call, home.value)) {
    if (queue.length === maxRows) break;
    queue.push(queueShown(record, call));
  }
  return answer({ queue });
}

async function* queuesOf(call: Call, home: Omit<QueueName, "queue">): AsyncIterable<QueueRecord> {
  let after = "";
  for (;;) {
    const { queues, more } = await registryStub(call.env, home).listQueues(after, PAGE_SIZE);
    yield* queues;
    after = queues.at(-1)?.name.queue ?? "";
    if (!more || after === "") return;
  }
}

function queueShown(
  { name, settings, state }: QueueRecord,
  { config }: Call,
): MessageInitShape<typeof QueueSchema> {
  const { rateLimits, retryConfig, type, acl, appEngineRoutingOverride } = settings;
  const isPull = type === "PULL";
  const { maxDispatchesPerSecond: rate } = rateLimits;
  const host =
    appEngineRoutingOverride && appEngineHost(appEngineRoutingOverride, config, name.project);
  return {
    queueName: bytesOf(name.queue),
    bucketRefillPerSecond: isPull ? 0 : rate,
    bucketCapacity: isPull ? 0 : rateLimits.maxBurstSize,
    ...(isPull
      ? {}
      : {
          userSpecifiedRate: rateText(rate),
          maxConcurrentRequests: rateLimits.maxConcurrentDispatches,
        }),
    paused: state !== "RUNNING",
    retryParameters: writeRetry(retryConfig, isPull),
    mode: isPull ? Mode.PULL : Mode.PUSH,
    ...(acl === undefined
      ? {}
      : {
          acl: {
            userEmail: acl.userEmails.map(bytesOf),
            writerEmail: acl.writerEmails.map(bytesOf),
          },
        }),
    ...(host === undefined
      ? {}
      : { headerOverride: [{ key: bytesOf("Host"), value: bytesOf(host) }] }),
  };
}

// ---- Changes ---------------------------------------------------------------------------------

/**
 * Makes a queue, or makes an existing one what the message says. As in a queue.yaml a rate of 0
 * pauses it and leaves the rate for later, and any other has it run.
 */
export async function updateQueue(call: Call, request: TaskQueueUpdateQueueRequest): Empty {
  const name = queueOf(call, request.queueName, request.appId);
  if (!name.ok) return name;
  const entry = entryOf(call, name.value, request);
  if (!entry.ok) return entry;
  const denied = await denial(call, queueResource(name.value));
  if (denied !== undefined) return denied;
  const { queue } = name.value;
  const registry = () => registryStub(call.env, name.value);
  const settings = createSettingsFromPatch(creationOf(entry.value), call.config);
  if (!settings.ok) return badSettings(settings.error);
  const isPaused = isPausing(entry.value);
  const created = await registry().createQueue(
    queue,
    settings.value,
    isPaused ? "PAUSED" : "RUNNING",
  );
  if (created.ok) return answer({});
  if (created.error.code === "FAILED_PRECONDITION") return tombstonedQueue(name.value);
  if (created.error.code !== "ALREADY_EXISTS") return translate(created.error);
  const updated = await registry().patchQueue(queue, updateOf(entry.value));
  if (!updated.ok) return badSettings(updated.error);
  if (entry.value.mode === "pull" || isPaused === (updated.value.state !== "RUNNING")) {
    return answer({});
  }
  return emptied(
    await askCatalogue(call, name.value, (catalogue, id) =>
      isPaused ? catalogue.pauseQueue(id) : catalogue.resumeQueue(id),
    ),
  );
}

/** The message as an entry of a queue file, whose rules are the same. */
function entryOf(
  call: Call,
  { project, queue }: QueueName,
  request: TaskQueueUpdateQueueRequest,
): Reply<QueueEntry> {
  const retry =
    request.retryParameters === undefined ? undefined : readRetry(request.retryParameters);
  if (retry?.ok === false) return retry;
  const common = { name: queue, line: 0, path: "", retry: retry?.value ?? {} };
  const acl = request.acl === undefined ? undefined : readAcl(request.acl);
  if (acl?.ok === false) return acl;
  if (request.mode === Mode.PULL) {
    return answer({ ...common, mode: "pull", ...(acl === undefined ? {} : { acl: acl.value }) });
  }
  const problem = rateProblem(call, request);
  if (problem !== undefined) return problem;
  if (acl !== undefined) {
    return refuse(Code.INVALID_REQUEST, "Only a pull queue can have an acl.");
  }
  const target = readTarget(call, project, request);
  if (!target.ok) return target;
  return answer({
    ...common,
    mode: "push",
    rate: request.bucketRefillPerSecond,
    bucketSize: request.bucketCapacity,
    ...(request.maxConcurrentRequests > 0
      ? { maxConcurrentRequests: request.maxConcurrentRequests }
      : {}),
    ...target.value,
  });
}

function rateProblem(
  { config }: Call,
  request: TaskQueueUpdateQueueRequest,
): Reply<never> | undefined {
  const { bucketRefillPerSecond: rate, bucketCapacity: bucket, maxConcurrentRequests } = request;
  if (!(rate >= 0 && rate <= config.maxDispatchesPerSecond)) {
    return refuse(
      Code.INVALID_QUEUE_RATE,
      `bucket_refill_per_second must be between 0 and ${config.maxDispatchesPerSecond}.`,
    );
  }
  if (bucket < 0 || bucket > MAX_BURST_SIZE) {
    return refuse(
      Code.INVALID_QUEUE_RATE,
      `bucket_capacity must be between 0 and ${MAX_BURST_SIZE}.`,
    );
  }
  const { field } = TaskQueueUpdateQueueRequestSchema;
  const isGiven = isFieldSet(request, field.maxConcurrentRequests);
  const most = config.maxConcurrentDispatches;
  if (isGiven && (maxConcurrentRequests < 0 || maxConcurrentRequests > most)) {
    return refuse(
      Code.INVALID_REQUEST,
      `max_concurrent_requests must be between 0 and ${config.maxConcurrentDispatches}.`,
    );
  }
  return undefined;
}

/** The one header that can be overridden is the host, which is a queue.yaml's `target`. */
function readTarget(
  { config }: Call,
  project: string,
  { headerOverride }: TaskQueueUpdateQueueRequest,
): Reply<Pick<QueueEntry, "target">> {
  let target: QueueEntry["target"];
  for (const { key, value } of headerOverride) {
    const name = headerTextOf(key);
    if (name.toLowerCase() !== "host") {
      const detail = `The header ${echo(name)} of a queue's tasks cannot be overridden, only Host.`;
      return refuse(Code.INVALID_REQUEST, detail);
    }
    const { service, version } = routingOfHost(headerTextOf(value), config, project);
    if (service !== undefined) target = { service, ...(version === undefined ? {} : { version }) };
  }
  return answer(target === undefined ? {} : { target });
}

function readAcl({ userEmail, writerEmail }: TaskQueueAcl): Reply<NonNullable<QueueEntry["acl"]>> {
  const [userEmails, writerEmails] = [userEmail, writerEmail].map((list) =>
    list.map((bytes) => textOf(bytes) ?? "�"),
  );
  return answer({ userEmails: userEmails ?? [], writerEmails: writerEmails ?? [] });
}

/** A queue's type is settled when it is made; any other refusal is of a value. */
function badSettings(error: DomainError): Reply<never> {
  const isType = /^Queue\.type\b/.test(error.message);
  return isType ? refuse(Code.INVALID_QUEUE_MODE, error.message) : translate(error);
}

export async function pauseQueue(call: Call, request: TaskQueuePauseQueueRequest): Empty {
  const name = queueOf(call, request.queueName, request.appId);
  if (!name.ok) return name;
  return emptied(
    await askCatalogue(call, name.value, (catalogue, queue) =>
      request.pause ? catalogue.pauseQueue(queue) : catalogue.resumeQueue(queue),
    ),
  );
}

export async function purgeQueue(call: Call, request: TaskQueuePurgeQueueRequest): Empty {
  const name = queueOf(call, request.queueName, request.appId);
  if (!name.ok) return name;
  return emptied(
    await askCatalogue(call, name.value, (catalogue, queue) => catalogue.purgeQueue(queue)),
  );
}

export async function deleteQueue(call: Call, request: TaskQueueDeleteQueueRequest): Empty {
  const name = queueOf(call, request.queueName, request.appId);
  if (!name.ok) return name;
  return emptied(
    await askCatalogue(call, name.value, (catalogue, queue) => catalogue.deleteQueue(queue)),
  );
}

/** Deletes all queues of the app; one that is gone already is no error. */
export async function deleteGroup(call: Call, { appId }: TaskQueueDeleteGroupRequest): Empty {
  const home = homeOf(call, appId);
  if (!home.ok) return home;
  const denied = await denial(call, locationResource(home.value));
  if (denied !== undefined) return denied;
  const names: string[] = [];
  for await (const { name } of queuesOf(call, home.value)) names.push(name.queue);
  // A condition may spare single queues.
  const denials = await inParallel(names, (queue) =>
    denial(call, queueResource({ ...home.value, queue })),
  );
  const spared = denials.find((found) => found !== undefined);
  if (spared !== undefined) return spared;
  const results = await inParallel(names, (queue) =>
    registryStub(call.env, home.value).deleteQueue(queue),
  );
  for (const result of results) {
    if (!result.ok && result.error.code !== "NOT_FOUND") return translate(result.error);
  }
  return answer({});
}

/** Checked as ever, and then refused: storage is the platform's to limit. */
export async function updateStorageLimit(
  call: Call,
  { appId, limit }: TaskQueueUpdateStorageLimitRequest,
): Promise<Reply<{ newLimit: bigint }>> {
  const home = homeOf(call, appId);
  if (!home.ok) return home;
  const denied = await denial(call, locationResource(home.value));
  if (denied !== undefined) return denied;
  if (limit < 0n || limit > MAX_STORAGE_LIMIT) {
    return refuse(Code.INVALID_REQUEST, "limit must be between 0 and 1000 TiB.");
  }
  return refuse(Code.PERMISSION_DENIED, "Storage limits are not kept here.");
}

function emptied(reply: Reply<unknown>): Reply<Record<string, never>> {
  return reply.ok ? answer({}) : reply;
}
