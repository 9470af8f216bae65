/** Page tokens of the admin interface: the last entry of the page before. */
import { ok, type Result } from "../../core/result.ts";
import {
  type ListIdentity,
  readPageToken,
  writePageToken,
} from "../../protocol/cloudtasks/page-token.ts";
import type { AdminCall } from "./call.ts";

/** After which entry the page begins; `first` where it is the first page. INVALID_ARGUMENT. */
export function readCursor<T extends string | number>(call: AdminCall, first: T): Result<T> {
  const text = call.query.values.get("pageToken");
  const shape = [typeof first === "string" ? "string" : "number"] as const;
  const read = readPageToken(text, listOf(call), shape, call.nowUs);
  if (!read.ok) return read;
  return ok((read.value?.[0] ?? first) as T);
}

export function writeCursor(call: AdminCall, last: string | number): string {
  return writePageToken(listOf(call), [last], call.nowUs);
}

function listOf({ resource }: AdminCall): ListIdentity {
  return [resource.kind, resource.project, ""];
}
