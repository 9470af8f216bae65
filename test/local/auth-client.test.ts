/**
 * A deployed server (the built bundle, API_TOKEN set): official clients sign in with a key file that
 * the command made, and without one nothing is open.
 */
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CloudTasksClient } from "@google-cloud/tasks";
import { JWTAccess, OAuth2Client } from "google-auth-library";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  RequestSchema,
  ResponseSchema,
  RpcError_ErrorCode,
} from "../../src/protocol/rpc/gen/remote_api_pb.js";
import { announceMissing, pythonProof } from "../appengine/sdk.ts";
import { ROOT, type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

interface Route {
  readonly method: string;
  readonly path: string;
}

/** Named in a variable: it imports the Worker, whose types are not those of Node. */
const ROUTES = "../support/routes.ts";
const { methodRoutes, routerRoutes, rpcMethods } = (await import(ROUTES)) as {
  methodRoutes: () => readonly Route[];
  routerRoutes: () => readonly Route[];
  rpcMethods: () => readonly (readonly [service: string, method: string])[];
};

const OWNER = "owner-token-of-this-test";
/** Another than the routes have that are called one by one. */
const PROJECT = "key-project";
const LOCATION = `projects/${PROJECT}/locations/us-central1`;
const EMAIL = `node-client@${PROJECT}.iam.gserviceaccount.com`;
const PYTHON = join(ROOT, "test", "local", "python");

/** Google's client comes with the App Engine SDK. */
const python = pythonProof();
if ("missing" in python) announceMissing("Python", python.missing);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;
/** Everything that the server and the command printed. */
let printed = "";

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer({
    dataFolder: join(folder.path, "data"),
    environment: { API_TOKEN: OWNER },
  });
});

afterAll(async () => {
  await server.stop();
  await folder.remove();
});

/** Runs `npm run accounts` in the folder of the test. */
async function accounts(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [join(ROOT, "src", "local", "accounts.ts"), ...args, "--url", server.url],
    { env: { ...process.env, API_TOKEN: OWNER }, cwd: folder.path },
  );
  printed += stderr;
  return stdout;
}

/** The code and text of a run that is expected to fail. */
async function failedAccounts(...args: readonly string[]) {
  return accounts(...args).then(
    () => ({ code: 0, stderr: "" }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
  );
}

function nodeClient(credentials: object): CloudTasksClient {
  return new CloudTasksClient({
    ...credentials,
    fallback: true,
    apiEndpoint: "127.0.0.1",
    port: server.port,
    protocol: "http",
  });
}

function keyPath(name: string): string {
  return join(folder.path, `${name}.key.json`);
}

function call(route: Route, headers: Record<string, string> = {}): Promise<Response> {
  const { method, path } = route;
  return fetch(`${server.url}${path}`, { method, headers });
}

describe("without credentials", () => {
  /** What is open to everyone, and the token endpoint, whose credential is in its body. */
  // App Engine's interface has its credential in the envelope, and answers 200 always: see below.
  const OPEN = /^\/($|healthz$|token$|rpc_http(\/|$)|\.well-known\/|discovery\/|\$discovery\/)/;
  const routes = [...routerRoutes(), ...methodRoutes()];
  const guarded = routes.filter(({ path }) => !OPEN.test(path));

  test("the router is listed, and what it lists is not found by chance", () => {
    expect(routerRoutes().length).toBeGreaterThan(30);
    expect(methodRoutes().length).toBeGreaterThan(80);
    const open = new Set(
      routes.filter((route) => !guarded.includes(route)).map(({ path }) => path),
    );
    expect([...open].sort()).toEqual([
      "/",
      "/$discovery/rest",
      "/.well-known/jwks.json",
      "/.well-known/openid-configuration",
      "/discovery/v1/apis",
      "/discovery/v1/apis/x/x/rest",
      "/healthz",
      "/rpc_http",
      "/rpc_http/projects/x",
      "/token",
    ]);
  });

  test.each(["", "wrong", `et_${PROJECT}_0123456789abcdef_wrong`])(
    "every method of App Engine's interface refuses the ticket %j",
    async (requestId) => {
      expect(rpcMethods().length).toBeGreaterThan(15);
      for (const [serviceName, method] of rpcMethods()) {
        const request = new Uint8Array();
        const envelope = create(RequestSchema, { serviceName, method, request, requestId });
        const response = await fetch(`${server.url}/rpc_http`, {
          method: "POST",
          body: new Uint8Array(toBinary(RequestSchema, envelope)),
        });
        expect(response.status).toBe(200);
        const answer = fromBinary(ResponseSchema, new Uint8Array(await response.arrayBuffer()));
        expect(answer.rpcError?.code, method).toBe(RpcError_ErrorCode.SECURITY_VIOLATION);
      }
    },
  );

  test.each([
    ["no credential", {}],
    ["a wrong token", { authorization: "Bearer wrong" }],
    ["a token in the wrong scheme", { authorization: `Basic ${OWNER}` }],
  ])("every route answers 401 to %s", async (_name, headers) => {
    const answers = await Promise.all(
      guarded.map(async (route) => {
        const response = await call(route, headers as Record<string, string>);
        await response.arrayBuffer();
        return `${response.status} ${route.method} ${route.path}`;
      }),
    );
    expect(answers.filter((answer) => !answer.startsWith("401 "))).toEqual([]);
  });

  test("no route answers 401 to the owner", async () => {
    const headers = { authorization: `Bearer ${OWNER}` };
    const statuses = await Promise.all(
      guarded.map(async (route) => {
        const response = await call(route, headers);
        await response.arrayBuffer();
        return response.status;
      }),
    );
    const wrong = statuses.filter((status) => status === 401 || (status >= 500 && status !== 501));
    expect(wrong).toEqual([]);
  });

  test("the official client is refused", async () => {
    const authClient = new OAuth2Client();
    authClient.setCredentials({ access_token: "anything" });
    const refused = nodeClient({ authClient }).listQueues({ parent: LOCATION });
    await expect(refused).rejects.toMatchObject({ code: 16 });
  });
});

describe("with a key file of the command", () => {
  test("it is written for its owner alone, and tells how to use it", async () => {
    const roles = "roles/cloudtasks.admin,roles/viewer";
    const said = await accounts("create", "node-client", "--project", PROJECT, "--roles", roles);
    expect(said).toContain(`made ${EMAIL}`);
    expect(said).toContain(`GOOGLE_APPLICATION_CREDENTIALS=${keyPath("node-client")}`);
    expect(said).toContain(`port: ${server.port}`);
    expect(said).not.toContain("PRIVATE KEY");
    expect((await stat(keyPath("node-client"))).mode & 0o777).toBe(0o600);
  });

  test("an existing file is never overwritten, and then no key is made", async () => {
    const before = await accounts("keys", "list", EMAIL);
    const failed = await failedAccounts("keys", "create", EMAIL);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("exists") });
    expect(await accounts("keys", "list", EMAIL)).toBe(before);
  });

  test("the Node client signs in with keyFilename", async () => {
    const client = nodeClient({ keyFilename: keyPath("node-client") });
    const parent = `${LOCATION}/queues/node-queue`;
    await client.createQueue({ parent: LOCATION, queue: { name: parent } });
    const task = { httpRequest: { url: "http://127.0.0.1:9/", httpMethod: "POST" as const } };
    const [created] = await client.createTask({ parent, task });
    expect(created.name).toContain(`${parent}/tasks/`);
    const [queues] = await client.listQueues({ parent: LOCATION });
    expect(queues.map(({ name }) => name)).toContain(parent);
    await client.close();
  });

  test("the Node client signs in with GOOGLE_APPLICATION_CREDENTIALS", async () => {
    const name = "GOOGLE_APPLICATION_CREDENTIALS";
    const before = process.env[name];
    process.env[name] = keyPath("node-client");
    try {
      const [queue] = await nodeClient({}).getQueue({ name: `${LOCATION}/queues/node-queue` });
      expect(queue.state).toBe("RUNNING");
    } finally {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    }
  });

  test("Node's self-signed token for the service's audience is taken", async () => {
    const file = JSON.parse(await readFile(keyPath("node-client"), "utf8"));
    const access = new JWTAccess(file.client_email, file.private_key, file.private_key_id);
    const headers = access.getRequestHeaders("https://cloudtasks.googleapis.com/");
    const token = headers.get("authorization") ?? "";
    const answer = await call(
      { method: "GET", path: `/v2/${LOCATION}/queues` },
      { authorization: token },
    );
    expect(answer.status).toBe(200);
  });

  test.skipIf("missing" in python)(
    "the Python client signs in, in each of its ways",
    async () => {
      const roles = "roles/cloudtasks.admin";
      await accounts("create", "python-client", "--project", PROJECT, "--roles", roles);
      if ("missing" in python) throw new Error(python.missing);
      const { stdout } = await promisify(execFile)(
        python.program.command,
        [join(PYTHON, "sign_in.py"), server.url, LOCATION, "python-queue"],
        { env: { ...process.env, GOOGLE_APPLICATION_CREDENTIALS: keyPath("python-client") } },
      );
      expect(stdout.trim().split("\n")).toEqual([
        expect.stringContaining(`${LOCATION}/queues/python-queue`),
        "self signed for an audience",
        "self signed for scopes",
        "exchanged",
        "identity token",
      ]);
    },
    180_000,
  );

  test("a key that is deleted stops", async () => {
    const client = nodeClient({ keyFilename: keyPath("node-client") });
    await client.getQueue({ name: `${LOCATION}/queues/node-queue` });
    const [id = ""] = (await accounts("keys", "list", EMAIL)).split("\t");
    await accounts("keys", "delete", EMAIL, id);
    const refused = client.getQueue({ name: `${LOCATION}/queues/node-queue` });
    await expect(refused).rejects.toMatchObject({ code: 16 });
  });
});

describe("the command", () => {
  test("makes API tokens, lists them without their secrets, revokes them", async () => {
    const options = ["--project", PROJECT, "--roles", "roles/cloudtasks.viewer", "--ttl", "1h"];
    const token = (await accounts("tokens", "create", ...options)).trim();
    const route = { method: "GET", path: `/v2/${LOCATION}/queues` };
    const headers = { authorization: `Bearer ${token}` };
    expect((await call(route, headers)).status).toBe(200);
    const listed = await accounts("tokens", "list", "--project", PROJECT);
    const [id = ""] = listed.split("\t");
    expect(token).toContain(`_${id}_`);
    expect(listed).not.toContain(token.slice(-43));
    await accounts("tokens", "revoke", id, "--project", PROJECT);
    expect((await call(route, headers)).status).toBe(401);
  });

  test("disables, enables and deletes accounts", async () => {
    await accounts("create", "short-lived", "--project", PROJECT);
    const email = `short-lived@${PROJECT}.iam.gserviceaccount.com`;
    await accounts("disable", email);
    expect(await accounts("list", "--project", PROJECT)).toContain(`${email}\tdisabled`);
    await accounts("enable", email);
    await accounts("delete", email);
    expect(await accounts("list", "--project", PROJECT)).not.toContain(email);
  });

  test("shows who changed what", async () => {
    const log = await accounts("audit", "--project", PROJECT);
    const [newest = ""] = log.split("\n");
    expect(newest.split("\t").slice(1)).toEqual([
      "owner",
      "serviceAccounts.delete",
      `projects/${PROJECT}/serviceAccounts/short-lived@${PROJECT}.iam.gserviceaccount.com`,
    ]);
    for (const method of [
      "serviceAccounts.create",
      "serviceAccountKeys.delete",
      "setIamPolicy",
      "tokens.delete",
    ]) {
      expect(log).toContain(`\t${method}\t`);
    }
  });

  test("tells what is wrong, by code 2 for what was asked and 1 for what was answered", async () => {
    const unknown = `nobody-here@${PROJECT}.iam.gserviceaccount.com`;
    expect(await failedAccounts("disable", unknown)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("does not exist"),
    });
    expect(await failedAccounts("create", "x", "--project", PROJECT)).toMatchObject({ code: 2 });
    expect(await failedAccounts("explode")).toMatchObject({ code: 2 });
  });
});

test("no secret was printed by the server or the command", async () => {
  const file = JSON.parse(await readFile(keyPath("python-client"), "utf8"));
  const secret = file.private_key.split("\n")[5];
  const said = server.stdout + printed;
  expect(said).not.toContain(OWNER);
  expect(said).not.toContain(secret);
  expect(said).not.toMatch(/et_key-project_[0-9a-f]{16}_/);
  expect(said).not.toMatch(/eyJ[A-Za-z0-9_-]{20}/);
});
