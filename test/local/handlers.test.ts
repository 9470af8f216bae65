/** The example handler against the real server: it takes what its queue sends, and nothing else. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Hono } from "hono";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startReceiver } from "../support/receiver.ts";
import { ROOT, type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { type Verified, verifyingHandler } from "../support/verifying-handler.ts";

const ISSUER = "https://tasks.example.com";
const TOKEN = "owner-token-of-this-test";
const ACCOUNT = "caller@my-project.iam.gserviceaccount.com";
const LOCATION = "projects/my-project/locations/us-central1";
/** How long receivers of this test keep the published keys; on their own they keep them 10 min. */
const KEYS_KEPT_MS = 1000;
/** Longer than the keys are kept by the receiver and by the server's own isolate together. */
const LEAD_S = 3;
/** Tasks on their way at a time. */
const WIDTH = 8;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer({
    dataFolder: folder.path,
    args: ["--var", `ISSUER=${ISSUER}`],
    environment: { API_TOKEN: TOKEN },
  });
});

afterAll(async () => {
  for (const end of ends.splice(0)) await end();
  await server.stop();
  await folder.remove();
});

async function api(method: string, path: string, body?: object) {
  const response = await fetch(`${server.url}/${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
  return JSON.parse(text);
}

/** Runs `npm run keys` and reads its answer. */
async function keys(...args: readonly string[]) {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(ROOT, "src", "local", "keys.ts"), ...args, "--url", server.url],
    { env: { ...process.env, API_TOKEN: TOKEN } },
  );
  return JSON.parse(stdout);
}

let counter = 0;

async function newQueue(): Promise<string> {
  const name = `${LOCATION}/queues/q-${++counter}`;
  const retryConfig = { minBackoff: "0.1s", maxBackoff: "0.1s" };
  await api("POST", `v2/${LOCATION}/queues`, { name, retryConfig });
  return name;
}

interface Handler {
  readonly url: string;
  readonly taken: readonly Verified[];
  readonly refused: readonly string[];
  /** The status of the answer to what is taken. */
  answer: () => number;
  /** The secrets it verifies with from now on. */
  secrets: readonly string[];
  /** Waits until something holds; it is asked after each request. */
  until(holds: () => boolean): Promise<void>;
}

/** The example handler on a free port, with the secrets that the queue has now. */
async function startHandler(queue: string): Promise<Handler> {
  const taken: Verified[] = [];
  const refused: string[] = [];
  const watchers = new Set<() => void>();
  const look = () => {
    for (const watcher of [...watchers]) watcher();
  };
  const { secrets } = await keys("secrets", queue);
  const handler: Omit<Handler, "url"> = {
    taken,
    refused,
    answer: () => 200,
    secrets: secrets.map(({ secret }: { secret: string }) => secret),
    until: (holds) =>
      new Promise((resolve) => {
        const watcher = () => {
          if (holds()) {
            watchers.delete(watcher);
            resolve();
          }
        };
        watchers.add(watcher);
        watcher();
      }),
  };
  const app = verifyingHandler(
    {
      issuer: ISSUER,
      keys: `${server.url}/.well-known/jwks.json`,
      account: ACCOUNT,
      secrets: () => handler.secrets,
      // An unknown key never makes it look again, as in the first half minute after it looked.
      keyOptions: { cacheMaxAge: KEYS_KEPT_MS, cooldownDuration: 3_600_000 },
    },
    (verified) => {
      taken.push(verified);
      return handler.answer();
    },
    (reason) => refused.push(reason),
  );
  return Object.assign(handler, { url: await serve(app, look) });
}

/** Serves an app on loopback; answers its address. */
async function serve(app: Hono, answered: () => void): Promise<string> {
  const listener = createServer((incoming, response) => {
    pass(app, incoming, response).then(answered, (error: unknown) =>
      response.destroy(error as Error),
    );
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  ends.push(async () => {
    listener.closeAllConnections();
    listener.close();
  });
  return `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
}

async function pass(app: Hono, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks = await incoming.toArray();
  const body = Buffer.concat(chunks as Buffer[]);
  const answer = await app.fetch(
    new Request(`http://${incoming.headers.host}${incoming.url}`, {
      method: incoming.method ?? "",
      headers: Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
      ...(body.length === 0 ? {} : { body }),
    }),
  );
  response.writeHead(answer.status).end(await answer.text());
}

function create(queue: string, httpRequest: object): Promise<{ name: string }> {
  return api("POST", `v2/${queue}/tasks`, { task: { httpRequest } });
}

/** A task with both proofs. Each has a URL, so an audience, so a token of its own. */
function createProven(queue: string, { url }: Handler): Promise<{ name: string }> {
  return create(queue, {
    url: `${url}/work?n=${++counter}`,
    headers: { "Content-Type": "text/plain" },
    body: Buffer.from(`work ${counter} für dich`).toString("base64"),
    oidcToken: { serviceAccountEmail: ACCOUNT },
  });
}

/** Keeps tasks flowing until something holds of what was taken. */
async function underLoad(queue: string, handler: Handler, holds: () => boolean): Promise<void> {
  let created = 0;
  const before = handler.taken.length + handler.refused.length;
  while (!holds()) {
    await Promise.all(Array.from({ length: WIDTH }, () => createProven(queue, handler)));
    created += WIDTH;
    await handler.until(() => handler.taken.length + handler.refused.length - before >= created);
  }
}

describe("the example handler", () => {
  test("takes what its queue sends, with both proofs", async () => {
    const queue = await newQueue();
    const handler = await startHandler(queue);
    await createProven(queue, handler);
    await handler.until(() => handler.taken.length + handler.refused.length > 0);
    expect(handler.refused).toEqual([]);
    expect(handler.taken).toEqual([
      {
        id: expect.stringMatching(/^msg_[\w-]+$/),
        body: expect.stringMatching(/^work \d+ für dich$/),
        kid: expect.stringMatching(/^[\w-]{43}$/),
        signatures: 1,
        secret: 0,
      },
    ]);
  });

  test.each([
    ["GET", "no body", {}],
    ["POST", "a big body", { body: Buffer.from("x".repeat(90_000)).toString("base64") }],
    ["POST", "no body", {}],
    ["DELETE", "no body", {}],
  ])("takes a %s with %s", async (httpMethod, _, body) => {
    const queue = await newQueue();
    const handler = await startHandler(queue);
    await create(queue, { url: `${handler.url}/`, httpMethod, ...body });
    await handler.until(() => handler.taken.length + handler.refused.length > 0);
    expect(handler.refused).toEqual([]);
  });

  test("knows a repeated attempt by its id, each signed anew", async () => {
    const queue = await newQueue();
    const handler = await startHandler(queue);
    handler.answer = () => (handler.taken.length < 3 ? 500 : 200);
    await createProven(queue, handler);
    await createProven(queue, handler);
    await handler.until(() => handler.taken.length >= 4);
    expect(handler.refused).toEqual([]);
    expect(new Set(handler.taken.map(({ id }) => id)).size).toBe(2);
  });

  test("refuses what others send, and what a task forges", async () => {
    const [queue, other] = [await newQueue(), await newQueue()];
    const handler = await startHandler(queue);
    const forged = {
      "webhook-id": "msg_1",
      "webhook-timestamp": String(Math.floor(Date.now() / 1000)),
      "webhook-signature": "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    const direct = await fetch(handler.url, { method: "POST", headers: forged, body: "x" });
    expect(direct.status).toBe(401);
    await create(other, { url: `${handler.url}/other`, headers: forged });
    await handler.until(() => handler.refused.length > 1);
    expect(handler.refused.slice(0, 2)).toEqual(Array(2).fill("No matching signature found"));

    await create(queue, { url: `${handler.url}/own`, headers: forged });
    await handler.until(() => handler.taken.length > 0);
    expect(handler.taken[0]?.id).not.toBe("msg_1");
  });

  test("refuses a queue whose signing is off", async () => {
    const queue = await newQueue();
    const handler = await startHandler(queue);
    expect((await keys("disable", queue)).enabled).toBe(false);
    await create(queue, { url: handler.url });
    await handler.until(() => handler.refused.length > 0);
    expect(handler.refused[0]).toBe("Missing required headers");
    // The same task is signed on its next attempt.
    expect((await keys("enable", queue)).enabled).toBe(true);
    await handler.until(() => handler.taken.length > 0);
  });
});

test("the discovery document leads from the issuer to the keys", async () => {
  const response = await fetch(`${server.url}/.well-known/openid-configuration`);
  expect(await response.json()).toMatchObject({
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/.well-known/jwks.json`,
  });
});

describe("an access token", () => {
  test("that a task carries lets its handler call this deployment, as far as the account may", async () => {
    const queue = await newQueue();
    const account = await api("POST", "v1/projects/my-project/serviceAccounts", {
      accountId: "worker-1",
    });
    const target = await startReceiver();
    ends.push(target.close);
    await create(queue, { url: target.url, oauthToken: { serviceAccountEmail: account.email } });
    const [request] = await target.waitFor(1);
    const headers = { authorization: request?.headers["authorization"] ?? "" };
    const claims = decodeJwt(headers.authorization.replace("Bearer ", ""));
    expect(claims).toMatchObject({ iss: ISSUER, aud: ISSUER, sub: account.uniqueId });

    const tasks = `${server.url}/v2/${queue}/tasks`;
    expect((await fetch(tasks, { headers })).status).toBe(403);
    await api("POST", `v2/${queue}:setIamPolicy`, {
      policy: {
        bindings: [
          { role: "roles/cloudtasks.viewer", members: [`serviceAccount:${account.email}`] },
        ],
      },
    });
    expect((await fetch(`${tasks}?pageSize=1`, { headers })).status).toBe(200);
    expect((await fetch(tasks, { method: "POST", headers, body: "{}" })).status).toBe(403);
  });
});

describe("the command", () => {
  test.each([
    [["rotat"], 'no command "rotat"'],
    [["secrets"], "secrets needs the name of a queue"],
    [["secrets", "q"], 'a queue is named projects/P/locations/L/queues/Q, not "q"'],
    [["rotate", "now"], 'rotate takes no "now"'],
    [["rotate", "--activate-after", "soon"], '--activate-after must be seconds, not "soon"'],
    [["rotate", "--revoke"], "Unknown option '--revoke'"],
  ])("refuses %j", async (args, message) => {
    await expect(keys(...args)).rejects.toMatchObject({
      code: 2,
      stderr: `${message}\nnpm run keys -- --help lists the commands.\n`,
    });
  });

  test("tells what the deployment refuses, and never the token", async () => {
    const queue = `${LOCATION}/queues/none`;
    await expect(keys("secrets", queue)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+ answers 404: /),
    });
    await expect(keys("secrets", queue)).rejects.not.toMatchObject({
      stderr: expect.stringContaining(TOKEN),
    });
  });
});

describe("a rotation under load has no delivery refused", () => {
  test("of the signing keys", async () => {
    const queue = await newQueue();
    const handler = await startHandler(queue);
    const signedBy = (kid: string) => handler.taken.filter((taken) => taken.kid === kid).length;
    await underLoad(queue, handler, () => handler.taken.length >= WIDTH);
    const { keys: rotated } = await keys("rotate", "--activate-after", String(LEAD_S));
    const [next, old] = rotated;
    expect([next.state, old.state]).toEqual(["PENDING", "ACTIVE"]);
    await underLoad(queue, handler, () => signedBy(next.kid) >= 3 * WIDTH);
    expect(handler.refused).toEqual([]);
    expect(signedBy(old.kid)).toBeGreaterThan(WIDTH);
    expect(signedBy(old.kid) + signedBy(next.kid)).toBe(handler.taken.length);
    const { keys: after } = await keys("list");
    expect(after.map(({ state }: { state: string }) => state)).toEqual(["ACTIVE", "RETIRING"]);
  });

  test("of a queue's webhook secret", async () => {
    const queue = await newQueue();
    const handler = await startHandler(queue);
    await underLoad(queue, handler, () => handler.taken.length >= WIDTH);
    const [before] = handler.secrets;
    const { secrets } = await keys("rotate-secret", queue, "--overlap", "3600");
    const [{ secret: next }] = secrets;
    expect(secrets).toMatchObject([{}, { secret: before }]);

    const moreTaken = (count: number) => {
      const enough = handler.taken.length + count;
      return underLoad(queue, handler, () => handler.taken.length >= enough);
    };
    await moreTaken(3 * WIDTH);
    // The handler gets the new secret while both sign, and soon works with it alone.
    handler.secrets = [next, before ?? ""];
    await moreTaken(WIDTH);
    handler.secrets = [next];
    await moreTaken(3 * WIDTH);
    expect(handler.refused).toEqual([]);
    expect(handler.taken.at(-1)).toMatchObject({ signatures: 2, secret: 0 });

    // Without overlap the old secret is over at once: whoever has nothing else refuses.
    await keys("rotate-secret", queue, "--overlap", "0");
    await createProven(queue, handler);
    await handler.until(() => handler.refused.length > 0);
    expect(handler.refused[0]).toBe("No matching signature found");
  });
});
