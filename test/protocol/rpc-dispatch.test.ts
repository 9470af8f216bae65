/** What the handler of a task gets that App Engine's RPC interface added (push.md §1, §2, §10). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { SECOND } from "../support/factory.ts";
import { RecordingTarget } from "../support/recording-target.ts";
import { bytes, pb, RpcApp, text } from "./rpc-client.ts";

let target: RecordingTarget;
beforeEach(() => {
  target = new RecordingTarget();
});
afterEach(() => target.release());

const header = (key: string, value: string) => ({ key: bytes(key), value: bytes(value) });

describe("an attempt", () => {
  it("has the service's headers, the task's own and its namespaces, and no forged ones", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH");
    const now = Date.now() * 1000 + 123;
    await app.setClock(queue, now);
    await app.add({
      queueName: bytes(queue),
      taskName: bytes("named"),
      url: bytes("/work?x=1"),
      body: bytes("a=1"),
      header: [
        header("Host", `v2.worker.${app.project}.appspot.com`),
        header("content-type", "application/x-www-form-urlencoded"),
        header("X-AppEngine-Current-Namespace", "ns"),
        header("X-AppEngine-QueueName", "forged"),
        header("X-AppEngine-FailFast", "true"),
        header("X-Own", "1"),
        header("x-own", "2"),
        header("User-Agent", "mine"),
      ],
    });
    const request = await target.next();
    expect(request.method).toBe("POST");
    expect(request.body).toBe("a=1");
    expect(Object.fromEntries(request.headers)).toMatchObject({
      "x-appengine-queuename": queue,
      "x-appengine-taskname": "named",
      "x-appengine-taskretrycount": "0",
      "x-appengine-taskexecutioncount": "0",
      "x-appengine-tasketa": (now / 1e6).toFixed(6),
      "x-appengine-failfast": "true",
      "x-appengine-current-namespace": "ns",
      "content-type": "application/x-www-form-urlencoded",
      "x-own": "1, 2",
      "user-agent": "mine AppEngine-Google; (+http://code.google.com/appengine)",
    });
    expect([...request.headers.keys()].filter((name) => name.startsWith("x-cloudtasks"))).toEqual(
      [],
    );
    expect([...request.headers.keys()]).not.toContain("x-appengine-taskpreviousresponse");
    expect([...request.headers.keys()]).not.toContain("x-appengine-taskretryreason");
    request.respond(200);
  });

  it("goes to the queue's own path with octet-stream, where nothing is said", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH");
    const { names } = await app.add({ queueName: bytes(queue), body: bytes("\u0000") });
    const request = await target.next();
    expect(new URL(request.url).pathname).toBe(`/_ah/queue/${queue}`);
    expect(request.headers.get("content-type")).toBe("application/octet-stream");
    expect(request.headers.get("x-appengine-taskname")).toBe(names[0]);
    expect(request.headers.get("x-appengine-failfast")).toBeNull();
    request.respond(200);
  });

  it.each(["GET", "HEAD", "PUT", "DELETE"] as const)("is made by %s", async (name) => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH");
    const method = pb.TaskQueueAddRequest_RequestMethod[name];
    await app.add({ queueName: bytes(queue), url: bytes("/x"), method });
    const request = await target.next();
    expect([request.method, request.body]).toEqual([name, ""]);
    request.respond(200);
  });

  it("that failed is told to the next, and shown by FetchTask", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH");
    await app.add({
      queueName: bytes(queue),
      taskName: bytes("retried"),
      retryParameters: { minBackoffSec: 0.01 },
    });
    (await target.next()).respond(503);
    const second = await target.next();
    expect(Object.fromEntries(second.headers)).toMatchObject({
      "x-appengine-taskretrycount": "1",
      "x-appengine-taskexecutioncount": "1",
      "x-appengine-taskpreviousresponse": "503",
      "x-appengine-taskretryreason": "App Error",
    });
    const message = { queueName: bytes(queue), taskName: bytes("retried") };
    const { task } = await app.ok("FetchTask", message);
    // The second attempt is under way.
    expect(task?.task[0]).toMatchObject({ retryCount: 1, executionCount: 1 });
    await app.ok("PauseQueue", { appId: bytes(app.project), queueName: bytes(queue), pause: true });
    second.respond(404);
    const shown = await eventually(async () => {
      const found = (await app.ok("FetchTask", message)).task?.task[0];
      expect(found?.runlog).toBeDefined();
      return found;
    });
    expect(shown).toMatchObject({
      retryCount: 2,
      executionCount: 2,
      runlog: { responseCode: 404n },
    });
    expect(shown?.runlog?.lagUsec).toBeGreaterThanOrEqual(0n);
    expect(shown?.runlog?.elapsedUsec).toBeGreaterThanOrEqual(0n);
    expect(text(shown?.taskName ?? bytes(""))).toBe("retried");
    expect(Number(shown?.firstTryUsec)).toBeGreaterThan(Date.now() * 1000 - 60 * SECOND);
  });

  it("is made once more than retry_limit says, and no more", async () => {
    const app = new RpcApp();
    const { queue } = await app.queue("PUSH");
    await app.add({
      queueName: bytes(queue),
      taskName: bytes("limited"),
      retryParameters: { retryLimit: 1, minBackoffSec: 0.01 },
    });
    for (let attempt = 1; attempt <= 2; attempt++) (await target.next()).respond(500);
    const message = { queueName: bytes(queue), taskName: bytes("limited") };
    await eventually(async () => {
      expect(await app.refused("FetchTask", message)).toBe("TOMBSTONED_TASK");
    });
    expect(target.count).toBe(2);
  });
});
