/**
 * A history: the steps that a simulated queue goes through. A step is a kind and a few numbers in
 * [0, 1) that choose among whatever there is when it runs, so any part of a history is a history
 * too. That makes a failing one easy to shrink.
 */
import { seededRandom } from "./random.ts";

export const STEP_KINDS = [
  "create",
  "createNamed",
  "createLater",
  "createBatch",
  "createBig",
  "delete",
  "run",
  "succeed",
  "fail",
  "report late",
  "lose lane",
  "advance a little",
  "advance to wake",
  "advance far",
  "step clock",
  "pause",
  "resume",
  "purge",
  "change settings",
  "restart",
  "crash in turn",
  "list",
] as const;
export type StepKind = (typeof STEP_KINDS)[number];

export interface Step {
  readonly kind: StepKind;
  readonly shares: readonly [number, number, number];
}

/** How often each kind comes up, relative to the others. */
const WEIGHTS: Readonly<Record<StepKind, number>> = {
  create: 10,
  createNamed: 5,
  createLater: 7,
  createBatch: 3,
  createBig: 1,
  delete: 3,
  run: 3,
  succeed: 14,
  fail: 10,
  "report late": 5,
  "lose lane": 2,
  "advance a little": 12,
  "advance to wake": 12,
  "advance far": 3,
  "step clock": 2,
  pause: 1.5,
  resume: 3,
  purge: 0.7,
  "change settings": 2.5,
  restart: 4,
  "crash in turn": 1.5,
  list: 3,
};
const TOTAL_WEIGHT = STEP_KINDS.reduce((sum, kind) => sum + WEIGHTS[kind], 0);

/** The history of a seed. */
export function makeHistory(seed: number, length: number): Step[] {
  const random = seededRandom(seed);
  return Array.from({ length }, () => ({
    kind: chooseKind(random()),
    shares: [random(), random(), random()] as const,
  }));
}

function chooseKind(share: number): StepKind {
  let rest = share * TOTAL_WEIGHT;
  for (const kind of STEP_KINDS) {
    rest -= WEIGHTS[kind];
    if (rest < 0) return kind;
  }
  return "list";
}

/**
 * A shorter history that still fails: cuts out parts, halves first, for as long as `fails` says that
 * what remains fails too, within a number of trials.
 */
export function shrinkHistory(
  history: readonly Step[],
  fails: (part: readonly Step[]) => boolean,
  trials: number,
): readonly Step[] {
  let shortest = history;
  let left = trials;
  for (
    let size = Math.ceil(history.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let start = 0; start < shortest.length && left > 0; ) {
      const part = [...shortest.slice(0, start), ...shortest.slice(start + size)];
      left--;
      if (part.length < shortest.length && fails(part)) shortest = part;
      else start += size;
    }
  }
  return shortest;
}
