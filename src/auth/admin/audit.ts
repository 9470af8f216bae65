/** The record of changes to a project's accounts, keys, tokens and policies. */
import { ok } from "../../core/result.ts";
import { readPageSize } from "../../protocol/query.ts";
import { writeTimestamp } from "../../protocol/wire.ts";
import type { AdminAnswer, AdminCall } from "./call.ts";
import { readCursor, writeCursor } from "./pages.ts";

const MAX_PAGE = 1000;

/** Newest first. */
export async function listAudit(call: AdminCall): AdminAnswer {
  const size = readPageSize(call.query, MAX_PAGE);
  if (!size.ok) return size;
  const before = readCursor(call, Number.MAX_SAFE_INTEGER);
  if (!before.ok) return before;
  const { items, more } = await call.store.listAudit(before.value, size.value);
  const { project } = call.resource;
  const entries = items.map(({ timeUs, actor, method, resource }) => ({
    timestamp: writeTimestamp(timeUs),
    actor,
    method,
    resource: resource === "project" ? `projects/${project}` : `projects/${project}/${resource}`,
  }));
  return ok({
    ...(entries.length === 0 ? {} : { entries }),
    ...(more ? { nextPageToken: writeCursor(call, items.at(-1)?.number ?? 0) } : {}),
  });
}
