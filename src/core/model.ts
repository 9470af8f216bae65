/**
 * The nouns of the domain, as plain readonly data. Every time is integer microseconds since the
 * epoch (suffix `Us`), every duration integer microseconds; both are exact in a JS number.
 */

/** The HTTP methods of Cloud Tasks, in the numeric order of the enum google.cloud.tasks.v2.HttpMethod. */
export const HTTP_METHODS = [
  "HTTP_METHOD_UNSPECIFIED",
  "POST",
  "GET",
  "HEAD",
  "PUT",
  "DELETE",
  "PATCH",
  "OPTIONS",
] as const;
export type HttpMethod = Exclude<(typeof HTTP_METHODS)[number], "HTTP_METHOD_UNSPECIFIED">;

/** In the numeric order of the enum Queue.State. */
export const QUEUE_STATES = ["STATE_UNSPECIFIED", "RUNNING", "PAUSED", "DISABLED"] as const;
export type QueueState = Exclude<(typeof QUEUE_STATES)[number], "STATE_UNSPECIFIED">;

/** The parts of a queue's resource name. */
export interface QueueName {
  readonly project: string;
  readonly location: string;
  readonly queue: string;
}

/** Token bucket and concurrency of a queue (discovery v2 RateLimits). Tasks per second, tasks, tasks. */
export interface RateLimits {
  readonly maxDispatchesPerSecond: number;
  readonly maxBurstSize: number;
  readonly maxConcurrentDispatches: number;
}

/** Retry settings (discovery v2 RetryConfig). -1 attempts: unlimited; 0 duration: unlimited. */
export interface RetryConfig {
  readonly maxAttempts: number;
  readonly maxRetryDurationUs: number;
  readonly minBackoffUs: number;
  readonly maxBackoffUs: number;
  readonly maxDoublings: number;
}

/** App Engine routing of a task or a queue's override of it. */
export interface AppEngineRouting {
  readonly service?: string;
  readonly version?: string;
  readonly instance?: string;
  /** Output only: the host the task is sent to. */
  readonly host?: string;
}

export interface UriOverride {
  readonly scheme?: "HTTP" | "HTTPS";
  readonly host?: string;
  /** 0 clears the port. */
  readonly port?: number;
  /** "" clears the path. */
  readonly path?: string;
  /** "" clears the query. */
  readonly query?: string;
  readonly enforceMode: "IF_NOT_EXISTS" | "ALWAYS";
}

/** Asks for an identity or access token in the Authorization header of an attempt. */
export type AuthorizationToken =
  | { readonly kind: "oidc"; readonly serviceAccountEmail: string; readonly audience?: string }
  | { readonly kind: "oauth"; readonly serviceAccountEmail: string; readonly scope?: string };

/** Queue-level HTTP target: what it sets overrides every HTTP task of the queue. */
export interface HttpTargetOverride {
  readonly uriOverride?: UriOverride;
  readonly method?: HttpMethod;
  /** In the order given; applied when a task is created. */
  readonly headers?: readonly { readonly key: string; readonly value: string }[];
  readonly token?: AuthorizationToken;
}

/** Who may use a pull queue, by the emails of accounts, each once and in the order given. */
export interface QueueAcl {
  /** May list, get, lease, delete and update tasks. */
  readonly userEmails: readonly string[];
  /** May insert tasks. */
  readonly writerEmails: readonly string[];
}

/**
 * How a queue's webhooks are signed. A generation names one of the secrets the queue ever had: the
 * time it was made, microseconds, or 0. The secrets themselves are derived, and stored nowhere.
 */
export interface WebhookSigning {
  readonly enabled: boolean;
  readonly generation: number;
  /** The secret before, which signs along until then, microseconds. */
  readonly previous?: { readonly generation: number; readonly untilUs: number };
}

/** Everything about a queue that its owner sets. Always whole: defaults are filled in. */
export interface QueueSettings {
  readonly type: "PUSH" | "PULL";
  readonly rateLimits: RateLimits;
  readonly retryConfig: RetryConfig;
  readonly appEngineRoutingOverride?: AppEngineRouting;
  readonly httpTarget?: HttpTargetOverride;
  /** Absent: on, with generation 0. */
  readonly webhookSigning?: WebhookSigning;
  /** Fraction of operations logged, 0..1; absent: the queue never had a logging config. */
  readonly logSamplingRatio?: number;
  /** Absent: nobody is named. Of pull queues alone. */
  readonly acl?: QueueAcl;
  /** How long a task may live, from its creation. */
  readonly taskTtlUs: number;
  /** How long a name stays taken after its task is gone. */
  readonly tombstoneTtlUs: number;
}

/** A queue as its object knows it. */
export interface QueueRecord {
  readonly name: QueueName;
  readonly settings: QueueSettings;
  readonly state: QueueState;
  readonly purgeTimeUs?: number;
}

/** What an attempt of a task does. The body travels apart from it, see TaskSpec. */
export type TaskTarget =
  | {
      readonly kind: "http";
      readonly url: string;
      readonly method: HttpMethod;
      readonly headers: Readonly<Record<string, string>>;
      readonly token?: AuthorizationToken;
    }
  | {
      readonly kind: "appEngine";
      readonly relativeUri: string;
      readonly method: HttpMethod;
      readonly headers: Readonly<Record<string, string>>;
      readonly routing?: AppEngineRouting;
      /** App Engine's FailFast mark: the header X-AppEngine-FailFast is sent. */
      readonly failFast?: boolean;
    }
  | { readonly kind: "pull" };

/** The settled part of a task: fixed when it is created, opaque to the queue's engine. */
export interface TaskMeta {
  readonly target: TaskTarget;
  /** Absent: the default of the target's kind. */
  readonly dispatchDeadlineUs?: number;
  /** A task's own retry settings; they replace the queue's as a whole. */
  readonly retryConfig?: RetryConfig;
}

declare const encodedMeta: unique symbol;
/** A TaskMeta as the JSON text that is stored and sent to the dispatcher, so that nobody between re-reads it. */
export type EncodedMeta = string & { readonly [encodedMeta]: true };

/** Encodes once, at the face that parsed the request. */
export function encodeMeta(meta: TaskMeta): EncodedMeta {
  return JSON.stringify(meta) as EncodedMeta;
}

/** Decodes what encodeMeta made. */
export function decodeMeta(encoded: EncodedMeta): TaskMeta {
  return JSON.parse(encoded) as TaskMeta;
}

/** A task to be created, as a face hands it to the queue's object. */
export interface TaskSpec {
  /** Chosen by the caller; absent: the queue gives a numeric one. */
  readonly id?: string;
  /** Absent or in the past: now. */
  readonly scheduleTimeUs?: number;
  readonly meta: EncodedMeta;
  /** The body of the attempt's request, or the payload of a pull task. */
  readonly body?: Uint8Array;
  /** Pull tasks only. */
  readonly tag?: string;
  /**
   * The type of queue it is for, where the face minds: another refuses it with INVALID_ARGUMENT.
   * Absent: any, since a pull queue converts what is not a pull task when it is leased.
   */
  readonly queueType?: QueueSettings["type"];
  /**
   * True: a schedule time in the past is kept in a pull queue, whose tasks are leased in the order of
   * their times (rpc.md §7). Cloud Tasks makes it now.
   */
  readonly keepsPast?: boolean;
}

/** A TaskSpec in parts, see partsOf. */
export type TaskParts = readonly [
  meta: EncodedMeta,
  scheduleTimeUs: number | undefined,
  id: string | undefined,
  body: Uint8Array | undefined,
  tag: string | undefined,
  queueType: TaskSpec["queueType"],
  keepsPast: TaskSpec["keepsPast"],
];

/**
 * A spec in parts, as it travels to the queue's object: plain values cost a call between objects
 * about a twentieth less than an object that holds them, and single creates are what there is most of.
 */
export function partsOf(spec: TaskSpec): TaskParts {
  const { meta, scheduleTimeUs, id, body, tag, queueType, keepsPast } = spec;
  return [meta, scheduleTimeUs, id, body, tag, queueType, keepsPast];
}

/** The spec that partsOf took apart. */
export function specOf([
  meta,
  scheduleTimeUs,
  id,
  body,
  tag,
  queueType,
  keepsPast,
]: TaskParts): TaskSpec {
  return {
    meta,
    ...(scheduleTimeUs === undefined ? {} : { scheduleTimeUs }),
    ...(id === undefined ? {} : { id }),
    ...(body === undefined ? {} : { body }),
    ...(tag === undefined ? {} : { tag }),
    ...(queueType === undefined ? {} : { queueType }),
    ...(keepsPast === undefined ? {} : { keepsPast }),
  };
}

/** One delivery, as Task.firstAttempt and Task.lastAttempt show it. */
export interface AttemptRecord {
  readonly scheduleTimeUs: number;
  readonly dispatchTimeUs: number;
  /** Absent while the attempt runs or when it got lost. */
  readonly responseTimeUs?: number;
  /** google.rpc.Status of the answer; present with responseTimeUs. */
  readonly status?: { readonly code: number; readonly message: string };
}

/** What the queue answers for a task that it just stored. */
export interface CreatedTask {
  readonly id: string;
  readonly scheduleTimeUs: number;
  readonly createTimeUs: number;
  /** Present only where queue-level settings changed what the caller sent. */
  readonly meta?: EncodedMeta;
}

/** A stored task, read back. */
export interface TaskRecord {
  readonly id: string;
  readonly scheduleTimeUs: number;
  readonly createTimeUs: number;
  readonly meta: EncodedMeta;
  /** Present only where it was asked for (FULL view). */
  readonly body?: Uint8Array;
  readonly tag?: string;
  /** Attempts dispatched, the running one included. */
  readonly dispatchCount: number;
  /** Attempts that got a response. */
  readonly responseCount: number;
  readonly firstAttempt?: { readonly dispatchTimeUs: number };
  readonly lastAttempt?: AttemptRecord;
}

/** A place in the queue's order from which a list goes on. */
export interface ListCursor {
  readonly scheduleTimeUs: number;
  readonly sequence: number;
}

/** A long-running operation's record; tasks:batchCreate and batchDelete finish before they answer. */
export interface OperationRecord {
  /** Number of the operation within its queue. */
  readonly number: number;
  readonly kind: "batchCreate" | "batchDelete";
  readonly createTimeUs: number;
  /** The face's own JSON text of metadata and response, kept as it was. */
  readonly body: string;
}
