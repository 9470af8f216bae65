/**
 * Random histories of a queue, each from a seed, against a model (world.ts says what must hold); and
 * bugs planted on purpose, to show that such a history finds them.
 *
 * VITE_SIMULATION_SEED and VITE_SIMULATION_SEEDS in the environment choose others than the default.
 */

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Env } from "../../src/env.ts";
import { Engine } from "../../src/queue/engine.ts";
import { PendingStore } from "../../src/queue/pending-store.ts";
import { type NewTask, type Place, Store } from "../../src/queue/store.ts";
import {
  type Budget,
  type BuildEngine,
  DEFAULT_BUDGET,
  type Failure,
  type Game,
  PULL,
  PUSH,
  simulate,
  TRANSACTIONAL,
} from "./run.ts";

declare global {
  interface ImportMeta {
    /** Variables of the environment whose names begin with VITE_. */
    readonly env: Readonly<Record<string, string | undefined>>;
  }
}

/** Simulates inside an object of its own, with real SQLite. */
function simulateIn<Kind extends string>(
  game: Game<Kind>,
  object: string,
  build: BuildEngine,
  budget: Budget,
): Promise<Failure | null> {
  const namespace = (env as Env).QUEUE as unknown as DurableObjectNamespace;
  return runInDurableObject(namespace.getByName(`simulation/${object}`), (_instance, state) =>
    simulate(game, state.storage, build, budget),
  );
}

function withStore(StoreClass: new (sql: SqlStorage) => Store): BuildEngine {
  return (sql, nowUs) => new Engine(new StoreClass(sql), nowUs);
}

/** What the environment asks for, else the default. */
function chosenBudget(): Budget {
  const settings = import.meta.env;
  return {
    ...DEFAULT_BUDGET,
    firstSeed: Number(settings["VITE_SIMULATION_SEED"] ?? DEFAULT_BUDGET.firstSeed),
    seeds: Number(settings["VITE_SIMULATION_SEEDS"] ?? DEFAULT_BUDGET.seeds),
  };
}

describe("the engine keeps its promises through random histories", () => {
  it("of a push queue", { timeout: 600_000 }, async () => {
    const failure = await simulateIn(PUSH, "push", withStore(Store), chosenBudget());
    expect(failure?.told ?? "every promise kept").toBe("every promise kept");
  });

  it("of a push queue that takes part in transactions", { timeout: 600_000 }, async () => {
    const build = withStore(Store);
    const failure = await simulateIn(TRANSACTIONAL, "transactional", build, chosenBudget());
    expect(failure?.told ?? "every promise kept").toBe("every promise kept");
  });

  it("of a pull queue with many workers", { timeout: 600_000 }, async () => {
    const failure = await simulateIn(PULL, "pull", withStore(Store), chosenBudget());
    expect(failure?.told ?? "every promise kept").toBe("every promise kept");
  });
});

interface Bug {
  readonly bug: string;
  readonly store: new (sql: SqlStorage) => Store;
  readonly finding: RegExp;
}

describe("a bug planted on purpose is found within the default budget", () => {
  const bugs: readonly Bug[] = [
    {
      bug: "claims are not written down, so a new life dispatches what still runs",
      store: class extends Store {
        override writeClaim(): void {}
      },
      finding: /still holds the task|others are under way|attempt/,
    },
    {
      bug: "the lease of a task born leased is not written down",
      store: class extends Store {
        override insertTask(task: NewTask): boolean {
          return super.insertTask({ ...task, lease: null });
        }
      },
      finding: /still holds the task|attempt/,
    },
    {
      bug: "a task that is done stays in the table",
      store: class extends Store {
        override deleteTask(): boolean {
          return true;
        }
      },
      finding: /it is finished|listed: true/,
    },
    {
      bug: "a retry loses the task",
      store: class extends Store {
        override rescheduleTask(from: Place): boolean {
          return super.deleteTask(from.at, from.seq, false);
        }
      },
      finding: /no such task|unexpected refusal|listed: false/,
    },
    {
      bug: "names are not kept after the end",
      store: class extends Store {
        override writeTombstone(): void {}
      },
      finding: /was given twice/,
    },
    {
      bug: "a restart finds the bucket full",
      store: class extends Store {
        override writePace(): void {}
      },
      finding: /the bucket holds/,
    },
    {
      bug: "the next task's time is overlooked",
      store: class extends Store {
        override scheduleAfter(): undefined {}
      },
      finding: /too late|nothing wakes/,
    },
    {
      bug: "tasks are read a second before they are due",
      store: class extends Store {
        override tasksAfter(place: Place, limit: number): ReturnType<Store["tasksAfter"]> {
          return super
            .tasksAfter(place, limit)
            .map((row) => (row.moved === 1 ? { ...row, at: row.at - 1e6 } : row));
        }
      },
      finding: /./,
    },
  ];

  it.each(bugs)("$bug", { timeout: 60_000 }, async ({ bug, store, finding }) => {
    const failure = await simulateIn(PUSH, bug, withStore(store), DEFAULT_BUDGET);
    expect(failure?.message).toMatch(finding);
    expect(failure?.told).toContain(`seed ${failure?.seed}`);
  });

  it("and told as a history of a few steps", { timeout: 60_000 }, async () => {
    const forgetful = withStore(
      class extends Store {
        override writeClaim(): void {}
      },
    );
    const failure = await simulateIn(PUSH, "shrunk", forgetful, DEFAULT_BUDGET);
    expect(failure?.told.split("\n").length).toBeLessThan(25);
  });
});

describe("a bug of transactions planted on purpose is found within the default budget", () => {
  const withPending = (PendingClass: new (sql: SqlStorage) => PendingStore) =>
    class extends Store {
      override readonly pending: PendingStore;
      constructor(sql: SqlStorage) {
        super(sql);
        this.pending = new PendingClass(sql);
      }
    };
  const bugs: readonly Bug[] = [
    {
      bug: "a commit leaves the last task behind",
      store: withPending(
        class extends PendingStore {
          override tasksOf(tx: string) {
            return [...super.tasksOf(tx)].slice(0, -1);
          }
        },
      ),
      finding: /unexpected refusal/,
    },
    {
      bug: "a new life knows of no transaction",
      store: withPending(
        class extends PendingStore {
          override sums(): [] {
            return [];
          }
        },
      ),
      finding: /in doubt|nothing wakes|tasks, not|before its time/,
    },
    {
      bug: "tasks of the past are put in where they were to be",
      store: class extends Store {
        override insertTask(task: NewTask): boolean {
          return super.insertTask({
            ...task,
            name: task.name?.startsWith("179") ? null : task.name,
          });
        }
      },
      finding: /no such task|unexpected refusal|listed: false/,
    },
  ];

  it.each(bugs)("$bug", { timeout: 60_000 }, async ({ bug, store, finding }) => {
    const failure = await simulateIn(TRANSACTIONAL, bug, withStore(store), DEFAULT_BUDGET);
    expect(failure?.message).toMatch(finding);
  });
});

describe("a bug of leases planted on purpose is found within the default budget", () => {
  const bugs: readonly Bug[] = [
    {
      bug: "the last task of a lease call is not moved, so that another worker gets it too",
      store: class extends Store {
        override leaseRange(...args: Parameters<Store["leaseRange"]>): boolean {
          const [available, first, last, until, isIndexed] = args;
          const before = { at: last.at, seq: last.seq - 1 };
          return super.leaseRange(available, first, before, until, isIndexed);
        }
      },
      finding: /two live leases|counts/,
    },
    {
      bug: "a lease does not keep other workers from the task",
      store: class extends Store {
        override *availableTasks(...args: Parameters<Store["availableTasks"]>) {
          const [available, ...rest] = args;
          const { nowUs } = available;
          for (const row of super.availableTasks({ ...available, nowUs: nowUs + 60e6 }, ...rest)) {
            if (row.at <= nowUs || row.attempts > 0) yield row;
          }
        }
      },
      finding: /two live leases/,
    },
    {
      bug: "leases by tag take tasks of other tags along",
      store: class extends Store {
        override leaseRange(...args: Parameters<Store["leaseRange"]>): boolean {
          const [available, ...rest] = args;
          return super.leaseRange({ ...available, filter: null }, ...rest);
        }
      },
      finding: /tells|leased nothing|instead of/,
    },
    {
      bug: "a task is leased before its time",
      store: class extends Store {
        override availableTasks(...args: Parameters<Store["availableTasks"]>) {
          const [available, ...rest] = args;
          return super.availableTasks({ ...available, nowUs: available.nowUs + 1e6 }, ...rest);
        }
      },
      finding: /before its time|two live leases/,
    },
    {
      bug: "an acknowledgement of any lease counts",
      store: class extends Store {
        override taskAt(at: number, seq: number): ReturnType<Store["taskAt"]> {
          const [moved] = this.movedTasks(seq);
          return moved === undefined ? super.taskAt(at, seq) : { ...moved, at };
        }
      },
      finding: /./,
    },
    {
      bug: "batches of leases are not written down",
      store: class extends Store {
        override writeBatch(): void {}
      },
      finding: /unexpected refusal/,
    },
    {
      bug: "a cancelled lease is not moved",
      store: class extends Store {
        override moveLease(): boolean {
          return true;
        }
      },
      finding: /instead of|tells|counts/,
    },
    {
      bug: "waiters are not told what is next",
      store: class extends Store {
        override nextTasks(): ReturnType<Store["nextTasks"]> {
          return [];
        }
      },
      finding: /waits though/,
    },
  ];

  it.each(bugs)("$bug", { timeout: 60_000 }, async ({ bug, store, finding }) => {
    const failure = await simulateIn(PULL, bug, withStore(store), DEFAULT_BUDGET);
    expect(failure?.message).toMatch(finding);
    expect(failure?.told).toContain(`seed ${failure?.seed}`);
  });
});
