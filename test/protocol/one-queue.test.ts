/** A queue is one thing, whichever version of the interface made it or looks at it. */
import { describe, expect, it, test } from "vitest";
import { httpTask, ok, refusal, send, uniqueLocation } from "./rest.ts";

const MADE_BY = {
  v2beta2: { pullTarget: {} },
  v2beta3: { type: "PULL" },
} as const;

async function pullQueue(version: keyof typeof MADE_BY = "v2beta2") {
  const location = uniqueLocation();
  const name = `${location}/queues/pulled`;
  await ok("POST", `/${version}/${location}/queues`, { name, ...MADE_BY[version] });
  return { location, name };
}

describe.each(["v2beta2", "v2beta3"] as const)("a pull queue made through %s", (version) => {
  it("shows in both betas with its type", async () => {
    const { location, name } = await pullQueue(version);
    expect((await ok("GET", `/v2beta2/${location}/queues`)).queues).toEqual([
      expect.objectContaining({ name, pullTarget: {} }),
    ]);
    expect((await ok("GET", `/v2beta3/${location}/queues`)).queues).toEqual([
      expect.objectContaining({ name, type: "PULL" }),
    ]);
  });

  it("is not in v2's lists, which have no word for it, but is there under its name", async () => {
    const { location, name } = await pullQueue(version);
    await ok("POST", `/v2/${location}/queues`, { name: `${location}/queues/push` });
    const { queues } = await ok("GET", `/v2/${location}/queues`);
    expect(queues).toEqual([expect.objectContaining({ name: `${location}/queues/push` })]);
    expect(await ok("GET", `/v2/${name}`)).toMatchObject({ name, state: "RUNNING" });
    expect(await send("POST", `/v2/${location}/queues`, { name })).toMatchObject(
      refusal(409, "ALREADY_EXISTS", "Queue already exists"),
    );
    expect(await ok("POST", `/v2/${name}:pause`, {})).toMatchObject({ state: "PAUSED" });
    expect(await ok("DELETE", `/v2/${name}`)).toEqual({});
    expect(await send("GET", `/v2beta2/${name}`)).toMatchObject({ status: 404 });
  });

  it("gives leases of what any version put into it", async () => {
    const { name } = await pullQueue(version);
    for (const by of ["v2beta2", "v2beta3"]) {
      const task = { pullMessage: { payload: btoa(by) } };
      await ok("POST", `/${by}/${name}/tasks`, { task });
    }
    const { tasks } = await ok("POST", `/v2beta2/${name}/tasks:lease`, {
      maxTasks: 10,
      leaseDuration: "60s",
      responseView: "FULL",
    });
    expect(
      tasks.map(({ pullMessage }: { pullMessage: { payload: string } }) =>
        atob(pullMessage.payload),
      ),
    ).toEqual(["v2beta2", "v2beta3"]);
    const leased = await ok("GET", `/v2beta3/${tasks[0].name}`);
    expect(leased).toMatchObject({ scheduleTime: tasks[0].scheduleTime, dispatchCount: 1 });
    expect(await ok("GET", `/v2/${tasks[0].name}`)).toMatchObject({ name: tasks[0].name });
  });
});

describe("a task of the wrong kind", () => {
  const APP_ENGINE = { task: { appEngineHttpRequest: {} } };
  const PULL = { task: { pullMessage: {} } };
  test.each([
    ["v2", httpTask(), "task.http_request", "Task.httpRequest cannot be set"],
    ["v2", APP_ENGINE, "task.app_engine_http_request", "Task.appEngineHttpRequest cannot be set"],
    ["v2beta2", httpTask(), "task.http_request", "Task.httpRequest cannot be set"],
    ["v2beta3", httpTask(), "task.http_request", "Task.httpRequest cannot be set"],
  ])("%s %j is refused by a pull queue", async (version, body, field, message) => {
    const { name } = await pullQueue();
    const text = `${message} on tasks of a pull queue.`;
    expect(await send("POST", `/${version}/${name}/tasks`, body)).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", text, [
        expect.objectContaining({ fieldViolations: [{ field, description: text }] }),
      ]),
    );
    expect(await ok("GET", `/v2beta2/${name}/tasks`)).toEqual({});
  });

  test.each(["v2beta2", "v2beta3"])("%s's pull message is refused by a push queue", async (by) => {
    const location = uniqueLocation();
    const name = `${location}/queues/push`;
    await ok("POST", `/v2/${location}/queues`, { name });
    const text = "Task.pullMessage can be set only on tasks of a pull queue.";
    expect(await send("POST", `/${by}/${name}/tasks`, PULL)).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", text, [
        expect.objectContaining({
          fieldViolations: [{ field: "task.pull_message", description: text }],
        }),
      ]),
    );
  });

  test("v2 does not know pull messages at all", async () => {
    const { name } = await pullQueue();
    expect(await send("POST", `/v2/${name}/tasks`, PULL)).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", expect.stringMatching(/Unknown name "pullMessage"/)),
    );
  });
});
