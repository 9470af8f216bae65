/** A queue.yaml uploaded: what it makes of queues, as seen through the interface. */
import { describe, expect, it, test } from "vitest";
import { project, upload } from "./queue-files.ts";
import { ok, refusal, send } from "./rest.ts";

const FILE = `
queue:
- name: mail
  rate: 30/m
  bucket_size: 40
  max_concurrent_requests: 10
  target: v2.worker
  retry_parameters:
    task_retry_limit: 7
    task_age_limit: 2d
    min_backoff_seconds: 10
    max_doublings: 0
- name: jobs
  mode: pull
  retry_parameters:
    task_retry_limit: 3
`;

test("cloudtasks.api.queue.update makes the queues of the file", async () => {
  const { id, location } = project();
  expect(await upload(id, FILE)).toMatchObject({ status: 200, body: {} });
  expect(await ok("GET", `/v2beta2/${location}/queues`)).toEqual({
    queues: [
      {
        name: `${location}/queues/jobs`,
        pullTarget: {},
        rateLimits: {
          maxTasksDispatchedPerSecond: 500,
          maxBurstSize: 100,
          maxConcurrentTasks: -1,
        },
        retryConfig: {
          maxAttempts: 3,
          minBackoff: "0.100s",
          maxBackoff: "3600s",
          maxDoublings: 16,
        },
        state: "RUNNING",
        taskTtl: "315360000s",
        tombstoneTtl: "777600s",
      },
      {
        name: `${location}/queues/mail`,
        appEngineHttpTarget: {
          appEngineRoutingOverride: {
            service: "worker",
            version: "v2",
            host: `v2.worker.${id}.appspot.com`,
          },
        },
        rateLimits: { maxTasksDispatchedPerSecond: 0.5, maxBurstSize: 40, maxConcurrentTasks: 10 },
        retryConfig: {
          maxAttempts: 8,
          maxRetryDuration: "172800s",
          minBackoff: "10s",
          maxBackoff: "3600s",
        },
        state: "RUNNING",
        taskTtl: "315360000s",
        tombstoneTtl: "777600s",
      },
    ],
  });
});

describe("an upload", () => {
  it("takes the project's id with its old prefix, and the file within an HttpBody", async () => {
    const { id, location } = project();
    const data = btoa("queue:\n- name: a\n  rate: 1/s\n");
    const body = JSON.stringify({ contentType: "application/yaml", data });
    const reply = await upload(`s~${id}`, body, "application/json");
    expect(reply).toMatchObject({ status: 200, body: {} });
    expect(await ok("GET", `/v2/${location}/queues/a`)).toMatchObject({ state: "RUNNING" });
  });

  it("takes JSON as the YAML that it is", async () => {
    const { id, location } = project();
    const body = JSON.stringify({ queue: [{ name: "a", rate: "2/s" }] });
    expect(await upload(id, body, "application/json")).toMatchObject({ status: 200 });
    const queue = await ok("GET", `/v2/${location}/queues/a`);
    expect(queue.rateLimits).toMatchObject({ maxDispatchesPerSecond: 2 });
  });

  it("changes what a file names of a queue, and nothing else", async () => {
    const { id, location } = project();
    const name = `${location}/queues/a`;
    await ok("POST", `/v2/${location}/queues`, {
      name,
      appEngineRoutingOverride: { service: "old" },
      retryConfig: { maxAttempts: 2, maxDoublings: 3 },
      stackdriverLoggingConfig: { samplingRatio: 0.5 },
    });
    expect(await upload(id, "queue:\n- name: a\n  rate: 7/s\n")).toMatchObject({ status: 200 });
    expect(await ok("GET", `/v2beta3/${name}`)).toEqual({
      name,
      type: "PUSH",
      state: "RUNNING",
      rateLimits: { maxDispatchesPerSecond: 7, maxBurstSize: 5, maxConcurrentDispatches: 1000 },
      retryConfig: { maxAttempts: -1, minBackoff: "0.100s", maxBackoff: "3600s", maxDoublings: 16 },
      stackdriverLoggingConfig: { samplingRatio: 0.5 },
      taskTtl: "2678400s",
      tombstoneTtl: "3600s",
    });
  });

  it("pauses with a rate of 0 and resumes with another, unless the file says not to", async () => {
    const { id, location } = project();
    const state = async () => (await ok("GET", `/v2/${location}/queues/a`)).state;
    await upload(id, "queue:\n- name: a\n  rate: 3/s\n");
    await upload(id, "queue:\n- name: a\n  rate: 0\n");
    expect(await state()).toBe("PAUSED");
    const queue = await ok("GET", `/v2/${location}/queues/a`);
    expect(queue.rateLimits.maxDispatchesPerSecond).toBe(3);
    await upload(id, "resume_paused_queues: false\nqueue:\n- name: a\n  rate: 4/s\n");
    expect(await state()).toBe("PAUSED");
    await upload(id, "queue:\n- name: a\n  rate: 4/s\n");
    expect(await state()).toBe("RUNNING");
  });

  it("makes a queue with a rate of 0 that stands still", async () => {
    const { id, location } = project();
    await upload(id, "queue:\n- name: a\n  rate: 0\n");
    expect(await ok("GET", `/v2/${location}/queues/a`)).toMatchObject({
      state: "PAUSED",
      rateLimits: { maxDispatchesPerSecond: 5 },
    });
  });

  it("pauses queues that the file does not name, but for the default one", async () => {
    const { id, location } = project();
    for (const queue of ["default", "kept", "other"]) {
      await ok("POST", `/v2/${location}/queues`, { name: `${location}/queues/${queue}` });
    }
    await upload(id, "queue:\n- name: kept\n  rate: 1/s\n");
    const { queues } = await ok("GET", `/v2/${location}/queues`);
    expect(queues.map(({ state }: { state: string }) => state)).toEqual([
      "RUNNING",
      "RUNNING",
      "PAUSED",
    ]);
  });
});

describe("nothing is changed", () => {
  test.each([
    [
      "by a mistake anywhere",
      `${FILE}- name: bad\n  rate: 9/w\n`,
      /line 18: queue\[2\]\.rate must be/,
    ],
    [
      "by a queue of another mode",
      `${FILE}- name: there\n  mode: pull\n`,
      /line 17: queue\[2\]\.mode cannot be changed: the queue "there" is a push queue\./,
    ],
    [
      "by settings that cannot be",
      `${FILE}- name: there\n  rate: 1/s\n  retry_parameters:\n    min_backoff_seconds: 1e12\n`,
      /line 20: queue\[2\]\.retry_parameters\.min_backoff_seconds must be at most/,
    ],
  ])("%s", async (_what, file, message) => {
    const { id, location } = project();
    await ok("POST", `/v2/${location}/queues`, { name: `${location}/queues/there` });
    const before = await ok("GET", `/v2beta2/${location}/queues`);
    const reply = await upload(id, file);
    expect(reply).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", expect.stringMatching(message), [expect.anything()]),
    );
    expect(await ok("GET", `/v2beta2/${location}/queues`)).toEqual(before);
  });

  test("and every mistake is told with its element", async () => {
    const { id } = project();
    const reply = await upload(id, "queue:\n- name: a\n  rate: x\n- rate: 1/s\n");
    expect(reply.body.error.details[0].fieldViolations).toEqual([
      { field: "queue[0].rate", description: expect.stringMatching(/^queue\.yaml line 3: /) },
      {
        field: "queue[1]",
        description: "queue.yaml line 4: queue[1] must have a name.",
      },
    ]);
  });

  test("by a name that was in use too recently: no queue that was there is touched", async () => {
    const { id, location } = project();
    for (const queue of ["gone", "there"]) {
      await ok("POST", `/v2/${location}/queues`, { name: `${location}/queues/${queue}` });
    }
    await ok("DELETE", `/v2/${location}/queues/gone`);
    const reply = await upload(
      id,
      "queue:\n- name: there\n  rate: 9/s\n- name: gone\n  rate: 1/s\n",
    );
    expect(reply).toMatchObject(
      refusal(
        400,
        "FAILED_PRECONDITION",
        'queue.yaml line 4: queue[1].name "gone": The queue cannot be created because a queue with this name existed too recently.',
        [expect.anything()],
      ),
    );
    const queue = await ok("GET", `/v2/${location}/queues/there`);
    expect(queue.rateLimits.maxDispatchesPerSecond).toBe(500);
  });
});

describe("requests that are refused", () => {
  test.each([
    ["POST", "/api/queue/update", "queue: []", 400, "appId is required: a project's id."],
    ["POST", "/api/queue/update?appId=a/b", "queue: []", 400, "appId is required: a project's id."],
    ["POST", "/api/queue/update?appId=a&version=1", "queue: []", 400, /Unknown name "version"/],
    ["POST", "/api/queue/update?appId=a", new Uint8Array([0xff]), 400, "The file must be UTF-8."],
    ["POST", "/api/queue/update?appId=a", "", 400, "queue.yaml line 1: The file is empty."],
    ["POST", "/api/queue/update?appId=a", `#${"x".repeat(1024 * 1024)}`, 400, /no longer than/],
    ["GET", "/api/queue/update?appId=a", undefined, 405, /method GET is not allowed/],
  ])("%s %s %j", async (method, path, body, status, message) => {
    const reply = await send(method, path, body, { "content-type": "text/plain" });
    expect(reply.status).toBe(status);
    expect(reply.body.error.message).toEqual(
      typeof message === "string" ? message : expect.stringMatching(message),
    );
  });
});
