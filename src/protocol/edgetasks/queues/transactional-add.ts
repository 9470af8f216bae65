/** Tasks of a transaction: where this interface meets the room of transactions. */
import type { CreatedTask, TaskSpec } from "../../../core/model.ts";
import { fail, type Result } from "../../../core/result.ts";
import type { Call } from "./call.ts";

/**
 * Stores tasks all or none, to be there when the transaction is committed. `transaction` is its full
 * name or its id. FAILED_PRECONDITION (TRANSACTION_OVER), NOT_FOUND (NO_TRANSACTION).
 */
export async function addInTransaction(
  _call: Pick<Call, "env" | "queue">,
  _transaction: string,
  _specs: readonly TaskSpec[],
): Promise<Result<readonly Result<CreatedTask>[]>> {
  return fail("UNIMPLEMENTED", "Transactions are not served by this deployment.");
}
