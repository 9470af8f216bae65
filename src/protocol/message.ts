/**
 * Messages of protobuf's JSON form as zod schemas, with the errors the live interface gives:
 * unknown fields and wrong types are refused by name, null means unset, and a field may be given
 * under its proto name (`max_attempts`) as well.
 */
import { z } from "zod";
import { fail, ok, type Result } from "../core/result.ts";
import { badRequest, echo, type FieldViolation } from "./errors.ts";
import {
  camelCase,
  readBytes,
  readDouble,
  readDuration,
  readEnum,
  readInt32,
  readInt64,
  readTimestamp,
  snakeCase,
} from "./wire.ts";

// ---- Fields ----------------------------------------------------------------------------------

/** A field's value, or why there is none. */
type Reader<T> = (value: unknown) => T | undefined;

/** A scalar of the type that errors call `type`; absent and null are undefined. */
function scalar<T>(type: string, read: Reader<T>, remark?: string) {
  return z
    .unknown()
    .transform((value, context): T | undefined => {
      if (value === null) return undefined;
      const result = read(value);
      if (result !== undefined) return result;
      // The translation below puts the path in front.
      context.issues.push({
        code: "custom",
        message: complaint(type, value, remark),
        input: value,
      });
      return z.NEVER;
    })
    .optional();
}

function complaint(type: string, value: unknown, remark: string | undefined): string {
  if (Array.isArray(value)) return "list";
  if (typeof value === "object") return "object";
  return `(${type}), ${remark ?? echo(JSON.stringify(value))}`;
}

export const string = () =>
  scalar("TYPE_STRING", (value) => (typeof value === "string" ? value : undefined));
export const int32 = () => scalar("TYPE_INT32", readInt32);
export const int64 = () => scalar("TYPE_INT64", readInt64);
export const double = () => scalar("TYPE_DOUBLE", readDouble);
export const bool = () =>
  scalar("TYPE_BOOL", (value) => (typeof value === "boolean" ? value : undefined));
export const bytes = () => scalar("TYPE_BYTES", readBytes, "Base64 decoding failed");
export const duration = () =>
  scalar(
    "type.googleapis.com/google.protobuf.Duration",
    readDuration,
    "Illegal duration format; duration must be seconds with at most 9 decimals and end with 's'",
  );
export const timestamp = () =>
  scalar(
    "type.googleapis.com/google.protobuf.Timestamp",
    readTimestamp,
    "Invalid time format: Failed to parse input",
  );
export const enumeration = <N extends string>(type: string, names: readonly N[]) =>
  scalar(`type.googleapis.com/${type}`, (value) => readEnum(names, value));

/** map<string, string> */
export const stringMap = () =>
  z
    .unknown()
    .transform((value, context): Readonly<Record<string, string>> | undefined => {
      if (value === null) return undefined;
      if (typeof value !== "object" || Array.isArray(value)) {
        context.issues.push({
          code: "custom",
          message: complaint("map", value, undefined),
          input: value,
        });
        return z.NEVER;
      }
      for (const [index, entry] of Object.values(value).entries()) {
        if (typeof entry === "string") continue;
        const message = complaint("TYPE_STRING", entry, undefined);
        context.issues.push({ code: "custom", message, path: [index, "value"], input: entry });
        return z.NEVER;
      }
      return value as Readonly<Record<string, string>>;
    })
    .optional();

/** A field that only answers carry: anything may be sent back, nothing of it is read. */
export const outputOnly = () => z.unknown().optional();

/** A message of the type that errors call `type`. */
export const message = <S extends z.ZodRawShape>(type: string, shape: S) =>
  z.strictObject(shape, { error: () => `type.googleapis.com/${type}` }).nullish();

export const repeated = <T extends z.ZodType>(item: T) =>
  z.array(item, { error: () => "list of values" }).nullish();

// ---- Reading ---------------------------------------------------------------------------------

/**
 * Reads a message. `root` is the field of the request that the HTTP body stands for (`queue` where
 * the body is the queue itself), which errors name first. INVALID_ARGUMENT tells all that is wrong.
 */
export function readMessage<T>(
  schema: z.ZodType<T>,
  value: unknown,
  root: string,
): Result<NonNullable<T>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse([
      {
        description:
          'Invalid JSON payload received. Unknown name "": Root element must be a message.',
      },
    ]);
  }
  let current: unknown = value;
  const given = new Map<string, string>();
  for (;;) {
    const parsed = schema.safeParse(current);
    // The value is an object, so the message is not the null that an unset one may be.
    if (parsed.success) return ok(parsed.data as NonNullable<T>);
    const renamed = withJsonNames(current, parsed.error.issues, given);
    if (renamed === undefined) {
      const at = current;
      return refuse(parsed.error.issues.flatMap((issue) => violations(issue, at, root, given)));
    }
    current = renamed;
  }
}

function refuse(found: readonly FieldViolation[]): Result<never> {
  const text = found.map(({ description }) => description).join("\n");
  return fail("INVALID_ARGUMENT", text, [badRequest(found)]);
}

type Issue = z.core.$ZodIssue;

/**
 * The value with unknown fields under their JSON names, which `given` maps back; undefined when no
 * unknown field has a JSON name other than its own. Only done where reading failed: clients rarely
 * send proto names.
 */
function withJsonNames(
  value: unknown,
  issues: readonly Issue[],
  given: Map<string, string>,
): unknown {
  let copy: unknown;
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys") continue;
    for (const key of issue.keys) {
      const jsonName = camelCase(key);
      const original = valueAt(value, issue.path) as Record<string, unknown>;
      if (jsonName === key || jsonName in original) continue;
      copy ??= structuredClone(value);
      const parent = valueAt(copy, issue.path) as Record<string, unknown>;
      parent[jsonName] = parent[key];
      delete parent[key];
      given.set(jsonName, key);
    }
  }
  return copy;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) at = (at as Record<PropertyKey, unknown> | undefined)?.[key];
  return at;
}

function violations(
  issue: Issue,
  value: unknown,
  root: string,
  given: ReadonlyMap<string, string>,
): readonly FieldViolation[] {
  if (issue.code === "unrecognized_keys") {
    const parent = fieldPath(root, issue.path);
    return issue.keys.map((key) =>
      unknownName(parent, given.get(key) ?? key, "Cannot find field."),
    );
  }
  const path = fieldPath(root, issue.path);
  const parent = fieldPath(root, issue.path.slice(0, -1));
  const name = String(issue.path.at(-1) ?? "");
  const received = valueAt(value, issue.path);
  if (issue.message === "list" || (Array.isArray(received) && issue.code === "invalid_type")) {
    return [unknownName(parent, name, "Proto field is not repeating, cannot start list.")];
  }
  if (issue.message === "object") {
    const at = parent === "" ? "Invalid value" : `Invalid value at '${parent}'`;
    const description = `${at} (${snakeCase(name)}), Starting an object on a scalar field`;
    return [{ field: parent, description }];
  }
  const rest =
    issue.code === "custom"
      ? issue.message
      : `(${issue.message}), ${echo(JSON.stringify(received) ?? "null")}`;
  return [{ field: path, description: `Invalid value at '${path}' ${rest}` }];
}

function unknownName(parent: string, name: string, reason: string): FieldViolation {
  const at = parent === "" ? "" : ` at '${parent}'`;
  const description = `Invalid JSON payload received. Unknown name "${echo(name)}"${at}: ${reason}`;
  return parent === "" ? { description } : { field: parent, description };
}

/** `["requests", 0, "task"]` → `requests[0].task`, in proto names. */
function fieldPath(root: string, path: readonly PropertyKey[]): string {
  let text = root;
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += `${text === "" ? "" : "."}${snakeCase(String(key))}`;
  }
  return text;
}
