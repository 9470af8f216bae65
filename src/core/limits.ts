/**
 * Every bound of the service, once, with its reason. Sizes in bytes, times in microseconds (`_US`),
 * unless the name says otherwise. Bounds that a deployment may change are settings (config.ts).
 */

const SECOND_US = 1_000_000;
const HOUR_US = 3600 * SECOND_US;
const DAY_US = 24 * HOUR_US;

// ---- Queue settings --------------------------------------------------------------------------

/** Rate of a queue without one; the live service shows it for default queues (push.md §5). */
export const DEFAULT_MAX_DISPATCHES_PER_SECOND = 500;
/** Concurrency of a queue without one (push.md §5). */
export const DEFAULT_MAX_CONCURRENT_DISPATCHES = 1000;
/** Attempts of a task when the queue says nothing, the first included (push.md §5). */
export const DEFAULT_MAX_ATTEMPTS = 100;
/** First retry delay when the queue says nothing (push.md §5). */
export const DEFAULT_MIN_BACKOFF_US = SECOND_US / 10;
/** Longest retry delay when the queue says nothing (push.md §5). */
export const DEFAULT_MAX_BACKOFF_US = 3600 * SECOND_US;
/** Doublings of the retry delay when the queue says nothing (push.md §5). */
export const DEFAULT_MAX_DOUBLINGS = 16;
/** How long a task may live by default (limits.md §3: 31 days). */
export const DEFAULT_TASK_TTL_US = 31 * DAY_US;

/** The largest burst a caller may choose, in the faces where it may be chosen (v2beta2). */
export const MAX_BURST_SIZE = 500;
/** The range of a derived burst: what the live service shows for 1/s and for 500/s. */
export const DERIVED_BURST_SIZE = { min: 10, max: 100 } as const;
/** int32 on the wire: attempts, doublings and concurrency. */
export const MAX_INT32 = 2 ** 31 - 1;
/** The longest duration kept: exact as a JS number of microseconds; about 285 years. */
export const MAX_DURATION_US = 9e15;
/** Task lifetimes that may be chosen (limits.md §3, v2beta3: 10 days to 10 years). */
export const TASK_TTL_US = { min: 10 * DAY_US, max: 3650 * DAY_US } as const;
/** Lives of a task name's tombstone that may be chosen (limits.md §3, v2beta3: 1 h to 9 days). */
export const TOMBSTONE_TTL_US = { min: HOUR_US, max: 9 * DAY_US } as const;

/**
 * All headers of a task, and all header overrides of a queue, stay below it (limits.md §1: 80 KB).
 */
export const MAX_HEADERS_SIZE = 80 * 1024;
/** Longest URL, relative URI, or part that replaces one, in characters (limits.md §1). */
export const MAX_URL_LENGTH = 2083;
/** Highest TCP port. */
export const MAX_PORT = 65_535;

/** Emails in each list of a queue's acl: its record stays small. */
export const MAX_ACL_EMAILS = 500;
/** Longest email, in characters (RFC 5321: 64 for the account, 255 for the domain). */
export const MAX_EMAIL_LENGTH = 320;

// ---- Catalogue -------------------------------------------------------------------------------

/** Queues listed in a page, at most (limits.md §4). */
export const MAX_QUEUES_PER_PAGE = 9800;
/**
 * A page of queues ends before its records pass this (UTF-16 units of JSON): an RPC answer holds 32
 * MiB.
 */
export const MAX_QUEUES_PAGE_SIZE = 8_000_000;
/**
 * Queues in a project and location. Google starts with 1000 and raises it on request (limits.md
 * §4); here it only keeps one catalogue within an object's means.
 */
export const MAX_QUEUES_PER_LOCATION = 10_000;
/** When a step that was begun on a queue is looked at again if nobody reported its end. */
export const CATALOGUE_STEP_GRACE_US = 10 * SECOND_US;
/** Between tries of a step that failed: doubling from the first to the last. */
export const CATALOGUE_RETRY_US = { first: SECOND_US, last: 300 * SECOND_US } as const;
/**
 * Calls to queue objects that one catalogue makes at a time when it catches up (platform.md §1: 6).
 */
export const CATALOGUE_CONCURRENCY = 6;
/** Unfinished steps taken up in one alarm; the rest has the next one at once. */
export const CATALOGUE_STEPS_PER_ALARM = 100;
/** An alarm waits no longer than this for queue objects (platform.md §1: 15 min at most). */
export const CATALOGUE_ALARM_US = 60 * SECOND_US;
/** Tombstones deleted in one alarm: bounded work. */
export const TOMBSTONES_PER_SWEEP = 1000;
/** Ended tombstones may stay this much longer, so that one alarm sweeps many. */
export const TOMBSTONE_SWEEP_DELAY_US = HOUR_US;

// ---- Dispatch --------------------------------------------------------------------------------

/** Deadline of an attempt that names none; as App Engine's automatic scaling (push.md §3). */
export const DEFAULT_DISPATCH_DEADLINE_US = 600 * SECOND_US;
/** A longer Retry-After is cut to the longest default backoff: no answer parks a task for days. */
export const MAX_RETRY_AFTER_US = 3600 * SECOND_US;
/** A lane takes no more attempts after this: a restart of the code then finds few old calls. */
export const LANE_LIFE_MS = 30_000;
/**
 * Attempts of a lane; with a report and a signed token each they stay below the platform's 10,000
 * subrequests. No fewer: a lane that took its last one while a long one runs keeps its other places
 * empty till that ends, so where lanes go by quickly a few long attempts could fill all of them.
 */
export const LANE_ATTEMPTS = 3000;
/**
 * How long a lane with free places waits for an attempt to end before it offers them in a report of
 * its own: attempts that end sooner cost no second call.
 */
export const LANE_OFFER_MS = 50;
/** Pauses before an unanswered report is sent again; the last one repeats. */
export const REPORT_RETRIES_MS = [50, 200, 1000, 2000, 5000] as const;
/** An outcome that could not be reported for so long is given up: its lease is about to expire. */
export const REPORT_PATIENCE_MS = 25_000;
/** Longest text of a failure that is kept with an attempt, in characters. */
export const MAX_FAILURE_TEXT = 300;

/** Validity of a signed token in seconds (auth.md: one hour, as Google's). */
export const TOKEN_LIFETIME_S = 3600;
/** A signed token is used again for this long; its receiver sees the rest of the hour at least. */
export const TOKEN_REUSE_MS = 300_000;
/** Tokens kept in an isolate, about 1 KB each. */
export const MAX_CACHED_TOKENS = 1000;

// ---- Keys ------------------------------------------------------------------------------------

/** A new signing key is made so long after the last one. */
export const KEY_PERIOD_MS = 30 * 86_400_000;
/**
 * A new key is published so long before it signs. Receivers keep the keys for some minutes (the JWK
 * set says 5, jose 10); an hour covers those that keep them longer than they were told.
 */
export const KEY_LEAD_MS = 3_600_000;
/** A lead that a rotation may choose, at most. */
export const MAX_KEY_LEAD_MS = 7 * 86_400_000;
/** A key stays published so long after the last token it signed has expired: clocks differ. */
export const KEY_MARGIN_MS = 600_000;
/** Keys published at a time: the set is fetched by every receiver. */
export const MAX_SIGNING_KEYS = 10;
/** How long the published keys may be kept by whoever asked, in seconds. */
export const PUBLIC_KEYS_MAX_AGE_S = 300;
/** How long an isolate answers for the published keys by itself: a flood ends there. */
export const PUBLIC_KEYS_REUSE_MS = 1000;
/** How long an isolate signs webhooks without looking whether its material still holds. */
export const SIGNING_MATERIAL_REUSE_MS = 60_000;
/** Pause before material that could not be renewed is asked for again; the old one is used. */
export const SIGNING_MATERIAL_RETRY_MS = 5000;
/** Webhook secrets kept in an isolate, one or two a queue. */
export const MAX_CACHED_WEBHOOK_SECRETS = 2000;
/** How long a rotated webhook secret signs along where the rotation does not say. */
export const WEBHOOK_OVERLAP_US = 24 * HOUR_US;
/** The longest time a rotated webhook secret may sign along. */
export const MAX_WEBHOOK_OVERLAP_US = 30 * DAY_US;

// ---- Transactions ----------------------------------------------------------------------------

/** How long a transaction may stay open, and does if nobody says. */
export const TRANSACTION_LIFETIME_US = {
  min: SECOND_US,
  default: 60 * SECOND_US,
  max: HOUR_US,
} as const;
/** Queues of a transaction, at most: its end is told to all of them at once. */
export const MAX_TRANSACTION_QUEUES = 100;
/** Tasks of a transaction in one queue: its commit puts them in by one turn of the queue's object. */
export const MAX_TRANSACTION_TASKS = 1000;
/** What these tasks may hold together: settled parts in UTF-16 units, bodies in bytes. */
export const MAX_TRANSACTION_SIZE = 8_000_000;
/** Bodies of one call that adds tasks to a transaction (limits.md §1: transactional BulkAdd). */
export const MAX_TRANSACTION_CALL_SIZE = 1_048_576;
/** Open transactions with tasks in one queue: the queue's object remembers each. */
export const MAX_OPEN_TRANSACTIONS = 10_000;
/**
 * A queue that holds tasks of a transaction asks how it stands so long after it got them, and again
 * if the question is not answered. Well below the minute in which every doubt is to end.
 */
export const TRANSACTION_ASK_US = 20 * SECOND_US;
/** Questions that one queue asks at a time. */
export const TRANSACTION_ASKS = 16;
/** How long past its announced end an open transaction is believed to be open. */
export const TRANSACTION_GRACE_US = 30 * SECOND_US;
/** How seldom a queue asks about a transaction that is open though its time is over. */
export const TRANSACTION_OVERDUE_US = 300 * SECOND_US;
/** When queues that were not told of a decision are told again: doubling from the first to the last. */
export const TRANSACTION_RETRY_US = { first: 10 * SECOND_US, last: 30 * SECOND_US } as const;
/** How long commit and rollback wait for the queues before they answer. */
export const TRANSACTION_PATIENCE_MS = 5_000;
/** A queue that takes longer to answer is told again. */
export const TRANSACTION_TELL_MS = 15_000;
/** How long a decision is kept once all queues have followed it, for calls that are repeated. */
export const TRANSACTION_KEPT_US = DAY_US;
/** How long a confirmUrl may take to answer. */
export const CONFIRM_TIMEOUT_MS = 10_000;
/** Pauses between questions to a confirmUrl that gave no answer, doubling. */
export const CONFIRM_RETRY_US = { first: SECOND_US, last: 300 * SECOND_US } as const;
/** A confirmUrl that has given no answer for so long: the transaction is rolled back. */
export const CONFIRM_LIMIT_US = DAY_US;
/** The largest answer of a confirmUrl that is read, in bytes. */
export const MAX_CONFIRM_SIZE = 64 * 1024;

// ---- Memory ----------------------------------------------------------------------------------

/** Object ids that an isolate remembers for each namespace: some hundred bytes each. */
export const MAX_CACHED_OBJECT_IDS = 4096;

// ---- Tasks -----------------------------------------------------------------------------------

/** Longest tag, in characters (limits.md §1: "len <= 500 accepted"). */
export const MAX_TAG_LENGTH = 500;

// ---- Access ----------------------------------------------------------------------------------

/** Service accounts of a project; Google starts with 100 and raises it on request. */
export const MAX_ACCOUNTS_PER_PROJECT = 1000;
/** Keys of a service account, as Google's. */
export const MAX_KEYS_PER_ACCOUNT = 10;
/** When a key ends that was made without an end; the longest time kept (MAX_DURATION_US). */
export const KEY_WITHOUT_END_US = 9e15;
/** API tokens of a project: what one object lists and counts without effort. */
export const MAX_TOKENS_PER_PROJECT = 1000;
/** An expired API token is still listed for so long, so that it can be told why a call failed. */
export const EXPIRED_TOKEN_KEPT_US = 30 * DAY_US;
/** The last use of a token is written no more often than this: each time is a row. */
export const TOKEN_USE_INTERVAL_US = 60 * SECOND_US;
/** Audit records are kept for so long, as Google's of admin activity are. */
export const AUDIT_KEPT_US = 400 * DAY_US;
/** Audit records of a project, at most. */
export const AUDIT_KEPT_RECORDS = 10_000;
/** Longest bearer credential, in characters; Google's own tokens stay below 2 KB. */
export const MAX_CREDENTIAL_SIZE = 8192;
/** How far the clock of a token's signer may be off, in seconds (auth.md). */
export const MAX_SKEW_S = 60;
/** Longest life of a token that an account signs itself, in seconds (auth.md §3). */
export const MAX_JWT_LIFETIME_S = 3600;
/** Life of an access token of the token endpoint, in seconds, as Google's. */
export const ACCESS_TOKEN_LIFETIME_S = 3600;
/**
 * What was read of an account or verified of a credential counts for so long: a key or token that
 * is revoked works no longer than this anywhere. Half of the 60 s that are promised.
 */
export const VERIFIED_FOR_MS = 30_000;
/** A key of the deployment's own that is not known is looked for no more often than this. */
export const OWN_KEYS_REREAD_MS = 1000;
/** A credential that was refused is refused again for so long without another look. */
export const REFUSED_FOR_MS = 5000;
/** Verified credentials that an isolate remembers, some 2 KB each. */
export const MAX_VERIFIED_CREDENTIALS = 2000;
/** Refused credentials that an isolate remembers. */
export const MAX_REFUSED_CREDENTIALS = 500;
/** Accounts whose keys an isolate remembers. */
export const MAX_CACHED_ACCOUNTS = 1000;
/** An address with too many failed sign-ins is not listened to for so long, in an isolate. */
export const SIGN_IN_PAUSE_MS = 10_000;
/** Addresses that an isolate does not listen to, at most. */
export const MAX_PAUSED_ADDRESSES = 10_000;
