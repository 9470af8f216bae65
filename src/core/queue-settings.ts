/** Settings of a queue: defaults, patches by field mask, and the rules every face shares. */
import type { DeploymentConfig } from "./config.ts";
import type {
  AppEngineRouting,
  HttpTargetOverride,
  QueueSettings,
  RateLimits,
  RetryConfig,
} from "./model.ts";
import type { Result } from "./result.ts";

/** Settings as a caller gives them: every part may be missing. */
export interface SettingsInput {
  readonly type?: QueueSettings["type"];
  readonly rateLimits?: Partial<RateLimits>;
  readonly retryConfig?: Partial<RetryConfig>;
  readonly appEngineRoutingOverride?: AppEngineRouting;
  readonly httpTarget?: HttpTargetOverride;
  readonly logSamplingRatio?: number;
  readonly taskTtlUs?: number;
  readonly tombstoneTtlUs?: number;
}

/** A change of settings: the values, and the paths it sets. A named path without a value goes back to its default. */
export interface SettingsPatch {
  readonly input: SettingsInput;
  /** Dotted paths into SettingsInput, e.g. `retryConfig.maxAttempts`; absent: everything. */
  readonly paths?: readonly string[];
}

export declare function createSettings(
  input: SettingsInput,
  config: DeploymentConfig,
): Result<QueueSettings>;
export declare function patchSettings(
  current: QueueSettings,
  patch: SettingsPatch,
  config: DeploymentConfig,
): Result<QueueSettings>;
