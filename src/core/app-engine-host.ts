/** Hosts of App Engine targets: which service a task goes to, and under what name. */
import type { DeploymentConfig } from "./config.ts";
import type { AppEngineRouting } from "./model.ts";

/** The service of a task that names none. */
export const DEFAULT_SERVICE = "default";

/**
 * The host of an App Engine target, `[[[instance.]version.]service.]domain` (push.md §10): stored
 * in a task's routing as the output-only `host`, and seen by the handler as its own Host.
 *
 * `domain` is the app's: the setting APP_ENGINE_DOMAIN with `{project}` filled in, by default
 * `<project>.appspot.com`. A domain-scoped project `example.com:app` fills in as
 * `app.example.com.a`, as App Engine writes it.
 */
export function appEngineHost(
  routing: AppEngineRouting | undefined,
  config: Pick<DeploymentConfig, "appEngineDomain">,
  project: string,
): string {
  const labels = [routing?.instance, routing?.version, routing?.service];
  const domain = config.appEngineDomain.replaceAll("{project}", projectLabels(project));
  return [...labels.filter((label) => label !== undefined && label !== ""), domain].join(".");
}

/** The routing that counts: a queue's override replaces a task's as a whole (push.md §10). */
export function effectiveRouting(
  task: AppEngineRouting | undefined,
  override: AppEngineRouting | undefined,
): AppEngineRouting {
  return override ?? task ?? {};
}

/** A project as labels of a host name. */
export function projectLabels(project: string): string {
  const colon = project.lastIndexOf(":");
  return colon === -1 ? project : `${project.slice(colon + 1)}.${project.slice(0, colon)}.a`;
}
