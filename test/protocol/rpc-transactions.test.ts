/** Transactions as App Engine's SDKs drive them: begun and ended by datastore_v3, filled by BulkAdd. */
import { describe, expect, it } from "vitest";
import { MAX_TRANSACTION_TASKS } from "../../src/core/limits.ts";
import { bytes, pullTask, RpcApp } from "./rpc-client.ts";

/** A pull queue pair and a transaction begun for them. */
async function begun() {
  const app = new RpcApp();
  const [one, two] = [await app.queue("PULL"), await app.queue("PULL")];
  const transaction = await app.ok("BeginTransaction", { app: `s~${app.project}` });
  const add = (queue: string, count = 1) =>
    app.add(
      ...Array.from({ length: count }, () =>
        pullTask(queue, { transaction: { handle: transaction.handle, app: transaction.app } }),
      ),
    );
  const counts = async () => {
    const { queuestats } = await app.ok("FetchQueueStats", {
      queueName: [bytes(one.queue), bytes(two.queue)],
    });
    return queuestats.map(({ numTasks }) => numTasks);
  };
  return { app, one: one.queue, two: two.queue, transaction, add, counts };
}

describe("a transaction", () => {
  it("is told with the application as it was asked for", async () => {
    const { app, transaction } = await begun();
    expect(transaction.app).toBe(`s~${app.project}`);
    expect(transaction.handle).toBeGreaterThan(0n);
  });

  it("shows its tasks in all queues once it is committed, under the names told before", async () => {
    const { app, one, two, transaction, add, counts } = await begun();
    const first = await add(one, 2);
    const second = await add(two);
    expect(first.results).toEqual(["OK", "OK"]);
    expect(await counts()).toEqual([0, 0]);
    const hidden = await app.ok("QueryAndOwnTasks", {
      queueName: bytes(one),
      leaseSeconds: 60,
      maxTasks: 10n,
    });
    expect(hidden.task).toEqual([]);

    await app.ok("Commit", transaction);
    expect(await counts()).toEqual([2, 1]);
    for (const [queue, names] of [[one, first.names] as const, [two, second.names] as const]) {
      for (const taskName of names) {
        await app.ok("FetchTask", { queueName: bytes(queue), taskName: bytes(taskName) });
      }
    }
  });

  it("leaves nothing behind when it is rolled back", async () => {
    const { app, one, transaction, add, counts } = await begun();
    await add(one);
    await app.ok("Rollback", transaction);
    expect(await counts()).toEqual([0, 0]);
  });

  it("takes no task and no other end once it is over", async () => {
    const { app, one, transaction, add } = await begun();
    await app.ok("Rollback", transaction);
    await expect(add(one)).rejects.toThrow("application 10001");
    expect(await app.call("Commit", transaction)).toMatchObject({ kind: "application", code: 1 });
    await app.ok("Rollback", transaction);
  });

  it("that never was is refused", async () => {
    const { app, one } = await begun();
    const transaction = { handle: 5n, app: app.project };
    const addRequest = [pullTask(one, { transaction })];
    expect(await app.refused("BulkAdd", { addRequest })).toBe("DATASTORE_BAD_REQUEST");
    expect(await app.call("Commit", transaction)).toMatchObject({ kind: "application", code: 1 });
  });

  it("is rolled back by the new try that follows it", async () => {
    const { app, one, transaction, add, counts } = await begun();
    await add(one);
    const again = await app.ok("BeginTransaction", {
      app: transaction.app,
      previousTransaction: transaction,
    });
    expect(again.handle).not.toBe(transaction.handle);
    expect(await app.call("Commit", transaction)).toMatchObject({ kind: "application", code: 1 });
    expect(await counts()).toEqual([0, 0]);
  });

  it("may be named by its id in datastore_transaction", async () => {
    const { app, one, transaction, counts } = await begun();
    const { results } = await app.add(
      pullTask(one, { datastoreTransaction: bytes(String(transaction.handle)) }),
    );
    expect(results).toEqual(["OK"]);
    await app.ok("Commit", transaction);
    expect(await counts()).toEqual([1, 0]);
  });

  it("is rolled back where one queue of a call refuses what others took", async () => {
    const { app, one, two, transaction, add, counts } = await begun();
    for (let n = 0; n < MAX_TRANSACTION_TASKS / 100; n++) await add(two, 100);
    const task = { transaction: { handle: transaction.handle, app: transaction.app } };
    const addRequest = [pullTask(one, task), pullTask(two, task)];
    expect(await app.refused("BulkAdd", { addRequest })).toBe("TOO_MANY_TASKS");
    expect(await app.call("Commit", transaction)).toMatchObject({ kind: "application", code: 1 });
    expect(await counts()).toEqual([0, 0]);
  });

  it("goes on where the first queue of a call refuses", async () => {
    const { app, one, two, transaction, add, counts } = await begun();
    for (let n = 0; n < MAX_TRANSACTION_TASKS / 100; n++) await add(two, 100);
    const task = { transaction: { handle: transaction.handle, app: transaction.app } };
    const addRequest = [pullTask(two, task), pullTask(one, task)];
    expect(await app.refused("BulkAdd", { addRequest })).toBe("TOO_MANY_TASKS");
    await app.ok("Commit", transaction);
    expect(await counts()).toEqual([0, MAX_TRANSACTION_TASKS]);
  });
});
