/**
 * The client of edgetasks: App Engine's Task and Queue for Workers, Node, Deno, Bun and browsers, and
 * what workers and webhooks need. It has no dependencies and no global state.
 */
export {
  type Binding,
  type CallOptions,
  Connection,
  type ConnectionOptions,
  type Fetch,
  type RetrySettings,
} from "./connection.ts";
export type { ServiceAccountKey } from "./credentials.ts";
export * from "./errors.ts";
export type { HeadersInput } from "./header-list.ts";
export { type OidcOptions, verifyOidc } from "./oidc.ts";
export type { Params, Payload } from "./payload.ts";
export { type PullContext, type PullWorkerOptions, pullWorker } from "./pull-worker.ts";
export { Queue } from "./queue.ts";
export type { LeaseOptions, ListOptions, QueueInfo } from "./queue-options.ts";
export { type RetryOptions, TaskRetryOptions } from "./retry-options.ts";
export {
  MemorySeenIds,
  type SeenIds,
  type SignatureOptions,
  verifySignature,
} from "./signature.ts";
export { QueueStatistics } from "./statistics.ts";
export { type ReadablePayload, type ReadableTaskOptions, Task } from "./task.ts";
export {
  DiscardTask,
  RetryTask,
  type TaskFunction,
  type TaskHandlerOptions,
  taskHandler,
  type Verdict,
  type Verifier,
} from "./task-handler.ts";
export type {
  GetTaskOptions,
  OauthTokenOptions,
  OidcTokenOptions,
  PostTaskOptions,
  PullTaskOptions,
  PutTaskOptions,
  TaskMethod,
  TaskOptions,
} from "./task-options.ts";
export type { TaskRequest, Trust } from "./task-request.ts";
export type { TimeInput } from "./time.ts";
export type { AddOptions, Transaction, TransactionOptions } from "./transaction.ts";
