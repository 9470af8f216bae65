/** Transactions, against an invented server: what is sent when, and what becomes of the tasks. */
import { describe, expect, test } from "vitest";
import {
  BadTaskStateError,
  BadTransactionStateError,
  Connection,
  DatastoreError,
  InvalidQueueModeError,
  InvalidTaskNameError,
  Task,
  TooManyTasksError,
  type Transaction,
  TransactionalRequestTooLargeError,
  UnknownQueueError,
} from "../../src/client/index.ts";
import { fakeServer, type Reply, refusal, type SentRequest } from "./harness.ts";

const NAME = "projects/p/locations/us-central1/transactions/17";

/** A server with one transaction; `add` answers the adds. */
function transactionServer(add?: (sent: SentRequest) => Reply, end: Reply = {}) {
  const server = fakeServer((request) => {
    if (request.url.endsWith("/transactions")) return { body: { name: NAME, state: "OPEN" } };
    if (/transactions\/17:(commit|rollback)$/.test(request.url)) return end;
    if (add !== undefined) return add(request);
    return { body: { results: request.body.tasks.map(() => ({ name: "given" })) } };
  });
  const steps = () => server.sent.map(({ url }) => url.slice(url.lastIndexOf("/") + 1));
  return { ...server, steps };
}

describe("a transaction", () => {
  test("adds its tasks to any queues, and commits when the function has returned", async () => {
    const { connection, sent, steps } = transactionServer();
    const [a, b, c] = [new Task(), new Task(), new Task()];
    const result = await connection.transaction(
      async (tx) => {
        expect(await tx.add(a)).toBe(a);
        await tx.add([b], connection.queue("mail"));
        await tx.queue("mail").add(c, { transactional: true });
        return 42;
      },
      { lifetime: 30, confirmUrl: "https://example.com/confirm" },
    );
    expect(result).toBe(42);
    expect(steps()).toEqual(["transactions", "tasks:add", "tasks:add", "tasks:add", "17:commit"]);
    expect(sent[0]?.body).toEqual({ lifetime: "30s", confirmUrl: "https://example.com/confirm" });
    expect(sent[0]?.url).toBe(
      "https://tasks.example.com/edgetasks/v1/projects/p/locations/us-central1/transactions",
    );
    expect(sent.slice(1, 4).map(({ body }) => body.transaction)).toEqual([NAME, NAME, NAME]);
    expect(sent.map(({ url }) => /queues\/(\w+)/.exec(url)?.[1]).slice(1, 4)).toEqual([
      "default",
      "mail",
      "mail",
    ]);
    expect([a, b, c].every(({ wasEnqueued }) => wasEnqueued)).toBe(true);
  });

  test("rolls back where the function throws, and its tasks can be added again", async () => {
    const { connection, steps } = transactionServer();
    const task = new Task();
    const failing = connection.transaction(async (tx) => {
      await tx.add(task);
      throw new RangeError("no");
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect(steps()).toEqual(["transactions", "tasks:add", "17:rollback"]);
    expect([task.wasEnqueued, task.name, task.queueName]).toEqual([false, undefined, undefined]);
    await connection.queue().add(task);
    expect(task.wasEnqueued).toBe(true);
  });

  test("is rolled back by its own word too", async () => {
    const { connection, steps } = transactionServer();
    const task = new Task();
    await connection.transaction(async (tx) => {
      await tx.add(task);
      await tx.rollback();
      await expect(tx.add(new Task())).rejects.toThrow(BadTransactionStateError);
    });
    expect(steps()).toEqual(["transactions", "tasks:add", "17:rollback"]);
    expect(task.wasEnqueued).toBe(false);
  });

  test("fails if any task cannot be enqueued, though the function looks away", async () => {
    const { connection, steps } = transactionServer(() =>
      refusal(404, "NOT_FOUND", "UNKNOWN_QUEUE"),
    );
    const failing = connection.transaction(async (tx) => {
      await tx.add(new Task()).catch(() => undefined);
    });
    await expect(failing).rejects.toThrow(UnknownQueueError);
    expect(steps()).toEqual(["transactions", "tasks:add", "17:rollback"]);
  });

  test("that the server has ended refuses tasks with a DatastoreError", async () => {
    const { connection } = transactionServer(() =>
      refusal(400, "FAILED_PRECONDITION", "DATASTORE_BAD_REQUEST"),
    );
    const failing = connection.transaction((tx) => tx.add(new Task()));
    await expect(failing).rejects.toThrow(DatastoreError);
  });

  test("that was rolled back meanwhile is not committed: DatastoreError", async () => {
    const over = {
      status: 400,
      body: { error: { status: "FAILED_PRECONDITION", message: "over" } },
    };
    const { connection } = transactionServer(undefined, over);
    await expect(connection.transaction((tx) => tx.add(new Task()))).rejects.toThrow(
      DatastoreError,
    );
  });

  test("tells the task that was refused, not those that fell with it", async () => {
    const { connection } = transactionServer(() => ({
      body: {
        results: [
          refusal(409, "ABORTED", "TRANSIENT_ERROR").body,
          refusal(400, "INVALID_ARGUMENT", "INVALID_QUEUE_MODE").body,
        ],
      },
    }));
    const failing = connection.transaction((tx) => tx.add([new Task(), new Task()]));
    await expect(failing).rejects.toThrow(InvalidQueueModeError);
  });

  test("leaves a task alone that was added before, also when it is rolled back", async () => {
    const { connection } = transactionServer();
    const task = await connection.queue().add(new Task());
    const failing = connection.transaction((tx) => tx.add(task));
    await expect(failing).rejects.toThrow(BadTaskStateError);
    expect([task.wasEnqueued, task.name, task.queueName]).toEqual([true, "given", "default"]);
  });

  test("whose commit is refused for good leaves its tasks free to be added again", async () => {
    const gone = refusal(400, "FAILED_PRECONDITION", "DATASTORE_BAD_REQUEST");
    const { connection } = transactionServer(undefined, gone);
    const task = new Task();
    await expect(connection.transaction((tx) => tx.add(task))).rejects.toThrow(DatastoreError);
    expect(task.wasEnqueued).toBe(false);
    await connection.queue().add(task);
  });

  test("waits with its end for adds that the function did not wait for", async () => {
    const { connection, steps } = transactionServer();
    const [kept, dropped] = [new Task(), new Task()];
    await connection.transaction((tx) => {
      void tx.add(kept);
    });
    expect(steps()).toEqual(["transactions", "tasks:add", "17:commit"]);
    const failing = connection.transaction((tx) => {
      void tx.add(dropped);
      throw new RangeError("no");
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect([kept.wasEnqueued, dropped.wasEnqueued]).toEqual([true, false]);
    expect(steps().slice(3)).toEqual(["transactions", "tasks:add", "17:rollback"]);
  });

  test("takes no tasks for queues of another project or location", async () => {
    const { connection, sent } = transactionServer();
    const elsewhere = new Connection({
      baseUrl: "https://tasks.example.com",
      project: "other",
      location: connection.location,
    }).queue("mail");
    const failing = connection.transaction((tx) => tx.add(new Task(), elsewhere));
    await expect(failing).rejects.toThrow(BadTransactionStateError);
    expect(sent.filter(({ url }) => url.endsWith("tasks:add"))).toEqual([]);
  });

  test("takes no tasks after its end: BadTransactionStateError", async () => {
    const { connection } = transactionServer();
    let kept: Transaction | undefined;
    await connection.transaction((tx) => {
      kept = tx;
    });
    await expect(kept?.add(new Task())).rejects.toThrow(BadTransactionStateError);
    const queue = connection.queue();
    await expect(queue.add(new Task(), { transaction: kept! })).rejects.toThrow(
      BadTransactionStateError,
    );
  });

  test("has tasks without user-specified names only: else InvalidTaskNameError", async () => {
    const { connection, steps } = transactionServer();
    const failing = connection.transaction((tx) => tx.add(new Task({ name: "mine" })));
    await expect(failing).rejects.toThrow(InvalidTaskNameError);
    expect(steps()).toEqual(["transactions", "17:rollback"]);
  });

  test("takes 100 tasks and 1 MiB at a time: TransactionalRequestTooLargeError", async () => {
    const { connection } = transactionServer();
    const large = () => new Task({ payload: new Uint8Array(100_000) });
    const tooLarge = connection.transaction((tx) => tx.add(Array.from({ length: 11 }, large)));
    await expect(tooLarge).rejects.toThrow(TransactionalRequestTooLargeError);
    const many = Array.from({ length: 101 }, () => new Task());
    await expect(connection.transaction((tx) => tx.add(many))).rejects.toThrow(TooManyTasksError);
  });

  test("adds outside of it what is added without transactional", async () => {
    const { connection, sent } = transactionServer();
    await connection.transaction(async (tx) => {
      await tx.queue().add(new Task());
    });
    expect(sent[1]?.body).not.toHaveProperty("transaction");
  });

  test("of a queue is for that queue", async () => {
    const { connection, sent } = transactionServer();
    await connection.queue("mail").transaction((tx) => tx.add(new Task()));
    expect(sent[1]?.url).toContain("/queues/mail/");
  });

  test("repeats the commit where its answer was lost, but not the adds", async () => {
    let lost = 2;
    const { connection, steps } = transactionServer(undefined, undefined);
    const flaky = fakeServer((request) => {
      if (request.url.endsWith(":commit") && lost-- > 0) {
        return refusal(503, "UNAVAILABLE", "TRANSIENT_ERROR");
      }
      return { body: { name: NAME, results: [{ name: "n" }] } };
    });
    await flaky.connection.transaction((tx) => tx.add(new Task()));
    expect(flaky.sent).toHaveLength(5);
    await connection.transaction(() => undefined);
    expect(steps()).toEqual(["transactions", "17:commit"]);
  });
});

describe("addAll with atomic", () => {
  test("adds all batches in one transaction", async () => {
    const { connection, sent, steps } = transactionServer();
    const tasks = Array.from({ length: 250 }, () => new Task());
    await connection.queue().addAll(tasks, { atomic: true });
    expect(steps()).toEqual(["transactions", "tasks:add", "tasks:add", "tasks:add", "17:commit"]);
    expect(sent.slice(1, 4).map(({ body }) => body.tasks.length)).toEqual([100, 100, 50]);
    expect(sent.slice(1, 4).every(({ body }) => body.transaction === NAME)).toBe(true);
  });

  test("is a transaction also where none is given by name", async () => {
    const { connection, sent } = transactionServer();
    const options = { atomic: true, transaction: undefined, transactional: undefined };
    await connection.queue().addAll([new Task(), new Task()], options);
    expect(sent[1]?.body.transaction).toBe(NAME);
  });

  test("keeps each batch below 1 MiB", async () => {
    const { connection, sent } = transactionServer();
    const tasks = Array.from({ length: 30 }, () => new Task({ payload: new Uint8Array(100_000) }));
    await connection.queue().addAll(tasks, { atomic: true });
    expect(sent.slice(1, -1).map(({ body }) => body.tasks.length)).toEqual([10, 10, 10]);
  });

  test("adds none where one batch is refused", async () => {
    let adds = 0;
    const { connection, steps } = transactionServer(({ body }) => {
      adds += 1;
      if (adds === 2) return refusal(400, "INVALID_ARGUMENT", "INVALID_QUEUE_MODE");
      return { body: { results: body.tasks.map(() => ({ name: "n" })) } };
    });
    const tasks = Array.from({ length: 150 }, () => new Task());
    await expect(connection.queue().addAll(tasks, { atomic: true })).rejects.toThrow();
    expect(steps().at(-1)).toBe("17:rollback");
    expect(tasks.some(({ wasEnqueued }) => wasEnqueued)).toBe(false);
  });

  test("takes no task that was added before", async () => {
    const { connection } = transactionServer();
    const task = await connection.queue().add(new Task());
    await expect(connection.queue().addAll([task], { atomic: true })).rejects.toThrow(
      BadTaskStateError,
    );
  });
});
