/**
 * The query of a request: the fields a method reads from it, and the system parameters that every
 * Google interface knows (discovery `parameters`).
 *
 * Of the system parameters `alt` and `$alt` choose the form of enums and `fields` a part of the
 * answer; the others (key, quotaUser, prettyPrint, callback, …) are taken and change nothing.
 */
import { fail, ok, type Result } from "../core/result.ts";
import { badRequest, echo, invalidField } from "./errors.ts";
import { camelCase, readEnum, readInt32, snakeCase } from "./wire.ts";

export interface Query {
  /** Enums are written as numbers. */
  readonly enumsAsInts: boolean;
  /** The parts of the answer that are asked for; empty: all. */
  readonly fields: string;
  /** The method's own fields, by their JSON names. */
  readonly values: ReadonlyMap<string, string>;
}

const NO_VALUES: ReadonlyMap<string, string> = new Map();
const EMPTY: Query = { enumsAsInts: false, fields: "", values: NO_VALUES };
const CLIENT_DEFAULT: Query = { enumsAsInts: true, fields: "", values: NO_VALUES };

const SYSTEM_PARAMETERS: ReadonlySet<string> = new Set([
  "access_token",
  "bearer_token",
  "callback",
  "key",
  "oauth_token",
  "pp",
  "prettyPrint",
  "quotaUser",
  "uploadType",
  "upload_protocol",
]);

/** Reads the text after `?`. INVALID_ARGUMENT for a parameter that the method does not have. */
export function readQuery(text: string, known: readonly string[]): Result<Query> {
  // What the official clients send with every call, told at a glance.
  if (text === "") return ok(EMPTY);
  if (text === "$alt=json%3Benum-encoding=int") return ok(CLIENT_DEFAULT);

  const values = new Map<string, string>();
  let alt = "";
  let fields = "";
  for (const [name, value] of new URLSearchParams(text)) {
    if (name === "alt" || name === "$alt") alt = value;
    else if (name === "fields" || name === "$fields") fields = value;
    else if (known.includes(camelCase(name))) values.set(camelCase(name), value);
    else if (!SYSTEM_PARAMETERS.has(name) && !name.startsWith("$")) return unknownParameter(name);
  }
  const [format, ...options] = alt.split(";");
  if (format !== "" && format !== "json") {
    return fail("INVALID_ARGUMENT", `Unsupported output format: "${echo(alt)}".`);
  }
  return ok({ enumsAsInts: options.includes("enum-encoding=int"), fields, values });
}

function unknownParameter(name: string): Result<never> {
  const shown = echo(name);
  const message =
    `Invalid JSON payload received. Unknown name "${shown}": Cannot bind query parameter. ` +
    `Field '${shown}' could not be found in request message.`;
  return fail("INVALID_ARGUMENT", message, [badRequest([{ description: message }])]);
}

/** The page size asked for, at most `max`, which absent and 0 mean as well. Negative is refused. */
export function readPageSize(query: Query, max: number): Result<number> {
  const text = query.values.get("pageSize");
  if (text === undefined) return ok(max);
  const size = readInt32(text);
  if (size === undefined) return invalidValue("pageSize", "TYPE_INT32", text);
  if (size < 0) return invalidField("page_size", "The page size cannot be negative.");
  return ok(size === 0 ? max : Math.min(size, max));
}

/** A field that holds an enum; undefined where it is absent. */
export function readQueryEnum<N extends string>(
  query: Query,
  name: string,
  type: string,
  names: readonly N[],
): Result<N | undefined> {
  const text = query.values.get(name);
  if (text === undefined) return ok(undefined);
  const value = readEnum(names, text);
  return value === undefined ? invalidValue(name, `type.googleapis.com/${type}`, text) : ok(value);
}

function invalidValue(name: string, type: string, text: string): Result<never> {
  const field = snakeCase(name);
  return invalidField(
    field,
    `Invalid value at '${field}' (${type}), ${JSON.stringify(echo(text))}`,
  );
}
