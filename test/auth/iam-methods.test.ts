/** getIamPolicy, setIamPolicy and testIamPermissions, of queues and of projects. */
import { describe, expect, it, test } from "vitest";
import { accessStub } from "../../src/stubs.ts";
import {
  asOwner,
  denied,
  deployed,
  grant,
  newProject,
  newQueue,
  owner,
  send,
  tokenFor,
} from "./iam-world.ts";

const MEMBER = "user:a@example.com";
const ENQUEUER = { role: "roles/cloudtasks.enqueuer", members: [MEMBER] };
const CONDITIONAL = {
  ...ENQUEUER,
  condition: { title: "soon", expression: "request.time < timestamp('2030-01-01T00:00:00Z')" },
};

describe.each(["v2", "v2beta2", "v2beta3"])("policies of queues in %s", (version) => {
  const project = newProject();
  const at = async (id: string) => `/${version}/${await newQueue(project, id)}`;

  it("are empty at first, with an etag", async () => {
    const queue = await at("empty");
    expect(await owner("POST", `${queue}:getIamPolicy`, {})).toEqual({ etag: "ACAB" });
    expect(
      await owner("POST", `${queue}:getIamPolicy`, { options: { requestedPolicyVersion: 3 } }),
    ).toEqual({ etag: "ACAB" });
  });

  it("are replaced as a whole", async () => {
    const queue = await at("replaced");
    const first = await owner("POST", `${queue}:setIamPolicy`, {
      policy: { bindings: [ENQUEUER] },
    });
    expect(first).toEqual({ version: 1, bindings: [ENQUEUER], etag: expect.any(String) });
    expect(await owner("POST", `${queue}:getIamPolicy`, {})).toEqual(first);
    const runner = { role: "roles/cloudtasks.taskRunner", members: [MEMBER, "allUsers"] };
    const second = await owner("POST", `${queue}:setIamPolicy`, {
      policy: { version: 1, bindings: [runner], etag: first.etag },
      updateMask: "bindings,etag",
    });
    expect(second.bindings).toEqual([runner]);
    expect(second.etag).not.toBe(first.etag);
    expect(await owner("POST", `${queue}:setIamPolicy`, { policy: {} })).toEqual({
      etag: expect.any(String),
    });
  });

  it("keep their bindings where the mask leaves them out", async () => {
    const queue = await at("masked");
    await owner("POST", `${queue}:setIamPolicy`, { policy: { bindings: [ENQUEUER] } });
    const body = { policy: { bindings: [], etag: "" }, updateMask: "etag" };
    expect((await owner("POST", `${queue}:setIamPolicy`, body)).bindings).toEqual([ENQUEUER]);
  });

  it("are not overwritten with a stale etag", async () => {
    const queue = await at("stale");
    const first = await owner("POST", `${queue}:setIamPolicy`, {
      policy: { bindings: [ENQUEUER] },
    });
    const change = { policy: { bindings: [], etag: "ACAB" } };
    expect(await asOwner("POST", `${queue}:setIamPolicy`, change)).toMatchObject({
      status: 409,
      body: { error: { status: "ABORTED", message: expect.stringContaining("concurrent policy") } },
    });
    expect(await owner("POST", `${queue}:getIamPolicy`, {})).toEqual(first);
  });

  it("show conditions to those who ask for version 3", async () => {
    const queue = await at("conditional");
    const policy = { version: 3, bindings: [CONDITIONAL] };
    const set = await owner("POST", `${queue}:setIamPolicy`, { policy });
    expect(set).toEqual({ ...policy, etag: expect.any(String) });
    const options = { requestedPolicyVersion: 3 };
    expect(await owner("POST", `${queue}:getIamPolicy`, { options })).toEqual(set);
    for (const body of [{}, { options: { requestedPolicyVersion: 1 } }]) {
      expect((await asOwner("POST", `${queue}:getIamPolicy`, body)).status).toBe(400);
    }
    const lost = { policy: { version: 1, bindings: [ENQUEUER], etag: set.etag } };
    expect((await asOwner("POST", `${queue}:setIamPolicy`, lost)).status).toBe(400);
    expect(await owner("POST", `${queue}:getIamPolicy`, { options })).toEqual(set);
  });

  test.each([
    ["policy.bindings[0].role", { policy: { bindings: [{ ...ENQUEUER, role: "roles/x" }] } }],
    ["policy.bindings[0].members[0]", { policy: { bindings: [{ ...ENQUEUER, members: ["x"] }] } }],
    ["policy.version", { policy: { version: 2 } }],
    ["policy.version", { policy: { version: 1, bindings: [CONDITIONAL] } }],
    [
      "policy.bindings[0].condition.expression",
      { policy: { version: 3, bindings: [{ ...ENQUEUER, condition: { expression: "1 ==" } }] } },
    ],
    ["update_mask", { policy: {}, updateMask: "members" }],
    ["policy", {}],
    ["policy.etag", { policy: { etag: "not base64!" } }],
  ])("refuse what is wrong at %s, and stay as they are", async (field, body) => {
    const queue = await at(
      `wrong-${field.replace(/[^a-z]+/gi, "-")}-${JSON.stringify(body).length}`,
    );
    const reply = await asOwner("POST", `${queue}:setIamPolicy`, body);
    expect(reply).toMatchObject({ status: 400, body: { error: { status: "INVALID_ARGUMENT" } } });
    expect(reply.body.error.details[0].fieldViolations[0].field).toBe(field);
    expect(await owner("POST", `${queue}:getIamPolicy`, {})).toEqual({ etag: "ACAB" });
  });

  it("are of queues that exist", async () => {
    const missing = `/${version}/projects/${project}/locations/us-central1/queues/missing`;
    for (const [verb, body] of [
      ["getIamPolicy", {}],
      ["setIamPolicy", { policy: {} }],
    ] as const) {
      const reply = await asOwner("POST", `${missing}:${verb}`, body);
      expect(reply).toMatchObject({ status: 404, body: { error: { status: "NOT_FOUND" } } });
    }
  });

  it("go with their queue", async () => {
    const queue = await at("gone");
    await owner("POST", `${queue}:setIamPolicy`, { policy: { bindings: [ENQUEUER] } });
    await owner("DELETE", queue);
    const target = { kind: "queue", location: "us-central1", queue: "gone" } as const;
    expect(await accessStub(deployed, project).getPolicies([target])).toMatchObject({
      value: [{ bindings: [] }],
    });
  });
});

describe("testIamPermissions", () => {
  const project = newProject();

  it("tells those that the caller has, in the project and on the queue", async () => {
    const queue = await newQueue(project);
    const member = "user:tester@example.com";
    const token = await tokenFor(project, { member, roles: ["roles/cloudtasks.taskDeleter"] });
    await grant(project, { kind: "queue", location: "us-central1", queue: "q" }, [
      { role: "roles/cloudtasks.taskRunner", members: [member] },
    ]);
    const permissions = [
      "cloudtasks.tasks.run",
      "cloudtasks.tasks.delete",
      "cloudtasks.tasks.create",
      "cloudtasks.tasks.dance",
    ];
    const reply = await send(token, "POST", `/v2/${queue}:testIamPermissions`, { permissions });
    expect(reply).toEqual({
      status: 200,
      body: { permissions: ["cloudtasks.tasks.delete", "cloudtasks.tasks.run"] },
    });
    const ofProject = await send(token, "POST", `/v1/projects/${project}:testIamPermissions`, {
      permissions,
    });
    expect(ofProject.body).toEqual({ permissions: ["cloudtasks.tasks.delete"] });
  });

  it("is an empty set for those who may do nothing, and on what does not exist", async () => {
    const body = { permissions: ["cloudtasks.tasks.create"] };
    const nobody = await tokenFor(project);
    const queue = await newQueue(project, "q2");
    const path = `/v2/${queue}:testIamPermissions`;
    expect(await send(nobody, "POST", path, body)).toEqual({ status: 200, body: {} });
    expect(await owner("POST", path, body)).toEqual(body);
    expect(await owner("POST", path.replace("/q2:", "/q3:"), body)).toEqual({});
    expect(await owner("POST", path, {})).toEqual({});
  });

  test.each([
    ["a wildcard", ["cloudtasks.tasks.*"]],
    ["everything", ["*"]],
    ["too many", Array.from({ length: 101 }, () => "cloudtasks.tasks.run")],
  ])("refuses %s", async (_what, permissions) => {
    const path = `/v1/projects/${project}:testIamPermissions`;
    expect(await asOwner("POST", path, { permissions })).toMatchObject({
      status: 400,
      body: { error: { status: "INVALID_ARGUMENT" } },
    });
  });
});

describe("policies of projects", () => {
  it("are set and read under /v1, and count for every queue", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const member = "user:everywhere@example.com";
    const token = await tokenFor(project, { member });
    expect(await send(token, "GET", `/v2/${queue}`)).toEqual(
      denied("cloudtasks.queues.get", queue),
    );
    const policy = { bindings: [{ role: "roles/cloudtasks.viewer", members: [member] }] };
    const set = await owner("POST", `/v1/projects/${project}:setIamPolicy`, {
      policy,
      updateMask: "bindings,etag,auditConfigs",
    });
    expect(set).toEqual({ version: 1, ...policy, etag: expect.any(String) });
    expect(await owner("POST", `/v1/projects/${project}:getIamPolicy`, {})).toEqual(set);
    expect((await send(token, "GET", `/v2/${queue}`)).status).toBe(200);
  });

  it("take roles that queues do not", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const policy = {
      bindings: [{ role: "roles/iam.serviceAccountUser", members: ["user:a@example.com"] }],
    };
    await owner("POST", `/v1/projects/${project}:setIamPolicy`, { policy });
    expect((await asOwner("POST", `/v2/${queue}:setIamPolicy`, { policy })).status).toBe(400);
  });

  it("of a project whose id has a domain are found, and other words are not taken for a verb", async () => {
    const project = `example.com:${newProject()}`;
    expect(await owner("POST", `/v1/projects/${project}:getIamPolicy`, {})).toEqual({
      etag: "ACAB",
    });
    expect((await asOwner("POST", `/v1/projects/${project}:dance`, {})).status).toBe(404);
    expect((await asOwner("POST", `/v2/projects/${project}:getIamPolicy`, {})).status).toBe(404);
  });

  it("are recorded with who set them", async () => {
    const project = newProject();
    const member = "user:admin@example.com";
    const token = await tokenFor(project, {
      member,
      roles: ["roles/resourcemanager.projectIamAdmin"],
    });
    const path = `/v1/projects/${project}:setIamPolicy`;
    expect((await send(token, "POST", path, { policy: {} })).status).toBe(200);
    const { items } = await accessStub(deployed, project).listAudit(Number.MAX_SAFE_INTEGER, 1);
    expect(items[0]).toMatchObject({ actor: member, method: "setIamPolicy" });
  });
});
