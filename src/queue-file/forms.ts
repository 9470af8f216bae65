/** Forms of a queue file that its readers and writers share (push.md §11). */

/** Queues in a file, at most. */
export const MAX_QUEUES = 100;

/** Seconds of each unit of a rate or an age. */
export const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };

const SERVICE = "(?!-)[a-z\\d-]{1,63}";
const VERSION = "(?!-)[a-z\\d-]{1,100}";
/** `service` or `version.service`, in groups of the version and the service. */
export const TARGET = new RegExp(`^(?:(${VERSION})\\.)?(${SERVICE})$`);
