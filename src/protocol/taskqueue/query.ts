/**
 * The query of a request: the parameters of a method, and those that every method has (discovery
 * `parameters`). Of the latter `fields` chooses a part of the answer; the others are taken and
 * change nothing.
 */
import { ok, type Result } from "../../core/result.ts";
import { echo, invalidParameter, missingParameter } from "./errors.ts";

export interface Query {
  /** The parts of the answer that are asked for; empty: all. */
  readonly fields: string;
  /** The method's own parameters. */
  readonly values: ReadonlyMap<string, string>;
}

const COMMON_PARAMETERS: ReadonlySet<string> = new Set([
  "access_token",
  "alt",
  "callback",
  "fields",
  "key",
  "oauth_token",
  "pp",
  "prettyPrint",
  "quotaUser",
  "uploadType",
  "upload_protocol",
  "userIp",
]);

/** Reads a query. A parameter that the method does not have is refused by name. */
export function readQuery(parameters: URLSearchParams, known: readonly string[]): Result<Query> {
  const values = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (known.includes(name)) values.set(name, value);
    else if (!COMMON_PARAMETERS.has(name) && !name.startsWith("$")) {
      return invalidParameter(name, `Unknown parameter: ${echo(name)}`);
    }
  }
  const alt = parameters.get("alt") ?? "json";
  if (alt !== "json") {
    return invalidParameter("alt", `Invalid value '${echo(alt)}'. Allowed values: [json]`);
  }
  return ok({ fields: parameters.get("fields") ?? "", values });
}

/** A required whole number within a range. */
export function readInteger(
  { values }: Query,
  name: string,
  min: number,
  max: number,
): Result<number> {
  const text = values.get(name);
  if (text === undefined || text === "") return missingParameter(name);
  if (!/^[+-]?\d{1,19}$/.test(text)) {
    return invalidParameter(name, `Invalid integer value: '${echo(text)}'.`);
  }
  const value = Number(text);
  return value >= min && value <= max
    ? ok(value)
    : invalidParameter(
        name,
        `Invalid value '${text}'. Values must be within the range: [${min}, ${max}]`,
      );
}

/** A truth value; absent: false. */
export function readBoolean({ values }: Query, name: string): Result<boolean> {
  const text = values.get(name) ?? "false";
  const isTrue = text.toLowerCase() === "true";
  return isTrue || text.toLowerCase() === "false"
    ? ok(isTrue)
    : invalidParameter(name, `Invalid boolean value: '${echo(text)}'.`);
}
