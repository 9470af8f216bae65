/** Transactions over HTTP: their own methods, and the header of the methods that create tasks. */
import { describe, expect, it } from "vitest";
import { createQueue, httpTask, ok, refusal, send, snapshot, violation } from "../protocol/rest.ts";

const HEADER = "X-EdgeTasks-Transaction";

const locationOf = (queue: string) => queue.slice(0, queue.indexOf("/queues/"));

async function begin(queue: string, body: object = {}) {
  return ok("POST", `/edgetasks/v1/${locationOf(queue)}/transactions`, body);
}

const end = (name: string, how: "commit" | "rollback") =>
  send("POST", `/edgetasks/v1/${name}:${how}`, {});

const idOf = (name: string) => name.slice(name.lastIndexOf("/") + 1);

const names = async (queue: string): Promise<string[]> =>
  ((await ok("GET", `/v2/${queue}/tasks`)).tasks ?? []).map((task: { name: string }) => task.name);

describe("the methods of a transaction", () => {
  it("begin, get, commit", async () => {
    const queue = await createQueue();
    const begun = await begin(queue);
    expect(begun).toEqual({
      name: expect.stringMatching(
        new RegExp(`^${locationOf(queue)}/transactions/[1-9][0-9]{0,18}$`),
      ),
      state: "OPEN",
      createTime: expect.any(String),
      expireTime: expect.any(String),
    });
    expect(Date.parse(begun.expireTime) - Date.parse(begun.createTime)).toBe(60_000);
    expect(await ok("GET", `/edgetasks/v1/${begun.name}`)).toEqual(begun);
    await send("POST", `/v2/${queue}/tasks`, httpTask(), { [HEADER]: begun.name });
    const committed = { ...begun, state: "COMMITTED", queues: [queue] };
    expect(await end(begun.name, "commit")).toMatchObject({ status: 200, body: committed });
    expect(await ok("GET", `/edgetasks/v1/${begun.name}`)).toEqual(committed);
    expect(await end(begun.name, "commit")).toMatchObject({ status: 200, body: committed });
    expect(await end(begun.name, "rollback")).toMatchObject(
      refusal(400, "FAILED_PRECONDITION", `The transaction ${begun.name} has been committed.`),
    );
  });

  it("take a lifetime and a confirmUrl", async () => {
    const queue = await createQueue();
    const confirmUrl = "https://example.com/outcome";
    const begun = await begin(queue, { lifetime: "3600s", confirmUrl });
    expect(begun.confirmUrl).toBe(confirmUrl);
    expect(Date.parse(begun.expireTime) - Date.parse(begun.createTime)).toBe(3_600_000);
    expect((await end(begun.name, "rollback")).body.state).toBe("ROLLED_BACK");
  });

  const REFUSED: readonly [string, object, string, string][] = [
    [
      "a lifetime too short",
      { lifetime: "0.999s" },
      "transaction.lifetime",
      "The lifetime of a transaction must be in [1s, 3600s], not 0.999s.",
    ],
    [
      "a lifetime too long",
      { lifetime: "3600.000001s" },
      "transaction.lifetime",
      "The lifetime of a transaction must be in [1s, 3600s], not 3600.000001s.",
    ],
    ...(["0s", "-5s"] as const).map((lifetime): [string, object, string, string] => [
      `the lifetime ${lifetime}`,
      { lifetime },
      "transaction.lifetime",
      `The lifetime of a transaction must be in [1s, 3600s], not ${lifetime}.`,
    ]),
    [
      "a lifetime that is none",
      { lifetime: "soon" },
      "transaction.lifetime",
      "Invalid value at 'transaction.lifetime' (type.googleapis.com/google.protobuf.Duration), " +
        "Illegal duration format; duration must be seconds with at most 9 decimals and end with 's'",
    ],
    [
      "a confirmUrl that is none",
      { confirmUrl: "ftp://example.com" },
      "transaction.confirm_url",
      "The confirmUrl is not allowed. It must be a URL that starts with 'http://' or 'https://'.",
    ],
  ];
  it.each(REFUSED)("refuse %s", async (_what, body, field, text) => {
    const queue = await createQueue();
    const refused = await send("POST", `/edgetasks/v1/${locationOf(queue)}/transactions`, body);
    expect(refused).toMatchObject(refusal(400, "INVALID_ARGUMENT", text, [violation(field, text)]));
  });

  it("refuse unknown fields and parameters by name", async () => {
    const path = `/edgetasks/v1/${locationOf(await createQueue())}/transactions`;
    expect((await send("POST", path, { lifetimes: "1s" })).body.error.message).toContain(
      'Unknown name "lifetimes"',
    );
    expect((await send("POST", `${path}?lifetime=1s`, {})).body.error.message).toContain(
      'Unknown name "lifetime"',
    );
    expect((await send("POST", path, "{")).body.error.status).toBe("INVALID_ARGUMENT");
  });

  it("know no transaction that was not begun, and no id that cannot be one", async () => {
    const location = locationOf(await createQueue());
    for (const [method, suffix] of [
      ["GET", ""],
      ["POST", ":commit"],
      ["POST", ":rollback"],
    ] as const) {
      const path = (id: string) => `/edgetasks/v1/${location}/transactions/${id}${suffix}`;
      const body = method === "GET" ? undefined : {};
      const unknown = await send(method, path("9223372036854775807"), body);
      expect(unknown.body.error).toMatchObject({ code: 404, status: "NOT_FOUND" });
      for (const id of ["0", "01", "-1", "x", "9223372036854775808"]) {
        const refused = await send(method, path(id), body);
        expect(refused.body.error, id).toMatchObject({ status: "INVALID_ARGUMENT" });
      }
    }
  });

  it("are at no other path, for no other verb and in no other place", async () => {
    const location = locationOf(await createQueue());
    const path = `/edgetasks/v1/${location}/transactions`;
    expect((await send("GET", path)).status).toBe(405);
    expect((await send("DELETE", `${path}/1`)).headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    expect((await send("OPTIONS", `${path}/1:commit`)).headers.get("allow")).toBe("POST, OPTIONS");
    expect((await send("POST", `${path}/1:other`, {})).status).toBe(404);
    expect((await send("POST", `${path}/1:commit/x`, {})).status).toBe(404);
    expect((await send("GET", "/edgetasks/v1/nothing")).status).toBe(404);
    const nowhere = "/edgetasks/v1/projects/p/locations/atlantis/transactions";
    expect((await send("POST", nowhere, {})).body.error.message).toContain("atlantis");
  });
});

describe("the header", () => {
  const VERSIONS = ["v2", "v2beta2", "v2beta3"] as const;
  const appEngineTask = (version: string) =>
    version === "v2beta2" ? { task: { appEngineHttpRequest: { relativeUrl: "/x" } } } : httpTask();

  it.each(VERSIONS)("puts a task of %s under the transaction", async (version) => {
    const queue = await createQueue();
    const { name } = await begin(queue);
    const path = `/${version}/${queue}/tasks`;
    const created = [
      await send("POST", path, appEngineTask(version), { [HEADER]: name }),
      await send("POST", path, appEngineTask(version), { [HEADER]: idOf(name) }),
    ];
    expect(created.map(({ status }) => status)).toEqual([200, 200]);
    expect(await names(queue)).toEqual([]);
    expect((await send("GET", `/v2/${created[0]?.body.name}`)).status).toBe(404);
    await end(name, "commit");
    expect(await names(queue)).toEqual(created.map(({ body }) => body.name));
  });

  it.each(VERSIONS)("puts a batch of %s under the transaction, all or nothing", async (version) => {
    const queue = await createQueue();
    const { name } = await begin(queue);
    const path = `/${version}/${queue}/tasks:batchCreate`;
    const good = appEngineTask(version);
    const bad = { task: { ...good.task, name: `${queue}/tasks/mine` } };
    const broken = { task: {} };
    const headers = { [HEADER]: name };
    for (const [wrong, field] of [
      [bad, "requests[1].task.name"],
      [broken, "requests[1].task"],
    ] as const) {
      const refused = await send("POST", path, { requests: [good, wrong, good] }, headers);
      expect(refused.body.error.status).toBe("INVALID_ARGUMENT");
      expect(refused.body.error.details[0].fieldViolations[0].field).toBe(field);
    }
    const requestId = crypto.randomUUID();
    const request = { requests: [good, good], requestId };
    const done = await send("POST", path, request, headers);
    expect(done.body).toMatchObject({ done: true, metadata: { state: expect.anything() } });
    // A repeat is the same operation; of another transaction it is not.
    expect((await send("POST", path, request, headers)).body.name).toBe(done.body.name);
    const other = await begin(queue);
    const again = await send("POST", path, request, { [HEADER]: other.name });
    expect(again.body.name).not.toBe(done.body.name);
    expect(await names(queue)).toEqual([]);
    await end(name, "commit");
    await end(other.name, "rollback");
    expect(await names(queue)).toEqual(
      done.body.response.tasks.map((task: { name: string }) => task.name),
    );
  });

  it("refuses a batch for the other type of queue with the field that does not fit", async () => {
    const queue = await createQueue();
    const { name } = await begin(queue);
    const pull = { task: { pullMessage: { payload: "" } } };
    const refused = await send(
      "POST",
      `/v2beta3/${queue}/tasks:batchCreate`,
      { requests: [httpTask(), pull] },
      { [HEADER]: name },
    );
    expect(refused.body.error).toMatchObject({
      status: "INVALID_ARGUMENT",
      details: [{ fieldViolations: [{ field: "requests[1].task.pull_message" }] }],
    });
    await end(name, "commit");
    expect(await names(queue)).toEqual([]);
  });

  it("puts a task of taskqueue/v1beta2 under the transaction", async () => {
    const queue = await createQueue();
    const location = locationOf(queue);
    const pullQueue = `${location}/queues/pull`;
    await ok("POST", `/v2beta2/${location}/queues`, { name: pullQueue, pullTarget: {} });
    const { name } = await begin(queue);
    const project = queue.split("/")[1];
    const path = `/taskqueue/v1beta2/projects/s~${project}/taskqueues/pull/tasks`;
    const task = { queueName: "pull", payloadBase64: "eA==" };
    const inserted = await send("POST", path, task, { [HEADER]: name });
    expect(inserted).toMatchObject({ status: 200, body: { id: expect.any(String) } });
    expect((await ok("GET", path)).items).toBeUndefined();
    const named = await send("POST", path, { ...task, id: "mine" }, { [HEADER]: name });
    expect(named.body.error.errors).toMatchObject([{ reason: "invalid", location: "id" }]);
    await end(name, "commit");
    expect((await ok("GET", path)).items).toMatchObject([{ id: inserted.body.id }]);
    for (const [method, suffix] of [
      ["GET", ""],
      ["POST", "/lease?numTasks=1&leaseSecs=60"],
      ["DELETE", `/${inserted.body.id}`],
    ] as const) {
      const refused = await send(method, path + suffix, undefined, { [HEADER]: name });
      expect(refused.body.error.errors).toMatchObject([
        { location: HEADER, locationType: "header" },
      ]);
    }
  });

  it("counts in a batch of requests, on a part or on the batch", async () => {
    const queue = await createQueue();
    const { name } = await begin(queue);
    const part = (headers: readonly string[]) =>
      [
        "--b",
        "Content-Type: application/http",
        "",
        `POST /v2/${queue}/tasks HTTP/1.1`,
        "Content-Type: application/json",
        ...headers,
        "",
        JSON.stringify(httpTask()),
        "",
      ].join("\r\n");
    const type = { "content-type": "multipart/mixed; boundary=b" };
    for (const [own, outer] of [
      [[`${HEADER}: ${name}`], {}],
      [[], { [HEADER]: name }],
    ] as const) {
      const reply = await send("POST", "/batch", `${part(own)}--b--\r\n`, { ...type, ...outer });
      expect(reply.body).toContain("HTTP/1.1 200");
    }
    expect(await names(queue)).toEqual([]);
    await end(name, "commit");
    expect(await names(queue)).toHaveLength(2);
  });

  it("changes nothing where it cannot be followed", async () => {
    const queue = await createQueue();
    const { name } = await begin(queue);
    const rolledBack = await begin(queue);
    await end(rolledBack.name, "rollback");
    const before = await snapshot(queue);
    const named = httpTask({ name: `${queue}/tasks/mine` });
    const path = `/v2/${queue}/tasks`;
    const elsewhere = name.replace("us-central1", "europe-west1");
    for (const [value, body, status, text] of [
      [name, named, "INVALID_ARGUMENT", "name"],
      [rolledBack.name, httpTask(), "FAILED_PRECONDITION", "rolled back"],
      ["77", httpTask(), "NOT_FOUND", "does not exist"],
      [elsewhere, httpTask(), "INVALID_ARGUMENT", "own project and location"],
      ["", httpTask(), "INVALID_ARGUMENT", HEADER],
      ["0", httpTask(), "INVALID_ARGUMENT", HEADER],
      ["1, 2", httpTask(), "INVALID_ARGUMENT", HEADER],
      [`${name}/x`, httpTask(), "INVALID_ARGUMENT", HEADER],
    ] as const) {
      const refused = await send("POST", path, body, { [HEADER]: value });
      expect(refused.body.error, value).toMatchObject({ status });
      expect(refused.body.error.message).toContain(text);
    }
    await end(name, "commit");
    expect(await snapshot(queue)).toEqual(before);
  });

  it("is refused by every method that creates no task of it", async () => {
    const queue = await createQueue({
      httpTarget: { uriOverride: { host: "example.com" } },
    });
    const task = (await ok("POST", `/v2/${queue}/tasks`, httpTask())).name;
    const { name } = await begin(queue);
    const before = await snapshot(queue);
    for (const [method, path, body] of [
      ["POST", `/v2/${queue}/tasks:buffer`, {}],
      ["POST", `/v2/${queue}/tasks:batchDelete`, { names: [task] }],
      ["POST", `/v2beta2/${queue}/tasks:lease`, {}],
      ["POST", `/v2/${task}:run`, {}],
      ["DELETE", `/v2/${task}`, undefined],
      ["GET", `/v2/${task}`, undefined],
      ["GET", `/v2/${queue}/tasks`, undefined],
      ["POST", `/v2/${queue}:purge`, {}],
      ["DELETE", `/v2/${queue}`, undefined],
      ["POST", `/edgetasks/v1/${name}:commit`, {}],
    ] as const) {
      const refused = await send(method, path, body, { [HEADER]: name });
      expect(refused, path).toMatchObject({
        status: 400,
        body: { error: { status: "INVALID_ARGUMENT" } },
      });
      expect(refused.body.error.message).toContain(HEADER);
    }
    expect(await snapshot(queue)).toEqual(before);
    expect((await ok("GET", `/edgetasks/v1/${name}`)).state).toBe("OPEN");
  });
});
