/** Batches at /batch/taskqueue/v1beta2 and /batch, as old clients write and read them. */
import { env } from "cloudflare:workers";
import { describe, expect, it, test, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { answerBatch, MAX_BATCH_PARTS } from "../../src/protocol/http-batch.ts";
import { refusal as cloudTasksRefusal, createQueue, type Reply, send } from "./rest.ts";
import { pullQueue, refusal, type Task, type TestQueue } from "./taskqueue-client.ts";

const TASKQUEUE_BATCH = "/batch/taskqueue/v1beta2";
const TYPE = 'multipart/mixed; boundary="===============73=="';

interface Part {
  readonly status: number;
  readonly contentId: string | undefined;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a client looks into an answer field by field.
  readonly body: any;
}

/** As the Python client library writes a part: lines end with a bare LF. */
function part(id: string, method: string, path: string, body?: unknown, headers: object = {}) {
  const json = body === undefined ? "" : JSON.stringify(body);
  const own = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [
    "Content-Type: application/http",
    "MIME-Version: 1.0",
    "Content-Transfer-Encoding: binary",
    `Content-ID: <${id}>`,
    "",
    `${method} ${path} HTTP/1.1`,
    "Content-Type: application/json",
    "accept: application/json",
    "Host: www.googleapis.com",
    ...(json === "" ? [] : [`content-length: ${json.length}`]),
    ...own,
    "",
    json,
  ].join("\n");
}

function bodyOf(parts: readonly string[], boundary = "===============73=="): string {
  return [...parts.map((each) => `--${boundary}\n${each}\n`), `--${boundary}--\n`].join("");
}

/** Sends a batch, and reads its answer strictly: CRLF, and as many bytes as each part tells. */
async function batch(parts: readonly string[], path = TASKQUEUE_BATCH): Promise<readonly Part[]> {
  const reply = await send("POST", path, bodyOf(parts), { "content-type": TYPE });
  expect(reply.status).toBe(200);
  return read(reply);
}

function read(reply: Reply): readonly Part[] {
  const [, boundary] = /^multipart\/mixed; boundary=(\S+)$/.exec(
    reply.headers.get("content-type") ?? "",
  ) ?? [undefined, "none"];
  const pieces = (reply.body as string).split(`--${boundary}`);
  expect(pieces[0]).toBe("");
  expect(pieces.at(-1)).toBe("--\r\n");
  return pieces.slice(1, -1).map(readPart);
}

function readPart(piece: string): Part {
  const [outer = "", head = "", ...rest] = piece.replace(/^\r\n/, "").split("\r\n\r\n");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const [, status] = /^HTTP\/1\.1 (\d{3}) [A-Z][A-Za-z ]+$/.exec(statusLine) ?? [];
  const headers = new Headers(
    lines.map((line) => line.split(/: (.*)/s).slice(0, 2)) as [string, string][],
  );
  const body = rest.join("\r\n\r\n").replace(/\r\n$/, "");
  expect(new TextEncoder().encode(body)).toHaveLength(Number(headers.get("content-length")));
  return {
    status: Number(status),
    contentId: /^Content-ID: (.*)$/m.exec(outer)?.[1],
    headers,
    body: body === "" ? "" : JSON.parse(body),
  };
}

function newTask(queue: TestQueue, changes: object = {}) {
  return { queueName: queue.name.queue, payloadBase64: "aGk=", ...changes };
}

describe("a batch", () => {
  it("is answered part by part, each by its Content-ID and with a status of its own", async () => {
    const queue = await pullQueue();
    await queue.insert({ id: "there" });
    const parts = await batch([
      part("u + 1", "POST", `${queue.path}/tasks?alt=json`, newTask(queue, { tag: "größe" })),
      part("u + 2", "GET", `${queue.path}/tasks/there?alt=json`),
      part("u + 3", "GET", `${queue.path}/tasks/none?alt=json`),
      part("u + 4", "DELETE", `${queue.path}/tasks/there?`),
      part("u + 5", "PUT", `${queue.path}/tasks/there`),
    ]);
    expect(parts.map(({ contentId }) => contentId)).toEqual(
      [1, 2, 3, 4, 5].map((number) => `<response-u + ${number}>`),
    );
    const [inserted, shown, missing, deleted, wrong] = parts;
    expect(inserted).toMatchObject({ status: 200, body: { tag: "größe", retry_count: 0 } });
    expect(inserted?.headers.get("content-type")).toBe("application/json; charset=UTF-8");
    expect(shown).toMatchObject({ status: 200, body: { id: "there" } });
    expect(missing).toMatchObject(refusal(404, "notFound", expect.anything()));
    expect(deleted).toMatchObject({ status: 204, body: "" });
    expect(wrong).toMatchObject({ status: 405 });
    expect(wrong?.headers.get("allow")).toContain("DELETE");
    const { items } = await queue.ok<{ items: Task[] }>("GET", "/tasks");
    expect(items.map(({ id }) => id)).toEqual([inserted?.body.id]);
  });

  it("holds as many parts as the client libraries send", async () => {
    const queue = await pullQueue();
    const parts = Array.from({ length: MAX_BATCH_PARTS }, (_, index) =>
      part(`${index}`, "GET", `${queue.path}?fields=id`),
    );
    const answers = await batch(parts);
    expect(new Set(answers.map(({ contentId }) => contentId)).size).toBe(MAX_BATCH_PARTS);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  });

  test.each([
    [
      "an absolute URL",
      (queue: TestQueue) => `GET http://www.googleapis.com${queue.path} HTTP/1.1`,
    ],
    ["no version", (queue: TestQueue) => `GET ${queue.path}`],
  ])("takes a request with %s, CRLF and no Content-ID", async (_, line) => {
    const queue = await pullQueue();
    const body = `--x\r\nContent-Type: application/http\r\n\r\n${line(queue)}\r\n\r\n\r\n--x--`;
    const headers = { "content-type": "multipart/mixed; boundary=x" };
    const reply = await send("POST", TASKQUEUE_BATCH, body, headers);
    expect(read(reply)).toMatchObject([
      { status: 200, contentId: undefined, body: { id: queue.name.queue } },
    ]);
  });

  it("gives its headers to parts that do not bring their own", async () => {
    const queue = await pullQueue();
    const path = `${queue.path}/tasks/lease?numTasks=1&leaseSecs=1`;
    const body = bodyOf([
      part("1", "POST", path, undefined, { Prefer: "wait=0" }),
      part("2", "POST", path),
      part("3", "POST", `${queue.path}/tasks/a?newLeaseSeconds=1`, {}, override("DELETE")),
    ]);
    const headers = { "content-type": TYPE, prefer: "respond-async", ...override("GET") };
    const [own, outer, overridden] = read(await send("POST", TASKQUEUE_BATCH, body, headers));
    expect(own?.headers.get("preference-applied")).toBe("wait=0");
    expect(outer?.headers.get("preference-applied")).toBeNull();
    // What stands for another verb is the part's own, never the batch's.
    expect(outer?.status).toBe(200);
    expect(overridden).toMatchObject({ status: 400 });
  });

  test.each([
    ["in bytes, before a line break more", (json: string) => new TextEncoder().encode(json).length],
    ["in characters", (json: string) => json.length],
  ])("takes a body whose length is told %s", async (_, lengthOf) => {
    const queue = await pullQueue();
    const json = JSON.stringify(newTask(queue, { tag: "größe" }));
    const line = `POST ${queue.path}/tasks\nContent-Length: ${lengthOf(json)}`;
    const whole = `Content-Type: application/http\n\n${line}\n\n${json}\n\n`;
    expect(await batch([whole])).toMatchObject([{ status: 200, body: { tag: "größe" } }]);
  });

  it("leases fewer tasks than asked for where their payloads would fill its answer", async () => {
    const queue = await pullQueue();
    const payloadBase64 = btoa("x".repeat(900_000));
    for (let count = 0; count < 4; count++) await queue.insert({ payloadBase64 });
    const path = `${queue.path}/tasks/lease?numTasks=4&leaseSecs=60`;
    const [leased] = await batch([part("1", "POST", path)]);
    expect(leased?.body.items).toHaveLength(2);
    expect(await queue.lease({ numTasks: 4 })).toHaveLength(2);
  });

  it("asks each part, as the batch itself, for a credential", async () => {
    const queue = await pullQueue();
    const call = async (headers: Record<string, string>, ownHeaders: object = {}) => {
      const body = bodyOf([part("1", "GET", queue.path, undefined, ownHeaders)]);
      const context = { waitUntil: () => undefined, passThroughOnException: () => undefined };
      const request = new Request(`http://localhost${TASKQUEUE_BATCH}`, {
        method: "POST",
        headers: { "content-type": TYPE, ...headers },
        body,
      });
      const bindings = { ...env, OPEN_MODE: "", API_TOKEN: "secret" };
      const reply = await createApp().fetch(
        request,
        bindings,
        context as unknown as ExecutionContext,
      );
      return { status: reply.status, body: await reply.text(), headers: reply.headers };
    };
    const right = { authorization: "Bearer secret" };
    expect((await call({})).status).toBe(401);
    expect(read(await call(right))).toMatchObject([{ status: 200 }]);
    expect(read(await call(right, { Authorization: "Bearer wrong" }))).toMatchObject([
      refusal(401, "authError", expect.anything()),
    ]);
  });
});

describe("parts that cannot be read fail alone", () => {
  const NOT = "Failed to parse a part of the batch: ";

  test.each([
    ["no content type", "X: 1\n\nGET /", `${NOT}Its Content-Type is not application/http.`],
    ["another type", "Content-Type: application/json\n\n{}", expect.stringContaining(NOT)],
    ["no headers", "hello\n\nGET /", `${NOT}Its headers cannot be read.`],
    [
      "a transfer encoding",
      "Content-Type: application/http\nContent-Transfer-Encoding: base64\n\nR0VUIC8=",
      `${NOT}Its Content-Transfer-Encoding is not binary.`,
    ],
    [
      "no request",
      "Content-Type: application/http\n\n",
      `${NOT}Its first line is not METHOD PATH.`,
    ],
    [
      "no path",
      "Content-Type: application/http\n\nGET tasks HTTP/1.1\n\n",
      `${NOT}Its first line is not METHOD PATH.`,
    ],
    [
      "bad HTTP headers",
      "Content-Type: application/http\n\nGET /taskqueue/v1beta2/x HTTP/1.1\nbad\n\n",
      `${NOT}Its HTTP headers cannot be read.`,
    ],
    [
      "a body shorter than it says",
      "Content-Type: application/http\n\nPOST /taskqueue/v1beta2/x\nContent-Length: 9\n\n{}",
      `${NOT}Its body is shorter than its Content-Length.`,
    ],
    [
      "a header that cannot be sent",
      "Content-Type: application/http\n\nGET /taskqueue/v1beta2/x\nX: a\0b\n\n",
      `${NOT}Its method or one of its headers is not allowed.`,
    ],
  ])("%s", async (_, bad, message) => {
    const queue = await pullQueue();
    const [first, second] = await batch([bad, part("2", "GET", queue.path)]);
    expect(first).toMatchObject(refusal(400, "invalid", message));
    expect(second).toMatchObject({ status: 200, contentId: "<response-2>" });
  });

  test.each(["/v2/projects/p/locations/us-central1/queues", TASKQUEUE_BATCH, "/healthz"])(
    "%s is not asked for in a batch of task queues",
    async (path) =>
      expect(await batch([part("1", "GET", path)])).toMatchObject([
        refusal(404, "notFound", "This batch does not take requests for that path."),
      ]),
  );

  test.each([TASKQUEUE_BATCH, "/batch", "/%62atch"])("a batch in a batch, %s", async (path) => {
    const [answer] = await batch([part("1", "POST", path, {})], "/batch");
    expect(answer?.status).toBeGreaterThanOrEqual(400);
  });

  test("a part whose answer is thrown", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const request = new Request("http://localhost/batch", {
      method: "POST",
      headers: { "content-type": TYPE },
      body: bodyOf([part("1", "GET", "/a"), part("2", "GET", "/b")]),
    });
    const reply = await answerBatch(request, {
      execute: ({ url }) => {
        if (url.endsWith("/a")) throw new Error("broken");
        return Response.json({});
      },
      accepts: () => true,
      refuse: ({ code }) => Response.json({ code }, { status: 500 }),
    });
    expect(read({ status: 200, headers: reply.headers, body: await reply.text() })).toMatchObject([
      { status: 500, body: { code: "INTERNAL" } },
      { status: 200 },
    ]);
    expect(log).toHaveBeenCalledTimes(1);
    log.mockRestore();
  });
});

describe("batches that are refused whole", () => {
  const refusalOf = (message: unknown) => refusal(400, "invalid", message);
  const MALFORMED =
    "Failed to parse the batch: its body has no parts between lines of its boundary.";
  const one = bodyOf([part("1", "GET", "/taskqueue/v1beta2/projects/p/taskqueues/q")]);

  test.each([
    ["another content type", one, "application/json", expect.stringContaining("multipart/mixed")],
    ["no boundary", one, "multipart/mixed", expect.stringContaining("multipart/mixed")],
    ["another boundary", one, "multipart/mixed; boundary=b", MALFORMED],
    ["nothing in it", "", TYPE, MALFORMED],
    ["no end", one.replace("73==--", "73=="), TYPE, MALFORMED],
    [
      "too many parts",
      bodyOf(Array.from({ length: MAX_BATCH_PARTS + 1 }, () => "")),
      TYPE,
      "The batch has more than 1000 parts.",
    ],
  ])("%s", async (_, body, type, message) =>
    expect(await send("POST", TASKQUEUE_BATCH, body, { "content-type": type })).toMatchObject(
      refusalOf(message),
    ),
  );

  test("one over the limit, of which no more is read", async () => {
    let chunks = 0;
    const endless = new ReadableStream({
      pull(controller) {
        chunks++;
        controller.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    const reply = await send("POST", TASKQUEUE_BATCH, endless, { "content-type": TYPE });
    expect(reply).toMatchObject(refusalOf("The batch exceeds the limit of 16777216 bytes."));
    expect(chunks).toBeLessThan(40);
  });

  test("one that is not posted", async () =>
    expect(await send("GET", TASKQUEUE_BATCH)).toMatchObject({
      status: 405,
      body: { error: { code: 405, errors: [{ domain: "global" }] } },
    }));
});

describe("/batch", () => {
  it("takes the other interfaces, and errs in their shape", async () => {
    const queue = await createQueue();
    const pull = await pullQueue();
    const [created, missing, listed] = await batch(
      [
        part("a", "POST", `/v2/${queue}/tasks`, {
          task: { httpRequest: { url: "https://example.com/" } },
        }),
        part("b", "GET", `/v2/${queue}/tasks/none`),
        part("c", "GET", `${pull.path}/tasks`),
      ],
      "/batch",
    );
    expect(created).toMatchObject({ status: 200, body: { httpRequest: { httpMethod: "POST" } } });
    expect(missing).toMatchObject(cloudTasksRefusal(404, "NOT_FOUND", expect.anything()));
    expect(listed).toMatchObject({ status: 200, body: { kind: "taskqueues#tasks" } });
    expect(await send("POST", "/batch", {})).toMatchObject(
      cloudTasksRefusal(400, "INVALID_ARGUMENT", expect.stringContaining("multipart/mixed")),
    );
  });
});

function override(method: string) {
  return { "x-http-method-override": method };
}
