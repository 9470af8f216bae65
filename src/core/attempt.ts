/** What passes between a queue and the dispatcher: attempts to make, and what came of them. */
import type {
  AppEngineRouting,
  EncodedMeta,
  HttpTargetOverride,
  QueueName,
  WebhookSigning,
} from "./model.ts";

/** Names one attempt of one task. The lease is this triple: a report with another one changes nothing. */
export interface AttemptKey {
  readonly scheduleTimeUs: number;
  readonly sequence: number;
  /** 1 for the first attempt. */
  readonly attempt: number;
}

/** One attempt to be made. */
export interface AttemptOrder extends AttemptKey {
  readonly taskId: string;
  readonly meta: EncodedMeta;
  readonly body?: Uint8Array;
  /** What earlier attempts came to; absent on the first. */
  readonly history?: AttemptHistory;
}

/** What the headers of a retry tell about the attempts before it (push.md §1). */
export interface AttemptHistory {
  /** Responses that were not 5xx: ExecutionCount of HTTP targets. */
  readonly executedResponses: number;
  /** Responses of any status: ExecutionCount of App Engine targets. */
  readonly responses: number;
  /** How the attempt before ended. */
  readonly previous: AttemptEnd;
}

/**
 * How an attempt ended: with a response of some status; past its deadline; without any connection or
 * answer; refused here, before anything was sent; or lost with the machine that ran it.
 */
export type AttemptEnd =
  | { readonly kind: "response"; readonly status: number }
  | { readonly kind: "timeout" }
  | { readonly kind: "unreachable"; readonly message: string }
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "lost" };

/** What the dispatcher reports of an attempt it ended. */
export interface AttemptOutcome extends AttemptKey {
  readonly end: Exclude<AttemptEnd, { kind: "lost" }>;
  /** From the response's Retry-After header: how long to wait at least. */
  readonly retryAfterUs?: number;
}

/** What every attempt of a lane has in common: the queue and its overrides. */
export interface LaneContext {
  readonly queue: QueueName;
  readonly lane: number;
  readonly incarnation: string;
  readonly httpTarget?: HttpTargetOverride;
  readonly appEngineRoutingOverride?: AppEngineRouting;
  /** Absent: attempts are not signed. */
  readonly webhookSigning?: Omit<WebhookSigning, "enabled">;
}

/** The dispatcher as the queue's object sees it. */
export interface DispatchService {
  /**
   * Runs a lane: makes the attempts, reports each outcome to the queue by name, takes further
   * attempts from the answers, and ends when nothing is running and nothing more is given.
   */
  run(context: LaneContext, orders: readonly AttemptOrder[]): Promise<void>;
}
