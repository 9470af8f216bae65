/**
 * The filter of LeaseTasks (limits.md §5), a language of its own:
 *
 *   filter   = "tag=" tag | "tag_function=" function
 *   tag      = text as it stands, or in double quotes with \" and \\
 *   function = "oldest_tag()"
 */
import { ok, type Result } from "../../core/result.ts";
import type { LeaseSelection } from "../../queue/service.ts";
import { echo, invalidField } from "../errors.ts";
import { tagProblem } from "./task-draft.ts";

/** What a filter selects; an empty one selects any task. INVALID_ARGUMENT for any other text. */
export function readLeaseFilter(filter: string | undefined): Result<LeaseSelection> {
  const text = filter?.trim() ?? "";
  if (text === "") return ok({ kind: "any" });
  if (/^tag_function\s*=\s*oldest_tag\(\s*\)$/.test(text)) return ok({ kind: "oldestTag" });
  const [, value] = /^tag\s*=\s*(.*)$/s.exec(text) ?? [];
  const tag = value?.startsWith('"') ? unquote(value) : value;
  if (tag === undefined) {
    return invalidField(
      "filter",
      `Invalid filter "${echo(text)}". It must be tag=<tag>, tag="<tag>" or ` +
        "tag_function=oldest_tag().",
    );
  }
  const problem = tagProblem(tag);
  return problem === undefined
    ? ok({ kind: "tag", tag })
    : invalidField("filter", `Invalid filter. The tag ${problem}`);
}

function unquote(value: string): string | undefined {
  const [, inner] = /^"((?:[^"\\]|\\.)*)"$/s.exec(value) ?? [];
  return inner?.replace(/\\(.)/gs, "$1");
}
