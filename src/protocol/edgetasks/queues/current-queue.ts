/**
 * Asks the queue of a call. The default queue exists by itself, as in App Engine: where it is
 * missing it is made, and asked again.
 */
import type { QueueSettings } from "../../../core/model.ts";
import { createSettings } from "../../../core/queue-settings.ts";
import { fail, type Result } from "../../../core/result.ts";
import type { RegistryService } from "../../../registry/service.ts";
import { queueStub, registryStub } from "../../../stubs.ts";
import type { Call, Checked } from "./call.ts";

const DEFAULT_QUEUE = "default";

export type QueueStub = ReturnType<typeof queueStub>;

/** Calls the queue's object. UNKNOWN_QUEUE; TOMBSTONED_QUEUE for a default queue deleted lately. */
export async function askQueue<T>(
  { env, config, queue }: Pick<Call, "env" | "config" | "queue">,
  ask: (queue: QueueStub) => Promise<Result<T>>,
): Promise<Checked<T>> {
  const first = await ask(queueStub(env, queue));
  if (first.ok || first.error.cause !== "NO_QUEUE" || queue.queue !== DEFAULT_QUEUE) return first;
  const problem = await makeDefaultQueue({ env, config, queue });
  return problem ?? ask(queueStub(env, queue));
}

/** As askQueue, of the catalogue: what changes the state of a queue. */
export async function askCatalogue<T>(
  { env, config, queue }: Pick<Call, "env" | "config" | "queue">,
  ask: (registry: RegistryService, queue: string) => Promise<Result<T>>,
): Promise<Checked<T>> {
  const registry = registryStub(env, queue);
  const first = await ask(registry, queue.queue);
  if (first.ok || first.error.code !== "NOT_FOUND") return first;
  if (queue.queue !== DEFAULT_QUEUE) {
    return { ok: false, error: { ...first.error, reason: "UNKNOWN_QUEUE" } };
  }
  const problem = await makeDefaultQueue({ env, config, queue });
  return problem ?? ask(registry, queue.queue);
}

/** Makes the default queue; undefined when it is there then. */
async function makeDefaultQueue({
  env,
  config,
  queue,
}: Pick<Call, "env" | "config" | "queue">): Promise<Checked<never> | undefined> {
  const settings = defaultQueueSettings(config);
  if (!settings.ok) return settings;
  const created = await registryStub(env, queue).createQueue(queue.queue, settings.value);
  if (created.ok || created.error.code === "ALREADY_EXISTS") return undefined;
  if (created.error.code !== "FAILED_PRECONDITION") return created;
  const { error } = fail("NOT_FOUND", `The queue "${queue.queue}" was deleted recently.`);
  return { ok: false, error: { ...error, reason: "TOMBSTONED_QUEUE" } };
}

/** 5 tasks a second, 5 at once, retried for ever, until somebody changes it (rpc.md §7). */
function defaultQueueSettings(config: Call["config"]): Result<QueueSettings> {
  return createSettings(
    {
      type: "PUSH",
      rateLimits: { maxDispatchesPerSecond: 5, maxBurstSize: 5 },
      retryConfig: { maxAttempts: -1 },
    },
    config,
  );
}
