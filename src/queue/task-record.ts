/** Rows of tasks as the rest of the system sees them: ids, history, records. */
import type { AttemptEnd, AttemptHistory } from "../core/attempt.ts";
import { attemptStatus } from "../core/attempt-status.ts";
import type { AttemptRecord, EncodedMeta, TaskRecord } from "../core/model.ts";
import { encodeTaskId } from "../core/task-id.ts";
import type { Flight } from "./flights.ts";
import type { PayloadRow, TaskRow } from "./schema.ts";

/** All that is recorded of a task that was leased but has no failed attempt. Microseconds. */
interface Birth {
  /** The schedule time the task was created with: part of its id. */
  readonly bornAt: number;
}

/** How a task's recorded attempts went: the JSON of the column `history`. Microseconds. */
export interface RowHistory extends Birth {
  readonly firstDispatchUs: number;
  readonly scheduleUs: number;
  readonly dispatchUs: number;
  readonly responseUs: number;
  readonly end: AttemptEnd;
  readonly responses: number;
  readonly executedResponses: number;
}

/** The recorded history of a row, null before the first recorded attempt. */
export function readHistory(row: Pick<TaskRow, "history">): RowHistory | null {
  if (row.history === null) return null;
  const kept = JSON.parse(row.history) as Birth | RowHistory;
  return "end" in kept ? kept : null;
}

/** The schedule time a row was created with: part of the id of an unnamed task. */
export function bornAt(row: Pick<TaskRow, "at" | "history">): number {
  return row.history === null ? row.at : (JSON.parse(row.history) as Birth).bornAt;
}

/** The history after one more attempt of a task that was created with schedule time `born`. */
export function extendHistory(
  before: RowHistory | null,
  born: number,
  attempt: {
    readonly scheduleUs: number;
    readonly dispatchUs: number;
    readonly responseUs: number;
  },
  end: AttemptEnd,
): RowHistory {
  const responded = end.kind === "response";
  const executed = responded && end.status < 500;
  return {
    ...attempt,
    bornAt: born,
    firstDispatchUs: before?.firstDispatchUs ?? attempt.dispatchUs,
    end,
    responses: (before?.responses ?? 0) + (responded ? 1 : 0),
    executedResponses: (before?.executedResponses ?? 0) + (executed ? 1 : 0),
  };
}

/** What the headers of the next attempt tell of those before. */
export function attemptHistory(history: RowHistory): AttemptHistory {
  return {
    executedResponses: history.executedResponses,
    responses: history.responses,
    previous: history.end,
  };
}

/** The short id of a task: its name, or the digits made from where it was first put. */
export function taskId(
  row: Pick<TaskRow, "name" | "at" | "seq" | "history">,
  salt: number,
): string {
  if (row.name !== null) return row.name;
  return encodeTaskId({ scheduleTimeUs: bornAt(row), sequence: row.seq }, salt);
}

/**
 * A stored task, read back. `flight` is its running attempt, `lost` the number of one that got lost; a
 * body that is not wanted is null.
 */
export function taskRecord(
  row: Omit<TaskRow, "meta" | "body" | "lease">,
  kept: PayloadRow,
  salt: number,
  running: { readonly flight: Flight | undefined; readonly lost: number },
): TaskRecord {
  const history = readHistory(row);
  const { flight } = running;
  const first = history?.firstDispatchUs ?? flight?.dispatchedUs;
  const last = lastAttempt(history, flight);
  return {
    id: taskId(row, salt),
    scheduleTimeUs: row.at,
    createTimeUs: row.seq,
    meta: kept.meta as EncodedMeta,
    dispatchCount: Math.max(row.attempts, flight?.attempt ?? 0, running.lost),
    responseCount: history?.responses ?? 0,
    ...(kept.body === null ? {} : { body: new Uint8Array(kept.body) }),
    ...(row.tag === null ? {} : { tag: row.tag }),
    ...(first === undefined ? {} : { firstAttempt: { dispatchTimeUs: first } }),
    ...(last === undefined ? {} : { lastAttempt: last }),
  };
}

function lastAttempt(
  history: RowHistory | null,
  flight: Flight | undefined,
): AttemptRecord | undefined {
  if (flight !== undefined) {
    return { scheduleTimeUs: flight.forcedUs ?? flight.at, dispatchTimeUs: flight.dispatchedUs };
  }
  if (history === null) return undefined;
  return {
    scheduleTimeUs: history.scheduleUs,
    dispatchTimeUs: history.dispatchUs,
    responseTimeUs: history.responseUs,
    status: attemptStatus(history.end),
  };
}
