/**
 * Task as requests carry it (discovery schemas). Unknown fields and wrong types are refused by
 * name; null means unset. What is not the caller's to set is taken and not read, since clients send
 * back whole tasks as they got them.
 */
import { z } from "zod";
import { ok, type Result } from "../../core/result.ts";
import { readBounded } from "../bounded-body.ts";
import { echo, invalidField, unreadableBody } from "./errors.ts";

/**
 * The largest body taken, in bytes: a payload of 1 MiB in base64, with room for clients that write
 * each slash as `\/`.
 */
export const MAX_BODY_SIZE = 4 * 1024 * 1024;

const text = z.string().nullish();
const notRead = z.unknown().optional();
/** int64: text, or a number where a client has it as one. */
const int64 = z
  .union([z.string().regex(/^-?\d{1,19}$/), z.number().int()])
  .transform(Number)
  .nullish();

const fields = {
  kind: notRead,
  id: text,
  queueName: text,
  enqueueTimestamp: notRead,
  retry_count: notRead,
};

export const insertSchema = z.strictObject({
  ...fields,
  payloadBase64: text,
  leaseTimestamp: int64,
  tag: text,
});
export type InsertInput = z.infer<typeof insertSchema>;

export const updateSchema = z.strictObject({
  ...fields,
  payloadBase64: notRead,
  leaseTimestamp: notRead,
  tag: notRead,
});

/** Reads the body of a request as a task; no body is a task without fields. */
export async function readTask<T>(request: Request, schema: z.ZodType<T>): Promise<Result<T>> {
  const bytes = await readBounded(request, MAX_BODY_SIZE);
  if (bytes === undefined) {
    return unreadableBody(`Request payload size exceeds the limit: ${MAX_BODY_SIZE} bytes.`);
  }
  const json = parseJson(new TextDecoder().decode(bytes));
  if (!json.ok) return json;
  const parsed = schema.safeParse(json.value);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  if (issue?.code === "unrecognized_keys") {
    const [name = ""] = issue.keys;
    return invalidField(echo(name), `Unknown field: ${echo(name)}`);
  }
  const name = String(issue?.path[0] ?? "");
  if (name === "") return unreadableBody("Parse Error: the body must be a JSON object.");
  return invalidField(name, `Invalid value for ${name}: ${issue?.message}.`);
}

function parseJson(json: string): Result<unknown> {
  if (json.trim() === "") return ok({});
  try {
    return ok(JSON.parse(json));
  } catch (error) {
    return unreadableBody(
      `Parse Error: ${error instanceof Error ? echo(error.message) : "no JSON"}`,
    );
  }
}
