/** Queue files planned, exported and applied again, and what paused queues do. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import type { Env } from "../../src/env.ts";
import type { QueueObject } from "../../src/queue/queue-object.ts";
import { queueStub } from "../../src/stubs.ts";
import { queueXml, queueYaml, sortedDescriptionsOf } from "../queue-file/parsed.ts";
import { RecordingTarget } from "../support/recording-target.ts";
import { project, upload } from "./queue-files.ts";
import { ok, send } from "./rest.ts";

// ---- Dry runs --------------------------------------------------------------------------------

describe("a dry run", () => {
  const dryRun = (id: string, body: string) =>
    send("POST", `/api/queue/update?appId=${id}&dryRun=true`, body, {
      "content-type": "application/x-yaml",
    });

  it("tells what each queue would see, and changes nothing", async () => {
    const { id, location } = project();
    await upload(
      id,
      "queue:\n- {name: same, rate: 1/s}\n- {name: other, rate: 1/s}\n- {name: slower, rate: 10/s}\n" +
        "- {name: woken, rate: 0}\n- {name: absent, rate: 1/s}\n- {name: jobs, mode: pull}\n",
    );
    const before = await ok("GET", `/v2beta2/${location}/queues`);
    const reply = await dryRun(
      id,
      `queue:
- {name: same, rate: 60/m}
- {name: other, rate: 0, retry_parameters: {task_age_limit: 3h}}
- {name: slower, rate: 30/m, target: v1.web}
- {name: woken, rate: 5/s}
- {name: new, rate: 0, bucket_size: 7}
- {name: jobs, mode: pull, acl: [{user_email: a@b.c}, {writer_email: d@e.f}, {user_email: g@h.i}]}
`,
    );
    expect(reply).toMatchObject({ status: 200 });
    expect(reply.body).toEqual({
      plan: [
        {
          queue: "new",
          actions: ["create", "pause"],
          changes: [
            { element: "rate", from: null, to: "0" },
            { element: "bucket_size", from: null, to: "7" },
          ],
        },
        { queue: "same", actions: ["unchanged"], changes: [] },
        {
          queue: "other",
          actions: ["update", "pause"],
          changes: [{ element: "retry_parameters.task_age_limit", from: null, to: "3h" }],
        },
        {
          queue: "slower",
          actions: ["update"],
          changes: [
            { element: "rate", from: "10/s", to: "30/m" },
            { element: "target", from: null, to: "v1.web" },
          ],
        },
        { queue: "woken", actions: ["resume"], changes: [] },
        {
          queue: "jobs",
          actions: ["update"],
          changes: [
            { element: "acl.user_email", from: null, to: "a@b.c, g@h.i" },
            { element: "acl.writer_email", from: null, to: "d@e.f" },
          ],
        },
        { queue: "absent", actions: ["pause"], changes: [] },
      ],
    });
    expect(await ok("GET", `/v2beta2/${location}/queues`)).toEqual(before);
  });

  it("shows what other interfaces set and a file takes away", async () => {
    const { id, location } = project();
    await ok("POST", `/v2/${location}/queues`, {
      name: `${location}/queues/a`,
      appEngineRoutingOverride: { service: "web", version: "v1", instance: "0" },
    });
    const { body } = await dryRun(id, "queue:\n- {name: a, rate: 5/s}\n");
    expect(body.plan[0].changes).toContainEqual({
      element: "target",
      from: "0.v1.web",
      to: null,
    });
    expect(body.plan[0].changes).toContainEqual({
      element: "retry_parameters.task_retry_limit",
      from: "99",
      to: null,
    });
  });

  it("of a file that was just applied has nothing left to do", async () => {
    const { id } = project();
    for (const file of [queueYaml, queueXml]) {
      expect(await upload(id, file)).toMatchObject({ status: 200 });
      for (const again of [queueYaml, queueXml]) {
        const { body } = await dryRun(id, again);
        expect(body.plan).toHaveLength(7);
        for (const { actions } of body.plan) expect(actions).toEqual(["unchanged"]);
      }
    }
  });

  it("leaves paused queues to be if the file says so", async () => {
    const { id } = project();
    await upload(id, "queue:\n- {name: a, rate: 0}\n");
    const { body } = await dryRun(id, "resume_paused_queues: no\nqueue:\n- {name: a, rate: 5/s}\n");
    expect(body.plan).toEqual([{ queue: "a", actions: ["unchanged"], changes: [] }]);
  });

  it("is refused as the upload would be", async () => {
    const { id, location } = project();
    await ok("POST", `/v2/${location}/queues`, { name: `${location}/queues/gone` });
    await ok("DELETE", `/v2/${location}/queues/gone`);
    for (const file of [
      "queue:\n- {name: gone, rate: 1/s}\n",
      "queue:\n- {name: b}\n",
      "<queue/>",
    ]) {
      const reply = await dryRun(id, file);
      expect(reply.status).toBe(400);
      expect(reply).toEqual(await upload(id, file));
    }
  });
});

// ---- Exports ---------------------------------------------------------------------------------

describe("an export", () => {
  async function exported(id: string, format: string): Promise<string> {
    const reply = await send("GET", `/api/queue/export?appId=${id}&format=${format}`);
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toBe(`application/${format}; charset=utf-8`);
    return reply.body;
  }

  it.each([
    ["yaml", queueYaml, "yaml"],
    ["xml", queueXml, "xml"],
    ["yaml", queueYaml, "xml"],
  ])("of a queue.%s that was applied says the same", async (_kind, file, format) => {
    const { id } = project();
    expect(await upload(id, file)).toMatchObject({ status: 200 });
    const text = await exported(id, format);
    expect(sortedDescriptionsOf(text)).toEqual(sortedDescriptionsOf(file));
    expect(await upload(id, text)).toMatchObject({ status: 200, body: {} });
    expect(await exported(id, format)).toBe(text);
  });

  it("makes the same queues in another project", async () => {
    const [one, other] = [project(), project()];
    await upload(one.id, queueYaml);
    await upload(other.id, await exported(one.id, "yaml"));
    const queuesOf = async ({ id, location }: typeof one) =>
      JSON.stringify(await ok("GET", `/v2beta2/${location}/queues`)).replaceAll(id, "P");
    expect(await queuesOf(other)).toBe(await queuesOf(one));
  });

  it("is of queues whoever made them", async () => {
    const { id, location } = project();
    await ok("POST", `/v2/${location}/queues`, { name: `${location}/queues/mine` });
    expect(await exported(id, "yaml")).toBe(`# The queues of ${location}.
queue:
- name: mine
  # Not for this file to say: taskTtl: 2678400s, tombstoneTtl: 3600s.
  rate: 500/s
  bucket_size: 100
  retry_parameters:
    task_retry_limit: 99
`);
  });

  test.each([
    ["GET", "/api/queue/export?appId=a&format=json", 400, "format must be yaml or xml."],
    ["GET", "/api/queue/export", 400, "appId is required: a project's id."],
    ["POST", "/api/queue/export?appId=a", 405, "The method POST is not allowed for this path."],
    ["POST", "/api/queue/update?appId=a&dryRun=1", 400, "dryRun must be true or false."],
  ])("%s %s is refused", async (method, path, status, message) => {
    const reply = await send(method, path, method === "GET" ? undefined : "queue: []", {
      "content-type": "text/plain",
    });
    expect(reply.status).toBe(status);
    expect(reply.body.error.message).toBe(message);
  });
});

// ---- Access and pauses -----------------------------------------------------------------------

describe("the acl of a pull queue", () => {
  const aclOf = async (id: string) =>
    (await ok("GET", `/taskqueue/v1beta2/projects/${id}/taskqueues/jobs`)).acl;
  const file = (...lines: string[]) =>
    ["queue:", "- name: jobs", "  mode: pull", ...lines].join("\n");

  it("is kept, replaced and taken away with the file's", async () => {
    const { id, location } = project();
    await upload(
      id,
      file("  acl:", "  - {user_email: a@b.c, writer_email: d@e.f}", "  - user_email: a@b.c"),
    );
    const acl = { adminEmails: [], consumerEmails: ["a@b.c"], producerEmails: ["d@e.f"] };
    expect(await aclOf(id)).toEqual(acl);
    // An interface that has no word for it leaves it alone.
    const name = `${location}/queues/jobs`;
    await ok("PATCH", `/v2beta2/${name}`, { retryConfig: { maxAttempts: 4 }, pullTarget: {} });
    expect(await aclOf(id)).toEqual(acl);
    await upload(id, file("  acl:", "  - writer_email: g@h.i"));
    expect(await aclOf(id)).toEqual({ ...acl, consumerEmails: [], producerEmails: ["g@h.i"] });
    await upload(id, file());
    expect(await aclOf(id)).toEqual({ ...acl, consumerEmails: [], producerEmails: [] });
  });
});

describe("a queue that its file paused", () => {
  let target: RecordingTarget;

  beforeEach(() => {
    target = new RecordingTarget();
  });

  afterEach(() => {
    target.release();
    vi.restoreAllMocks();
  });

  const addTask = (name: string, path: string) =>
    ok("POST", `/v2/${name}/tasks`, { task: { httpRequest: { url: `https://a.example${path}` } } });

  it.each([
    ["from its first moment", ["queue:\n- {name: still, rate: 0}\n- {name: live, rate: 5/s}\n"]],
    [
      "later, with a burst to spend",
      [
        "queue:\n- {name: still, rate: 500/s, bucket_size: 500}\n- {name: live, rate: 5/s}\n",
        "queue:\n- {name: still, rate: 0, bucket_size: 500}\n- {name: live, rate: 5/s}\n",
      ],
    ],
    [
      "by not naming it",
      [
        "queue:\n- {name: still, rate: 5/s}\n- {name: live, rate: 5/s}\n",
        "queue:\n- {name: live, rate: 5/s}\n",
      ],
    ],
  ])("%s sends nothing, not even a first burst", async (_when, files) => {
    const { id, location } = project();
    const [still, live] = [`${location}/queues/still`, `${location}/queues/live`];
    for (const file of files) expect(await upload(id, file)).toMatchObject({ status: 200 });
    for (const path of ["/1", "/2", "/3"]) await addTask(still, path);
    // Applying the file again touches its settings, and wakes nothing.
    await upload(id, `${files.at(-1)}- {name: another, rate: 1/s}\n`);
    await addTask(live, "/live");
    expect((await target.next()).url).toBe("https://a.example/live");
    // Its only alarm is for the end of its tasks' lives.
    const alarm = await inObject(id, "still", (_object, { storage }) => storage.getAlarm());
    expect(alarm).toBeGreaterThan(Date.now() + 86_400_000);
    expect(target.count).toBe(1);
    await upload(id, "queue:\n- {name: still, rate: 5/s}\n- {name: live, rate: 5/s}\n");
    const sent = await target.take(3);
    expect(sent.map(({ url }) => url).toSorted()).toEqual(
      ["/1", "/2", "/3"].map((path) => `https://a.example${path}`),
    );
  });
});

describe("queues that a file makes", () => {
  it("keep the names of tasks for 9 days and tasks for 10 years", async () => {
    const { id, location } = project();
    await upload(id, "queue:\n- {name: a, rate: 0}\n- {name: b, mode: pull}\n");
    for (const queue of ["a", "b"]) {
      expect(await ok("GET", `/v2beta2/${location}/queues/${queue}`)).toMatchObject({
        taskTtl: "315360000s",
        tombstoneTtl: "777600s",
      });
    }
  });
});

function inObject<T>(
  id: string,
  queue: string,
  look: (object: QueueObject, state: DurableObjectState) => Promise<T>,
): Promise<T> {
  const stub = queueStub(env as unknown as Env, { project: id, location: "us-central1", queue });
  return runInDurableObject(stub as unknown as DurableObjectStub<QueueObject>, look);
}
