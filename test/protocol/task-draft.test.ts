/** Which targets a deployment takes, where it does not allow everything as the tests' own does. */
import { describe, expect, it, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { readConfig } from "../../src/core/config.ts";
import { draftTask } from "../../src/protocol/cloudtasks/task-draft.ts";
import { v2 } from "../../src/protocol/cloudtasks/v2/dialect.ts";

const QUEUE = { project: "p", location: "us-central1", queue: "q" };

function draft(url: string, targetAllow = "") {
  return draftTask(
    { httpRequest: { url } },
    {
      words: v2.taskWords,
      queue: QUEUE,
      nowUs: Date.UTC(2026, 10, 21) * 1000,
      config: readConfig({ TARGET_ALLOW: targetAllow }),
      ownHost: "tasks.example.com",
      root: "task",
    },
  );
}

describe("a task's target", () => {
  test.each([
    "https://hooks.example.net/in",
    "http://hooks.example.net:8080/in",
    "HTTPS://HOOKS.example.net/in",
  ])("%s is taken", (url) => expect(draft(url).ok).toBe(true));

  test.each([
    ["http://127.0.0.1/", "is an IP address"],
    ["http://0x7f.1/", "is an IP address"],
    ["http://[::1]:8080/", "is an IP address"],
    ["http://169.254.169.254/latest/meta-data", "is an IP address"],
    ["http://localhost:3000/", "is not a public name"],
    ["http://metadata.google.internal/", "is a private name"],
    ["https://hooks.example.net:25/", "is not a web port"],
    ["https://user:secret@hooks.example.net/", "user name or a password"],
    ["https://tasks.example.com/v2/x", "is this service itself"],
  ])("%s is refused", (url, reason) =>
    expect(draft(url)).toMatchObject({
      ok: false,
      error: {
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(`^HttpRequest\\.url is not allowed\\. .*${reason}`),
        details: [{ fieldViolations: [{ field: "task.http_request.url" }] }],
      },
    }),
  );

  it("is taken where the deployment allows it", () => {
    expect(draft("http://localhost:3000/", "loopback").ok).toBe(true);
    expect(draft("http://10.0.0.1/", "*").ok).toBe(true);
  });
});

describe("over HTTP", () => {
  // No bindings: a refusal must come before any object is asked.
  const env = { API_TOKEN: "t", TARGET_ALLOW: "" };
  const post = async (method: string, path: string, body: object) => {
    const reply = await createApp().request(
      `https://tasks.example.com/v2/projects/p/locations/us-central1/queues${path}`,
      { method, headers: { authorization: "Bearer t" }, body: JSON.stringify(body) },
      env,
    );
    return { status: reply.status, body: await reply.json() };
  };
  const name = "projects/p/locations/us-central1/queues/q";

  it("a task for this service itself is refused", async () => {
    const task = { httpRequest: { url: "https://tasks.example.com/v2/x" } };
    expect(await post("POST", "/q/tasks", { task })).toMatchObject({
      status: 400,
      body: { error: { status: "INVALID_ARGUMENT" } },
    });
  });

  test.each([
    ["POST", ""],
    ["PATCH", "/q"],
  ])("a queue that sends its tasks to a private host is refused (%s)", async (method, path) => {
    const httpTarget = { uriOverride: { host: "db.internal" } };
    expect(await post(method, path, { name, httpTarget })).toMatchObject({
      status: 400,
      body: {
        error: {
          status: "INVALID_ARGUMENT",
          message:
            "UriOverride.host is not allowed. The target's host db.internal is a private name.",
          details: [{ fieldViolations: [{ field: "queue.http_target.uri_override.host" }] }],
        },
      },
    });
  });
});
