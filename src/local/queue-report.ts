/** Plans and problems of queue files as lines for a terminal. */
import type { FileProblem, PlannedQueue } from "./queue-service.ts";

/** `queue.yaml:3: queue[0].rate: must be ...`, a line each. */
export function problemLines(file: string, problems: readonly FileProblem[]): string {
  return problems
    .map(({ line, element, message }) =>
      [`${file}:${line}`, ...(element === "" ? [] : [element]), message].join(": "),
    )
    .join("\n");
}

/** What is going to happen, queue by queue; those that stay as they are come as a number. */
export function planLines(plan: readonly PlannedQueue[]): string {
  const changed = plan.filter(isChanged);
  const lines = changed.flatMap(({ queue, actions, changes }) => [
    `  ${queue}: ${actions.join(" and ")}`,
    ...changes.map(({ element, from, to }) => {
      const value = to ?? "not set";
      return `      ${element}: ${actions.includes("create") ? value : `${from ?? "not set"} → ${value}`}`;
    }),
  ]);
  const same = plan.length - changed.length;
  return [...lines, ...(same > 0 ? [`  ${same} unchanged`] : [])].join("\n");
}

/** `2 created, 1 paused`, or that nothing was to be done. */
export function summaryOf(plan: readonly PlannedQueue[]): string {
  const counts = [
    ["create", "created"],
    ["update", "updated"],
    ["pause", "paused"],
    ["resume", "resumed"],
  ].flatMap(([action = "", word]) => {
    const count = plan.filter(({ actions }) => actions.includes(action)).length;
    return count === 0 ? [] : [`${count} ${word}`];
  });
  return counts.length === 0 ? "nothing to change" : counts.join(", ");
}

/** Whether a queue will be another than it was. */
export function isChanged({ actions }: PlannedQueue): boolean {
  return !actions.includes("unchanged");
}
