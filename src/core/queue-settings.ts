/**
 * Settings of a queue: defaults, patches by field mask, and the rules every face shares.
 *
 * What counts as given: an absent field is not given, and neither is a 0 in a field where 0 is what
 * proto3 sends for "unset" (rate, concurrency, attempts, burst; doublings only while no mask names
 * them, for 0 doublings is a setting of its own).
 */
import type { DeploymentConfig } from "./config.ts";

import {
  DEFAULT_MAX_ATTEMPTS,
  DEFAULT_MAX_BACKOFF_US,
  DEFAULT_MAX_CONCURRENT_DISPATCHES,
  DEFAULT_MAX_DISPATCHES_PER_SECOND,
  DEFAULT_MAX_DOUBLINGS,
  DEFAULT_MIN_BACKOFF_US,
  DEFAULT_TASK_TTL_US,
  DERIVED_BURST_SIZE,
} from "./limits.ts";
import type {
  AppEngineRouting,
  AuthorizationToken,
  HttpTargetOverride,
  QueueAcl,
  QueueSettings,
  RateLimits,
  RetryConfig,
  UriOverride,
  WebhookSigning,
} from "./model.ts";
import { lifetimeProblem, retryConfigProblem, settingsProblem } from "./queue-settings-rules.ts";
import { fail, ok, type Result } from "./result.ts";

/** Settings as a caller gives them: every part may be missing. */
export interface SettingsInput {
  readonly type?: QueueSettings["type"];
  readonly rateLimits?: Partial<RateLimits>;
  readonly retryConfig?: Partial<RetryConfig>;
  readonly appEngineRoutingOverride?: AppEngineRouting;
  readonly httpTarget?: HttpTargetOverride;
  /** No patch reaches it: core/webhook-signing.ts changes it. */
  readonly webhookSigning?: WebhookSigning;
  readonly logSamplingRatio?: number;
  /** Without any email: nobody is named. */
  readonly acl?: QueueAcl;
  readonly taskTtlUs?: number;
  readonly tombstoneTtlUs?: number;
}

/**
 * A change of settings: the values, and the paths it sets. A named path without a value goes back
 * to its default.
 */
export interface SettingsPatch {
  readonly input: SettingsInput;
  /** Dotted paths into SettingsInput, e.g. `retryConfig.maxAttempts`; absent: everything. */
  readonly paths?: readonly string[];
}

/**
 * The settings of a new queue: what is given, and a default for everything else.
 * INVALID_ARGUMENT with the text of the first rule that is broken (errors.md §2).
 */
export function createSettings(
  input: SettingsInput,
  config: DeploymentConfig,
): Result<QueueSettings> {
  return settle(withoutUnset(input), config, true);
}

/**
 * The settings of a queue that a patch creates (queues.patch on a missing queue): as
 * createSettings, but fields outside the patch's paths are ignored, as a field mask asks.
 */
export function createSettingsFromPatch(
  patch: SettingsPatch,
  config: DeploymentConfig,
): Result<QueueSettings> {
  if (patch.paths === undefined) return createSettings(patch.input, config);
  const masked = applyPaths({}, patch.input, patch.paths);
  return masked.ok ? settle(masked.value, config, true) : masked;
}

/**
 * Changes settings. Without paths everything is replaced (type and lifetimes stay, they are settled
 * at creation; an acl stays that is not given, for most faces have no word for it); a named path
 * without a value goes back to its default. The result is checked whole.
 * INVALID_ARGUMENT: a broken rule, an unknown path, or another type or lifetime than the queue's.
 */
export function patchSettings(
  current: QueueSettings,
  patch: SettingsPatch,
  config: DeploymentConfig,
): Result<QueueSettings> {
  const frozen = {
    type: current.type,
    taskTtlUs: current.taskTtlUs,
    tombstoneTtlUs: current.tombstoneTtlUs,
  };
  const { webhookSigning } = current;
  const kept = webhookSigning === undefined ? frozen : { ...frozen, webhookSigning };
  if (patch.paths === undefined) {
    const input = withoutUnset({ ...keptAcl(current), ...patch.input });
    return checkFrozen(frozen, input) ?? settle({ ...input, ...kept }, config, false);
  }
  const merged = applyPaths(current, patch.input, patch.paths);
  if (!merged.ok) return merged;
  return checkFrozen(frozen, merged.value) ?? settle({ ...merged.value, ...kept }, config, false);
}

/**
 * A task's own retry settings, which replace its queue's as a whole: a default for what is missing.
 * INVALID_ARGUMENT with the text of the first rule that is broken.
 */
export function createRetryConfig(input: Partial<RetryConfig>): Result<RetryConfig> {
  const retryConfig = fillInRetryConfig(omitZeros(input, RETRY_ZEROS));
  const problem = retryConfigProblem(retryConfig);
  return problem === undefined ? ok(retryConfig) : fail("INVALID_ARGUMENT", problem);
}

/**
 * The burst of a queue whose owner chose none: its rate, but 10 at least and 100 at most, for that
 * is what the live service shows for default queues (1/s: 10, 500/s: 100). Where a deployment
 * allows more than 500/s the burst goes on as a fifth of the rate, which is 100 at 500/s.
 */
export function deriveBurstSize(maxDispatchesPerSecond: number): number {
  const { min, max } = DERIVED_BURST_SIZE;
  const usual = Math.min(Math.max(Math.ceil(maxDispatchesPerSecond), min), max);
  return Math.max(usual, Math.ceil(maxDispatchesPerSecond / 5));
}

// ---- Filling in ------------------------------------------------------------------------------

function settle(
  input: SettingsInput,
  config: DeploymentConfig,
  isNew: boolean,
): Result<QueueSettings> {
  const settings = fillIn(input, config);
  const problem = (isNew ? lifetimeProblem(input) : undefined) ?? settingsProblem(settings, config);
  return problem === undefined ? ok(settings) : fail("INVALID_ARGUMENT", problem);
}

function fillIn(input: SettingsInput, config: DeploymentConfig): QueueSettings {
  const { appEngineRoutingOverride, httpTarget, webhookSigning, logSamplingRatio } = input;
  const isPull = input.type === "PULL";
  return {
    type: input.type ?? "PUSH",
    rateLimits: fillInRateLimits(isPull ? {} : (input.rateLimits ?? {}), config),
    retryConfig: isPull
      ? fillInPullRetryConfig(input.retryConfig ?? {})
      : fillInRetryConfig(input.retryConfig ?? {}),
    ...(appEngineRoutingOverride === undefined ? {} : { appEngineRoutingOverride }),
    ...(httpTarget === undefined ? {} : { httpTarget: fillInHttpTarget(httpTarget) }),
    ...(webhookSigning === undefined ? {} : { webhookSigning }),
    ...(logSamplingRatio === undefined ? {} : { logSamplingRatio }),
    ...fillInAcl(input.acl),
    taskTtlUs: input.taskTtlUs ?? DEFAULT_TASK_TTL_US,
    tombstoneTtlUs: input.tombstoneTtlUs ?? config.taskTombstoneUs,
  };
}

/** Defaults never exceed what the deployment allows: a queue created with nothing set is valid. */
function fillInRateLimits(input: Partial<RateLimits>, config: DeploymentConfig): RateLimits {
  const rate =
    input.maxDispatchesPerSecond ??
    Math.min(DEFAULT_MAX_DISPATCHES_PER_SECOND, config.maxDispatchesPerSecond);
  const burst = input.maxBurstSize;
  return {
    maxDispatchesPerSecond: rate,
    // A negative burst is accepted and ignored (push.md §5).
    maxBurstSize: burst === undefined || burst < 0 ? deriveBurstSize(rate) : burst,
    maxConcurrentDispatches:
      input.maxConcurrentDispatches ??
      Math.min(DEFAULT_MAX_CONCURRENT_DISPATCHES, config.maxConcurrentDispatches),
  };
}

/**
 * Where one of the two backoffs is given and passes the other's default, the default moves: the
 * service "will pick the default" (discovery v2), and queue.yaml is documented to do it so
 * (push.md §11). Only two backoffs that were both chosen can contradict each other.
 */
function fillInRetryConfig(input: Partial<RetryConfig>): RetryConfig {
  const { minBackoffUs: min, maxBackoffUs: max } = input;
  return {
    maxAttempts: input.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    maxRetryDurationUs: input.maxRetryDurationUs ?? 0,
    minBackoffUs:
      min ?? Math.min(DEFAULT_MIN_BACKOFF_US, Math.max(max ?? DEFAULT_MAX_BACKOFF_US, 0)),
    maxBackoffUs: max ?? Math.max(DEFAULT_MAX_BACKOFF_US, min ?? 0),
    maxDoublings: input.maxDoublings ?? DEFAULT_MAX_DOUBLINGS,
  };
}

/**
 * Of a pull queue only the attempts are its owner's; the rest is output only (discovery v2beta2
 * RateLimits, RetryConfig). Without a number of its own its tasks may be leased without end, as App
 * Engine's may: no default ever deletes a task that workers keep failing on.
 */
function fillInPullRetryConfig({ maxAttempts }: Partial<RetryConfig>): RetryConfig {
  return fillInRetryConfig({ maxAttempts: maxAttempts ?? -1 });
}

/** Each email once; an acl that names nobody is none. */
function fillInAcl(acl: QueueAcl | undefined): Pick<SettingsInput, "acl"> {
  if (acl === undefined) return {};
  const userEmails = [...new Set(acl.userEmails)];
  const writerEmails = [...new Set(acl.writerEmails)];
  return userEmails.length + writerEmails.length === 0 ? {} : { acl: { userEmails, writerEmails } };
}

function keptAcl({ acl }: QueueSettings): Pick<SettingsInput, "acl"> {
  return acl === undefined ? {} : { acl };
}

function fillInHttpTarget(input: HttpTargetOverride): HttpTargetOverride {
  // A patch of single paths can make an override without a mode: ALWAYS is the default (push.md
  // §9).
  const override: Partial<UriOverride> | undefined = input.uriOverride;
  if (override === undefined || override.enforceMode !== undefined) return input;
  return { ...input, uriOverride: { ...override, enforceMode: "ALWAYS" } };
}

/** Takes out the zeros that proto3 writes for unset fields. */
function withoutUnset(input: SettingsInput, zeroDoublings = false): SettingsInput {
  const { rateLimits, retryConfig } = input;
  const zeros = zeroDoublings ? RETRY_ZEROS.slice(0, 1) : RETRY_ZEROS;
  return {
    ...input,
    ...(rateLimits === undefined ? {} : { rateLimits: omitZeros(rateLimits, RATE_ZEROS) }),
    ...(retryConfig === undefined ? {} : { retryConfig: omitZeros(retryConfig, zeros) }),
  };
}

const RATE_ZEROS = ["maxDispatchesPerSecond", "maxBurstSize", "maxConcurrentDispatches"] as const;
const RETRY_ZEROS = ["maxAttempts", "maxDoublings"] as const;

function omitZeros<T extends object>(part: T, fields: readonly (keyof T)[]): Partial<T> {
  const kept: Partial<T> = { ...part };
  for (const field of fields) {
    if (kept[field] === 0) delete kept[field];
  }
  return kept;
}

// ---- Patching --------------------------------------------------------------------------------

const PATHS: ReadonlySet<string> = new Set([
  "type",
  "taskTtlUs",
  "tombstoneTtlUs",
  "logSamplingRatio",
  "acl",
  ...branch("rateLimits", RATE_ZEROS),
  ...branch("retryConfig", [
    "maxAttempts",
    "maxRetryDurationUs",
    "minBackoffUs",
    "maxBackoffUs",
    "maxDoublings",
  ]),
  ...branch("appEngineRoutingOverride", ["service", "version", "instance", "host"]),
  ...branch("httpTarget", ["method", "headers", "token"]),
  ...branch("httpTarget.uriOverride", ["scheme", "host", "port", "path", "query", "enforceMode"]),
  // The two kinds of `token` under their names on the wire, so that a mask can name one of them.
  ...branch("httpTarget.oidcToken", ["serviceAccountEmail", "audience"]),
  ...branch("httpTarget.oauthToken", ["serviceAccountEmail", "scope"]),
]);

function branch(root: string, leaves: readonly string[]): readonly string[] {
  return [root, ...leaves.map((leaf) => `${root}.${leaf}`)];
}

type Tree = Readonly<Record<string, unknown>>;

/** Copies the named paths of the input over the settings; a path without a value is taken out. */
function applyPaths(
  current: SettingsInput,
  rawInput: SettingsInput,
  paths: readonly string[],
): Result<SettingsInput> {
  const unknown = paths.find((path) => !PATHS.has(path));
  if (unknown !== undefined)
    return fail("INVALID_ARGUMENT", `Unknown field mask path: "${unknown}".`);

  const input = withoutUnset(rawInput, paths.includes("retryConfig.maxDoublings"));
  let merged: Tree = { ...current };
  // A changed rate asks for a new burst, and a changed service for a new host, unless those are
  // given too.
  if (paths.some((path) => path.startsWith("rateLimits"))) {
    merged = overlay(merged, {}, ["rateLimits", "maxBurstSize"]);
  }
  if (paths.some((path) => path.startsWith("appEngineRoutingOverride"))) {
    merged = overlay(merged, {}, ["appEngineRoutingOverride", "host"]);
  }
  for (const path of paths) {
    const [kind, leaf] = tokenPath(path);
    merged =
      kind === undefined
        ? overlay(merged, input as Tree, path.split("."))
        : overlay(merged, tokenChange(merged, input, kind, leaf), ["httpTarget", "token"]);
  }
  return ok(merged as SettingsInput);
}

/** `target` with the value at `path` taken from `source`; branches that end up empty go away. */
function overlay(target: Tree, source: Tree, path: readonly string[]): Tree {
  const [head, ...rest] = path;
  if (head === undefined) return target;
  const value =
    rest.length === 0 ? source[head] : overlay(subtree(target, head), subtree(source, head), rest);
  const { [head]: _, ...others } = target;
  const isGone = value === undefined || (rest.length > 0 && isEmpty(value));
  return isGone ? others : { ...others, [head]: value };
}

function subtree(tree: Tree, key: string): Tree {
  const value = tree[key];
  return typeof value === "object" && value !== null ? (value as Tree) : {};
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function tokenPath(path: string): [kind?: AuthorizationToken["kind"], leaf?: string] {
  const [, kind, leaf] = /^httpTarget\.(oidc|oauth)Token(?:\.(\w+))?$/.exec(path) ?? [];
  if (kind !== "oidc" && kind !== "oauth") return [];
  return leaf === undefined ? [kind] : [kind, leaf];
}

/**
 * What a path of one token kind makes of the token; clearing the kind that is not there changes
 * nothing.
 */
function tokenChange(
  merged: Tree,
  input: SettingsInput,
  kind: AuthorizationToken["kind"],
  leaf: string | undefined,
): Tree {
  const current = subtree(subtree(merged, "httpTarget"), "token");
  const given: Tree = input.httpTarget?.token?.kind === kind ? { ...input.httpTarget.token } : {};
  const own = current["kind"] === kind ? current : {};
  const whole = leaf === undefined ? given : overlay(own, given, [leaf]);
  const next = isEmpty(whole) ? (isEmpty(own) ? current : {}) : { ...whole, kind };
  return isEmpty(next) ? {} : { httpTarget: { token: next } };
}

function checkFrozen(
  frozen: Required<Pick<SettingsInput, "type" | "taskTtlUs" | "tombstoneTtlUs">>,
  input: SettingsInput,
): Result<never> | undefined {
  for (const field of ["type", "taskTtlUs", "tombstoneTtlUs"] as const) {
    if (input[field] !== undefined && input[field] !== frozen[field]) {
      const name = field.replace(/Us$/, "");
      return fail(
        "INVALID_ARGUMENT",
        `Queue.${name} cannot be changed after the queue is created.`,
      );
    }
  }
  return undefined;
}
