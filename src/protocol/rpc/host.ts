/** The Host header of a task, which is how the SDK says where the task goes (push.md §10). */
import { appEngineHost, projectLabels } from "../../core/app-engine-host.ts";
import type { DeploymentConfig } from "../../core/config.ts";
import type { AppEngineRouting } from "../../core/model.ts";

/**
 * The routing that a host names: `[[[instance.]version.]service.]domain`, with `-dot-` for dots as
 * browsers need it. The domain is this deployment's or the app's own at appspot.com; a host of any
 * other domain, as an app has it that runs somewhere else, goes to the default service.
 */
export function routingOfHost(
  host: string,
  config: Pick<DeploymentConfig, "appEngineDomain">,
  project: string,
): AppEngineRouting {
  const name = host.toLowerCase().replace(/:\d+$/, "").replaceAll("-dot-", ".");
  for (const domain of domainsOf(config, project)) {
    const prefix = domain.exec(name)?.[1];
    if (prefix !== undefined) return routingOf(prefix.split(".").filter((label) => label !== ""));
  }
  return {};
}

function domainsOf(
  config: Pick<DeploymentConfig, "appEngineDomain">,
  project: string,
): readonly RegExp[] {
  const own = literal(appEngineHost(undefined, config, project).toLowerCase());
  const app = literal(projectLabels(project).toLowerCase());
  return [own, `${app}(?:\\.[a-z0-9]+\\.r)?\\.appspot\\.com`].map(
    (domain) => new RegExp(`^(.+\\.|)${domain}$`),
  );
}

/** Three labels at most; more of them, or none, are the default service. */
function routingOf(labels: readonly string[]): AppEngineRouting {
  const [service, version, instance] = [...labels].reverse();
  if (service === undefined || labels.length > 3) return {};
  return {
    service,
    ...(version === undefined ? {} : { version }),
    ...(instance === undefined ? {} : { instance }),
  };
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
