/** Policies through Google's official client, against the built server as it is deployed. */
import { v2beta2, v2beta3 } from "@google-cloud/tasks";
import { OAuth2Client } from "google-auth-library";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectClient } from "../support/client.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const OWNER = "the-owners-token";
const PERMISSION_DENIED = 7;
const ABORTED = 10;
const LOCATION = "projects/my-project/locations/us-central1";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer({ dataFolder: folder.path, environment: { API_TOKEN: OWNER } });
});

afterAll(async () => {
  await server.stop();
  await folder.remove();
});

/** Makes an API token in a user's name, as the owner. */
async function tokenOf(member: string): Promise<string> {
  const reply = await fetch(`${server.url}/edgetasks/v1/projects/my-project/tokens`, {
    method: "POST",
    headers: { authorization: `Bearer ${OWNER}`, "content-type": "application/json" },
    body: JSON.stringify({ member }),
  });
  expect(reply.status).toBe(200);
  return ((await reply.json()) as { token: string }).token;
}

type BetaClient = typeof v2beta2.CloudTasksClient;

function connectBeta(Client: BetaClient) {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: OWNER });
  const { port } = server;
  return new Client({
    authClient,
    fallback: true,
    apiEndpoint: "127.0.0.1",
    port,
    protocol: "http",
  });
}

test("a policy lets a user do what its role says, until it is taken away", async () => {
  const owner = connectClient(server.port, OWNER);
  const member = "user:alice@example.com";
  const user = connectClient(server.port, await tokenOf(member));
  const queue = `${LOCATION}/queues/shared`;
  await owner.createQueue({ parent: LOCATION, queue: { name: queue } });
  await owner.pauseQueue({ name: queue });
  const task = { httpRequest: { url: "http://localhost:1/" } };

  await expect(user.createTask({ parent: queue, task })).rejects.toMatchObject({
    code: PERMISSION_DENIED,
    message: expect.stringContaining(
      `lacks IAM permission "cloudtasks.tasks.create" for the resource "${queue}"`,
    ),
  });
  const [before] = await owner.getIamPolicy({ resource: queue });
  const bindings = [{ role: "roles/cloudtasks.enqueuer", members: [member] }];
  const [policy] = await owner.setIamPolicy({
    resource: queue,
    policy: { bindings, etag: before.etag ?? "" },
  });
  expect(policy.bindings).toMatchObject(bindings);
  const [created] = await user.createTask({ parent: queue, task });
  expect(created.name).toContain(queue);
  await expect(user.purgeQueue({ name: queue })).rejects.toMatchObject({ code: PERMISSION_DENIED });
  const permissions = ["cloudtasks.tasks.create", "cloudtasks.queues.purge"];
  const [has] = await user.testIamPermissions({ resource: queue, permissions });
  expect(has.permissions).toEqual(["cloudtasks.tasks.create"]);

  await expect(
    owner.setIamPolicy({ resource: queue, policy: { bindings: [], etag: before.etag ?? "" } }),
  ).rejects.toMatchObject({ code: ABORTED });
  await owner.setIamPolicy({ resource: queue, policy: { etag: policy.etag ?? "" } });
  await expect(user.createTask({ parent: queue, task })).rejects.toMatchObject({
    code: PERMISSION_DENIED,
  });
  await Promise.all([owner.close(), user.close()]);
});

describe.each([
  ["v2beta2", v2beta2.CloudTasksClient],
  // What is used of them here is the same in both.
  ["v2beta3", v2beta3.CloudTasksClient as unknown as BetaClient],
] as const)("%s", (version, Client) => {
  test("sets, shows and tests policies with conditions", async () => {
    const client = connectBeta(Client);
    const queue = `${LOCATION}/queues/${version}`;
    const appEngineHttpTarget = version === "v2beta2" ? { appEngineHttpTarget: {} } : {};
    await client.createQueue({ parent: LOCATION, queue: { name: queue, ...appEngineHttpTarget } });
    const expression = `resource.name.endsWith("/${version}")`;
    const bindings = [
      {
        role: "roles/cloudtasks.dequeuer",
        members: ["serviceAccount:worker@my-project.iam.gserviceaccount.com"],
        condition: { title: "this one", expression },
      },
    ];
    await client.setIamPolicy({ resource: queue, policy: { version: 3, bindings } });
    const options = { requestedPolicyVersion: 3 };
    const [policy] = await client.getIamPolicy({ resource: queue, options });
    expect(policy).toMatchObject({ version: 3, bindings });
    const permissions = ["cloudtasks.tasks.lease"];
    const [has] = await client.testIamPermissions({ resource: queue, permissions });
    expect(has.permissions).toEqual(permissions);
    await client.close();
  });
});
