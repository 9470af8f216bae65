/** Transactions of the client against the built server. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Connection, DatastoreError, type Queue, Task } from "../../src/client/index.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const LOCATION = "projects/my-project/locations/us-central1";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;
let connection: Connection;
let queues: [Queue, Queue];
let count = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer({ dataFolder: folder.path });
  connection = new Connection({
    baseUrl: server.url,
    project: "my-project",
    location: "us-central1",
  });
});

afterAll(async () => {
  await server.stop();
  await folder.remove();
});

beforeEach(async () => {
  count += 1;
  const ids = [`first-${count}`, `second-${count}`];
  for (const id of ids) {
    const name = `${LOCATION}/queues/${id}`;
    await post(`v2beta2/${LOCATION}/queues`, { name, pullTarget: {} });
  }
  queues = [connection.queue(ids[0]), connection.queue(ids[1])];
});

function post(path: string, body: object): Promise<Response> {
  return fetch(`${server.url}/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

const pull = (payload: string) => new Task({ method: "PULL", payload });
const counts = () =>
  Promise.all(queues.map(async (queue) => (await queue.fetchStatistics()).tasks));

test("tasks of two queues are there when it is committed, and not before", async () => {
  await connection.transaction(async (tx) => {
    await tx.add([pull("a"), pull("b")], queues[0]);
    await tx.add(pull("c"), queues[1]);
    expect(await counts()).toEqual([0, 0]);
  });
  expect(await counts()).toEqual([2, 1]);
  const leased = await queues[0].leaseTasks(60, 10);
  expect(leased.map((task) => task.text())).toEqual(["a", "b"]);
});

test("none is there when the function throws", async () => {
  const task = pull("a");
  const failing = connection.transaction(async (tx) => {
    await tx.add(task, queues[0]);
    throw new RangeError("no");
  });
  await expect(failing).rejects.toThrow(RangeError);
  expect(await counts()).toEqual([0, 0]);
  await queues[0].add(task);
  expect(await counts()).toEqual([1, 0]);
});

test("none is there when a task is refused", async () => {
  const failing = connection.transaction(async (tx) => {
    await tx.add(pull("a"), queues[0]);
    await tx.add(new Task({ url: "/push" }), queues[1]).catch(() => undefined);
  });
  await expect(failing).rejects.toMatchObject({ name: "InvalidQueueModeError" });
  expect(await counts()).toEqual([0, 0]);
});

test("a batch of any size is added all or none", async () => {
  const tasks = Array.from({ length: 250 }, (_, index) => pull(String(index)));
  await queues[0].addAll(tasks, { atomic: true });
  expect(await counts()).toEqual([250, 0]);
});

test("one that has been ended elsewhere is not committed", async () => {
  const failing = connection.transaction(async (tx) => {
    await tx.add(pull("a"), queues[0]);
    await post(`edgetasks/v1/${tx.name}:rollback`, {});
  });
  await expect(failing).rejects.toThrow(DatastoreError);
  expect(await counts()).toEqual([0, 0]);
});
