/** What a task is made of, typed so that what excludes each other does not compile together. */
import type { HeadersInput } from "./header-list.ts";
import type { Params, Payload } from "./payload.ts";
import type { RetryOptions } from "./retry-options.ts";
import type { TimeInput } from "./time.ts";

/** PULL makes a task that workers lease; the others are HTTP methods of the webhook. */
export type TaskMethod = "POST" | "GET" | "HEAD" | "PUT" | "DELETE" | "PATCH" | "OPTIONS" | "PULL";

/** An identity token that the webhook gets as its bearer token. */
export interface OidcTokenOptions {
  readonly serviceAccountEmail: string;
  /** Whom the token is for; the URL of the task where it is not given. */
  readonly audience?: string | undefined;
}

/** An access token that the webhook gets as its bearer token. */
export interface OauthTokenOptions {
  readonly serviceAccountEmail: string;
  readonly scope?: string | undefined;
}

interface CommonOptions {
  /** 1 to 500 characters of A-Z a-z 0-9 _ -; the queue gives one where it is not given. */
  readonly name?: string | undefined;
}

type ScheduleOptions =
  | {
      /** Seconds from now at which it runs or may be leased. */
      readonly countdown?: number | undefined;
      readonly eta?: null | undefined;
    }
  | {
      /** When it runs or may be leased; a number is milliseconds since the epoch. */
      readonly eta?: TimeInput | null | undefined;
      readonly countdown?: undefined;
    };

interface PushOptions extends CommonOptions {
  /**
   * Where the task goes: a path of the app, or an http or https URL. The queue's own path,
   * `/_ah/queue/<queue>`, where it is not given.
   */
  readonly url?: string | undefined;
  readonly headers?: HeadersInput | undefined;
  readonly retryOptions?: RetryOptions | undefined;
  /** `[[instance.]version.]service` of the app; not together with a Host header. */
  readonly target?: string | undefined;
  /** Seconds in which the webhook must answer. */
  readonly dispatchDeadline?: number | undefined;
  /** For absolute URLs. */
  readonly oidcToken?: OidcTokenOptions | undefined;
  readonly oauthToken?: OauthTokenOptions | undefined;
  readonly tag?: undefined;
}

type PayloadOrParams =
  | { readonly payload?: Payload | undefined; readonly params?: undefined }
  | { readonly params?: Params | undefined; readonly payload?: undefined };

interface PostOptions extends PushOptions {
  readonly method?: "POST" | undefined;
}

/** POST, unless another method is named. */
export type PostTaskOptions = PostOptions & PayloadOrParams & ScheduleOptions;

/** A payload, and parameters that go into the query. */
export type PutTaskOptions = PushOptions & {
  readonly method: "PUT" | "PATCH";
  readonly payload?: Payload | undefined;
  readonly params?: Params | undefined;
} & ScheduleOptions;

/** Parameters go into the query; there is no payload. */
export type GetTaskOptions = PushOptions & {
  readonly method: "GET" | "HEAD" | "DELETE" | "OPTIONS";
  readonly params?: Params | undefined;
  readonly payload?: undefined;
} & ScheduleOptions;

type RequiredPayloadOrParams =
  | { readonly payload: Payload; readonly params?: undefined }
  | { readonly params: Params; readonly payload?: undefined };

interface PullOptions extends CommonOptions {
  readonly method: "PULL";
  /** Groups tasks for leasing; at most 500 characters. */
  readonly tag?: string | undefined;
  readonly retryOptions?:
    | {
        readonly taskRetryLimit?: number | undefined;
        readonly taskAgeLimit?: undefined;
        readonly minBackoffSeconds?: undefined;
        readonly maxBackoffSeconds?: undefined;
        readonly maxDoublings?: undefined;
      }
    | undefined;
  readonly url?: undefined;
  readonly headers?: undefined;
  readonly target?: undefined;
  readonly dispatchDeadline?: undefined;
  readonly oidcToken?: undefined;
  readonly oauthToken?: undefined;
}

/** A task that a worker leases. */
export type PullTaskOptions = PullOptions & RequiredPayloadOrParams & ScheduleOptions;

export type TaskOptions = PostTaskOptions | PutTaskOptions | GetTaskOptions | PullTaskOptions;

/** All options side by side, as the rules look at them. */
export interface AnyTaskOptions extends Omit<PushOptions, "tag"> {
  readonly method?: TaskMethod | undefined;
  readonly payload?: Payload | null | undefined;
  readonly params?: Params | null | undefined;
  readonly countdown?: number | null | undefined;
  readonly eta?: TimeInput | null | undefined;
  readonly tag?: string | undefined;
}
