/**
 * The file in which App Engine apps describe their queues, as queue.yaml or queue.xml (push.md
 * §11): its elements, their forms and the rules between them. Everything that is wrong is told,
 * each with its line.
 */
import type { DeploymentConfig } from "../core/config.ts";
import { MAX_BURST_SIZE, MAX_DURATION_US, MAX_INT32 } from "../core/limits.ts";
import type { QueueAcl } from "../core/model.ts";
import { isQueueId } from "../core/names.ts";
import { createSettingsFromPatch } from "../core/queue-settings.ts";
import { isEmail } from "../core/queue-settings-rules.ts";
import { MAX_QUEUES, SECONDS, TARGET } from "./forms.ts";
import { cut, type Place, type Problem, type Reader } from "./reader.ts";
import { creationOf, DEFAULT_QUEUE } from "./settings.ts";
import { XmlReader } from "./xml-reader.ts";
import { YamlReader } from "./yaml-reader.ts";

export type FileFormat = "yaml" | "xml";

export interface QueueFile {
  readonly queues: readonly QueueEntry[];
  /** False: a deployment leaves queues paused that are paused. */
  readonly resumePausedQueues: boolean;
}

/** A queue as a file has it. Absent: not given; its default is settings.ts's to say. */
export interface QueueDescription {
  readonly name: string;
  readonly mode: "push" | "pull";
  /** Tasks a second. 0 pauses the queue. Always there for push queues but the default one. */
  readonly rate?: number;
  readonly bucketSize?: number;
  readonly maxConcurrentRequests?: number;
  readonly target?: { readonly service: string; readonly version?: string };
  readonly retry: RetryParameters;
  /** Of pull queues alone. */
  readonly acl?: QueueAcl;
}

/** A queue of a file that was read. */
export interface QueueEntry extends QueueDescription {
  /** Where it begins in the file. */
  readonly line: number;
  /** Its place in the file: `queue[2]`. */
  readonly path: string;
}

export interface RetryParameters {
  /** Retries of a push task; leases of a pull task. */
  readonly taskRetryLimit?: number;
  readonly taskAgeLimitUs?: number;
  readonly minBackoffUs?: number;
  readonly maxBackoffUs?: number;
  readonly maxDoublings?: number;
}

export type ParsedFile =
  | { readonly ok: true; readonly file: QueueFile }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** The form of a file: no YAML that means anything begins with `<`, and no XML with anything else. */
export function formatOf(text: string): FileFormat {
  return /^\uFEFF?\s*</.test(text) ? "xml" : "yaml";
}

/**
 * Reads a file. With any problem nothing of it counts; they come in the order of their lines.
 * `config` says what the deployment allows.
 */
export function parseQueueFile(text: string, config: DeploymentConfig): ParsedFile {
  const isXml = formatOf(text) === "xml";
  const reader = isXml ? new XmlReader(text) : new YamlReader(text);
  // What follows a fault of syntax means nothing.
  const file = reader.problems.length === 0 ? readFile(reader, isXml, config) : undefined;
  if (file !== undefined && reader.problems.length === 0) return { ok: true, file };
  return { ok: false, problems: [...reader.problems].sort((a, b) => a.line - b.line) };
}

const XML_ROOT = ["queue", "total_storage_limit"];
const YAML_ROOT = [...XML_ROOT, "resume_paused_queues", "application"];

function readFile(reader: Reader, isXml: boolean, config: DeploymentConfig): QueueFile | undefined {
  if (reader.root.node === null) return reader.complain(reader.root, "The file is empty.");
  const fields = reader.fields(reader.root, isXml ? XML_ROOT : YAML_ROOT);
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
    return reader.complain(list, `has ${places.length} queues; at most ${MAX_QUEUES} are allowed.`);
  }
  const queues = places.flatMap((place) => readQueue(reader, place, config) ?? []);
  checkNames(reader, queues);
  return { queues, resumePausedQueues: resume === undefined || resume[1] !== undefined };
}

function checkNames(reader: Reader, queues: readonly QueueEntry[]): void {
  const lines = new Map<string, number>();
  for (const { name, line, path } of queues) {
    const first = lines.get(name);
    if (first === undefined) lines.set(name, line);
    else {
      reader.complain(
        { line, path: `${path}.name` },
        `"${name}" is already the name of the queue in line ${first}.`,
      );
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

function readQueue(reader: Reader, place: Place, config: DeploymentConfig): QueueEntry | undefined {
  const fields = reader.fields(place, QUEUE);
  if (fields === undefined) return undefined;
  const [mode = "push"] = reader.match(fields.get("mode"), /^(?:push|pull)$/, "push or pull") ?? [];
  const name = readName(reader, place, fields);
  if (mode === "pull") forbid(reader, fields, PUSH_ONLY, "a pull queue");
  else forbid(reader, fields, ["acl"], "a push queue");
  const rate = readRate(reader, fields.get("rate"), config);
  if (mode === "push" && !fields.has("rate") && name !== undefined && name !== DEFAULT_QUEUE) {
    reader.complain(place, "must have a rate: every push queue but the default one does.");
  }
  const bucketSize = readInteger(reader, fields.get("bucket_size"), MAX_BURST_SIZE);
  const maxConcurrentRequests = readInteger(
    reader,
    fields.get("max_concurrent_requests"),
    config.maxConcurrentDispatches,
  );
  const target = readTarget(reader, fields.get("target"));
  const retry = readRetryParameters(reader, fields.get("retry_parameters"), mode);
  const acl = readAcl(reader, fields.get("acl"));
  if (name === undefined) return undefined;
  const entry: QueueEntry = {
    name,
    line: place.line,
    path: place.path,
    mode: mode === "pull" ? "pull" : "push",
    ...(rate === undefined ? {} : { rate }),
    ...(bucketSize === undefined ? {} : { bucketSize }),
    ...(maxConcurrentRequests === undefined ? {} : { maxConcurrentRequests }),
    ...(target === undefined ? {} : { target }),
    retry,
    ...(acl === undefined ? {} : { acl }),
  };
  checkSettings(reader, entry, config);
  return entry;
}

/** Rules that no element has for itself. Told only where the elements are all right. */
function checkSettings(reader: Reader, entry: QueueEntry, config: DeploymentConfig): void {
  const { path } = entry;
  const isWithin = (element: string) => element === path || element.startsWith(`${path}.`);
  if (reader.problems.some(({ element }) => isWithin(element))) return;
  const settings = createSettingsFromPatch(creationOf(entry), config);
  if (!settings.ok) reader.complain(entry, `is not possible: ${settings.error.message}`);
}

function readName(reader: Reader, queue: Place, fields: Fields): string | undefined {
  const place = fields.get("name");
  if (place === undefined) return reader.complain(queue, "must have a name.");
  const name = reader.text(place);
  if (name === undefined || isQueueId(name)) return name;
  return reader.complain(place, "must be 1 to 100 letters, digits and hyphens.");
}

function forbid(reader: Reader, fields: Fields, names: readonly string[], kind: string): void {
  for (const name of names) {
    const place = fields.get(name);
    if (place !== undefined) reader.complain(place, `cannot be set for ${kind}.`);
  }
}

function readRate(
  reader: Reader,
  place: Place | undefined,
  { maxDispatchesPerSecond: max }: DeploymentConfig,
): number | undefined {
  const form = "0, or a number of tasks per s, m, h or d (such as 5/s)";
  const match = reader.match(place, /^(?:0|([0-9]+(?:\.[0-9]*)?)\/([smhd]))$/, form);
  if (match === undefined || place === undefined) return undefined;
  const [, number = "0", unit = "s"] = match;
  const rate = Number(number) / SECONDS[unit as keyof typeof SECONDS];
  return rate <= max ? rate : reader.complain(place, `must be at most ${max} per second.`);
}

function readInteger(reader: Reader, place: Place | undefined, max: number) {
  const match = reader.match(place, /^[0-9]+$/, "a whole number of 0 or more");
  if (match === undefined || place === undefined) return undefined;
  const value = Number(match[0]);
  return value <= max ? value : reader.complain(place, `must be at most ${max}.`);
}

/** `service` or `version.service`. */
function readTarget(reader: Reader, place: Place | undefined): QueueEntry["target"] {
  const [, version, service] =
    reader.match(place, TARGET, "a service, or version.service in lower case") ?? [];
  if (service === undefined) return undefined;
  return version === undefined ? { service } : { service, version };
}

/** Who may use a pull queue. An acl without items names nobody. */
function readAcl(reader: Reader, place: Place | undefined): QueueAcl | undefined {
  if (place === undefined) return undefined;
  const userEmails: string[] = [];
  const writerEmails: string[] = [];
  const [user, writer] = ["user_email", "writer_email"] as const;
  for (const item of reader.items(place) ?? []) {
    const fields = reader.fields(item, [user, writer]);
    if (fields === undefined) continue;
    if (fields.size === 0) {
      reader.complain(item, `must have a ${reader.word(user)} or a ${reader.word(writer)}.`);
    }
    userEmails.push(...readEmail(reader, fields.get(user)));
    writerEmails.push(...readEmail(reader, fields.get(writer)));
  }
  const isEmpty = userEmails.length + writerEmails.length === 0;
  return isEmpty ? undefined : { userEmails, writerEmails };
}

function readEmail(reader: Reader, place: Place | undefined): readonly string[] {
  const email = reader.text(place);
  if (email === undefined || place === undefined) return [];
  if (isEmail(email)) return [email];
  reader.complain(place, `must be the email of an account, not "${cut(email)}".`);
  return [];
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
  reader: Reader,
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
    const max = reader.word("max_backoff_seconds");
    reader.complain(min, `must not be greater than ${max}.`);
  }
  // Attempts are one more than retries; of leases it is the number itself.
  const maxLimit = mode === "pull" ? MAX_INT32 : MAX_INT32 - 1;
  const taskRetryLimit = readInteger(reader, fields.get("task_retry_limit"), maxLimit);
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

function readSeconds(reader: Reader, place: Place | undefined): number | undefined {
  const pattern = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/;
  const match = reader.match(place, pattern, "a number of seconds of 0 or more");
  return match === undefined ? undefined : readDuration(reader, place, Number(match[0]));
}

function readAge(reader: Reader, place: Place | undefined): number | undefined {
  const pattern = /^([0-9]+(?:\.?[0-9]*(?:[eE][-+]?[0-9]+)?)?)([smhd])$/;
  const match = reader.match(place, pattern, "a number with s, m, h or d (such as 2d)");
  if (match === undefined || place === undefined) return undefined;
  const [, number = "0", unit = "s"] = match;
  const us = readDuration(reader, place, Number(number) * SECONDS[unit as keyof typeof SECONDS]);
  return us === 0 ? reader.complain(place, "must be greater than 0.") : us;
}

/** Microseconds; what is below half of one is none. */
function readDuration(
  reader: Reader,
  place: Place | undefined,
  seconds: number,
): number | undefined {
  const us = Math.round(seconds * 1e6);
  if (us <= MAX_DURATION_US || place === undefined) return us;
  return reader.complain(place, `must be at most ${MAX_DURATION_US / 1e6} seconds.`);
}
