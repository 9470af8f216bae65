/** Queues as this face knows them: `default` exists by itself, and a missing one may be a gone one. */
import { queueResource } from "../../auth/iam/resource.ts";
import type { QueueName } from "../../core/model.ts";
import { isQueueId } from "../../core/names.ts";
import type { Result } from "../../core/result.ts";
import type { RegistryService } from "../../registry/service.ts";
import { queueStub, registryStub } from "../../stubs.ts";
import { findMissing } from "../missing-queue.ts";
import { type Call, denial, homeOf } from "./call.ts";
import { answer, Code, echo, type Reply, refuse, translate } from "./errors.ts";
import { textOf } from "./text.ts";

export type QueueStub = ReturnType<typeof queueStub>;

/** The queue that a message names. INVALID_QUEUE_NAME. */
export function queueOf(
  call: Call,
  queueName: Uint8Array,
  applicationId: Uint8Array | string = "",
): Reply<QueueName> {
  const home = homeOf(call, applicationId);
  if (!home.ok) return home;
  const queue = textOf(queueName);
  if (queue !== undefined && isQueueId(queue)) return answer({ ...home.value, queue });
  return refuse(
    Code.INVALID_QUEUE_NAME,
    `Invalid queue name "${echo(queue ?? "")}": it must be 1 to 100 letters, digits or hyphens.`,
  );
}

/**
 * Asks a queue. Where it is missing: the default queue is made and asked again, another is
 * UNKNOWN_QUEUE or, where it was deleted not long ago, TOMBSTONED_QUEUE. PERMISSION_DENIED.
 */
export async function askQueue<T>(
  call: Call,
  name: QueueName,
  ask: (queue: QueueStub) => Promise<Result<T>>,
): Promise<Reply<T>> {
  const denied = await denial(call, queueResource(name));
  if (denied !== undefined) return denied;
  const first = await ask(queueStub(call.env, name));
  if (first.ok || first.error.cause !== "NO_QUEUE") return replyOf(first);
  const missing = await problemOf(call, name);
  return missing ?? replyOf(await ask(queueStub(call.env, name)));
}

/** As askQueue, of the catalogue: what changes or ends a queue. */
export async function askCatalogue<T>(
  call: Call,
  name: QueueName,
  ask: (registry: RegistryService, queue: string) => Promise<Result<T>>,
): Promise<Reply<T>> {
  const denied = await denial(call, queueResource(name));
  if (denied !== undefined) return denied;
  const first = await ask(registryStub(call.env, name), name.queue);
  if (first.ok || first.error.code !== "NOT_FOUND") return replyOf(first);
  const missing = await problemOf(call, name);
  return missing ?? replyOf(await ask(registryStub(call.env, name), name.queue));
}

/** Why a queue is missing; undefined when it is there by now. */
async function problemOf(call: Call, name: QueueName): Promise<Reply<never> | undefined> {
  const missing = await findMissing(call.env, call.config, name);
  if (!missing.ok) return translate(missing.error);
  if (missing.value === "MADE") return undefined;
  if (missing.value === "TOMBSTONED") return tombstonedQueue(name);
  return refuse(
    Code.UNKNOWN_QUEUE,
    `The queue "${name.queue}" does not exist in project ${name.project}, location ${name.location}.`,
  );
}

export function tombstonedQueue({ queue }: QueueName): Reply<never> {
  return refuse(Code.TOMBSTONED_QUEUE, `The queue "${queue}" was deleted recently.`);
}

/** Rebuilt, not relayed: what an RPC answers holds on to the object it came from. */
function replyOf<T>(result: Result<T>): Reply<T> {
  return result.ok ? answer(result.value) : translate(result.error);
}
