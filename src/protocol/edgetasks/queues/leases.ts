/** The methods of workers: lease, modify a lease, acknowledge. */
import { isTaskId, tagFault } from "../../../core/names.ts";
import type { LeaseSelection } from "../../../queue/service.ts";
import { queueStub } from "../../../stubs.ts";
import { LazyList } from "../../lazy-list.ts";
import { clientOf } from "../../waiting-client.ts";
import { leaseWithWait, readWait, waitApplied } from "../../waiting-lease.ts";
import type { Answer, Call, Checked } from "./call.ts";
import { askQueue } from "./current-queue.ts";
import { invalidField, type Refusal } from "./errors.ts";
import {
  acknowledgeSchema,
  type LeaseInput,
  leaseSchema,
  modifyLeaseSchema,
  readBody,
} from "./schema.ts";
import { writeLeasedTask } from "./task-view.ts";
import { invalidName, resultsOf } from "./tasks.ts";

/** Tasks in a lease, and leases in a call that renews or acknowledges (limits.md §4). */
const MAX_LEASED_TASKS = 1000;
/** Longest lease: a week (limits.md §3). */
const MAX_LEASE_US = 604_800e6;
/** Bytes of payload in an answer, so that its base64 stays below 32 MB. */
const MAX_LEASED_BYTES = 23_000_000;

/**
 * Leases tasks. `Prefer: wait=N` waits for some where there are none. The answer tells when the
 * request came and when it was answered, by the clock that leases are counted in: from that a worker
 * knows how much of its lease the way back may have used up.
 */
export async function leaseTasks(call: Call): Answer {
  const { request, clock } = call;
  const body = await readBody(request, leaseSchema);
  if (!body.ok) return body;
  const { maxTasks, leaseDurationUs } = body.value;
  if (!Number.isInteger(maxTasks) || maxTasks < 1 || maxTasks > MAX_LEASED_TASKS) {
    return invalidField("maxTasks", `maxTasks must be 1 to ${MAX_LEASED_TASKS}.`);
  }
  const problem = durationProblem(leaseDurationUs);
  if (problem !== undefined) return problem;
  const selection = readSelection(body.value);
  if (!selection.ok) return selection;
  const lease = {
    maxTasks,
    leaseDurationUs,
    selection: selection.value,
    withBody: true,
    maxBytes: MAX_LEASED_BYTES,
  };
  const waitMs = (readWait(request.headers) ?? 0) * 1000;
  const leased = await askQueue(call, () =>
    leaseWithWait(queueStub(call.env, call.queue), lease, waitMs, clock, clientOf(request)),
  );
  if (!leased.ok) return leased;
  return {
    ok: true,
    value: {
      value: { requestTimeUs: String(call.nowUs), answerTimeUs: String(clock() * 1000) },
      tasks: new LazyList(leased.value, writeLeasedTask),
      headers: waitApplied(request.headers),
    },
  };
}

/** Which tasks: all, those of a tag, or those with the tag of the oldest (rpc.md §7). */
function readSelection({
  groupByTag,
  tag,
}: {
  readonly groupByTag?: boolean | null | undefined;
  readonly tag?: string | null | undefined;
}): Checked<LeaseSelection> {
  if (typeof tag !== "string") {
    return { ok: true, value: { kind: groupByTag === true ? "oldestTag" : "any" } };
  }
  if (groupByTag !== true) return invalidField("tag", "A tag goes with groupByTag.");
  const fault = tagFault(tag);
  if (fault !== null) return invalidField("tag", `The tag is ${fault}.`, "INVALID_TAG");
  return { ok: true, value: { kind: "tag", tag } };
}

/** Sets what leases have left, each of many by its own result; 0 releases the task at once. */
export async function modifyLease(call: Call): Answer {
  const body = await readBody(call.request, modifyLeaseSchema);
  if (!body.ok) return body;
  const { leases, leaseDurationUs } = body.value;
  const problem = durationProblem(leaseDurationUs) ?? leasesProblem(leases);
  if (problem !== undefined) return problem;
  const results = await askQueue(call, (queue) =>
    queue.renewLeases(leases.map(keyOf), leaseDurationUs),
  );
  if (!results.ok) return results;
  return resultsOf(results.value, ({ scheduleTimeUs }) => ({
    scheduleTimeUs: String(scheduleTimeUs),
  }));
}

/** Deletes tasks whose leases are the ones that are named; one result for each. */
export async function acknowledge(call: Call): Answer {
  const body = await readBody(call.request, acknowledgeSchema);
  if (!body.ok) return body;
  const { leases } = body.value;
  const problem = leasesProblem(leases);
  if (problem !== undefined) return problem;
  const results = await askQueue(call, (queue) => queue.acknowledgeTasks(leases.map(keyOf)));
  return results.ok ? resultsOf(results.value, () => ({})) : results;
}

function keyOf({ name, scheduleTimeUs }: LeaseInput) {
  return { id: name, scheduleTimeUs };
}

function leasesProblem(leases: readonly LeaseInput[]): Refusal | undefined {
  if (leases.length > MAX_LEASED_TASKS) {
    const message = `A call names at most ${MAX_LEASED_TASKS} leases.`;
    return invalidField("leases", message, "TOO_MANY_TASKS");
  }
  const wrong = leases.findIndex(({ name }) => !isTaskId(name));
  if (wrong === -1) return undefined;
  return invalidName(`leases[${wrong}].name`, leases[wrong]?.name ?? "");
}

function durationProblem(leaseDurationUs: number): Refusal | undefined {
  if (leaseDurationUs >= 0 && leaseDurationUs <= MAX_LEASE_US) return undefined;
  return invalidField("leaseDurationUs", "A lease lasts 0 to 604800 s, given in microseconds.");
}
