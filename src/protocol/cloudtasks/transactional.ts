/** Creating tasks in a transaction: its header was given, see transactions.ts. */
import type { CreatedTask, TaskSpec } from "../../core/model.ts";
import type { Result } from "../../core/result.ts";
import type { TransactionName } from "../../transaction/service.ts";
import { type Failure, invalidField } from "../errors.ts";
import { addInTransaction, addOneInTransaction } from "../transactions.ts";
import type { Call } from "./call.ts";
import { explainMismatch, type TaskDraft } from "./task-draft.ts";

/** createTask in a transaction. */
export async function createInTransaction(
  { env, resource }: Call,
  transaction: TransactionName,
  { spec }: TaskDraft,
): Promise<Result<CreatedTask>> {
  return namedTask(spec, "task") ?? addOneInTransaction(env, transaction, resource, spec);
}

/**
 * All of a batch or nothing of it: a transaction that was committed with a part would not be what its
 * caller put together. So the first refusal is the answer.
 */
export async function createAllInTransaction(
  { env, resource }: Call,
  transaction: TransactionName,
  drafts: readonly Result<TaskDraft>[],
): Promise<Result<readonly Result<CreatedTask>[]>> {
  const valid: TaskDraft[] = [];
  for (const [index, draft] of drafts.entries()) {
    if (!draft.ok) return draft;
    const named = namedTask(draft.value.spec, `requests[${index}].task`);
    if (named !== undefined) return named;
    valid.push(draft.value);
  }
  const specs = valid.map(({ spec }) => spec);
  const added = await addInTransaction(env, transaction, resource, specs);
  if (!added.ok) return added;
  for (const [index, draft] of valid.entries()) {
    const result = added.value[index];
    if (result === undefined || result.ok || result.error.code === "ABORTED") continue;
    const explained = explainMismatch(result, draft, `requests[${index}].task`);
    if (!explained.ok) return explained;
  }
  return added;
}

/** Refuses a name of its own; `root` is the task in the request. */
function namedTask({ id }: TaskSpec, root: string): Failure | undefined {
  if (id === undefined) return undefined;
  return invalidField(`${root}.name`, "A task of a transaction cannot have a name given to it.");
}
