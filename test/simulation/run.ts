/** Runs histories against engines, and tells of a failure what one needs to repeat it. */
import type { Engine } from "../../src/queue/engine.ts";
import { migrate } from "../../src/queue/schema.ts";
import {
  makeHistory,
  type Step,
  type StepKind,
  shrinkHistory,
  TRANSACTION_WEIGHTS,
  WEIGHTS,
  type Weights,
} from "./history.ts";
import { PULL_WEIGHTS, PullSimulation, type PullStepKind } from "./pull-world.ts";
import { Simulation, type World } from "./world.ts";

/** Makes an engine over a database, as QueueObject does. */
export type BuildEngine = (sql: SqlStorage, nowUs: number) => Engine;

/** A kind of queue to play: which steps come up, and who plays and checks them. */
export interface Game<Kind extends string> {
  readonly weights: Weights<Kind>;
  readonly start: (world: World) => Player<Kind>;
}

interface Player<Kind extends string> {
  play(step: Step<Kind>): void;
  settle(): void;
  describe(): string;
  readonly log: readonly string[];
}

export const PUSH: Game<StepKind> = { weights: WEIGHTS, start: (world) => new Simulation(world) };
export const TRANSACTIONAL: Game<StepKind> = { ...PUSH, weights: TRANSACTION_WEIGHTS };
export const PULL: Game<PullStepKind> = {
  weights: PULL_WEIGHTS,
  start: (world) => new PullSimulation(world),
};

export interface Budget {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly steps: number;
}

/** What is played by default: a few seconds. */
export const DEFAULT_BUDGET: Budget = { firstSeed: 1, seeds: 120, steps: 120 };
const SHRINK_TRIALS = 400;
const TOLD_STEPS = 40;

export interface Failure {
  readonly seed: number;
  readonly message: string;
  /** Of the shortest history that was found to fail, the last lines. */
  readonly told: string;
}

/** Plays the histories of all seeds; the first failure, shrunk, or null. */
export function simulate<Kind extends string>(
  game: Game<Kind>,
  storage: DurableObjectStorage,
  build: BuildEngine,
  budget: Budget,
): Failure | null {
  for (let seed = budget.firstSeed; seed < budget.firstSeed + budget.seeds; seed++) {
    const history = makeHistory(game.weights, seed, budget.steps);
    if (playHistory(game, storage, build, history) === null) continue;
    const fails = (part: readonly Step<Kind>[]) => playHistory(game, storage, build, part) !== null;
    const shortest = shrinkHistory(history, fails, SHRINK_TRIALS);
    const broken = playHistory(game, storage, build, shortest);
    return {
      seed,
      message: String(broken?.error),
      told: [
        `seed ${seed}, ${budget.steps} steps, shrunk to ${shortest.length}:`,
        ...(broken?.log ?? []).slice(-TOLD_STEPS),
        `=> ${broken?.error}`,
      ].join("\n"),
    };
  }
  return null;
}

/** Plays one history to its end and lets the queue settle; null when every promise was kept. */
function playHistory<Kind extends string>(
  game: Game<Kind>,
  storage: DurableObjectStorage,
  build: BuildEngine,
  history: readonly Step<Kind>[],
): { readonly error: unknown; readonly log: readonly string[] } | null {
  clearTables(storage.sql);
  const simulation = game.start({
    makeEngine: (nowUs) => build(storage.sql, nowUs),
    undone: (turn) => undone(storage, turn),
  });
  try {
    for (const step of history) simulation.play(step);
    simulation.settle();
    return null;
  } catch (error) {
    return { error, log: [...simulation.log, simulation.describe()] };
  }
}

class Undo extends Error {}

function undone(storage: DurableObjectStorage, turn: () => void): void {
  try {
    storage.transactionSync(() => {
      turn();
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
}

/** Empties every table of the schema, whatever tables it has. */
function clearTables(sql: SqlStorage): void {
  migrate(sql);
  const tables = sql
    .exec<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'schema_version' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .toArray();
  for (const { name } of tables) sql.exec(`DELETE FROM "${name}"`);
}
