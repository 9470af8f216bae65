/**
 * Queues as App Engine knows them: `default` exists by itself, and a missing one may be one that is
 * gone. For the interfaces that have App Engine's semantics.
 */
import type { DeploymentConfig } from "../core/config.ts";
import type { QueueName, QueueSettings } from "../core/model.ts";
import { createSettingsFromPatch } from "../core/queue-settings.ts";
import { ok, type Result } from "../core/result.ts";
import type { Env } from "../env.ts";
import { creationOf, DEFAULT_QUEUE } from "../queue-file/settings.ts";
import { registryStub } from "../stubs.ts";

/**
 * What is to be said of a queue whose object knows none: it was the default one and is there by now,
 * it never was, or it was deleted and its name is not free yet.
 */
export type Missing = "MADE" | "UNKNOWN" | "TOMBSTONED";

/** Looks for a missing queue, and makes the default one. Not on the way of calls that find theirs. */
export async function findMissing(
  env: Env,
  config: DeploymentConfig,
  name: QueueName,
): Promise<Result<Missing>> {
  const registry = registryStub(env, name);
  if (name.queue !== DEFAULT_QUEUE) {
    const [obstacle] = await registry.checkCreatable([name.queue]);
    return ok(obstacle?.error.code === "FAILED_PRECONDITION" ? "TOMBSTONED" : "UNKNOWN");
  }
  const settings = defaultQueueSettings(config);
  if (!settings.ok) return settings;
  const created = await registry.createQueue(name.queue, settings.value);
  if (created.ok || created.error.code === "ALREADY_EXISTS") return ok("MADE");
  if (created.error.code === "FAILED_PRECONDITION") return ok("TOMBSTONED");
  const { code, message } = created.error;
  return { ok: false, error: { code, message } };
}

/** What the default queue is until somebody changes it: 5 tasks a second, 5 at once (rpc.md §7). */
function defaultQueueSettings(config: DeploymentConfig): Result<QueueSettings> {
  const entry = { name: DEFAULT_QUEUE, line: 0, path: "", mode: "push", retry: {} } as const;
  return createSettingsFromPatch(creationOf(entry), config);
}
