/** The bounds that are checked before anything is sent (rpc.md §6, limits.md). */

/** Bytes of a push task with a relative URL: method, payload, URL and headers. */
export const MAX_PUSH_TASK_SIZE_BYTES = 102_400;
/** Bytes of a pull task. */
export const MAX_PULL_TASK_SIZE_BYTES = 1_048_576;
/** Bytes of a task with an absolute URL. */
export const MAX_HTTP_TASK_SIZE_BYTES = 1_048_569;
/** Tasks of one `add`. */
export const MAX_TASKS_PER_ADD = 100;
/** Bytes of one `add` in a transaction. */
export const MAX_TRANSACTIONAL_REQUEST_SIZE_BYTES = 1_048_576;
/** Characters of a URL. */
export const MAX_URL_LENGTH = 2083;
/** Tasks of one lease. */
export const MAX_TASKS_PER_LEASE = 1000;
/** Seconds that a lease waits for tasks. */
export const MAX_WAIT_SECONDS = 60;
/** Characters of a tag. */
export const MAX_TAG_LENGTH = 500;
/** Seconds of a lease: a week. */
export const MAX_LEASE_SECONDS = 604_800;
/** Seconds from now to the furthest ETA: 30 days. */
export const MAX_COUNTDOWN_SECONDS = 2_592_000;
/** Seconds of a dispatch deadline. */
export const MIN_DISPATCH_DEADLINE_SECONDS = 15;
/** Seconds of a dispatch deadline, for a relative URL: 24 h. */
export const MAX_DISPATCH_DEADLINE_SECONDS = 86_400;
/** Seconds of a dispatch deadline, for an absolute URL: 30 min. */
export const MAX_HTTP_DISPATCH_DEADLINE_SECONDS = 1800;
/** Names in one request to delete, and leases in one to renew or acknowledge. */
export const MAX_NAMES_PER_REQUEST = 1000;
/** Bytes of tasks in one request; the server takes more, memory on the way may not. */
export const MAX_REQUEST_SIZE_BYTES = 8_388_608;

export const TASK_NAME_PATTERN = /^[a-zA-Z0-9_-]{1,500}$/;
export const QUEUE_NAME_PATTERN = /^[a-zA-Z0-9-]{1,100}$/;
