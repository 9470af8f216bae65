/** The methods on transactions. */
import { MAX_URL_LENGTH, TRANSACTION_LIFETIME_US } from "../../core/limits.ts";
import { isTransactionId, queuePath, transactionPath } from "../../core/names.ts";
import { ok, type Result } from "../../core/result.ts";
import { checkTarget } from "../../core/target-policy.ts";
import type { TransactionName, TransactionRecord } from "../../transaction/service.ts";
import { echo, invalidField } from "../errors.ts";
import { readJson } from "../json-body.ts";
import * as field from "../message.ts";
import { readMessage } from "../message.ts";
import {
  beginTransaction,
  commitTransaction,
  getTransaction,
  rollbackTransaction,
} from "../transactions.ts";
import { writeDuration, writeTimestamp } from "../wire.ts";
import type { Answer, Call, Route } from "./call.ts";

/** A transaction is nothing but tasks that are created together; it is asked of the location. */
const CREATE = "cloudtasks.tasks.create";

export const TRANSACTION_ROUTES: readonly Route[] = [
  { path: /^transactions$/, methods: { POST: { permission: CREATE, run: begin } } },
  { path: /^transactions\/([^/:]*)$/, methods: { GET: { permission: CREATE, run: get } } },
  {
    path: /^transactions\/([^/:]*):commit$/,
    methods: { POST: { permission: CREATE, run: (call) => end(call, "commit") } },
  },
  {
    path: /^transactions\/([^/:]*):rollback$/,
    methods: { POST: { permission: CREATE, run: (call) => end(call, "rollback") } },
  },
];

const beginSchema = field.message("edgetasks.v1.Transaction", {
  lifetime: field.duration(),
  confirmUrl: field.string(),
  name: field.outputOnly(),
  state: field.outputOnly(),
  createTime: field.outputOnly(),
  expireTime: field.outputOnly(),
  queues: field.outputOnly(),
});

/** Commit and rollback say all in the path; a body may repeat the name, which is not read. */
const endSchema = field.message("edgetasks.v1.EndTransactionRequest", {
  name: field.outputOnly(),
});

async function begin(call: Call): Answer {
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const message = readMessage(beginSchema, json.value, "transaction");
  if (!message.ok) return message;
  const { lifetime: lifetimeUs = TRANSACTION_LIFETIME_US.default, confirmUrl } = message.value;
  const problem = lifetimeProblem(lifetimeUs) ?? confirmUrlProblem(confirmUrl ?? "", call);
  if (problem !== undefined) return problem;
  const begun = await beginTransaction(
    call.env,
    call.place,
    { lifetimeUs, ...(confirmUrl ? { confirmUrl } : {}) },
    call.random(8),
  );
  return shown(begun);
}

function lifetimeProblem(lifetimeUs: number) {
  const { min, max } = TRANSACTION_LIFETIME_US;
  if (lifetimeUs >= min && lifetimeUs <= max) return undefined;
  const range = `[${writeDuration(min)}, ${writeDuration(max)}]`;
  const text = `The lifetime of a transaction must be in ${range}, not ${writeDuration(lifetimeUs)}.`;
  return invalidField("transaction.lifetime", text);
}

/** An empty one means none. */
function confirmUrlProblem(text: string, { config, ownHost }: Call) {
  if (text === "") return undefined;
  const url = URL.parse(text);
  const isHttp = /^https?:\/\//i.test(text);
  const reason =
    url === null || !isHttp
      ? "It must be a URL that starts with 'http://' or 'https://'."
      : url.href.length > MAX_URL_LENGTH
        ? `It must be no longer than ${MAX_URL_LENGTH} characters after encoding.`
        : checkTarget(url, config, ownHost);
  if (reason === null) return undefined;
  return invalidField("transaction.confirm_url", `The confirmUrl is not allowed. ${reason}`);
}

async function get(call: Call): Answer {
  const name = nameOf(call);
  return name.ok ? shown(await getTransaction(call.env, name.value)) : name;
}

async function end(call: Call, how: "commit" | "rollback"): Answer {
  const name = nameOf(call);
  if (!name.ok) return name;
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const message = readMessage(endSchema, json.value, "");
  if (!message.ok) return message;
  const act = how === "commit" ? commitTransaction : rollbackTransaction;
  return shown(await act(call.env, name.value));
}

function nameOf({ place, ids: [id = ""] }: Call): Result<TransactionName> {
  if (isTransactionId(id)) return ok({ ...place, id });
  const text = `Transaction ID "${echo(id)}" must be a number from 1 below 2^63.`;
  return invalidField("name", text);
}

function shown(record: Result<TransactionRecord>): Result<object> {
  if (!record.ok) return record;
  const { name, state, createTimeUs, expireTimeUs, confirmUrl, queues } = record.value;
  return ok({
    name: transactionPath(name),
    state,
    createTime: writeTimestamp(createTimeUs),
    expireTime: writeTimestamp(expireTimeUs),
    ...(confirmUrl === undefined ? {} : { confirmUrl }),
    ...(queues.length === 0 ? {} : { queues: queues.map(queuePath) }),
  });
}
