/**
 * Transactions as every face uses them: beginning and ending one, and adding tasks to it. In REST a
 * request that creates tasks names its transaction in a header; methods that create none refuse it.
 */
import type { CreatedTask, QueueName, TaskSpec } from "../core/model.ts";
import { isTransactionId, type LocationName, locationPath } from "../core/names.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { Env } from "../env.ts";
import { queueStub, transactionStub } from "../stubs.ts";
import type { TransactionName, TransactionRecord } from "../transaction/service.ts";

/** Names the transaction of a request's tasks: its id, or its full name. */
export const TRANSACTION_HEADER = "X-EdgeTasks-Transaction";

/** The id of a new transaction, from 8 random bytes. */
export function newTransactionId(random: Uint8Array): string {
  const view = new DataView(random.buffer, random.byteOffset, random.byteLength);
  const id = view.getBigUint64(0) & (2n ** 63n - 1n);
  return String(id === 0n ? 1n : id);
}

/** Begins a transaction. See TransactionService.begin. */
export async function beginTransaction(
  env: Env,
  { project, location }: LocationName,
  request: { readonly lifetimeUs: number; readonly confirmUrl?: string },
  random: Uint8Array,
): Promise<Result<TransactionRecord>> {
  const name = { project, location, id: newTransactionId(random) };
  return transactionStub(env, name).begin({ name, ...request });
}

/** NOT_FOUND (cause NO_TRANSACTION): there never was such a transaction, or it is forgotten. */
export async function getTransaction(
  env: Env,
  name: TransactionName,
): Promise<Result<TransactionRecord>> {
  return transactionStub(env, name).get();
}

/** FAILED_PRECONDITION (cause TRANSACTION_OVER) where it was rolled back; repeated it is the same. */
export async function commitTransaction(
  env: Env,
  name: TransactionName,
): Promise<Result<TransactionRecord>> {
  return transactionStub(env, name).commit();
}

/** FAILED_PRECONDITION (cause TRANSACTION_OVER) where it was committed; repeated it is the same. */
export async function rollbackTransaction(
  env: Env,
  name: TransactionName,
): Promise<Result<TransactionRecord>> {
  return transactionStub(env, name).rollback();
}

/**
 * Adds tasks to a transaction, all or none. They have their ids from now on, and nobody sees them
 * until it is committed. One result a task, in order: where one is refused (INVALID_ARGUMENT: it has
 * a name of its own, or is for the other type of queue) the others are ABORTED. The outer failure:
 * NOT_FOUND (NO_TRANSACTION, NO_QUEUE), FAILED_PRECONDITION (TRANSACTION_OVER), INVALID_ARGUMENT
 * (another project or location, more than 1 MiB of bodies), RESOURCE_EXHAUSTED (limits.ts).
 */
export async function addInTransaction(
  env: Env,
  name: TransactionName,
  queue: QueueName,
  specs: readonly TaskSpec[],
): Promise<Result<readonly Result<CreatedTask>[]>> {
  if (!isSamePlace(name, queue)) return otherPlace(queue);
  const { project, location, queue: id } = queue;
  // Durable before the tasks are: a queue that has some is never left out of the decision.
  const enlisted = await transactionStub(env, name).enlist({ project, location, queue: id });
  if (!enlisted.ok) return enlisted;
  return queueStub(env, queue).prepareTasks(name.id, specs);
}

/** As addInTransaction, for one task. */
export async function addOneInTransaction(
  env: Env,
  name: TransactionName,
  queue: QueueName,
  spec: TaskSpec,
): Promise<Result<CreatedTask>> {
  const added = await addInTransaction(env, name, queue, [spec]);
  if (!added.ok) return added;
  return added.value[0] ?? fail("INTERNAL", "Internal error encountered.");
}

// ---- The header ------------------------------------------------------------------------------

/**
 * Reads the header's value on a request for a place. INVALID_ARGUMENT: it is no id and no name, or
 * names a transaction of another project or location.
 */
export function readTransaction(value: string, place: LocationName): Result<TransactionName> {
  const [, project, location, id] =
    /^projects\/([^/]+)\/locations\/([^/]+)\/transactions\/([^/]+)$/.exec(value) ?? [];
  const name = {
    project: project ?? place.project,
    location: location ?? place.location,
    id: id ?? value,
  };
  if (!isTransactionId(name.id)) {
    const text = `Invalid value for the header ${TRANSACTION_HEADER}: it must be the id or the name of a transaction.`;
    return fail("INVALID_ARGUMENT", text);
  }
  return isSamePlace(name, place) ? ok(name) : otherPlace(place);
}

/** The refusal of the header by a method that adds no tasks: nobody shall think that it took part. */
export function transactionRefused() {
  const text = `The header ${TRANSACTION_HEADER} is not possible here: only methods that create tasks take part in a transaction.`;
  return fail("INVALID_ARGUMENT", text);
}

function isSamePlace(one: LocationName, other: LocationName): boolean {
  return one.project === other.project && one.location === other.location;
}

function otherPlace(place: LocationName): Result<never> {
  const text = `The transaction must be of the queue's own project and location, ${locationPath(place)}.`;
  return fail("INVALID_ARGUMENT", text);
}
