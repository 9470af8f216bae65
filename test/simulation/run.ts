/** Runs histories against engines, and tells of a failure what one needs to repeat it. */
import type { Engine } from "../../src/queue/engine.ts";
import { migrate } from "../../src/queue/schema.ts";
import { makeHistory, type Step, shrinkHistory } from "./history.ts";
import { Simulation } from "./world.ts";

/** Makes an engine over a database, as QueueObject does. */
export type BuildEngine = (sql: SqlStorage, nowUs: number) => Engine;

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
export function simulate(
  storage: DurableObjectStorage,
  build: BuildEngine,
  budget: Budget,
): Failure | null {
  for (let seed = budget.firstSeed; seed < budget.firstSeed + budget.seeds; seed++) {
    const history = makeHistory(seed, budget.steps);
    if (playHistory(storage, build, history) === null) continue;
    const fails = (part: readonly Step[]) => playHistory(storage, build, part) !== null;
    const shortest = shrinkHistory(history, fails, SHRINK_TRIALS);
    const broken = playHistory(storage, build, shortest);
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
function playHistory(
  storage: DurableObjectStorage,
  build: BuildEngine,
  history: readonly Step[],
): { readonly error: unknown; readonly log: readonly string[] } | null {
  clearTables(storage.sql);
  const simulation = new Simulation({
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
