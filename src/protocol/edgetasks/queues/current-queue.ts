/**
 * Asks the queue of a call. The default queue exists by itself, as in App Engine: where it is
 * missing it is made, and asked again.
 */
import { fail, type Result } from "../../../core/result.ts";
import type { RegistryService } from "../../../registry/service.ts";
import { queueStub, registryStub } from "../../../stubs.ts";
import { findMissing } from "../../missing-queue.ts";
import type { Call, Checked } from "./call.ts";

export type QueueStub = ReturnType<typeof queueStub>;

type Asking = Pick<Call, "env" | "config" | "queue">;

/** Calls the queue's object. UNKNOWN_QUEUE; TOMBSTONED_QUEUE for one that was deleted lately. */
export async function askQueue<T>(
  call: Asking,
  ask: (queue: QueueStub) => Promise<Result<T>>,
): Promise<Checked<T>> {
  const first = await ask(queueStub(call.env, call.queue));
  if (first.ok || first.error.cause !== "NO_QUEUE") return first;
  return (await problemOf(call)) ?? ask(queueStub(call.env, call.queue));
}

/** As askQueue, of the catalogue: what changes the state of a queue. */
export async function askCatalogue<T>(
  call: Asking,
  ask: (registry: RegistryService, queue: string) => Promise<Result<T>>,
): Promise<Checked<T>> {
  const { env, queue } = call;
  const first = await ask(registryStub(env, queue), queue.queue);
  if (first.ok || first.error.code !== "NOT_FOUND") return first;
  return (await problemOf(call)) ?? ask(registryStub(env, queue), queue.queue);
}

/** Why the queue is missing; undefined when it is there by now. */
async function problemOf({ env, config, queue }: Asking): Promise<Checked<never> | undefined> {
  const missing = await findMissing(env, config, queue);
  if (!missing.ok) return missing;
  if (missing.value === "MADE") return undefined;
  const isGone = missing.value === "TOMBSTONED";
  const text = isGone ? "was deleted recently" : "does not exist";
  const { error } = fail("NOT_FOUND", `The queue "${queue.queue}" ${text}.`);
  const reason = isGone ? "TOMBSTONED_QUEUE" : "UNKNOWN_QUEUE";
  return { ok: false, error: { ...error, reason } };
}
