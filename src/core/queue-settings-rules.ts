/**
 * What settings a queue may have. Each rule yields the text of its refusal; the texts recorded from
 * the live service (errors.md §2) are kept to the letter, and the rest are worded like them.
 */
import type { DeploymentConfig } from "./config.ts";
import {
  MAX_ACL_EMAILS,
  MAX_BURST_SIZE,
  MAX_DURATION_US,
  MAX_EMAIL_LENGTH,
  MAX_HEADERS_SIZE,
  MAX_INT32,
  MAX_PORT,
  MAX_URL_LENGTH,
  TASK_TTL_US,
  TOMBSTONE_TTL_US,
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
} from "./model.ts";

/** The first rule that whole settings break, as a text for the caller; undefined when none. */
export function settingsProblem(
  settings: QueueSettings,
  config: DeploymentConfig,
): string | undefined {
  return firstOf(settingsProblems(settings, config));
}

/** The rule that retry settings break (of a queue, or of a task that has its own). */
export function retryConfigProblem(retryConfig: RetryConfig): string | undefined {
  return firstOf(retryConfigProblems(retryConfig));
}

/**
 * The rule that chosen lifetimes break. Only chosen ones: the deployment's default for tombstones
 * may lie outside the range, and a stored lifetime was checked when it was chosen.
 */
export function lifetimeProblem(chosen: {
  readonly taskTtlUs?: number;
  readonly tombstoneTtlUs?: number;
}): string | undefined {
  return firstOf(lifetimeProblems(chosen));
}

function firstOf(problems: Iterable<string>): string | undefined {
  for (const problem of problems) return problem;
  return undefined;
}

function* settingsProblems(settings: QueueSettings, config: DeploymentConfig): Iterable<string> {
  yield* rateLimitsProblems(settings.rateLimits, config);
  yield* retryConfigProblems(settings.retryConfig);
  const { logSamplingRatio, httpTarget, appEngineRoutingOverride, acl } = settings;
  if (settings.type === "PULL" && (httpTarget ?? appEngineRoutingOverride) !== undefined) {
    yield "A pull queue cannot have a target: nothing is sent from it.";
  }
  if (logSamplingRatio !== undefined && !(logSamplingRatio >= 0 && logSamplingRatio <= 1)) {
    yield "StackdriverLoggingConfig.samplingRatio must be between [0.0, 1.0].";
  }
  if (httpTarget !== undefined) yield* httpTargetProblems(httpTarget);
  if (appEngineRoutingOverride !== undefined) yield* routingProblems(appEngineRoutingOverride);
  if (acl === undefined) return;
  if (settings.type === "PUSH") yield "Queue.acl can be set for a pull queue only.";
  yield* aclProblems(acl);
}

// Comparisons are written so that NaN, which protobuf's JSON can carry, fails them.

function* rateLimitsProblems(limits: RateLimits, config: DeploymentConfig): Iterable<string> {
  const { maxDispatchesPerSecond, maxConcurrentDispatches, maxBurstSize } = limits;
  yield* rangeProblems(
    "RateLimits.maxDispatchesPerSecond",
    maxDispatchesPerSecond,
    config.maxDispatchesPerSecond,
  );
  yield* countProblems(
    "RateLimits.maxConcurrentDispatches",
    maxConcurrentDispatches,
    config.maxConcurrentDispatches,
  );
  // A derived burst passes 500 only where the deployment raised the rate far above it.
  const maxBurst = Math.max(MAX_BURST_SIZE, Math.ceil(maxDispatchesPerSecond / 5));
  yield* countProblems("RateLimits.maxBurstSize", maxBurstSize, maxBurst);
}

function* retryConfigProblems(retry: RetryConfig): Iterable<string> {
  if (!(retry.maxAttempts >= -1)) yield "RetryConfig.maxAttempts must be greater or equal to -1.";
  if (retry.maxAttempts !== -1) {
    yield* countProblems("RetryConfig.maxAttempts", retry.maxAttempts, MAX_INT32);
  }
  yield* countProblems("RetryConfig.maxDoublings", retry.maxDoublings, MAX_INT32);
  yield* durationProblems("RetryConfig.minBackoff", retry.minBackoffUs);
  yield* durationProblems("RetryConfig.maxBackoff", retry.maxBackoffUs);
  yield* durationProblems("RetryConfig.maxRetryDuration", retry.maxRetryDurationUs);
  if (retry.minBackoffUs > retry.maxBackoffUs) {
    yield "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.";
  }
}

function* lifetimeProblems(chosen: {
  readonly taskTtlUs?: number;
  readonly tombstoneTtlUs?: number;
}): Iterable<string> {
  if (!isWithin(chosen.taskTtlUs, TASK_TTL_US)) {
    yield "Queue.taskTtl must be between [240h, 87600h].";
  }
  if (!isWithin(chosen.tombstoneTtlUs, TOMBSTONE_TTL_US)) {
    yield "Queue.tombstoneTtl must be between [1h, 216h].";
  }
}

function isWithin(
  value: number | undefined,
  range: { readonly min: number; readonly max: number },
): boolean {
  return value === undefined || (value >= range.min && value <= range.max);
}

function* httpTargetProblems(target: HttpTargetOverride): Iterable<string> {
  if (target.uriOverride !== undefined) yield* uriOverrideProblems(target.uriOverride);
  if (target.headers !== undefined) yield* headerProblems(target.headers);
  if (target.token !== undefined) yield* tokenProblems(target.token);
}

function* uriOverrideProblems(uri: UriOverride): Iterable<string> {
  if (uri.host === "") yield "UriOverride.host cannot be empty.";
  if (uri.port !== undefined) yield* countProblems("UriOverride.port", uri.port, MAX_PORT);
  yield* lengthProblems("UriOverride.host", uri.host);
  yield* lengthProblems("UriOverride.pathOverride.path", uri.path);
  yield* lengthProblems("UriOverride.queryOverride.queryParams", uri.query);
}

/**
 * A header's name is an RFC 9110 token; its value has no line break, so that it cannot add headers.
 */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const HEADER_VALUE_BREAK = /[\0\r\n]/;

function* headerProblems(
  headers: readonly { readonly key: string; readonly value: string }[],
): Iterable<string> {
  const encoder = new TextEncoder();
  let size = 0;
  for (const { key, value } of headers) {
    if (!HEADER_NAME.test(key)) {
      yield `HttpTarget.headerOverrides has an invalid header name: ${JSON.stringify(key)}.`;
    }
    if (HEADER_VALUE_BREAK.test(value)) {
      yield `HttpTarget.headerOverrides has an invalid value for the header ${key}.`;
    }
    size += encoder.encode(key).length + encoder.encode(value).length;
  }
  if (size >= MAX_HEADERS_SIZE) yield "HttpTarget.headerOverrides must be less than 80KB in total.";
}

/** On a queue, unlike on a task, nothing of a token has a default (push.md §8). */
function* tokenProblems(token: AuthorizationToken): Iterable<string> {
  const name = token.kind === "oidc" ? "HttpTarget.oidcToken" : "HttpTarget.oauthToken";
  const [field, value] =
    token.kind === "oidc" ? ["audience", token.audience] : ["scope", token.scope];
  if (!token.serviceAccountEmail) yield `${name}.serviceAccountEmail is required.`;
  if (!value) yield `${name}.${field} is required.`;
  yield* lengthProblems(`${name}.serviceAccountEmail`, token.serviceAccountEmail);
  yield* lengthProblems(`${name}.${field}`, value);
}

function* routingProblems(routing: AppEngineRouting): Iterable<string> {
  for (const field of ["service", "version", "instance", "host"] as const) {
    yield* lengthProblems(`AppEngineRouting.${field}`, routing[field]);
  }
}

const EMAIL = /^[\x21-\x7e\p{L}\p{M}\p{N}]+$/u;

/** Whether a text can name an account: no blanks, no control characters, not too long. */
export function isEmail(text: string): boolean {
  return text.length <= MAX_EMAIL_LENGTH && EMAIL.test(text);
}

function* aclProblems({ userEmails, writerEmails }: QueueAcl): Iterable<string> {
  const lists = { userEmails, writerEmails };
  for (const [name, emails] of Object.entries(lists)) {
    if (emails.length > MAX_ACL_EMAILS) {
      yield `Queue.acl.${name} must be no more than ${MAX_ACL_EMAILS} emails.`;
    }
    if (!emails.every(isEmail)) {
      yield `Queue.acl.${name} must be emails of at most ${MAX_EMAIL_LENGTH} characters.`;
    }
  }
}

function* rangeProblems(name: string, value: number, max: number): Iterable<string> {
  if (value < 0) yield `${name} cannot be negative.`;
  if (!(value <= max)) yield `${name} must be less than or equal to ${max}.`;
}

function* countProblems(name: string, value: number, max: number): Iterable<string> {
  yield* rangeProblems(name, value, max);
  if (!Number.isInteger(value)) yield `${name} must be an integer.`;
}

function* durationProblems(name: string, valueUs: number): Iterable<string> {
  if (valueUs < 0) yield `${name} cannot be negative.`;
  if (!(valueUs <= MAX_DURATION_US)) {
    yield `${name} must be less than or equal to ${MAX_DURATION_US / 1e6}s.`;
  }
}

function* lengthProblems(name: string, value: string | undefined): Iterable<string> {
  if (value !== undefined && value.length > MAX_URL_LENGTH) {
    yield `${name} must be no longer than ${MAX_URL_LENGTH} characters.`;
  }
}
