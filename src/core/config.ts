/**
 * The settings of a deployment, read once from the Worker's variables. README's configuration table
 * is this file in prose; a value that cannot be read stops the Worker with the setting's name.
 */
import { findLocation } from "./locations.ts";
import { isProjectId } from "./names.ts";

export interface DeploymentConfig {
  /** True only where the server listens on loopback alone: no credentials are asked for. */
  readonly open: boolean;
  /** Bearer token that callers must present; absent and not open: everything is refused. */
  readonly apiToken: string | undefined;
  /** Whether credentials are taken from the query of a URL, which servers on the way may log. */
  readonly queryTokens: boolean;
  /**
   * Targets allowed besides public names on web ports: comma-separated `host`, `host:port`,
   * `*.suffix`, `loopback`, or `*` (target-policy.ts).
   */
  readonly targetAllow: readonly string[];
  /** Upper bound of maxDispatchesPerSecond. */
  readonly maxDispatchesPerSecond: number;
  /** Upper bound of maxConcurrentDispatches. */
  readonly maxConcurrentDispatches: number;
  readonly taskTombstoneUs: number;
  readonly queueTombstoneUs: number;
  /** True: queues in EU locations are kept in the EU jurisdiction. */
  readonly euJurisdiction: boolean;
  /**
   * Base URL of App Engine targets without a service binding; `{project}`, `{service}`,
   * `{version}`, `{instance}` are filled in.
   */
  readonly appEngineUrl: string | undefined;
  /**
   * Domain of App Engine hosts, `{project}` is filled in: what a task's routing shows and what its
   * handler sees.
   */
  readonly appEngineDomain: string;
  /** Project of App Engine calls that name none; absent: they must name one. */
  readonly appProject: string | undefined;
  /** Location of the queues that a queue.yaml makes: App Engine apps have one, and name none. */
  readonly appLocation: string;
  /** The `iss` claim of signed tokens: the address under which this deployment is reached. */
  readonly issuer: string;
  /** Dispatcher calls in flight for a queue (platform.md §1: 32 invocations). */
  readonly dispatchCalls: number;
  /** Fetches in flight in one dispatcher call (platform.md §1: 6 connections). */
  readonly dispatchFetches: number;
  /** The longest attempt the platform can hold; a longer dispatch deadline is cut to it. */
  readonly maxAttemptUs: number;
}

/**
 * The issuer where a deployment does not say its address. A fixed word: tokens are signed where no
 * request tells an address (an alarm's), and receivers compare the issuer to the letter, so it must
 * not follow from who happened to call first.
 */
export const DEFAULT_ISSUER = "https://edgetasks";

const cache = new WeakMap<object, DeploymentConfig>();

/** Reads the settings of an environment; the same environment is read once. */
export function readConfig(env: Readonly<Record<string, unknown>>): DeploymentConfig {
  let config = cache.get(env);
  if (config === undefined) {
    config = parseConfig(env);
    cache.set(env, config);
  }
  return config;
}

function parseConfig(env: Readonly<Record<string, unknown>>): DeploymentConfig {
  return {
    open: text(env, "OPEN_MODE") === "loopback",
    apiToken: text(env, "API_TOKEN"),
    queryTokens: text(env, "QUERY_TOKENS") === "on",
    targetAllow: (text(env, "TARGET_ALLOW") ?? "")
      .split(",")
      .map((host) => host.trim().toLowerCase())
      .filter((host) => host !== ""),
    maxDispatchesPerSecond: number(env, "MAX_DISPATCHES_PER_SECOND", 500),
    maxConcurrentDispatches: number(env, "MAX_CONCURRENT_DISPATCHES", 5000),
    taskTombstoneUs: number(env, "TASK_TOMBSTONE_SECONDS", 3600) * 1e6,
    queueTombstoneUs: number(env, "QUEUE_TOMBSTONE_SECONDS", 7 * 86400) * 1e6,
    euJurisdiction: text(env, "EU_JURISDICTION") === "eu",
    appEngineUrl: text(env, "APP_ENGINE_URL"),
    appEngineDomain: text(env, "APP_ENGINE_DOMAIN") ?? "{project}.appspot.com",
    appProject: project(env, "APP_PROJECT"),
    appLocation: location(env, "APP_LOCATION", "us-central1"),
    issuer: issuer(env, "ISSUER"),
    dispatchCalls: number(env, "DISPATCH_CALLS", 32),
    dispatchFetches: number(env, "DISPATCH_FETCHES", 6),
    maxAttemptUs: number(env, "MAX_ATTEMPT_SECONDS", 840) * 1e6,
  };
}

function text(env: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = env[name];
  if (value === undefined || value === "") return undefined;
  if (typeof value !== "string") throw new Error(`setting ${name} must be text`);
  return value;
}

/** OpenID Connect Discovery 1.0 §3: a URL without query or fragment. */
function issuer(env: Readonly<Record<string, unknown>>, name: string): string {
  const value = text(env, name) ?? DEFAULT_ISSUER;
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol) || /[?#]/.test(value)) {
    throw new Error(`setting ${name} must be an http or https URL without query, not "${value}"`);
  }
  return value;
}

function project(env: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = text(env, name);
  if (value === undefined || isProjectId(value)) return value;
  throw new Error(`setting ${name} must be a project's id, not "${value}"`);
}

function location(env: Readonly<Record<string, unknown>>, name: string, fallback: string): string {
  const value = text(env, name) ?? fallback;
  if (findLocation(value) === undefined) {
    throw new Error(`setting ${name} must be a location of Cloud Tasks, not "${value}"`);
  }
  return value;
}

function number(env: Readonly<Record<string, unknown>>, name: string, fallback: number): number {
  const value = text(env, name);
  if (value === undefined) return fallback;
  const parsed = Number(value);
  if (!Number.isFinite(parsed) || parsed < 0) {
    throw new Error(`setting ${name} must be a number of 0 or more, not "${value}"`);
  }
  return parsed;
}
