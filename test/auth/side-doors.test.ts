/** Ways around a check that stands at the front: by another name, by a part of a thing, by its whole. */
import { describe, expect, it, test } from "vitest";
import { bytes, Code, RpcApp } from "../protocol/rpc-client.ts";
import {
  account,
  denied,
  deployed,
  grant,
  newProject,
  newQueue,
  owner,
  send,
  tokenFor,
} from "./iam-world.ts";

const PROJECT = { kind: "project" } as const;

describe("a queue's target that has a token already", () => {
  const host = (name: string) => ({ httpTarget: { uriOverride: { host: name } } });

  async function setup() {
    const project = newProject();
    const email = await account(project, "worker-1");
    const httpTarget = {
      uriOverride: { host: "ours.example.com" },
      oauthToken: {
        serviceAccountEmail: email,
        scope: "https://www.googleapis.com/auth/cloud-tasks",
      },
    };
    const queue = await newQueue(project, "q", { httpTarget });
    const admin = await tokenFor(project, { roles: ["roles/cloudtasks.queueAdmin"] });
    return { project, email, queue, admin };
  }

  test.each([
    ["httpTarget.uriOverride.host", host("theirs.example.com")],
    ["httpTarget.uriOverride", host("theirs.example.com")],
    ["httpTarget.oauthToken.scope", { httpTarget: { oauthToken: { scope: "openid" } } }],
    ["httpTarget.headerOverrides", {}],
  ])("is not turned elsewhere (%s) by who may not act as its account", async (mask, body) => {
    const { queue, email, admin, project } = await setup();
    const path = `/v2/${queue}?updateMask=${mask}`;
    const before = await owner("GET", `/v2/${queue}`);
    expect(await send(admin, "PATCH", path, body)).toEqual(
      denied("iam.serviceAccounts.actAs", email),
    );
    expect(await owner("GET", `/v2/${queue}`)).toEqual(before);
    const user = await tokenFor(project, {
      roles: ["roles/cloudtasks.queueAdmin", "roles/iam.serviceAccountUser"],
    });
    expect(await send(user, "PATCH", path, body)).toMatchObject({ status: 200 });
  });

  test.each([
    ["?updateMask=httpTarget", {}],
    ["?updateMask=httpTarget.oauthToken", {}],
    ["?updateMask=rateLimits", {}],
    ["", {}],
    ["", host("theirs.example.com")],
  ])("can be taken away, and the rest changed: PATCH %s", async (query, body) => {
    const { queue, admin } = await setup();
    expect(await send(admin, "PATCH", `/v2/${queue}${query}`, body)).toMatchObject({ status: 200 });
  });
});

describe("an account's number", () => {
  it("is no way around a condition on its email", async () => {
    const project = newProject();
    const email = await account(project, "worker-1");
    const { uniqueId } = await owner("GET", `/v1/projects/${project}/serviceAccounts/${email}`);
    const member = "user:keys@example.com";
    const token = await tokenFor(project, { member });
    await grant(project, PROJECT, [
      {
        role: "roles/iam.serviceAccountKeyAdmin",
        members: [member],
        condition: { expression: `!resource.name.endsWith('/${email}')` },
      },
    ]);
    for (const name of [email, uniqueId]) {
      const path = `/v1/projects/${project}/serviceAccounts/${name}/keys`;
      expect(await send(token, "POST", path, {})).toEqual(
        denied("iam.serviceAccountKeys.create", name),
      );
    }
  });

  it("is not whom a task can act as", async () => {
    const project = newProject();
    const queue = await newQueue(project);
    const email = await account(project, "worker-1");
    const { uniqueId } = await owner("GET", `/v1/projects/${project}/serviceAccounts/${email}`);
    const token = await tokenFor(project, {
      roles: ["roles/cloudtasks.enqueuer", "roles/iam.serviceAccountUser"],
    });
    const reply = await send(token, "POST", `/v2/${queue}/tasks`, {
      task: {
        httpRequest: {
          url: "https://example.com/work",
          oidcToken: { serviceAccountEmail: uniqueId },
        },
      },
    });
    expect(reply).toMatchObject({ status: 404 });
  });
});

describe("a queue that a condition spares", () => {
  async function setup() {
    const project = newProject();
    const queue = await newQueue(project, "spared");
    const member = "user:admin@example.com";
    const token = await tokenFor(project, { member });
    await grant(project, PROJECT, [
      {
        role: "roles/cloudtasks.admin",
        members: [member],
        condition: { expression: "!resource.name.endsWith('/queues/spared')" },
      },
    ]);
    return { project, queue, token };
  }

  it("is not deleted with all the others", async () => {
    const { project, queue, token } = await setup();
    const app = new RpcApp();
    app.vars = { OPEN_MODE: undefined, API_TOKEN: String(deployed["API_TOKEN"]) };
    app.headers = { authorization: `Bearer ${token}` };
    const answer = await app.call("DeleteGroup", { appId: bytes(project) });
    expect(answer).toMatchObject({ kind: "application", code: Code.PERMISSION_DENIED });
    expect(await owner("GET", `/v2/${queue}`)).toMatchObject({ name: queue });
  });

  test.each([
    ["named in it", "queue:\n- name: spared\n  rate: 5/s\n"],
    ["left out of it", "queue:\n- name: other\n  rate: 5/s\n"],
  ])("is not changed by a queue.yaml, %s", async (_, yaml) => {
    const { project, queue, token } = await setup();
    await owner("POST", `/v2/${queue}:resume`, {});
    const upload = { contentType: "text/yaml", data: btoa(yaml) };
    const path = `/api/queue/update?appId=${project}`;
    expect(await send(token, "POST", path, upload)).toEqual(
      denied("cloudtasks.queues.create", queue),
    );
    const { state, rateLimits } = await owner("GET", `/v2/${queue}`);
    expect({ state, rate: rateLimits.maxDispatchesPerSecond }).toEqual({
      state: "RUNNING",
      rate: 500,
    });
  });
});
