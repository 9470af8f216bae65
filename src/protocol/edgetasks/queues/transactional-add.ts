/** Tasks of a transaction: where this interface meets the room of transactions. */
import type { CreatedTask, TaskSpec } from "../../../core/model.ts";
import type { Result } from "../../../core/result.ts";
import * as transactions from "../../transactions.ts";
import type { Call } from "./call.ts";

/**
 * Stores tasks all or none, to be there when the transaction is committed. `transaction` is its full
 * name or its id. INVALID_ARGUMENT for what is neither, or is of another project or location;
 * FAILED_PRECONDITION (TRANSACTION_OVER), NOT_FOUND (NO_TRANSACTION).
 */
export async function addInTransaction(
  { env, queue }: Pick<Call, "env" | "queue">,
  transaction: string,
  specs: readonly TaskSpec[],
): Promise<Result<readonly Result<CreatedTask>[]>> {
  const name = transactions.readTransaction(transaction, queue);
  if (!name.ok) return name;
  return transactions.addInTransaction(env, name.value, queue, specs);
}
