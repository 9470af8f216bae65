/**
 * Transactions as this face names them. A handle is the id of a transaction of this deployment,
 * whatever made it: datastore_v3 BeginTransaction (datastore.ts) or another face.
 */
import { isFieldSet } from "@bufbuild/protobuf";
import { TRANSACTION_LIFETIME_US } from "../../core/limits.ts";
import type { CreatedTask, QueueName, TaskSpec } from "../../core/model.ts";
import type { LocationName } from "../../core/names.ts";
import type { Result } from "../../core/result.ts";
import type { TransactionName } from "../../transaction/service.ts";
import * as transactions from "../transactions.ts";
import { type Call, homeOf } from "./call.ts";
import { answer, Code, type Reply, refuse, translate } from "./errors.ts";
import { type TaskQueueAddRequest, TaskQueueAddRequestSchema } from "./gen/taskqueue_service_pb.js";
import { textOf } from "./text.ts";

/** A handle is an id of 63 bits. */
const MAX_HANDLE = 2n ** 63n - 1n;
const ID = /^[1-9]\d{0,18}$/;

/** The one transaction of a call's tasks. DATASTORE_BAD_REQUEST when it is none of ours. */
export function transactionOf(
  call: Call,
  requests: readonly TaskQueueAddRequest[],
): Reply<TransactionName> {
  const names: TransactionName[] = [];
  for (const request of requests) {
    if (!isTransactional(request)) return mixed();
    const name = nameOf(call, request);
    if (!name.ok) return name;
    names.push(name.value);
  }
  const [first] = names;
  const isOne = names.every(({ id, project }) => id === first?.id && project === first.project);
  return first === undefined || !isOne ? mixed() : answer(first);
}

/** Whether a task is added under a transaction. */
export function isTransactional(request: TaskQueueAddRequest): boolean {
  return (
    request.transaction !== undefined ||
    isFieldSet(request, TaskQueueAddRequestSchema.field.datastoreTransaction)
  );
}

function mixed(): Reply<never> {
  return refuse(Code.INVALID_REQUEST, "The tasks of a call must be of one transaction, or none.");
}

function nameOf(call: Call, request: TaskQueueAddRequest): Reply<TransactionName> {
  const { transaction } = request;
  if (transaction !== undefined) {
    return transactionName(call, transaction.app, transaction.handle);
  }
  const id = textOf(request.datastoreTransaction) ?? "";
  const home = homeOf(call, request.appId);
  if (!home.ok) return home;
  return ID.test(id) && BigInt(id) <= MAX_HANDLE ? answer({ ...home.value, id }) : unknown();
}

/** The transaction of an app with this handle. */
export function transactionName(call: Call, app: string, handle: bigint): Reply<TransactionName> {
  const home = homeOf(call, app);
  if (!home.ok) return home;
  if (handle < 1n || handle > MAX_HANDLE) return unknown();
  return answer({ ...home.value, id: String(handle) });
}

function unknown(): Reply<never> {
  return refuse(Code.DATASTORE_BAD_REQUEST, "There is no such transaction.");
}

// ---- What the transaction's object and the queues answer ----------------------------------------

/** Adds tasks to a queue that appear when the transaction is committed. */
export async function addInTransaction(
  { env }: Call,
  name: TransactionName,
  queue: QueueName,
  specs: readonly TaskSpec[],
): Promise<Reply<readonly Result<CreatedTask>[]>> {
  const added = await transactions.addInTransaction(env, name, queue, specs);
  if (added.ok) return answer(added.value);
  // Full, and not only for a moment.
  const isFull = added.error.code === "RESOURCE_EXHAUSTED";
  return isFull ? refuse(Code.TOO_MANY_TASKS, added.error.message) : translate(added.error);
}

/** Begins a transaction, whose id is made of call.random(); it ends by itself after a minute. */
export async function beginTransaction(
  { env, random }: Call,
  home: LocationName,
): Promise<Reply<TransactionName>> {
  const begun = await transactions.beginTransaction(
    env,
    home,
    { lifetimeUs: TRANSACTION_LIFETIME_US.default },
    random(),
  );
  return begun.ok ? answer(begun.value.name) : translate(begun.error);
}

/** Ends a transaction. */
export async function endTransaction(
  { env }: Call,
  name: TransactionName,
  end: "commit" | "rollback",
): Promise<Reply<null>> {
  const ended =
    end === "commit"
      ? await transactions.commitTransaction(env, name)
      : await transactions.rollbackTransaction(env, name);
  return ended.ok ? answer(null) : translate(ended.error);
}
