/**
 * Transactions over real objects of queues: all of it becomes visible or nothing, also where objects
 * die between any two steps, and doubts end by themselves.
 */
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TRANSACTION_ASK_US } from "../../src/core/limits.ts";
import type { QueueName } from "../../src/core/model.ts";
import type { Result } from "../../src/core/result.ts";
import type { Env } from "../../src/env.ts";
import {
  addInTransaction,
  addOneInTransaction,
  beginTransaction,
  commitTransaction,
  getTransaction,
  newTransactionId,
  rollbackTransaction,
} from "../../src/protocol/transactions.ts";
import type { QueueObject } from "../../src/queue/queue-object.ts";
import type { ParticipantService } from "../../src/queue/service.ts";
import { queueStub, transactionStub } from "../../src/stubs.ts";
import type {
  CoordinatorService,
  TransactionName,
  TransactionState,
} from "../../src/transaction/service.ts";
import type { TransactionObject } from "../../src/transaction/transaction-object.ts";
import { error, value } from "../support/engine.ts";
import { eventually } from "../support/eventually.ts";
import { settings, taskSpec, uniqueQueue } from "../support/factory.ts";

const bindings = env as unknown as Env;
let queues: QueueName[];
let transaction: TransactionName;

beforeEach(async () => {
  const first = uniqueQueue();
  queues = ["a", "b", "c"].map((queue) => ({ ...first, queue }));
  for (const name of queues) {
    value(await queueStub(bindings, name).configure({ name, settings: settings() }));
    value(await queueStub(bindings, name).pause());
  }
  transaction = await begin();
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function begin(): Promise<TransactionName> {
  const random = crypto.getRandomValues(new Uint8Array(8));
  const begun = await beginTransaction(bindings, queues[0]!, { lifetimeUs: 60e6 }, random);
  return value(begun).name;
}

const add = (queue: QueueName, changes = {}) =>
  addOneInTransaction(bindings, transaction, queue, taskSpec(changes));
const commit = () => commitTransaction(bindings, transaction);
const rollback = () => rollbackTransaction(bindings, transaction);

/** The ids of the tasks that each queue shows. */
function visible(): Promise<string[][]> {
  return Promise.all(
    queues.map(async (name) => {
      const page = await queueStub(bindings, name).listTasks({ pageSize: 100, withBody: false });
      return value(page).tasks.map(({ id }) => id);
    }),
  );
}

function insideQueue<T>(name: QueueName, look: (object: QueueObject) => T | Promise<T>) {
  const stub = queueStub(bindings, name) as unknown as DurableObjectStub<QueueObject>;
  return runInDurableObject(stub, look);
}

function insideStorage(name: QueueName, work: (sql: SqlStorage) => unknown): Promise<void> {
  const stub = queueStub(bindings, name) as unknown as DurableObjectStub<QueueObject>;
  return runInDurableObject(stub, (_, { storage }) => void work(storage.sql));
}

function insideTransaction<T>(look: (object: TransactionObject) => T | Promise<T>) {
  const stub = transactionStub(
    bindings,
    transaction,
  ) as unknown as DurableObjectStub<TransactionObject>;
  return runInDurableObject(stub, look);
}

/** The transaction's object loses its calls to queues: it decides, and nobody hears of it. */
async function deafen(): Promise<void> {
  await insideTransaction((object) => {
    const parts = object as unknown as { participant: (name: QueueName) => ParticipantService };
    parts.participant = () =>
      ({ resolve: () => Promise.reject(new Error("lost")) }) as unknown as ParticipantService;
  });
}

/** The time passes after which a queue asks. */
async function askLater(name: QueueName): Promise<void> {
  await insideQueue(name, (object) => {
    object.clock = () => Date.now() * 1000 + TRANSACTION_ASK_US;
  });
  await runDurableObjectAlarm(queueStub(bindings, name) as unknown as DurableObjectStub);
}

describe("a transaction", () => {
  it("shows nothing before its commit, everything after it, under the ids that were told", async () => {
    const ids: string[][] = [];
    for (const queue of queues) {
      const specs = [taskSpec(), taskSpec({ body: new Uint8Array(3000) })];
      const added = value(await addInTransaction(bindings, transaction, queue, specs));
      ids.push(added.map((task) => value(task).id));
    }
    expect(await visible()).toEqual([[], [], []]);
    expect(value(await commit()).state).toBe("COMMITTED");
    expect(await visible()).toEqual(ids);
    expect(value(await commit()).state).toBe("COMMITTED");
    expect(await visible()).toEqual(ids);
    expect(error(await add(queues[0]!)).cause).toBe("TRANSACTION_OVER");
  });

  it("leaves nothing where it is rolled back", async () => {
    for (const queue of queues) value(await add(queue));
    value(await rollback());
    expect(await visible()).toEqual([[], [], []]);
    expect(error(await commit()).cause).toBe("TRANSACTION_OVER");
    expect(await visible()).toEqual([[], [], []]);
  });

  it("is refused by a queue that does not exist, and goes on without it", async () => {
    const missing = { ...queues[0]!, queue: "missing" };
    expect(error(await add(missing))).toMatchObject({ code: "NOT_FOUND", cause: "NO_QUEUE" });
    value(await add(queues[0]!));
    value(await commit());
    expect((await visible())[0]).toHaveLength(1);
  });

  it("goes on without a queue that was deleted meanwhile", async () => {
    for (const queue of queues) value(await add(queue));
    await queueStub(bindings, queues[1]!).destroy();
    expect(value(await commit()).state).toBe("COMMITTED");
    const [first, third] = [queues[0]!, queues[2]!];
    queues = [first, third];
    expect((await visible()).map((ids) => ids.length)).toEqual([1, 1]);
  });

  it("takes no task for a queue of another place, and none that has a name", async () => {
    const elsewhere = { ...queues[0]!, location: "europe-west1" };
    expect(error(await add(elsewhere)).code).toBe("INVALID_ARGUMENT");
    expect(error(await add(queues[0]!, { id: "mine" })).code).toBe("INVALID_ARGUMENT");
    const unknown = { ...transaction, id: "42" };
    const added = await addOneInTransaction(bindings, unknown, queues[0]!, taskSpec());
    expect(error(added).cause).toBe("NO_TRANSACTION");
  });
});

describe("a race of add and commit", () => {
  it("ends with every acknowledged task visible, and no other", async () => {
    for (let round = 0; round < 5; round++) {
      transaction = await begin();
      const before = (await visible()).flat();
      value(await add(queues[0]!));
      const adds = queues.map((queue) => add(queue));
      const committed = commit();
      const added = await Promise.all(adds);
      value(await committed);
      await Promise.all(queues.map(askLater));
      const acknowledged = added.filter((result) => result.ok).length;
      await eventually(async () =>
        expect((await visible()).flat().length - before.length).toBe(acknowledged + 1),
      );
    }
  });
});

describe("a late prepare", () => {
  const prepareLate = (queue: QueueName) =>
    queueStub(bindings, queue).prepareTasks(transaction.id, [taskSpec()]);

  it("is refused by a queue that knows the decision", async () => {
    value(await add(queues[0]!));
    value(await commit());
    expect(error(await prepareLate(queues[0]!)).cause).toBe("TRANSACTION_OVER");
  });

  it.each([
    ["commit", 1],
    ["rollback", 0],
  ] as const)("that a restarted queue took follows the %s when it asks", async (end, tasks) => {
    await transactionStub(bindings, transaction).enlist(queues[0]!);
    value(await (end === "commit" ? commit() : rollback()));
    await abortAllDurableObjects();
    value(await prepareLate(queues[0]!));
    expect(await visible()).toEqual([[], [], []]);
    await askLater(queues[0]!);
    await eventually(() => expectSettled(queues[0]!));
    expect((await visible())[0]).toHaveLength(tasks);
  });
});

async function expectSettled(name: QueueName): Promise<void> {
  const left = await runInDurableObject(
    queueStub(bindings, name) as unknown as DurableObjectStub<QueueObject>,
    (_, { storage }) => storage.sql.exec("SELECT tx FROM pending").toArray().length,
  );
  expect(left).toBe(0);
}

describe("deaths", () => {
  /** The steps of a transaction over the three queues, in order. */
  const STEPS = [
    ...[0, 1, 2].flatMap((index) => [
      () => transactionStub(bindings, transaction).enlist(queues[index]!),
      () => queueStub(bindings, queues[index]!).prepareTasks(transaction.id, [taskSpec()]),
    ]),
  ];

  it.each(Array.from({ length: STEPS.length + 1 }, (_, n) => n))(
    "of all objects after %i steps lose nothing that was added",
    async (died) => {
      for (const [index, step] of STEPS.entries()) {
        if (index === died) await abortAllDurableObjects();
        value(await (step as () => Promise<Result<unknown>>)());
      }
      if (died === STEPS.length) await abortAllDurableObjects();
      expect((await visible()).flat()).toEqual([]);
      value(await commit());
      expect((await visible()).map((ids) => ids.length)).toEqual([1, 1, 1]);
    },
  );

  it.each(["commit", "rollback"] as const)(
    "after the decision to %s leave it to the queues to ask",
    async (end) => {
      for (const queue of queues) value(await add(queue));
      await deafen();
      value(await (end === "commit" ? commit() : rollback()));
      expect(await visible()).toEqual([[], [], []]);
      await abortAllDurableObjects();
      // Each asks as soon as anything wakes it.
      await eventually(async () => {
        const counts = (await visible()).map((ids) => ids.length);
        expect(counts).toEqual(end === "commit" ? [1, 1, 1] : [0, 0, 0]);
        for (const queue of queues) await expectSettled(queue);
      });
    },
  );

  it("between two queues' commits are made up for", async () => {
    for (const queue of queues) value(await add(queue));
    await deafen();
    value(await commit());
    value(await queueStub(bindings, queues[0]!).resolve(transaction.id, "COMMITTED"));
    await abortAllDurableObjects();
    await runDurableObjectAlarm(
      transactionStub(bindings, transaction) as unknown as DurableObjectStub,
    );
    expect((await visible()).map((ids) => ids.length)).toEqual([1, 1, 1]);
    expect(value(await getTransaction(bindings, transaction)).state).toBe("COMMITTED");
  });

  it("of a transaction's object with all it knew roll back", async () => {
    for (const queue of queues) value(await add(queue));
    await runInDurableObject(
      transactionStub(bindings, transaction) as unknown as DurableObjectStub,
      (_, { storage }) => storage.deleteAll(),
    );
    await abortAllDurableObjects();
    await eventually(async () => {
      for (const queue of queues) await expectSettled(queue);
    });
    expect(await visible()).toEqual([[], [], []]);
  });
});

describe("storage that refuses", () => {
  /** Lets so many rows into a table and no more, as storage that is full would. */
  const limit = (table: string, rows: number) =>
    insideStorage(queues[0]!, (sql) =>
      sql.exec(
        `CREATE TRIGGER full BEFORE INSERT ON ${table}
         WHEN (SELECT count(*) FROM ${table}) >= ${rows}
         BEGIN SELECT RAISE(ABORT, 'full'); END`,
      ),
    );
  const relieve = () => insideStorage(queues[0]!, (sql) => sql.exec("DROP TRIGGER full"));
  const count = async () => value(await queueStub(bindings, queues[0]!).getStats()).tasksCount;

  it("a part of a commit gets none of it, and all of it later", async () => {
    const specs = [taskSpec(), taskSpec(), taskSpec()];
    const added = value(await addInTransaction(bindings, transaction, queues[0]!, specs));
    const ids = added.map((task) => value(task).id);
    expect(await count()).toBe(0);
    await limit("task", 2);
    expect(value(await commit()).state).toBe("COMMITTED");
    expect((await visible())[0]).toEqual([]);
    expect(await count()).toBe(0);
    await relieve();
    value(await commit());
    expect((await visible())[0]).toEqual(ids);
    expect(await count()).toBe(3);
  });

  it("a part of what is added gets none of it", async () => {
    await limit("pending", 2);
    const specs = [taskSpec(), taskSpec(), taskSpec()];
    await expect(addInTransaction(bindings, transaction, queues[0]!, specs)).rejects.toThrow();
    await relieve();
    value(await add(queues[0]!));
    await abortAllDurableObjects();
    value(await commit());
    expect((await visible())[0]).toHaveLength(1);
  });
});

describe("a queue in doubt", () => {
  it("asks only when it must, and again where the question is lost", async () => {
    const answers: (TransactionState | "lost")[] = ["lost", "OPEN", "COMMITTED"];
    let asked = 0;
    const coordinator = {
      stateFor: async () => {
        const state = answers[asked++] ?? "lost";
        if (state === "lost") throw new Error("lost");
        const expireTimeUs = Date.now() * 1000 + 3.75 * TRANSACTION_ASK_US;
        return { ok: true, value: { state, expireTimeUs } };
      },
    } as unknown as CoordinatorService;
    const [queue] = queues as [QueueName];
    value(await add(queue));
    await insideQueue(queue, (object) => {
      (object as unknown as { coordinator: () => CoordinatorService }).coordinator = () =>
        coordinator;
    });
    await runDurableObjectAlarm(queueStub(bindings, queue) as unknown as DurableObjectStub);
    expect(asked).toBe(0);
    for (let round = 1; round <= 3; round++) {
      await insideQueue(queue, (object) => {
        object.clock = () => Date.now() * 1000 + round * 2 * TRANSACTION_ASK_US;
      });
      expect((await visible())[0]).toEqual([]);
      await queueStub(bindings, queue).getStats();
      await eventually(() => expect(asked).toBe(round));
    }
    await eventually(async () => expect((await visible())[0]).toHaveLength(1));
  });
});

describe("ids", () => {
  it("fit the handle of an App Engine transaction", () => {
    expect(newTransactionId(new Uint8Array(8))).toBe("1");
    expect(newTransactionId(new Uint8Array(8).fill(255))).toBe(String(2n ** 63n - 1n));
    expect(newTransactionId(new Uint8Array([128, 0, 0, 0, 0, 0, 0, 5]))).toBe("5");
  });
});
