/** What is asked besides a method's own permission, and for whom policies speak. */
import { Hono } from "hono";
import { describe, expect, it, test } from "vitest";
import { type Access, accessOf } from "../../src/auth/iam/access.ts";
import { forgetPolicies } from "../../src/auth/iam/policies.ts";
import { queueResource } from "../../src/auth/iam/resource.ts";
import { queuePath } from "../../src/core/names.ts";
import { fail } from "../../src/core/result.ts";
import type { Env } from "../../src/env.ts";
import { cloudTasksFace } from "../../src/protocol/cloudtasks/routes.ts";
import { v2beta2 } from "../../src/protocol/cloudtasks/v2beta2/dialect.ts";
import { accessStub, registryStub } from "../../src/stubs.ts";
import { settings } from "../support/factory.ts";
import {
  account,
  asOwner,
  denied,
  deployed,
  grant,
  newProject,
  newQueue,
  owner,
  send,
  sendBatch,
  tokenFor,
} from "./iam-world.ts";

const QUEUE = { kind: "queue", location: "us-central1", queue: "q" } as const;
const httpTask = (request: object = {}) => ({
  task: { httpRequest: { url: "https://example.com/work", ...request } },
});

describe("a refusal", () => {
  it("is the same for what is forbidden and for what does not exist", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const missing = queue.replace(/q$/, "missing");
    const token = await tokenFor(project);
    for (const name of [queue, missing]) {
      expect(await send(token, "POST", `/v2/${name}/tasks`, httpTask())).toEqual(
        denied("cloudtasks.tasks.create", name),
      );
      expect(await send(token, "DELETE", `/v2/${name}/tasks/t`)).toEqual(
        denied("cloudtasks.tasks.delete", `${name}/tasks/t`),
      );
    }
    const location = queue.slice(0, queue.indexOf("/queues/"));
    expect(await send(token, "GET", `/v2/${location}/queues`)).toEqual(
      denied("cloudtasks.queues.list", location),
    );
  });

  it("comes before the body is read and before parameters are", async () => {
    const project = newProject();
    const token = await tokenFor(project);
    const queue = `projects/${project}/locations/us-central1/queues/q`;
    expect(await send(token, "POST", `/v2/${queue}/tasks`, "no message")).toEqual(
      denied("cloudtasks.tasks.create", queue),
    );
    expect((await send(token, "GET", `/v2/${queue}/tasks?pageSize=x`)).status).toBe(403);
  });

  it("has the older shape in taskqueue/v1beta2", async () => {
    const project = newProject();
    const token = await tokenFor(project);
    const path = `/taskqueue/v1beta2/projects/s~${project}/taskqueues/q/tasks/lease`;
    const queue = `projects/${project}/locations/us-central1/queues/q`;
    const { message } = denied("cloudtasks.tasks.lease", queue).body.error;
    expect(await send(token, "POST", `${path}?numTasks=1&leaseSecs=1`)).toEqual({
      status: 403,
      body: {
        error: { errors: [{ domain: "global", reason: "forbidden", message }], code: 403, message },
      },
    });
  });
});

describe("FULL views", () => {
  const project = newProject();
  const full = async (roles: string[], method: string, path: string, body?: object) =>
    send(await tokenFor(project, { roles }), method, path, body);

  test.each([
    ["GET", "/tasks/t?responseView=FULL", undefined],
    ["GET", "/tasks?responseView=FULL", undefined],
    ["GET", "/tasks?responseView=2", undefined],
  ])("%s %s: the viewer sees no payloads", async (method, path, body) => {
    const queue = await newQueue(project, `v-${crypto.randomUUID().slice(0, 8)}`);
    expect(await full(["roles/cloudtasks.viewer"], method, `/v2/${queue}${path}`, body)).toEqual(
      denied("cloudtasks.tasks.fullView", queue),
    );
    const basic = path.replace(/\?.*/, "");
    const reply = await full(["roles/cloudtasks.viewer"], method, `/v2/${queue}${basic}`, body);
    expect(reply.status).not.toBe(403);
  });

  it("of leases are for workers, whose role has them", async () => {
    const queue = await newQueue(project, "pull", { type: "PULL" });
    await owner("POST", `/v2/${queue}:resume`, {});
    const token = await tokenFor(project, { roles: ["roles/cloudtasks.dequeuer"] });
    const body = { maxTasks: 1, leaseDuration: "10s", responseView: "FULL" };
    expect((await send(token, "POST", `/v2beta2/${queue}/tasks:lease`, body)).status).toBe(200);
  });

  /** No role has all of Cloud Tasks but this, so the face is given a caller who has. */
  const blind: Access = {
    isTrusted: false,
    stranger: undefined,
    actor: "user:blind@example.com",
    wasGranted: true,
    require: (permission) =>
      permission === "cloudtasks.tasks.fullView"
        ? fail("PERMISSION_DENIED", "blind").error
        : undefined,
    requireActAs: () => undefined,
    permitted: async (permissions) => permissions,
  };
  const face = new Hono<{ Bindings: Env }>().all("/*", (context) =>
    cloudTasksFace(v2beta2)(context, blind),
  );

  test.each([
    ["/tasks", { task: { pullMessage: {} } }],
    ["/tasks:batchCreate", { requests: [{ task: { pullMessage: {} } }], isBatch: true }],
    ["/tasks:lease", { maxTasks: 1, leaseDuration: "10s" }],
    ["/tasks/t:run", {}],
    ["/tasks/t:renewLease", { scheduleTime: "2030-01-01T00:00:00Z", leaseDuration: "9s" }],
    ["/tasks/t:cancelLease", { scheduleTime: "2030-01-01T00:00:00Z" }],
  ])(
    "that the body of POST %s asks for are refused before anything is done",
    async (path, body) => {
      const queue = await newQueue(project, `b-${crypto.randomUUID().slice(0, 8)}`, {
        type: "PULL",
      });
      const call = async (view: object) => {
        const { isBatch, ...rest } = { isBatch: false, ...body };
        const requests = { requests: [{ task: { pullMessage: {} }, ...view }] };
        const message = isBatch ? requests : { ...rest, ...view };
        const init = { method: "POST", body: JSON.stringify(message) };
        return (await face.request(`/v2beta2/${queue}${path}`, init, deployed)).status;
      };
      expect(await call({ responseView: "FULL" })).toBe(403);
      expect((await owner("GET", `/v2beta2/${queue}/tasks`)).tasks).toBeUndefined();
      expect(await call({ responseView: "BASIC" })).not.toBe(403);
    },
  );
});

describe("tokens of tasks and queues", () => {
  const withToken = (serviceAccountEmail: string, kind = "oidcToken") =>
    httpTask({ [kind]: { serviceAccountEmail } });

  test.each(["oidcToken", "oauthToken"])("an %s needs actAs on its account", async (kind) => {
    const project = newProject();
    const queue = await newQueue(project);
    const email = await account(project, "worker-1");
    const create = (token: string, name = email) =>
      send(token, "POST", `/v2/${queue}/tasks`, withToken(name, kind));
    const enqueuer = await tokenFor(project, { roles: ["roles/cloudtasks.enqueuer"] });
    expect(await create(enqueuer)).toEqual(denied("iam.serviceAccounts.actAs", email));
    expect((await owner("GET", `/v2/${queue}/tasks`)).tasks).toBeUndefined();
    const user = await tokenFor(project, {
      roles: ["roles/cloudtasks.enqueuer", "roles/iam.serviceAccountUser"],
    });
    expect((await create(user)).status).toBe(200);
    expect((await create(user)).status).toBe(200);
    const unknown = `nobody-1@${project}.iam.gserviceaccount.com`;
    expect(await create(user, unknown)).toMatchObject({
      status: 404,
      body: { error: { status: "NOT_FOUND", message: expect.stringContaining(unknown) } },
    });
    // Whether it exists is for those who may use it.
    expect(await create(enqueuer, unknown)).toEqual(denied("iam.serviceAccounts.actAs", unknown));
    expect((await asOwner("POST", `/v2/${queue}/tasks`, withToken(unknown, kind))).status).toBe(
      200,
    );
  });

  it("of another project's account need actAs there", async () => {
    const [project, other] = [newProject(), newProject()];
    const queue = await newQueue(project);
    const email = await account(other, "worker-1");
    const token = await tokenFor(project, { roles: ["roles/owner"] });
    expect(await send(token, "POST", `/v2/${queue}/tasks`, withToken(email))).toEqual(
      denied("iam.serviceAccounts.actAs", email),
    );
  });

  it("in a batch fail alone", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const email = await account(project, "worker-1");
    const token = await tokenFor(project, { roles: ["roles/cloudtasks.enqueuer"] });
    const reply = await send(token, "POST", `/v2/${queue}/tasks:batchCreate`, {
      requests: [httpTask(), withToken(email)],
    });
    expect(reply.body.metadata.failedRequests).toMatchObject({ 1: { code: 7 } });
    expect((await owner("GET", `/v2/${queue}/tasks`)).tasks).toHaveLength(1);
  });

  it("of a queue's own target need it when the queue is made or changed", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const email = await account(project, "worker-1");
    const location = queue.slice(0, queue.indexOf("/queues/"));
    const token = await tokenFor(project, { roles: ["roles/cloudtasks.queueAdmin"] });
    const audience = "https://example.com";
    const httpTarget = { oidcToken: { serviceAccountEmail: email, audience } };
    const refused = denied("iam.serviceAccounts.actAs", email);
    const created = { name: `${location}/queues/q2`, httpTarget };
    expect(await send(token, "POST", `/v2/${location}/queues`, created)).toEqual(refused);
    const mask = "updateMask=httpTarget";
    expect(await send(token, "PATCH", `/v2/${queue}?${mask}`, { httpTarget })).toEqual(refused);
    expect((await owner("GET", `/v2/${queue}`)).httpTarget).toBeUndefined();
  });
});

describe("a patch that creates", () => {
  it("needs the permission to create, which a queue's policy cannot give", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const location = queue.slice(0, queue.indexOf("/queues/"));
    const member = "user:tuner@example.com";
    const token = await tokenFor(project, { member });
    const bindings = [{ role: "roles/cloudtasks.queueAdmin", members: [member] }];
    await grant(project, QUEUE, bindings);
    await grant(project, { ...QUEUE, queue: "q2" }, bindings);
    expect((await send(token, "PATCH", `/v2/${queue}`, {})).status).toBe(200);
    expect(await send(token, "PATCH", `/v2/${location}/queues/q2`, {})).toEqual(
      denied("cloudtasks.queues.create", location),
    );
    expect((await asOwner("GET", `/v2/${location}/queues/q2`)).status).toBe(404);
    await grant(project, { kind: "project" }, bindings);
    expect((await send(token, "PATCH", `/v2/${location}/queues/q2`, {})).status).toBe(200);
  });
});

describe("allUsers", () => {
  const project = newProject();

  it("opens one queue to callers without credentials, for one purpose", async () => {
    const queue = await newQueue(project);
    const other = await newQueue(project, "q2");
    await grant(project, QUEUE, [{ role: "roles/cloudtasks.enqueuer", members: ["allUsers"] }]);
    expect((await send(null, "POST", `/v2/${queue}/tasks`, httpTask())).status).toBe(200);
    for (const [method, path] of [
      ["GET", `/v2/${queue}`],
      ["GET", `/v2/${queue}/tasks`],
      ["POST", `/v2/${other}/tasks`],
      ["POST", `/v2/${queue}x/tasks`],
    ] as const) {
      const reply = await send(null, method, path, method === "GET" ? undefined : httpTask());
      expect(reply).toMatchObject({ status: 401, body: { error: { status: "UNAUTHENTICATED" } } });
    }
  });

  it("does not help a credential that is wrong", async () => {
    const queue = await newQueue(project, "q3");
    await grant(project, { ...QUEUE, queue: "q3" }, [
      { role: "roles/cloudtasks.enqueuer", members: ["allUsers"] },
    ]);
    const reply = await send("wrong", "POST", `/v2/${queue}/tasks`, httpTask());
    expect(reply.status).toBe(401);
    expect((await owner("GET", `/v2/${queue}/tasks`)).tasks).toBeUndefined();
  });

  it("are more than allAuthenticatedUsers", async () => {
    const queue = await newQueue(project, "q4");
    await grant(project, { ...QUEUE, queue: "q4" }, [
      { role: "roles/cloudtasks.enqueuer", members: ["allAuthenticatedUsers"] },
    ]);
    expect((await send(null, "POST", `/v2/${queue}/tasks`, httpTask())).status).toBe(401);
    const foreign = await tokenFor(newProject());
    expect((await send(foreign, "POST", `/v2/${queue}/tasks`, httpTask())).status).toBe(200);
  });
});

describe("the acl of a pull queue", () => {
  it("opens it to those it names, as far as it says, without a policy", async () => {
    const project = newProject();
    const name = { project, location: "us-central1", queue: "q" };
    const acl = { userEmails: ["worker@example.com"], writerEmails: ["writer@example.com"] };
    const made = await registryStub(deployed, name).createQueue(
      "q",
      settings({ type: "PULL", ...{ acl } }),
    );
    expect(made.ok).toBe(true);
    const [worker, writer, other] = await Promise.all(
      ["worker", "writer", "other"].map((user) =>
        tokenFor(project, { member: `user:${user}@example.com` }),
      ),
    );
    const queue = queuePath(name);
    const insert = { task: { pullMessage: { payload: "aGk=" } } };
    const create = async (token = "") =>
      (await send(token, "POST", `/v2beta2/${queue}/tasks`, insert)).status;
    expect([await create(writer), await create(worker), await create(other)]).toEqual([
      200, 403, 403,
    ]);
    const lease = { maxTasks: 1, leaseDuration: "60s", responseView: "FULL" };
    const path = `/v2beta2/${queue}/tasks:lease`;
    for (const token of [writer, other]) {
      expect(await send(token ?? "", "POST", path, lease)).toEqual(
        denied("cloudtasks.tasks.lease", queue),
      );
    }
    const leased = await send(worker ?? "", "POST", path, lease);
    expect(leased).toMatchObject({ status: 200, body: { tasks: [{}] } });
    expect((await send(worker ?? "", "DELETE", `/v2beta2/${queue}`)).status).toBe(403);
  });
});

describe("batches of requests", () => {
  it("are judged part by part, each by its own credential where it has one", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const enqueuer = await tokenFor(project, { roles: ["roles/cloudtasks.enqueuer"] });
    const nobody = await tokenFor(project);
    const create = { line: `POST /v2/${queue}/tasks HTTP/1.1`, body: httpTask() };
    const purge = { line: `POST /v2/${queue}:purge HTTP/1.1` };
    expect(await sendBatch(enqueuer, [create, purge, { ...create, token: nobody }])).toEqual([
      200, 403, 403,
    ]);
    expect(await sendBatch(nobody, [create, { ...create, token: enqueuer }])).toEqual([403, 200]);
    expect((await owner("GET", `/v2/${queue}/tasks`)).tasks).toHaveLength(2);
  });

  it("are not for strangers, whatever their parts bring", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const token = await tokenFor(project, { roles: ["roles/owner"] });
    const create = { line: `POST /v2/${queue}/tasks HTTP/1.1`, body: httpTask(), token };
    expect(await sendBatch(null, [create])).toMatchObject({ status: 401 });
    expect((await owner("GET", `/v2/${queue}/tasks`)).tasks).toBeUndefined();
  });
});

describe("conditions", () => {
  it("bind a role to some resources and to some time", async () => {
    const project = newProject();
    const [mail, other] = [await newQueue(project, "mail-1"), await newQueue(project, "other")];
    const member = "user:mailer@example.com";
    const token = await tokenFor(project, { member });
    const bind = (expression: string) =>
      grant(project, { kind: "project" }, [
        { role: "roles/cloudtasks.enqueuer", members: [member], condition: { expression } },
      ]);
    const create = async (queue: string) =>
      (await send(token, "POST", `/v2/${queue}/tasks`, httpTask())).status;
    await bind("resource.name.extract('/queues/{q}').startsWith('mail-')");
    expect([await create(mail), await create(other)]).toEqual([200, 403]);
    await bind("request.time > timestamp('2020-01-01T00:00:00Z')");
    expect([await create(mail), await create(other)]).toEqual([200, 200]);
    await bind("request.time < timestamp('2020-01-01T00:00:00Z')");
    expect([await create(mail), await create(other)]).toEqual([403, 403]);
    await bind("resource.type == 'cloudtasks.googleapis.com/Queue'");
    expect(await create(mail)).toBe(200);
    expect((await send(token, "DELETE", `/v2/${mail}/tasks/t`)).status).toBe(403);
  });
});

describe("a policy that is remembered", () => {
  const caller = { kind: "serviceAccount", email: "a@x.iam.gserviceaccount.com" } as const;
  const role = "roles/cloudtasks.enqueuer";
  const members = [`serviceAccount:${caller.email}`];

  it("is asked without waiting, and forgotten within half a minute", async () => {
    const project = newProject();
    const resource = queueResource({ project, location: "us-central1", queue: "q" });
    const ask = (nowUs: number) =>
      accessOf({ ...caller, project }, deployed, nowUs).require(
        "cloudtasks.tasks.create",
        resource,
      );
    const stub = accessStub(deployed, project);
    await stub.setPolicy(
      { kind: "project" },
      { version: 1, bindings: [{ role, members }] },
      "owner",
    );
    const start = 1e15;
    const first = ask(start);
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toBeUndefined();
    expect(ask(start + 1)).toBeUndefined();
    await stub.setPolicy({ kind: "project" }, { version: 1, bindings: [] }, "owner");
    expect(ask(start + 29.9e6)).toBeUndefined();
    const later = ask(start + 30e6);
    expect(later).toBeInstanceOf(Promise);
    expect(await later).toMatchObject({ code: "PERMISSION_DENIED" });
  });

  it("is forgotten at once where it was changed", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const member = "user:a@example.com";
    const token = await tokenFor(project, { member });
    const set = (bindings: readonly object[]) =>
      owner("POST", `/v2/${queue}:setIamPolicy`, { policy: { bindings } });
    const create = async () => (await send(token, "POST", `/v2/${queue}/tasks`, httpTask())).status;
    expect(await create()).toBe(403);
    await set([{ role, members: [member] }]);
    expect(await create()).toBe(200);
    await set([]);
    expect(await create()).toBe(403);
    forgetPolicies(deployed);
    expect(await create()).toBe(403);
  });
});
