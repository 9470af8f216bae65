/** tasks:batchCreate, tasks:batchDelete and the operations they leave. */
import { describe, expect, it, test } from "vitest";
import { createQueue, httpTask, ok, refusal, send } from "./rest.ts";

const TIME = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/;
const PACKAGE = "type.googleapis.com/google.cloud.tasks.v2";
const NONE = (metadata: string) =>
  `None of the requests succeeded, refer to ${metadata}.failed_requests for individual error details`;

function locationOf(queue: string): string {
  return queue.slice(0, queue.indexOf("/queues/"));
}

async function taskNames(queue: string): Promise<string[]> {
  const { tasks = [] } = await ok("GET", `/v2/${queue}/tasks`);
  return tasks.map((task: { name: string }) => task.name);
}

describe("tasks:batchCreate", () => {
  it("creates all, and its operation is done", async () => {
    const queue = await createQueue();
    const operation = await ok("POST", `/v2/${queue}/tasks:batchCreate`, {
      parent: queue,
      requests: [
        { ...httpTask({ name: `${queue}/tasks/a` }, { body: "aGk=" }), parent: queue },
        { ...httpTask({}, { body: "aGk=" }), responseView: "FULL" },
      ],
    });
    expect(operation).toEqual({
      name: expect.stringMatching(
        `^${locationOf(queue)}/operations/${queue.split("/").at(-1)}-\\d+$`,
      ),
      metadata: {
        "@type": `${PACKAGE}.BatchCreateTasksMetadata`,
        startTime: expect.stringMatching(TIME),
        endTime: expect.stringMatching(TIME),
        state: "SUCCEEDED",
      },
      done: true,
      response: {
        "@type": `${PACKAGE}.BatchCreateTasksResponse`,
        tasks: [
          expect.objectContaining({ name: `${queue}/tasks/a`, view: "BASIC" }),
          expect.objectContaining({ view: "FULL" }),
        ],
      },
    });
    const [first, second] = operation.response.tasks;
    expect(first.httpRequest).not.toHaveProperty("body");
    expect(second.httpRequest.body).toBe("aGk=");
    expect(operation.metadata.startTime <= operation.metadata.endTime).toBe(true);
    expect((await taskNames(queue)).sort()).toEqual([first.name, second.name].sort());
    expect(await ok("GET", `/v2/${first.name}`)).toEqual(first);
  });

  it("is not atomic: each failure is told by its index", async () => {
    const queue = await createQueue();
    await ok("POST", `/v2/${queue}/tasks`, httpTask({ name: `${queue}/tasks/taken` }));
    const operation = await ok("POST", `/v2/${queue}/tasks:batchCreate`, {
      requests: [
        httpTask({}, { url: "" }),
        httpTask({ name: `${queue}/tasks/one` }),
        httpTask({ name: `${queue}/tasks/taken` }),
        httpTask({ name: `${queue}/tasks/two` }),
        {},
      ],
    });
    expect(operation.metadata).toMatchObject({
      state: "PARTIALLY_SUCCEEDED",
      failedRequests: {
        0: { code: 3, message: "HttpRequest.url is required." },
        2: { code: 6, message: "Requested entity already exists" },
        4: { code: 3, message: "Task is required." },
      },
    });
    expect(Object.keys(operation.metadata.failedRequests)).toEqual(["0", "2", "4"]);
    expect(operation.response.tasks.map((task: { name: string }) => task.name)).toEqual([
      `${queue}/tasks/one`,
      `${queue}/tasks/two`,
    ]);
    expect((await taskNames(queue)).length).toBe(3);
  });

  it("of which nothing succeeds is an error", async () => {
    const queue = await createQueue();
    const operation = await ok("POST", `/v2/${queue}/tasks:batchCreate`, {
      requests: [httpTask({}, { url: "" })],
    });
    expect(operation).toMatchObject({
      done: true,
      error: { code: 10, message: NONE("BatchCreateTasksMetadata") },
    });
    expect(operation).not.toHaveProperty("response");
    expect(await taskNames(queue)).toEqual([]);
  });

  it("with the same request id is the same operation, and creates nothing again", async () => {
    const queue = await createQueue();
    const request = { requestId: crypto.randomUUID(), requests: [httpTask(), httpTask()] };
    const first = await ok("POST", `/v2/${queue}/tasks:batchCreate`, request);
    const second = await ok("POST", `/v2/${queue}/tasks:batchCreate`, request);
    expect(second).toEqual(first);
    expect((await taskNames(queue)).length).toBe(2);
    const other = { ...request, requestId: crypto.randomUUID() };
    const third = await ok("POST", `/v2/${queue}/tasks:batchCreate`, other);
    expect(third.name).not.toBe(first.name);
    expect((await taskNames(queue)).length).toBe(4);
  });

  it("shows enums as numbers on request", async () => {
    const queue = await createQueue();
    const path = `/v2/${queue}/tasks:batchCreate?$alt=json%3Benum-encoding=int`;
    const requests = [httpTask(), httpTask({}, { url: "" })];
    const operation = await ok("POST", path, { requests });
    expect(operation).toMatchObject({
      metadata: { state: 5 },
      response: { tasks: [{ httpRequest: { httpMethod: 1 }, view: 1 }] },
    });
    expect(await ok("GET", `/v2/${operation.name}?$alt=json%3Benum-encoding=int`)).toEqual(
      operation,
    );
  });

  it("takes 100 requests, not 101", async () => {
    const queue = await createQueue();
    const requests = (count: number) => ({
      requests: Array.from({ length: count }, () => httpTask()),
    });
    expect(await send("POST", `/v2/${queue}/tasks:batchCreate`, requests(101))).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "The batch has 101 requests; at most 100 are allowed."),
    );
    expect(await taskNames(queue)).toEqual([]);
    const operation = await ok("POST", `/v2/${queue}/tasks:batchCreate`, requests(100));
    expect(operation.response.tasks.length).toBe(100);
    expect((await taskNames(queue)).length).toBe(100);
  });

  it("keeps its operation however large the tasks are", async () => {
    const queue = await createQueue();
    const headers = { "X-Large": "x".repeat(60_000) };
    const requests = Array.from({ length: 20 }, () => httpTask({}, { headers }));
    const operation = await ok("POST", `/v2/${queue}/tasks:batchCreate`, { requests });
    expect(operation.response.tasks[0].httpRequest.headers["X-Large"].length).toBe(60_000);
    const kept = await ok("GET", `/v2/${operation.name}`);
    expect(kept.metadata).toEqual(operation.metadata);
    expect(kept.response.tasks.map((task: { name: string }) => task.name)).toEqual(
      operation.response.tasks.map((task: { name: string }) => task.name),
    );
  });

  it("needs a queue", async () => {
    const queue = `${locationOf(await createQueue())}/queues/missing`;
    for (const requests of [[httpTask()], [httpTask({}, { url: "" })]]) {
      expect(await send("POST", `/v2/${queue}/tasks:batchCreate`, { requests })).toMatchObject(
        refusal(404, "NOT_FOUND", expect.stringContaining("Queue does not exist.")),
      );
    }
  });
});

describe("tasks:batchDelete", () => {
  it("deletes all", async () => {
    const queue = await createQueue();
    const names = ["a", "b"].map((id) => `${queue}/tasks/${id}`);
    for (const name of names) await ok("POST", `/v2/${queue}/tasks`, httpTask({ name }));
    const operation = await ok("POST", `/v2/${queue}/tasks:batchDelete`, { parent: queue, names });
    expect(operation).toMatchObject({
      metadata: { "@type": `${PACKAGE}.BatchDeleteTasksMetadata`, state: "SUCCEEDED" },
      done: true,
      response: { "@type": "type.googleapis.com/google.protobuf.Empty" },
    });
    expect(operation.metadata).not.toHaveProperty("failedRequests");
    expect(await taskNames(queue)).toEqual([]);
  });

  it("tells failures by their index", async () => {
    const queue = await createQueue();
    await ok("POST", `/v2/${queue}/tasks`, httpTask({ name: `${queue}/tasks/a` }));
    const path = `/v2/${queue}/tasks:batchDelete?$alt=json%3Benum-encoding=int`;
    const operation = await ok("POST", path, {
      names: [
        `${queue}/tasks/missing`,
        `${queue}/tasks/a`,
        `${queue}-x/tasks/a`,
        "a",
        `${queue}/tasks/a.b`,
      ],
    });
    expect(operation).toMatchObject({
      metadata: {
        state: 3,
        failedRequests: {
          0: { code: 5, message: "Requested entity was not found." },
          2: { code: 3, message: expect.stringContaining("must be the same as the queue name") },
          3: { code: 3, message: expect.stringContaining("Task name must be formatted") },
          4: { code: 3, message: expect.stringContaining('Task ID "a.b" can contain only') },
        },
      },
      response: {},
    });
    expect(await taskNames(queue)).toEqual([]);
  });

  it("of which nothing succeeds is an error", async () => {
    const queue = await createQueue();
    const names = [`${queue}/tasks/missing`];
    expect(await ok("POST", `/v2/${queue}/tasks:batchDelete`, { names })).toMatchObject({
      error: { code: 10, message: NONE("BatchDeleteTasksMetadata") },
    });
  });

  it("with the same request id is the same operation", async () => {
    const queue = await createQueue();
    await ok("POST", `/v2/${queue}/tasks`, httpTask({ name: `${queue}/tasks/a` }));
    const request = { requestId: "again", names: [`${queue}/tasks/a`] };
    const first = await ok("POST", `/v2/${queue}/tasks:batchDelete`, request);
    expect(await ok("POST", `/v2/${queue}/tasks:batchDelete`, request)).toEqual(first);
  });

  it("deletes under a request id that a batchCreate had", async () => {
    const queue = await createQueue();
    const names = [`${queue}/tasks/a`];
    const requests = [httpTask({ name: names[0] })];
    await ok("POST", `/v2/${queue}/tasks:batchCreate`, { requestId: "once", requests });
    await ok("POST", `/v2/${queue}/tasks:batchDelete`, { requestId: "once", names });
    expect(await taskNames(queue)).toEqual([]);
  });

  it("keeps its operation however long the failures' texts are", async () => {
    const queue = await createQueue();
    const names = Array.from({ length: 1000 }, () => `${queue}/tasks/${"ä".repeat(600)}`);
    const operation = await ok("POST", `/v2/${queue}/tasks:batchDelete`, { names });
    const kept = await ok("GET", `/v2/${operation.name}`);
    expect(Object.keys(kept.metadata.failedRequests).length).toBe(1000);
    expect(kept.metadata.failedRequests[999]).toMatchObject({
      code: 3,
      message: expect.stringMatching(/^Task ID "ä+$/),
    });
  });

  it("takes 1000 names, not 1001", async () => {
    const queue = await createQueue();
    const names = Array.from({ length: 1001 }, (_, index) => `${queue}/tasks/t${index}`);
    const path = `/v2/${queue}/tasks:batchDelete`;
    expect(await send("POST", path, { names })).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "The batch has 1001 names; at most 1000 are allowed."),
    );
    const operation = await ok("POST", path, { names: names.slice(1) });
    expect(Object.keys(operation.metadata.failedRequests).length).toBe(1000);
  });
});

describe("operations", () => {
  it("are found by name", async () => {
    const queue = await createQueue();
    const created = await ok("POST", `/v2/${queue}/tasks:batchCreate`, { requests: [httpTask()] });
    expect(await ok("GET", `/v2/${created.name}`)).toEqual(created);
  });

  test.each(["q-1", "q", "nothing-99999", "a_b-1"])("%s was never one", async (id) => {
    const location = locationOf(await createQueue());
    expect(await send("GET", `/v2/${location}/operations/${id}`)).toMatchObject(
      refusal(404, "NOT_FOUND", "Requested entity was not found."),
    );
  });

  it("are listed over the queues of a location, page by page", async () => {
    const first = await createQueue();
    const location = locationOf(first);
    const queues = [first];
    for (const id of ["r", "s"]) {
      await ok("POST", `/v2/${location}/queues`, { name: `${location}/queues/${id}` });
      queues.push(`${location}/queues/${id}`);
    }
    await ok("POST", `/v2/${location}/queues/s:pause`, {});
    const made: string[] = [];
    for (const queue of [first, first, first, `${location}/queues/s`, `${location}/queues/s`]) {
      const names = [`${queue}/tasks/none`];
      made.push((await ok("POST", `/v2/${queue}/tasks:batchDelete`, { names })).name);
    }
    const all = await ok("GET", `/v2/${location}/operations`);
    expect(all.operations.map(({ name }: { name: string }) => name)).toEqual(made);
    expect(all).not.toHaveProperty("nextPageToken");

    for (const pageSize of [1, 2, 3, 4]) {
      const seen: string[] = [];
      let token = "";
      do {
        const page = await ok(
          "GET",
          `/v2/${location}/operations?pageSize=${pageSize}&pageToken=${token}`,
        );
        const names = (page.operations ?? []).map(({ name }: { name: string }) => name);
        expect(names.length).toBeLessThanOrEqual(pageSize);
        seen.push(...names);
        token = page.nextPageToken ?? "";
      } while (token !== "");
      expect(seen).toEqual(made);
    }
  });

  it("of many queues are listed a few queues at a time", async () => {
    const queue = await createQueue();
    const location = locationOf(queue);
    const ids = Array.from({ length: 25 }, (_, index) => `z${String(index).padStart(2, "0")}`);
    await Promise.all(
      ids.map((id) => ok("POST", `/v2/${location}/queues`, { name: `${location}/queues/${id}` })),
    );
    const last = `${location}/queues/z24`;
    const { name } = await ok("POST", `/v2/${last}/tasks:batchDelete`, {
      names: [`${last}/tasks/x`],
    });
    const first = await ok("GET", `/v2/${location}/operations`);
    expect(first).toEqual({ nextPageToken: expect.any(String) });
    const second = await ok("GET", `/v2/${location}/operations?pageToken=${first.nextPageToken}`);
    expect(second).toMatchObject({ operations: [{ name }] });
    expect(second).not.toHaveProperty("nextPageToken");
  });

  it("cannot be filtered", async () => {
    const location = locationOf(await createQueue());
    expect(await send("GET", `/v2/${location}/operations?filter=done`)).toMatchObject(
      refusal(501, "UNIMPLEMENTED", "Operations cannot be filtered by this service."),
    );
  });
});
