/** Field masks: which fields an update sets, and which parts of an answer are shown. */
import { ok, type Result } from "../../core/result.ts";
import { echo, invalidField } from "./errors.ts";
import { camelCase } from "./wire.ts";

/**
 * Paths on the wire, in JSON names, each with the internal path it sets; null: output only,
 * ignored.
 */
export type MaskPaths = ReadonlyMap<string, string | null>;

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
    const internal = known.get(given.split(".").map(camelCase).join("."));
    if (internal === undefined) {
      return invalidField(
        "update_mask",
        `Invalid value at 'update_mask' (type.googleapis.com/google.protobuf.FieldMask), ` +
          `unknown path "${echo(given)}"`,
      );
    }
    if (internal !== null) paths.add(internal);
  }
  return ok([...paths]);
}

// ---- Parts of an answer (`fields`) -----------------------------------------------------------

/** Longest selection, in characters: it bounds how deep it can be nested. */
const MAX_SELECTION = 2048;

/** The parts asked for at one level; an empty tree below a name means all of it. */
interface Selection {
  readonly [name: string]: Selection;
}

/**
 * The part of an answer that `fields` selects: `name,rateLimits/maxBurstSize`, `tasks(name,view)`,
 * with `.` for `/` and `*` for any name. INVALID_ARGUMENT when it is not of that form.
 */
export function selectFields(answer: object, fields: string): Result<object> {
  const parser = { text: fields, at: 0 };
  const selection = fields.length <= MAX_SELECTION ? parseSelection(parser) : undefined;
  if (selection === undefined || parser.at !== fields.length) {
    return invalidField("fields", `Invalid field selection ${echo(fields)}`);
  }
  return ok(pick(answer, selection) as object);
}

interface Parser {
  readonly text: string;
  at: number;
}

function parseSelection(parser: Parser): Selection | undefined {
  let selection: Selection = {};
  do {
    const item = parseItem(parser);
    if (item === undefined) return undefined;
    selection = merge(selection, item);
  } while (take(parser, /,/y) !== undefined);
  return selection;
}

function parseItem(parser: Parser): Selection | undefined {
  const name = take(parser, /\s*([\w@$*-]+)\s*/y);
  if (name === undefined) return undefined;
  let below: Selection | undefined = {};
  if (take(parser, /[/.]/y) !== undefined) {
    below = parseItem(parser);
  } else if (take(parser, /\(/y) !== undefined) {
    below = parseSelection(parser);
    if (take(parser, /\)\s*/y) === undefined) return undefined;
  }
  return below === undefined ? undefined : { [camelCase(name)]: below };
}

function take(parser: Parser, pattern: RegExp): string | undefined {
  pattern.lastIndex = parser.at;
  const match = pattern.exec(parser.text);
  if (match === null) return undefined;
  parser.at = pattern.lastIndex;
  return match[1] ?? match[0];
}

function merge(one: Selection, other: Selection): Selection {
  const merged: Record<string, Selection> = { ...one };
  for (const [name, below] of Object.entries(other)) {
    const known = merged[name];
    const isWhole = known !== undefined && (isEmpty(known) || isEmpty(below));
    merged[name] = known === undefined ? below : isWhole ? {} : merge(known, below);
  }
  return merged;
}

function isEmpty(selection: Selection): boolean {
  return Object.keys(selection).length === 0;
}

function pick(value: unknown, selection: Selection): unknown {
  if (isEmpty(selection) || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => pick(item, selection));
  const picked: Record<string, unknown> = {};
  for (const [name, below] of Object.entries(value)) {
    const wanted = Object.hasOwn(selection, name) ? selection[name] : selection["*"];
    if (wanted !== undefined) picked[name] = pick(below, wanted);
  }
  return picked;
}
