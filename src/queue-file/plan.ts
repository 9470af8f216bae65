/** What applying a queue file would do, told before anything is done. */
import type { DeploymentConfig } from "../core/config.ts";
import type { QueueRecord, QueueSettings } from "../core/model.ts";
import { patchSettings } from "../core/queue-settings.ts";
import { describeQueue, elementsOf, shorten } from "./description.ts";
import type { QueueDescription, QueueEntry, QueueFile } from "./queue-file.ts";
import type { Problem } from "./reader.ts";
import { isExempt, isPausing, updateOf } from "./settings.ts";

export type Action = "create" | "update" | "pause" | "resume";

/** An element that gets another value, as texts of the file; null: not set. */
export interface Change {
  readonly element: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** What happens to one queue. Nothing to be done: it is as the file has it. */
export interface Step {
  readonly queue: string;
  readonly actions: readonly Action[];
  readonly changes: readonly Change[];
  /** Absent: the file does not name this queue. */
  readonly entry?: QueueEntry;
}

/** A plan in the order in which it is carried out, or what keeps the file from being applied. */
export type Plan =
  | { readonly ok: true; readonly steps: readonly Step[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Compares a file with the queues that are there, `present` by name. New queues come first, since
 * only they can still be refused; then those that are there; then those that the file does not
 * name, which are paused.
 */
export function makePlan(
  file: QueueFile,
  present: ReadonlyMap<string, QueueRecord>,
  config: DeploymentConfig,
): Plan {
  const isNew = ({ name }: QueueEntry) => !present.has(name);
  const problems: Problem[] = [];
  const created = file.queues.filter(isNew).map((entry) => creationStep(entry, config));
  const updated = file.queues.flatMap((entry) => {
    const record = present.get(entry.name);
    if (record === undefined) return [];
    const problem = typeProblem(entry, record);
    if (problem !== undefined) problems.push(problem);
    const settings = patchSettings(record.settings, updateOf(entry), config);
    if (settings.ok) return [updateStep(entry, record, settings.value, file)];
    if (problem === undefined) problems.push(impossible(entry, settings.error.message));
    return [];
  });
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, steps: [...created, ...updated, ...absenceSteps(file, present)] };
}

function creationStep(entry: QueueEntry, config: DeploymentConfig): Step {
  return {
    queue: entry.name,
    actions: isPausing(entry) ? ["create", "pause"] : ["create"],
    changes: changesBetween(new Map(), textsOf(shorten(entry, config))),
    entry,
  };
}

function updateStep(
  entry: QueueEntry,
  record: QueueRecord,
  settings: QueueSettings,
  { resumePausedQueues }: QueueFile,
): Step {
  const changes = changesBetween(elementsIn(record), elementsIn({ ...record, settings }));
  const isRunning = record.state === "RUNNING";
  const switching: readonly Action[] = isPausing(entry)
    ? isRunning
      ? ["pause"]
      : []
    : isRunning || !resumePausedQueues
      ? []
      : ["resume"];
  const actions: readonly Action[] = [
    ...(changes.length > 0 ? ["update" as const] : []),
    ...switching,
  ];
  return { queue: entry.name, actions, changes, entry };
}

function absenceSteps(file: QueueFile, present: ReadonlyMap<string, QueueRecord>): readonly Step[] {
  const named = new Set(file.queues.map(({ name }) => name));
  return [...present]
    .filter(([name, { state }]) => !named.has(name) && !isExempt(name) && state === "RUNNING")
    .map(([queue]) => ({ queue, actions: ["pause"], changes: [] }));
}

type Texts = ReadonlyMap<string, string>;

function changesBetween(from: Texts, to: Texts): readonly Change[] {
  return [...new Set([...from.keys(), ...to.keys()])]
    .filter((element) => from.get(element) !== to.get(element))
    .map((element) => ({
      element,
      from: from.get(element) ?? null,
      to: to.get(element) ?? null,
    }));
}

/** The elements of a queue; its target also where no file could say it, for a file replaces it. */
function elementsIn(record: QueueRecord): Texts {
  const { service, version, instance } = record.settings.appEngineRoutingOverride ?? {};
  const target = [instance, version, service].filter(Boolean).join(".");
  const texts = textsOf(describeQueue(record));
  return target === "" ? texts : new Map([...texts, ["target", target]]);
}

function textsOf(queue: QueueDescription): Texts {
  const { userEmails = [], writerEmails = [] } = queue.acl ?? {};
  const emails = [
    ["acl.user_email", userEmails],
    ["acl.writer_email", writerEmails],
  ] as const;
  return new Map([
    ...elementsOf(queue),
    ...emails.flatMap(([element, list]) =>
      list.length === 0 ? [] : [[element, list.join(", ")] as const],
    ),
  ]);
}

function typeProblem(entry: QueueEntry, { settings }: QueueRecord): Problem | undefined {
  const type = settings.type.toLowerCase();
  if (type === entry.mode) return undefined;
  const message = `cannot be changed: the queue "${entry.name}" is a ${type} queue.`;
  return { line: entry.line, element: `${entry.path}.mode`, message };
}

function impossible({ line, path }: QueueEntry, message: string): Problem {
  return { line, element: path, message: `is not possible: ${message}` };
}
