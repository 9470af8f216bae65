/**
 * queue.yaml, the file in which App Engine apps describe their queues (push.md §11): its elements,
 * their forms and the rules between them. Everything that is wrong is told, each with its line.
 */
import { MAX_BURST_SIZE, MAX_INT32 } from "../../core/limits.ts";
import { isQueueId } from "../../core/names.ts";
import { DEFAULT_QUEUE } from "./settings.ts";
import { type Place, type Problem, YamlReader } from "./yaml-reader.ts";

export interface QueueFile {
  readonly queues: readonly QueueEntry[];
  /** False: a deployment leaves queues paused that are paused. */
  readonly resumePausedQueues: boolean;
}

/** A queue as the file has it. Absent: not given; its default is settings.ts's to say. */
export interface QueueEntry {
  readonly name: string;
  /** Where it begins in the file. */
  readonly line: number;
  /** Its place in the file: `queue[2]`. */
  readonly path: string;
  readonly mode: "push" | "pull";
  /** Tasks a second. 0 pauses the queue. Always there for push queues but the default one. */
  readonly rate?: number;
  readonly bucketSize?: number;
  readonly maxConcurrentRequests?: number;
  readonly target?: { readonly service: string; readonly version?: string };
  readonly retry: RetryParameters;
}

export interface RetryParameters {
  /** Retries of a push task; leases of a pull task. */
  readonly taskRetryLimit?: number;
  readonly taskAgeLimitUs?: number;
  readonly minBackoffUs?: number;
  readonly maxBackoffUs?: number;
  readonly maxDoublings?: number;
}

/** What a deployment allows. */
export interface FileLimits {
  readonly maxDispatchesPerSecond: number;
  readonly maxConcurrentDispatches: number;
}

export type ParsedFile =
  | { readonly ok: true; readonly file: QueueFile }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Queues in a file, at most (push.md §11). */
const MAX_QUEUES = 100;

/** Reads a file. With any problem nothing of it counts; they come in the order of their lines. */
export function parseQueueYaml(text: string, limits: FileLimits): ParsedFile {
  const reader = new YamlReader(text);
  // What follows a fault of syntax means nothing.
  const file = reader.problems.length === 0 ? readFile(reader, limits) : undefined;
  if (file !== undefined && reader.problems.length === 0) return { ok: true, file };
  return { ok: false, problems: [...reader.problems].sort((a, b) => a.line - b.line) };
}

const ROOT = ["queue", "total_storage_limit", "resume_paused_queues", "application"];

function readFile(reader: YamlReader, limits: FileLimits): QueueFile | undefined {
  if (reader.root.node === null) return reader.complain(reader.root, "The file is empty.");
  const fields = reader.fields(reader.root, ROOT);
  if (fields === undefined) return undefined;
  // Storage is not limited here, and the project is the request's: both are checked and let be.
  const storage = /^[0-9]+(\.[0-9]*)?[BKMGT]?$/;
  reader.match(fields.get("total_storage_limit"), storage, "a number with B, K, M, G or T");
  reader.match(fields.get("application"), /^(?:[a-z]~)?[A-Za-z0-9:.-]+$/, "a project id");
  const resume = reader.match(
    fields.get("resume_paused_queues"),
    /^(?:(true|True|TRUE|yes|Yes|on)|(?:false|False|FALSE|no|No|off))$/,
    "true or false",
  );
  const list = fields.get("queue");
  const places = list === undefined ? [] : (reader.items(list) ?? []);
  if (list !== undefined && places.length > MAX_QUEUES) {
    reader.complain(list, `has ${places.length} queues; at most ${MAX_QUEUES} are allowed.`);
  }
  const queues = places.flatMap((place) => readQueue(reader, place, limits) ?? []);
  checkNames(reader, queues);
  return { queues, resumePausedQueues: resume === undefined || resume[1] !== undefined };
}

function checkNames(reader: YamlReader, queues: readonly QueueEntry[]): void {
  const lines = new Map<string, number>();
  for (const { name, line, path } of queues) {
    const first = lines.get(name);
    if (first === undefined) lines.set(name, line);
    else {
      const place = { node: null, line, path: `${path}.name` };
      reader.complain(place, `"${name}" is already the name of the queue in line ${first}.`);
    }
  }
}

// ---- A queue ---------------------------------------------------------------------------------

const QUEUE = [
  "name",
  "rate",
  "bucket_size",
  "max_concurrent_requests",
  "mode",
  "target",
  "retry_parameters",
  "acl",
];
/** What has no meaning for a queue that sends nothing. */
const PUSH_ONLY = ["rate", "bucket_size", "max_concurrent_requests", "target"];

type Fields = ReadonlyMap<string, Place>;

function readQueue(reader: YamlReader, place: Place, limits: FileLimits): QueueEntry | undefined {
  const fields = reader.fields(place, QUEUE);
  if (fields === undefined) return undefined;
  const [mode = "push"] = reader.match(fields.get("mode"), /^(?:push|pull)$/, "push or pull") ?? [];
  const name = readName(reader, place, fields);
  if (mode === "pull") forbid(reader, fields, PUSH_ONLY, "a pull queue");
  else forbid(reader, fields, ["acl"], "a push queue");
  const rate = readRate(reader, fields.get("rate"), limits);
  if (mode === "push" && !fields.has("rate") && name !== undefined && name !== DEFAULT_QUEUE) {
    reader.complain(place, "must have a rate: every push queue but the default one does.");
  }
  const bucketSize = readInteger(reader, fields.get("bucket_size"), MAX_BURST_SIZE);
  const maxConcurrentRequests = readInteger(
    reader,
    fields.get("max_concurrent_requests"),
    limits.maxConcurrentDispatches,
  );
  const target = readTarget(reader, fields.get("target"));
  const retry = readRetryParameters(reader, fields.get("retry_parameters"), mode);
  readAcl(reader, fields.get("acl"));
  if (name === undefined) return undefined;
  return {
    name,
    line: place.line,
    path: place.path,
    mode: mode === "pull" ? "pull" : "push",
    ...(rate === undefined ? {} : { rate }),
    ...(bucketSize === undefined ? {} : { bucketSize }),
    ...(maxConcurrentRequests === undefined ? {} : { maxConcurrentRequests }),
    ...(target === undefined ? {} : { target }),
    retry,
  };
}

function readName(reader: YamlReader, queue: Place, fields: Fields): string | undefined {
  const place = fields.get("name");
  if (place === undefined) return reader.complain(queue, "must have a name.");
  const name = reader.text(place);
  if (name === undefined || isQueueId(name)) return name;
  return reader.complain(place, "must be 1 to 100 letters, digits and hyphens.");
}

function forbid(reader: YamlReader, fields: Fields, names: readonly string[], kind: string): void {
  for (const name of names) {
    const place = fields.get(name);
    if (place !== undefined) reader.complain(place, `cannot be set for ${kind}.`);
  }
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };

function readRate(
  reader: YamlReader,
  place: Place | undefined,
  { maxDispatchesPerSecond: max }: FileLimits,
): number | undefined {
  const form = "0, or a number of tasks per s, m, h or d (such as 5/s)";
  const match = reader.match(place, /^(?:0|([0-9]+(?:\.[0-9]*)?)\/([smhd]))$/, form);
  if (match === undefined || place === undefined) return undefined;
  const [, number = "0", unit = "s"] = match;
  const rate = Number(number) / SECONDS[unit as keyof typeof SECONDS];
  return rate <= max ? rate : reader.complain(place, `must be at most ${max} per second.`);
}

function readInteger(reader: YamlReader, place: Place | undefined, max: number) {
  const match = reader.match(place, /^[0-9]+$/, "a whole number of 0 or more");
  if (match === undefined || place === undefined) return undefined;
  const value = Number(match[0]);
  return value <= max ? value : reader.complain(place, `must be at most ${max}.`);
}

const SERVICE = "(?!-)[a-z\\d-]{1,63}";
const VERSION = "(?!-)[a-z\\d-]{1,100}";
const TARGET = new RegExp(`^(?:(${VERSION})\\.)?(${SERVICE})$`);

/** `service` or `version.service`. */
function readTarget(reader: YamlReader, place: Place | undefined): QueueEntry["target"] {
  const [, version, service] =
    reader.match(place, TARGET, "a service, or version.service in lower case") ?? [];
  if (service === undefined) return undefined;
  return version === undefined ? { service } : { service, version };
}

/** Who may use a pull queue: checked, but not kept; access is the deployment's to decide. */
function readAcl(reader: YamlReader, place: Place | undefined): void {
  if (place === undefined) return;
  for (const item of reader.items(place) ?? []) {
    const fields = reader.fields(item, ["user_email", "writer_email"]);
    if (fields === undefined) continue;
    if (fields.size === 0) reader.complain(item, "must have a user_email or a writer_email.");
    for (const email of fields.values()) reader.text(email);
  }
}

// ---- Retries ---------------------------------------------------------------------------------

const RETRY = [
  "task_retry_limit",
  "task_age_limit",
  "min_backoff_seconds",
  "max_backoff_seconds",
  "max_doublings",
];

function readRetryParameters(
  reader: YamlReader,
  place: Place | undefined,
  mode: string,
): RetryParameters {
  const fields = place === undefined ? undefined : reader.fields(place, RETRY);
  if (place === undefined || fields === undefined) return {};
  if (mode === "pull") forbid(reader, fields, RETRY.slice(1), "a pull queue");
  const minBackoffUs = readSeconds(reader, fields.get("min_backoff_seconds"));
  const maxBackoffUs = readSeconds(reader, fields.get("max_backoff_seconds"));
  if (minBackoffUs !== undefined && maxBackoffUs !== undefined && minBackoffUs > maxBackoffUs) {
    const { min_backoff_seconds: min = place } = Object.fromEntries(fields);
    reader.complain(min, "must not be greater than max_backoff_seconds.");
  }
  const taskRetryLimit = readInteger(reader, fields.get("task_retry_limit"), MAX_INT32 - 1);
  const taskAgeLimitUs = readAge(reader, fields.get("task_age_limit"));
  const maxDoublings = readInteger(reader, fields.get("max_doublings"), MAX_INT32);
  return {
    ...(taskRetryLimit === undefined ? {} : { taskRetryLimit }),
    ...(taskAgeLimitUs === undefined ? {} : { taskAgeLimitUs }),
    ...(minBackoffUs === undefined ? {} : { minBackoffUs }),
    ...(maxBackoffUs === undefined ? {} : { maxBackoffUs }),
    ...(maxDoublings === undefined ? {} : { maxDoublings }),
  };
}

function readSeconds(reader: YamlReader, place: Place | undefined): number | undefined {
  const pattern = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/;
  const match = reader.match(place, pattern, "a number of seconds of 0 or more");
  return match === undefined ? undefined : Math.round(Number(match[0]) * 1e6);
}

function readAge(reader: YamlReader, place: Place | undefined): number | undefined {
  const pattern = /^([0-9]+(?:\.?[0-9]*(?:[eE][-+]?[0-9]+)?)?)([smhd])$/;
  const match = reader.match(place, pattern, "a number with s, m, h or d (such as 2d)");
  if (match === undefined || place === undefined) return undefined;
  const [, number = "0", unit = "s"] = match;
  const us = Math.round(Number(number) * SECONDS[unit as keyof typeof SECONDS] * 1e6);
  return us > 0 ? us : reader.complain(place, "must be greater than 0.");
}
