/** Field masks: which fields an update sets, and which parts of an answer are shown. */
import { ok, type Result } from "../../core/result.ts";
import { echo, invalidField } from "../errors.ts";
import { selectParts } from "../partial-response.ts";
import { camelCase } from "../wire.ts";

/**
 * Paths on the wire, in JSON names, each with the internal path (or paths) it sets; null: output
 * only, ignored.
 */
export type MaskPaths = ReadonlyMap<string, string | readonly string[] | null>;

/**
 * The internal paths that an update mask names, in snake_case or camelCase. Undefined, which stands
 * for every field: an empty mask or `*`. INVALID_ARGUMENT for a path that is not in the message.
 */
export function readUpdateMask(
  mask: string | undefined,
  known: MaskPaths,
): Result<readonly string[] | undefined> {
  if (mask === undefined || mask.trim() === "" || mask.trim() === "*") return ok(undefined);
  const paths = new Set<string>();
  for (const part of mask.split(",")) {
    const given = part.trim();
    const internal = known.get(jsonPath(given));
    if (internal === undefined) return unknownPath("update_mask", given);
    for (const path of typeof internal === "string" ? [internal] : (internal ?? []))
      paths.add(path);
  }
  return ok([...paths]);
}

/** Which parts of a queue a read shows. */
export interface ReadMask {
  /** The statistics are asked for; only a mask can do that (discovery v2beta2 queues.get). */
  readonly withStats: boolean;
  /** The part of a queue in its wire form that the mask names. */
  show(queue: object): object;
}

/**
 * Reads a read mask, in snake_case or camelCase, against the paths of the message. Without one, and
 * under `*`, everything but the statistics is shown. INVALID_ARGUMENT for an unknown path.
 */
export function readReadMask(mask: string | undefined, known: MaskPaths): Result<ReadMask> {
  if (mask === undefined || mask.trim() === "") return ok(SHOW_ALL);
  const paths = new Set<string>();
  for (const part of mask.split(",")) {
    const path = jsonPath(part.trim());
    if (path !== "*" && !known.has(path)) return unknownPath("read_mask", part.trim());
    paths.add(path);
  }
  const withStats = [...paths].some((path) => path.split(".")[0] === "stats");
  if (paths.has("*")) return ok({ ...SHOW_ALL, withStats });
  const selection = [...paths].join(",");
  // Known paths are a selection, unless there are more of them than one may have.
  if (selectParts({}, selection, (name) => name) === undefined) {
    return invalidField("read_mask", "The read mask is too long.");
  }
  return ok({
    withStats,
    show: (queue) => selectParts(queue, selection, (name) => name) ?? queue,
  });
}

const SHOW_ALL: ReadMask = { withStats: false, show: (queue) => queue };

function jsonPath(path: string): string {
  return path.split(".").map(camelCase).join(".");
}

function unknownPath(field: string, path: string): Result<never> {
  return invalidField(
    field,
    `Invalid value at '${field}' (type.googleapis.com/google.protobuf.FieldMask), ` +
      `unknown path "${echo(path)}"`,
  );
}

// ---- Parts of an answer (`fields`) -----------------------------------------------------------

/**
 * The part of an answer that `fields` selects, by names in camelCase or snake_case.
 * INVALID_ARGUMENT when it is no selection.
 */
export function selectFields(answer: object, fields: string): Result<object> {
  const part = selectParts(answer, fields, camelCase);
  return part === undefined
    ? invalidField("fields", `Invalid field selection ${echo(fields)}`)
    : ok(part);
}
