/** What a task knows of itself; the parts that change are changed by its queue. */
import type { HeaderList } from "./header-list.ts";
import type { TaskRetryOptions } from "./retry-options.ts";
import type { OauthTokenOptions, OidcTokenOptions, TaskMethod } from "./task-options.ts";

export interface TaskState {
  readonly method: TaskMethod;
  readonly payload?: Uint8Array;
  readonly headers: HeaderList;
  /** With its query; absent: the queue's own path. A query alone belongs to the queue's own path. */
  readonly url?: string;
  readonly isAbsolute: boolean;
  /** Microseconds since the epoch; of a leased task the expiry of its lease. */
  etaUs: number;
  /** Whether an eta or a countdown was given; the queue's own clock says what now is. */
  readonly isTimed: boolean;
  name?: string;
  queueName?: string;
  readonly tag?: string;
  readonly target?: string;
  readonly retryOptions?: TaskRetryOptions;
  readonly dispatchDeadlineUs?: number;
  readonly oidcToken?: OidcTokenOptions;
  readonly oauthToken?: OauthTokenOptions;
  retryCount: number;
  wasEnqueued: boolean;
  wasDeleted: boolean;
}

/** Where a task keeps it. */
export const STATE: unique symbol = Symbol("state");
