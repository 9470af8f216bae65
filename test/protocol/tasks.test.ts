/** Tasks over the wire: each method and each field of discovery cloudtasks.v2, as transcripts. */
import { describe, expect, it, test, vi } from "vitest";
import { createQueue, httpTask, ok, refusal, send } from "./rest.ts";

const HTTP_AGENT = "Google-Cloud-Tasks";
const APP_ENGINE_AGENT = "AppEngine-Google; (+http://code.google.com/appengine)";
const TIME = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/;
const SECOND = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** A time that is always within the 30 days that may be asked for. */
function soon(fraction = ""): string {
  return new Date(Date.now() + 3600_000).toISOString().replace(/\.\d+Z/, `${fraction}Z`);
}

describe("tasks.create with an HTTP target", () => {
  it("fills in method, User-Agent, times, deadline and a numeric id", async () => {
    const queue = await createQueue();
    const task = await ok("POST", `/v2/${queue}/tasks`, httpTask());
    expect(task).toEqual({
      name: expect.stringMatching(new RegExp(`^${queue}/tasks/\\d+$`)),
      httpRequest: {
        url: "https://example.com/work",
        httpMethod: "POST",
        headers: { "User-Agent": HTTP_AGENT },
      },
      scheduleTime: expect.stringMatching(TIME),
      createTime: expect.stringMatching(SECOND),
      dispatchDeadline: "600s",
      view: "BASIC",
    });
    expect(await ok("GET", `/v2/${task.name}`)).toEqual(task);
  });

  it("keeps every field", async () => {
    const queue = await createQueue();
    const scheduleTime = soon(".123456");
    const request = {
      url: "https://example.com/x?y=%zz#z",
      httpMethod: "PUT",
      headers: { "X-Mixed-Case": "preserve-me", "content-type": "application/json" },
      body: "eyJoZWxsbyI6IndvcmxkIn0=",
      oidcToken: { serviceAccountEmail: "a@b.c", audience: "aud" },
    };
    const task = await ok("POST", `/v2/${queue}/tasks`, {
      parent: queue,
      task: {
        name: `${queue}/tasks/my-task_1`,
        httpRequest: request,
        scheduleTime,
        dispatchDeadline: "15.5s",
        retryConfig: { maxAttempts: 3, minBackoff: "1s", maxRetryDuration: "60s" },
      },
      responseView: "FULL",
    });
    expect(task).toEqual({
      name: `${queue}/tasks/my-task_1`,
      httpRequest: {
        ...request,
        headers: { ...request.headers, "User-Agent": HTTP_AGENT },
      },
      scheduleTime,
      createTime: expect.stringMatching(SECOND),
      dispatchDeadline: "15.500s",
      retryConfig: {
        maxAttempts: 3,
        maxRetryDuration: "60s",
        minBackoff: "1s",
        maxBackoff: "3600s",
        maxDoublings: 16,
      },
      view: "FULL",
    });
    expect(await ok("GET", `/v2/${task.name}?responseView=FULL`)).toEqual(task);
  });

  it("shows enums as numbers on request", async () => {
    const queue = await createQueue();
    const path = `/v2/${queue}/tasks?$alt=json%3Benum-encoding=int`;
    const task = await ok("POST", path, { ...httpTask({}, { httpMethod: 6 }), responseView: 2 });
    expect(task).toMatchObject({ httpRequest: { httpMethod: 6 }, view: 2 });
    const got = await ok("GET", `/v2/${task.name}?$alt=json%3Benum-encoding=int&responseView=1`);
    expect(got).toEqual({ ...task, view: 1 });
  });

  test.each([
    ["POST", 1],
    ["GET", 2],
    ["HEAD", 3],
    ["PUT", 4],
    ["DELETE", 5],
    ["PATCH", 6],
    ["OPTIONS", 7],
  ])("takes the method %s as name and number", async (name, number) => {
    const queue = await createQueue();
    for (const httpMethod of [name, number]) {
      const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({}, { httpMethod }));
      expect(task.httpRequest.httpMethod).toBe(name);
    }
  });

  it("takes an unspecified method as POST", async () => {
    const queue = await createQueue();
    for (const httpMethod of [0, "HTTP_METHOD_UNSPECIFIED", null]) {
      const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({}, { httpMethod }));
      expect(task.httpRequest.httpMethod).toBe("POST");
    }
  });

  test.each([
    // What was recorded on the live service, in golden order.
    [
      { "X-Mixed-Case": "preserve-me", "content-type": "application/json" },
      { "X-Mixed-Case": "preserve-me", "content-type": "application/json" },
    ],
    [{ "X-Mixed-Case": "preserve-me" }, { "X-Mixed-Case": "preserve-me" }],
    // Headers that are the service's own.
    [{ Host: "a", "Content-Length": "5", "user-agent": "mine", A: "b" }, { A: "b" }],
    [{ "X-Google-Foo": "1", "x-appengine-bar": "2", "X-CloudTasks-QueueName": "3" }, {}],
    [
      { Authorization: "Bearer x", "X-Commas": "a, b" },
      { Authorization: "Bearer x", "X-Commas": "a, b" },
    ],
  ])("keeps of the headers %j what is the caller's", async (headers, kept) => {
    const queue = await createQueue();
    const body = "eyJoZWxsbyI6IndvcmxkIn0=";
    const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({}, { headers, body }));
    expect(task.httpRequest.headers).toEqual({ ...kept, "User-Agent": HTTP_AGENT });
  });

  test.each([
    ["AP8+Pw==", "AP8+Pw=="],
    ["AP8-Pw==", "AP8+Pw=="],
    ["AP8-Pw", "AP8+Pw=="],
    ["_-8", "/+8="],
  ])("takes the body %s", async (body, shown) => {
    const queue = await createQueue();
    const task = await ok("POST", `/v2/${queue}/tasks`, {
      ...httpTask({}, { body }),
      responseView: "FULL",
    });
    expect(task.httpRequest.body).toBe(shown);
  });

  it("takes the empty body as none, with any method", async () => {
    const queue = await createQueue();
    const request = httpTask({}, { body: "", httpMethod: "GET" });
    const task = await ok("POST", `/v2/${queue}/tasks`, { ...request, responseView: "FULL" });
    expect(task.httpRequest).not.toHaveProperty("body");
  });

  it("keeps an OAuth token", async () => {
    const queue = await createQueue();
    const oauthToken = { serviceAccountEmail: "a@b.c", scope: "s" };
    const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({}, { oauthToken }));
    expect(task.httpRequest.oauthToken).toEqual(oauthToken);
  });

  it("takes proto names", async () => {
    const queue = await createQueue();
    const task = await ok("POST", `/v2/${queue}/tasks`, {
      response_view: "FULL",
      task: {
        http_request: {
          url: "https://example.com/",
          http_method: "PUT",
          headers: { my_header: "1" },
        },
        dispatch_deadline: "20s",
      },
    });
    expect(task).toMatchObject({
      httpRequest: { httpMethod: "PUT", headers: { my_header: "1" } },
      dispatchDeadline: "20s",
      view: "FULL",
    });
  });

  it("ignores what only answers carry", async () => {
    const queue = await createQueue();
    const first = await ok("POST", `/v2/${queue}/tasks`, httpTask());
    const { name: _, scheduleTime: __, ...echoed } = first;
    const second = await ok("POST", `/v2/${queue}/tasks`, {
      task: {
        ...echoed,
        createTime: "2020-01-01T00:00:00Z",
        dispatchCount: 7,
        responseCount: 7,
        firstAttempt: { dispatchTime: "2020-01-01T00:00:00Z" },
        lastAttempt: { responseStatus: { code: 5 } },
        view: "FULL",
      },
    });
    const unnamed = expect.any(String);
    expect(second).toEqual({ ...first, name: unnamed, scheduleTime: unnamed, createTime: unnamed });
    expect(second.createTime).not.toBe("2020-01-01T00:00:00Z");
  });
});

describe("times of a task", () => {
  it("are truncated to the microsecond, and shown without needless digits", async () => {
    const queue = await createQueue();
    for (const [sent, shown] of [
      [".123456789", ".123456"],
      [".5", ".500"],
      [".000000999", ""],
      ["", ""],
    ] as const) {
      const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({ scheduleTime: soon(sent) }));
      expect(task.scheduleTime.replace(/^[^.Z]*/, "")).toBe(`${shown}Z`);
    }
  });

  it("may have an offset", async () => {
    const queue = await createQueue();
    const time = soon();
    const shifted = new Date(Date.parse(time) + 2 * 3600_000)
      .toISOString()
      .replace(/\.\d+Z/, "+02:00");
    const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({ scheduleTime: shifted }));
    expect(task.scheduleTime).toBe(time);
  });

  test.each([undefined, null, "2001-01-01T00:00:00Z", "1960-01-01T00:00:00Z"])(
    "%s means now",
    async (scheduleTime) => {
      const queue = await createQueue();
      const before = Date.now();
      const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({ scheduleTime }));
      expect(Date.parse(task.scheduleTime)).toBeGreaterThanOrEqual(before);
      expect(Date.parse(task.scheduleTime)).toBeLessThanOrEqual(Date.now());
    },
  );

  it("may be 30 days away", async () => {
    const queue = await createQueue();
    const scheduleTime = new Date(Date.now() + 719.9 * 3600_000).toISOString();
    const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({ scheduleTime }));
    expect(Date.parse(task.scheduleTime)).toBe(Date.parse(scheduleTime));
  });

  test.each([
    ["15s", "15s"],
    ["1800s", "1800s"],
    ["15.1239s", "15.123s"],
    ["1800.000999s", "1800s"],
  ])("the deadline %s is kept as %s", async (dispatchDeadline, shown) => {
    const queue = await createQueue();
    const task = await ok("POST", `/v2/${queue}/tasks`, httpTask({ dispatchDeadline }));
    expect(task.dispatchDeadline).toBe(shown);
  });
});

describe("tasks.create with an App Engine target", () => {
  const body = "eyJoZWxsbyI6IndvcmxkIn0=";

  it("fills in the defaults", async () => {
    const queue = await createQueue();
    const task = await ok("POST", `/v2/${queue}/tasks`, { task: { appEngineHttpRequest: {} } });
    expect(task).toEqual({
      name: expect.any(String),
      appEngineHttpRequest: {
        httpMethod: "POST",
        appEngineRouting: { host: `${queue.split("/")[1]}.appspot.com` },
        relativeUri: "/",
        headers: { "User-Agent": APP_ENGINE_AGENT },
      },
      scheduleTime: expect.stringMatching(TIME),
      createTime: expect.stringMatching(SECOND),
      view: "BASIC",
    });
  });

  it("keeps every field", async () => {
    const queue = await createQueue();
    const routing = { service: "s", version: "v", instance: "i" };
    const task = await ok("POST", `/v2/${queue}/tasks`, {
      task: {
        appEngineHttpRequest: {
          httpMethod: "PUT",
          appEngineRouting: { ...routing, host: "ignored" },
          relativeUri: "/a?b=c",
          headers: { a: "b", "User-Agent": "mine" },
          body,
        },
        dispatchDeadline: "86415s",
      },
      responseView: "FULL",
    });
    expect(task).toMatchObject({
      appEngineHttpRequest: {
        httpMethod: "PUT",
        appEngineRouting: { ...routing, host: `i.v.s.${queue.split("/")[1]}.appspot.com` },
        relativeUri: "/a?b=c",
        body,
      },
      dispatchDeadline: "86415s",
      view: "FULL",
    });
    expect(task.appEngineHttpRequest.headers).toEqual({
      a: "b",
      "User-Agent": "mine",
      "Content-Type": "application/octet-stream",
      "Content-Length": "17",
    });
  });

  test.each([
    // Recorded on the live service.
    [
      { "X-Mixed-Case": "preserve-me", "content-type": "application/json" },
      { "X-Mixed-Case": "preserve-me", "content-type": "application/json" },
    ],
    [
      { "X-Mixed-Case": "preserve-me" },
      { "X-Mixed-Case": "preserve-me", "Content-Type": "application/octet-stream" },
    ],
    [
      { "Content-Length": "1", Host: "h", "X-AppEngine-QueueName": "x", "x-google-y": "z" },
      { "Content-Type": "application/octet-stream" },
    ],
  ])("stores with the headers %j their defaults", async (headers, kept) => {
    const queue = await createQueue();
    const request = { task: { appEngineHttpRequest: { headers, body } } };
    const task = await ok("POST", `/v2/${queue}/tasks`, request);
    const stored = { ...kept, "User-Agent": APP_ENGINE_AGENT, "Content-Length": "17" };
    expect(task.appEngineHttpRequest.headers).toEqual(stored);
    expect(task.appEngineHttpRequest).not.toHaveProperty("body");
    const full = await ok("GET", `/v2/${task.name}?responseView=FULL`);
    expect(full.appEngineHttpRequest).toMatchObject({ headers: stored, body });
  });

  it("takes the deadline 0 as none", async () => {
    const queue = await createQueue();
    const task = await ok("POST", `/v2/${queue}/tasks`, {
      task: { appEngineHttpRequest: {}, dispatchDeadline: "0s" },
    });
    expect(task).not.toHaveProperty("dispatchDeadline");
  });
});

describe("the size of a task", () => {
  it("is counted as it is stored, to the byte", async () => {
    const queue = await createQueue();
    const scheduleTime = soon();
    const create = (size: number, id: string) =>
      send("POST", `/v2/${queue}/tasks`, {
        task: {
          name: `${queue}/tasks/${id}`,
          httpRequest: { url: "https://example.com/", body: btoa("x".repeat(size)) },
          scheduleTime,
        },
      });
    // Every other field of this task, from the field numbers of google.cloud.tasks.v2.
    const name = 2 + `${queue}/tasks/t1`.length;
    const seconds = 2 + 6;
    const request = 2 + "https://example.com/".length + 2 + (2 + 2 + 10 + 2 + HTTP_AGENT.length);
    const rest = name + seconds + seconds + (2 + 3) + request;
    // Request and body carry keys and lengths of 4 bytes each.
    const largest = 1_048_569 - rest - 4 - 4;
    expect(await create(largest + 1, "t1")).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "Task size too large"),
    );
    expect((await create(largest, "t1")).status).toBe(200);
  });

  it("is limited for App Engine targets as well", async () => {
    const queue = await createQueue();
    const create = (size: number) =>
      send("POST", `/v2/${queue}/tasks`, {
        task: { appEngineHttpRequest: { body: btoa("x".repeat(size)) } },
      });
    expect((await create(1_048_569)).status).toBe(400);
    expect((await create(1_048_000)).status).toBe(200);
  });
});

describe("tasks.get and tasks.list", () => {
  it("show bodies in FULL view only", async () => {
    const queue = await createQueue();
    const request = httpTask({}, { body: "aGk=" });
    const { name } = await ok("POST", `/v2/${queue}/tasks`, request);
    for (const view of ["", "?responseView=0", "?responseView=BASIC", "?response_view=1"]) {
      expect((await ok("GET", `/v2/${name}${view}`)).httpRequest).not.toHaveProperty("body");
    }
    for (const view of ["?responseView=2", "?responseView=FULL"]) {
      expect((await ok("GET", `/v2/${name}${view}`)).httpRequest.body).toBe("aGk=");
      expect((await ok("GET", `/v2/${queue}/tasks${view}`)).tasks[0].httpRequest.body).toBe("aGk=");
    }
  });

  it("list page by page, whatever is written in between", async () => {
    const queue = await createQueue();
    const ids = ["a", "b", "c", "d", "e"];
    const base = Date.now() + 3600_000;
    const create = (id: string, offset: number) =>
      ok(
        "POST",
        `/v2/${queue}/tasks`,
        httpTask({
          name: `${queue}/tasks/${id}`,
          scheduleTime: new Date(base + offset * 1000).toISOString(),
        }),
      );
    for (const [index, id] of ids.entries()) await create(id, index * 10);
    const seen: string[] = [];
    let token = "";
    do {
      const page = await ok("GET", `/v2/${queue}/tasks?pageSize=2&pageToken=${token}`);
      seen.push(...page.tasks.map((task: { name: string }) => task.name.split("/").at(-1)));
      if (token === "") {
        await create("late", 25);
        await create("early", 5);
        await ok("DELETE", `/v2/${queue}/tasks/a`);
      }
      token = page.nextPageToken ?? "";
    } while (token !== "");
    expect(seen).toEqual(["a", "b", "c", "late", "d", "e"]);
  });

  it("list no tasks as an empty message", async () =>
    expect(await ok("GET", `/v2/${await createQueue()}/tasks`)).toEqual({}));
});

describe("tasks.delete and tasks.run", () => {
  /** A target that fails each attempt. */
  function failingTarget(): void {
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response("", { status: 500 }));
  }

  it("delete answers an empty message, and the task is gone", async () => {
    const queue = await createQueue();
    const { name } = await ok("POST", `/v2/${queue}/tasks`, httpTask());
    expect(await ok("DELETE", `/v2/${name}`)).toEqual({});
    expect(await ok("GET", `/v2/${queue}/tasks`)).toEqual({});
  });

  it("run dispatches on a paused queue and shows the attempt", async () => {
    failingTarget();
    const queue = await createQueue();
    const request = httpTask({ scheduleTime: soon() }, { body: "aGk=" });
    const { name } = await ok("POST", `/v2/${queue}/tasks`, request);
    const task = await ok("POST", `/v2/${name}:run`, { responseView: 2 });
    expect(task).toMatchObject({
      name,
      dispatchCount: 1,
      httpRequest: { body: "aGk=" },
      firstAttempt: { dispatchTime: expect.stringMatching(TIME) },
      lastAttempt: {
        scheduleTime: expect.stringMatching(TIME),
        dispatchTime: expect.stringMatching(TIME),
      },
      view: "FULL",
    });
    expect(Object.keys(task.firstAttempt)).toEqual(["dispatchTime"]);
  });

  it("run takes an empty message", async () => {
    failingTarget();
    const queue = await createQueue();
    const request = httpTask({ scheduleTime: soon() });
    const { name } = await ok("POST", `/v2/${queue}/tasks`, request);
    expect(await ok("POST", `/v2/${name}:run`, {})).toMatchObject({ view: "BASIC" });
    expect(await ok("POST", `/v2/${name}:run`)).toMatchObject({ view: "BASIC" });
  });
});

describe("tasks.buffer", () => {
  const httpTarget = {
    uriOverride: {
      scheme: "HTTPS",
      host: "hooks.example.com",
      port: "8443",
      pathOverride: { path: "/in" },
      queryOverride: { queryParams: "a=1" },
    },
    httpMethod: "PUT",
    headerOverrides: [{ header: { key: "X-Queue", value: "1" } }],
  };
  const full = async (task: { name: string }) =>
    (await ok("GET", `/v2/${task.name}?responseView=FULL`)).httpRequest;

  it("makes a task of the raw body, for the queue's target", async () => {
    const queue = await createQueue({ httpTarget });
    const bytes = new Uint8Array([0, 255, 10]);
    const path = `/v2/${queue}/tasks:buffer`;
    const reply = await send("POST", path, bytes, { "content-type": "image/png" });
    expect(reply).toMatchObject({ status: 200, body: { task: { view: "BASIC" } } });
    expect(reply.body.task.name).toMatch(/\/tasks\/\d+$/);
    expect(await full(reply.body.task)).toEqual({
      url: "https://hooks.example.com:8443/in?a=1",
      httpMethod: "PUT",
      headers: { "User-Agent": HTTP_AGENT, "Content-Type": "image/png", "X-Queue": "1" },
      body: "AP8K",
    });
  });

  it("takes the id in the path, once", async () => {
    const queue = await createQueue({ httpTarget });
    const path = `/v2/${queue}/tasks/my-id:buffer`;
    const reply = await send("POST", path, "text", { "content-type": "text/plain" });
    expect(reply.body.task.name).toBe(`${queue}/tasks/my-id`);
    expect(await send("POST", path, "text")).toMatchObject(
      refusal(409, "ALREADY_EXISTS", "Requested entity already exists"),
    );
  });

  test.each([
    ['{"body":{"contentType":"text/x","data":"aGk="}}', "text/x", "aGk="],
    ['{"body":{"data":"aGk="}}', undefined, "aGk="],
    // Anything else is the body itself, JSON included.
    ['{"hello":"world"}', "application/json", btoa('{"hello":"world"}')],
    ['{"body":"x"}', "application/json", btoa('{"body":"x"}')],
    ['{"body":{"data":"aGk="},"x":1}', "application/json", btoa('{"body":{"data":"aGk="},"x":1}')],
    ["{}", "application/json", btoa("{}")],
    ["[1]", "application/json", btoa("[1]")],
    ["not json", "application/json", btoa("not json")],
  ])("reads %s", async (sent, contentType, body) => {
    const queue = await createQueue({
      httpTarget: { uriOverride: { host: "hooks.example.com" } },
    });
    const { task } = await ok("POST", `/v2/${queue}/tasks:buffer`, sent);
    expect(await full(task)).toEqual({
      url: "https://hooks.example.com/",
      httpMethod: "POST",
      headers: {
        "User-Agent": HTTP_AGENT,
        ...(contentType === undefined ? {} : { "Content-Type": contentType }),
      },
      body,
    });
  });

  it("unwraps only JSON", async () => {
    const queue = await createQueue({ httpTarget });
    const sent = '{"body":{"data":"aGk="}}';
    const reply = await send("POST", `/v2/${queue}/tasks:buffer`, sent, {
      "content-type": "text/plain",
    });
    expect((await full(reply.body.task)).body).toBe(btoa(sent));
  });

  it("drops the body where the queue's method has none", async () => {
    const queue = await createQueue({ httpTarget: { ...httpTarget, httpMethod: "GET" } });
    const { task } = await ok("POST", `/v2/${queue}/tasks:buffer`, "text");
    expect(await full(task)).not.toHaveProperty("body");
  });

  test.each([
    [{}, "The queue must have an HTTP target to buffer tasks."],
    [
      { httpTarget: { httpMethod: "PUT" } },
      "The queue's HTTP target must have a UriOverride.host to buffer tasks.",
    ],
  ])("needs a host: %j", async (settings, message) => {
    const queue = await createQueue(settings);
    expect(await send("POST", `/v2/${queue}/tasks:buffer`, "x")).toMatchObject(
      refusal(400, "FAILED_PRECONDITION", message),
    );
    expect(await ok("GET", `/v2/${queue}/tasks`)).toEqual({});
  });
});
