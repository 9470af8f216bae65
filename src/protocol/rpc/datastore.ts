/**
 * The part of the service `datastore_v3` that transactions of tasks need: an app's own
 * `run_in_transaction` begins and ends one here. Nothing is stored in it.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { locationResource } from "../../auth/iam/resource.ts";
import type { TransactionName } from "../../transaction/service.ts";
import { type Call, denial, homeOf } from "./call.ts";
import { answer, Code, type Reply, refuse } from "./errors.ts";
import type {
  BeginTransactionRequest,
  CommitResponseSchema,
  Transaction,
  TransactionSchema,
} from "./gen/datastore_v3_pb.js";
import { beginTransaction, endTransaction, transactionName } from "./transactions.ts";

/** Codes of datastore_v3; the task queue's service tells the same ones, shifted by 10000. */
const BAD_REQUEST = 1;
const INTERNAL_ERROR = 3;
const PERMISSION_DENIED = 6;

/** Begins a transaction; one that it is a new try of is rolled back. */
export async function begin(
  call: Call,
  { app, previousTransaction }: BeginTransactionRequest,
): Promise<Reply<MessageInitShape<typeof TransactionSchema>>> {
  const home = homeOf(call, app);
  if (!home.ok) return unshifted(home);
  const denied = await denial(call, locationResource(home.value));
  if (denied?.ok === false) return unshifted(denied);
  // Where that fails it ends by itself.
  if (previousTransaction !== undefined) await end(call, previousTransaction, "rollback");
  const begun = await beginTransaction(call, home.value);
  return begun.ok ? answer({ handle: BigInt(begun.value.id), app }) : unshifted(begun);
}

/** Makes the tasks of a transaction appear. */
export async function commit(
  call: Call,
  transaction: Transaction,
): Promise<Reply<MessageInitShape<typeof CommitResponseSchema>>> {
  const ended = await end(call, transaction, "commit");
  return ended.ok ? answer({}) : unshifted(ended);
}

/** Forgets the tasks of a transaction. */
export async function rollback(
  call: Call,
  transaction: Transaction,
): Promise<Reply<Record<string, never>>> {
  const ended = await end(call, transaction, "rollback");
  return ended.ok ? answer({}) : unshifted(ended);
}

async function end(
  call: Call,
  { app, handle }: Transaction,
  how: "commit" | "rollback",
): Promise<Reply<null>> {
  const name: Reply<TransactionName> = transactionName(call, app, handle);
  if (!name.ok) return name;
  return (
    (await denial(call, locationResource(name.value))) ?? endTransaction(call, name.value, how)
  );
}

/** A refusal in this service's own numbers. */
function unshifted(reply: Extract<Reply<unknown>, { ok: false }>): Reply<never> {
  const { code, detail } = reply.error;
  if (code > Code.DATASTORE_ERROR) return refuse(code - Code.DATASTORE_ERROR, detail);
  if (code === Code.PERMISSION_DENIED) return refuse(PERMISSION_DENIED, detail);
  return refuse(code === Code.INVALID_REQUEST ? BAD_REQUEST : INTERNAL_ERROR, detail);
}
