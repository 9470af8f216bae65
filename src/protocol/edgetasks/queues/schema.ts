/**
 * The bodies of requests. Unknown fields and wrong types are refused by name; null means unset.
 * Bytes are base64. Times are microseconds since the epoch in decimal digits, as text: a lease is
 * known by its expiry, which must come back to the microsecond.
 */
import { z } from "zod";
import { HTTP_METHODS } from "../../../core/model.ts";
import { readBytes } from "../../base64.ts";
import { readBounded } from "../../bounded-body.ts";
import type { Checked } from "./call.ts";
import { echo, invalidField, type Refusal } from "./errors.ts";

/** The largest body taken, in bytes (limits.md §1: 32 MiB). */
const MAX_BODY_SIZE = 32 * 1024 * 1024;

const text = z.string().nullish();
const number = z.number().nullish();

const bytes = z
  .string()
  .transform((value, context) => {
    const read = readBytes(value);
    if (read === undefined) context.addIssue({ code: "custom", message: "not base64" });
    return read ?? new Uint8Array();
  })
  .nullish();

/** int64 as text, as Google's JSON has it; a number is taken as well. */
const int64 = z
  .union([z.string().regex(/^-?\d{1,16}$/, "not an integer"), z.number().int()])
  .transform(Number);

const [, ...METHODS] = HTTP_METHODS;
const method = z.enum(METHODS).nullish();
const headers = z.record(z.string(), z.string()).nullish();

const token = z.strictObject({ serviceAccountEmail: z.string(), audience: text, scope: text });

const taskSchema = z.strictObject({
  name: text,
  scheduleTimeUs: int64.nullish(),
  pull: z.strictObject({ payload: bytes, tag: text }).nullish(),
  appEngine: z
    .strictObject({
      relativeUrl: text,
      method,
      headers,
      payload: bytes,
      target: text,
      host: text,
      failFast: z.boolean().nullish(),
    })
    .nullish(),
  http: z
    .strictObject({
      url: z.string(),
      method,
      headers,
      payload: bytes,
      oidcToken: token.omit({ scope: true }).nullish(),
      oauthToken: token.omit({ audience: true }).nullish(),
    })
    .nullish(),
  retryOptions: z
    .strictObject({
      taskRetryLimit: number,
      taskAgeLimit: number,
      minBackoffSeconds: number,
      maxBackoffSeconds: number,
      maxDoublings: number,
    })
    .nullish(),
  dispatchDeadlineUs: int64.nullish(),
});
export type TaskInput = z.infer<typeof taskSchema>;
export type RetryOptionsInput = NonNullable<TaskInput["retryOptions"]>;

const lease = z.strictObject({ name: z.string(), scheduleTimeUs: int64 });
export type LeaseInput = z.infer<typeof lease>;

export const addSchema = z.strictObject({
  tasks: z.array(taskSchema).min(1),
  /** The full name of a transaction, or its id. */
  transaction: text,
});
export const deleteSchema = z.strictObject({ names: z.array(z.string()).min(1) });
export const leaseSchema = z.strictObject({
  leaseDurationUs: int64,
  maxTasks: z.number(),
  groupByTag: z.boolean().nullish(),
  tag: text,
});
export const modifyLeaseSchema = z.strictObject({
  leaseDurationUs: int64,
  leases: z.array(lease).min(1),
});
export const acknowledgeSchema = z.strictObject({ leases: z.array(lease).min(1) });
export const listSchema = z.strictObject({
  pageSize: number,
  pageToken: text,
  withPayload: z.boolean().nullish(),
});
export const emptySchema = z.strictObject({});

/** Reads a body; none is an object without fields. */
export async function readBody<T>(request: Request, schema: z.ZodType<T>): Promise<Checked<T>> {
  const body = await readBounded(request, MAX_BODY_SIZE);
  if (body === undefined) {
    return unreadable(`The request is larger than ${MAX_BODY_SIZE} bytes.`, "TASK_TOO_LARGE");
  }
  const json = parseJson(new TextDecoder().decode(body));
  if (!json.ok) return json;
  const parsed = schema.safeParse(json.value);
  return parsed.success ? { ok: true, value: parsed.data } : refuseIssue(parsed.error);
}

function refuseIssue({ issues: [issue] }: z.ZodError): Refusal {
  const path = issue === undefined ? "" : pathOf(issue.path);
  if (issue?.code === "unrecognized_keys") {
    const name = echo([path, issue.keys[0]].filter((part) => part !== "").join("."));
    return invalidField(name, `Unknown field: ${name}.`);
  }
  if (path === "") return unreadable("The body must be a JSON object.");
  return invalidField(path, `Invalid value for ${path}: ${issue?.message}.`);
}

/** `tasks[3].pull.tag` */
function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? echo(String(part)) : `${text}.${echo(String(part))}`;
  }, "");
}

function parseJson(json: string): Checked<unknown> {
  if (json.trim() === "") return { ok: true, value: {} };
  try {
    return { ok: true, value: JSON.parse(json) };
  } catch {
    return unreadable("The body is not JSON.");
  }
}

function unreadable(
  message: string,
  reason: "INVALID_REQUEST" | "TASK_TOO_LARGE" = "INVALID_REQUEST",
): Refusal {
  return { ok: false, error: { code: "INVALID_ARGUMENT", message, reason } };
}
