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
  "prepare",
  "decide",
] as const;
export type StepKind = (typeof STEP_KINDS)[number];

export interface Step<Kind extends string = StepKind> {
  readonly kind: Kind;
  readonly shares: readonly [number, number, number];
}

/** How often each kind of step comes up, relative to the others. */
export type Weights<Kind extends string> = Readonly<Record<Kind, number>>;

/** The steps of a push queue that has no part in transactions. */
export const WEIGHTS: Weights<StepKind> = {
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
  prepare: 0,
  decide: 0,
};

/** The steps of one that has. */
export const TRANSACTION_WEIGHTS: Weights<StepKind> = { ...WEIGHTS, prepare: 8, decide: 6 };

/** The history of a seed. */
export function makeHistory<Kind extends string>(
  weights: Weights<Kind>,
  seed: number,
  length: number,
): Step<Kind>[] {
  const random = seededRandom(seed);
  const kinds = Object.keys(weights) as Kind[];
  const total = kinds.reduce((sum, kind) => sum + weights[kind], 0);
  return Array.from({ length }, () => ({
    kind: chooseKind(kinds, weights, random() * total),
    shares: [random(), random(), random()] as const,
  }));
}

function chooseKind<Kind extends string>(
  kinds: readonly Kind[],
  weights: Weights<Kind>,
  share: number,
): Kind {
  let rest = share;
  for (const kind of kinds) {
    rest -= weights[kind];
    if (rest < 0) return kind;
  }
  return kinds[0] as Kind;
}

/**
 * A shorter history that still fails: cuts out parts, halves first, for as long as `fails` says that
 * what remains fails too, within a number of trials.
 */
export function shrinkHistory<S>(
  history: readonly S[],
  fails: (part: readonly S[]) => boolean,
  trials: number,
): readonly S[] {
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
