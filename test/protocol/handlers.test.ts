/** What handlers need, as its routes answer: public keys, rotation, webhook secrets. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Access } from "../../src/auth/iam/access.ts";
import { fail } from "../../src/core/result.ts";
import type { Env } from "../../src/env.ts";
import { answerHandlerKeys } from "../../src/protocol/handlers/routes.ts";
import { ok, refusal, send } from "./rest.ts";

const ADMIN = "/edgetasks/v1";
let counter = 0;

/** A queue of its own; its path below /v2 and below the admin interface alike. */
async function newQueue(changes: object = {}, version = "v2"): Promise<string> {
  const parent = `projects/p-${crypto.randomUUID()}/locations/us-central1`;
  const name = `${parent}/queues/q-${++counter}`;
  await ok("POST", `/${version}/${parent}/queues`, { name, ...changes });
  return name;
}

const secretsOf = async (queue: string) => ok("GET", `${ADMIN}/${queue}/signingSecrets`);

describe("the public keys", () => {
  it("are where the discovery document says, for anyone to keep a while", async () => {
    const discovery = await send("GET", "/.well-known/openid-configuration");
    expect(discovery).toMatchObject({
      status: 200,
      body: {
        issuer: "https://edgetasks",
        jwks_uri: "http://localhost/.well-known/jwks.json",
        id_token_signing_alg_values_supported: ["RS256"],
      },
    });
    const keys = await send("GET", new URL(discovery.body.jwks_uri).pathname);
    expect(keys.headers.get("cache-control")).toBe("public, max-age=300");
    expect(keys.body.keys[0]).toMatchObject({ kty: "RSA", alg: "RS256", use: "sig" });
    for (const key of keys.body.keys) {
      expect(Object.keys(key).sort()).toEqual(["alg", "e", "kid", "kty", "n", "use"]);
    }
  });
});

describe("signing keys", () => {
  it("are rotated by command, and listed with their times", async () => {
    const before = await ok("GET", `${ADMIN}/keys`);
    const active = before.keys.find((key: { state: string }) => key.state === "ACTIVE");
    const rotated = await send("POST", `${ADMIN}/keys:rotate`, { activateAfter: "1800s" });
    expect(rotated.headers.get("cache-control")).toBe("no-store");
    const [next, old] = rotated.body.keys;
    expect(next).toMatchObject({ state: "PENDING" });
    expect(Date.parse(next.activateTime) - Date.parse(next.createTime)).toBe(1_800_000);
    expect(old).toMatchObject({ kid: active.kid, state: "ACTIVE" });
    expect(Date.parse(old.retireTime)).toBeGreaterThan(Date.parse(next.activateTime) + 3_600_000);
    expect(await ok("GET", `${ADMIN}/keys`)).toEqual(rotated.body);

    const again = await send("POST", `${ADMIN}/keys:rotate`);
    expect(again).toMatchObject(
      refusal(400, "FAILED_PRECONDITION", expect.stringContaining("A rotation is under way")),
    );
    const revoked = await ok("POST", `${ADMIN}/keys:rotate`, { revokeOthers: true });
    expect(revoked.keys).toMatchObject([{ state: "ACTIVE" }]);
    expect(revoked.keys[0].kid).not.toBe(active.kid);
  });

  it.each([
    [{ activateAfter: "3600" }, "activateAfter: must be a duration such as 3600s."],
    [{ activateAfter: "-1s" }, "activateAfter: must be a duration such as 3600s."],
    [{ activateAfter: "604801s" }, "activateAfter: must be at most 604800s."],
    [{ activateAfter: 1 }, expect.stringMatching(/^activateAfter: Invalid input/)],
    [{ revokeOthers: "yes" }, expect.stringMatching(/^revokeOthers: Invalid input/)],
    [{ other: 1 }, expect.stringContaining('"other"')],
    ["{", "Invalid JSON payload received."],
    ["[]", expect.stringContaining("expected object")],
    ["x".repeat(20_000), expect.stringContaining("exceeds the limit")],
  ])("are left alone by a request that cannot be read: %j", async (body, message) => {
    const before = await ok("GET", `${ADMIN}/keys`);
    expect(await send("POST", `${ADMIN}/keys:rotate`, body)).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", message),
    );
    expect(await ok("GET", `${ADMIN}/keys`)).toEqual(before);
  });

  it("are not rotated by a GET", async () => {
    expect((await send("GET", `${ADMIN}/keys:rotate`)).status).toBe(400);
    expect((await send("DELETE", `${ADMIN}/keys`)).status).toBe(400);
  });
});

describe("a queue's webhook secrets", () => {
  it("are one from the start, and two for a time after a rotation", async () => {
    const queue = await newQueue();
    const first = await secretsOf(queue);
    expect(first).toEqual({
      enabled: true,
      secrets: [
        {
          secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
          createTime: expect.stringMatching(/Z$/),
        },
      ],
    });
    const rotated = await ok("POST", `${ADMIN}/${queue}:rotateSigningSecret`);
    expect(rotated.secrets).toHaveLength(2);
    const [newer, older] = rotated.secrets;
    expect(older).toMatchObject(first.secrets[0]);
    expect(Date.parse(older.expireTime) - Date.parse(newer.createTime)).toBe(86_400_000);
    expect(newer.secret).not.toBe(older.secret);
    expect(await secretsOf(queue)).toEqual(rotated);

    const path = `${ADMIN}/${queue}:rotateSigningSecret`;
    const cut = await ok("POST", path, { overlap: "0s" });
    expect(cut.secrets).toHaveLength(1);
    expect([newer.secret, older.secret]).not.toContain(cut.secrets[0].secret);
  });

  it("belong to that queue alone", async () => {
    const [one, two] = [await newQueue(), await newQueue()];
    const [first, second] = [await secretsOf(one), await secretsOf(two)];
    expect(first.secrets[0].secret).not.toBe(second.secrets[0].secret);
  });

  it("stay when the queue's other settings are replaced", async () => {
    const queue = await newQueue();
    await ok("POST", `${ADMIN}/${queue}:disableSigning`);
    const before = await secretsOf(queue);
    expect(before.enabled).toBe(false);
    await ok("PATCH", `/v2/${queue}`, { retryConfig: { maxAttempts: 5 } });
    expect(await secretsOf(queue)).toEqual(before);
    expect((await ok("POST", `${ADMIN}/${queue}:enableSigning`)).enabled).toBe(true);
  });

  it("are in no other answer about the queue", async () => {
    const queue = await newQueue();
    const { secrets } = await ok("POST", `${ADMIN}/${queue}:rotateSigningSecret`);
    const parent = queue.replace(/\/queues\/.*/, "");
    const answers = JSON.stringify([
      await ok("GET", `/v2/${queue}`),
      await ok("GET", `/v2/${parent}/queues`),
      await ok("GET", `/v2beta2/${queue}?readMask=*`),
      await ok("PATCH", `/v2beta3/${queue}`, { retryConfig: { maxAttempts: 7 } }),
    ]);
    expect(answers).toContain(queue);
    for (const { secret } of secrets) expect(answers).not.toContain(secret);
    expect(answers).not.toMatch(/webhookSigning|generation/);
  });

  it("leave a record of who changed them", async () => {
    const queue = await newQueue();
    await ok("POST", `${ADMIN}/${queue}:rotateSigningSecret`);
    const [, project, rest] = /^(projects\/[^/]+)\/(.*)$/.exec(queue) ?? [];
    const { entries } = await ok("GET", `${ADMIN}/${project}/auditLog`);
    expect(entries).toMatchObject([
      {
        actor: "anonymous",
        method: "queues.rotateSigningSecret",
        resource: `${project}/${rest}`,
      },
    ]);
  });

  it.each([
    ["GET", "/signingSecrets", undefined],
    ["POST", ":rotateSigningSecret", {}],
    ["POST", ":enableSigning", {}],
  ])("of a queue that does not exist are refused: %s %s", async (method, suffix, body) => {
    const queue = `projects/p-${crypto.randomUUID()}/locations/us-central1/queues/none`;
    expect((await send(method, `${ADMIN}/${queue}${suffix}`, body)).status).toBe(404);
    expect((await send("GET", `/v2/${queue}`)).status).toBe(404);
  });

  it("are no affair of a pull queue", async () => {
    const queue = await newQueue({ pullTarget: {} }, "v2beta2");
    expect(await send("POST", `${ADMIN}/${queue}:rotateSigningSecret`)).toMatchObject(
      refusal(400, "FAILED_PRECONDITION", "A pull queue sends no webhooks that could be signed."),
    );
  });

  it.each([
    [{ overlap: "1d" }, "overlap: must be a duration such as 3600s."],
    [{ overlap: "2592001s" }, "overlap: must be at most 2592000s."],
    [{ overlapp: "1s" }, expect.stringContaining('"overlapp"')],
  ])("are left alone by a request that cannot be read: %j", async (body, message) => {
    const queue = await newQueue();
    const before = await secretsOf(queue);
    expect(await send("POST", `${ADMIN}/${queue}:rotateSigningSecret`, body)).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", message),
    );
    expect(await secretsOf(queue)).toEqual(before);
  });
});

describe("who may", () => {
  const queue = "projects/p/locations/us-central1/queues/q";
  const DENIED = fail("PERMISSION_DENIED", "no").error;

  /** The answer to one who has none of the permissions; what was asked for. */
  async function ask(method: string, path: string) {
    const asked: unknown[] = [];
    const access = {
      isTrusted: false,
      require: (...call: unknown[]) => {
        asked.push(call);
        return DENIED;
      },
    } as unknown as Access;
    const answer = await answerHandlerKeys({
      ...{ path: `${ADMIN}/${path}`, env: env as unknown as Env, access },
      request: new Request("http://localhost/", { method }),
    });
    return { answer, asked };
  }

  it.each([
    ["GET", "keys"],
    ["POST", "keys:rotate"],
  ])("%s %s: the holder of the deployment's own token alone", async (method, path) => {
    const { answer } = await ask(method, path);
    expect(answer).toMatchObject({ ok: false, error: { code: "PERMISSION_DENIED" } });
  });

  it.each([
    ["GET", `${queue}/signingSecrets`],
    ["POST", `${queue}:rotateSigningSecret`],
    ["POST", `${queue}:enableSigning`],
    ["POST", `${queue}:disableSigning`],
  ])("%s %s: who may update the queue", async (method, path) => {
    const { answer, asked } = await ask(method, path);
    expect(answer).toEqual({ ok: false, error: DENIED });
    expect(asked).toEqual([
      ["cloudtasks.queues.update", expect.objectContaining({ project: "p", name: queue })],
    ]);
  });

  it.each([
    "projects/p/locations/us-central1/queues/q:other",
    "projects/p/locations/us-central1/queues/q/tasks/t:enableSigning",
    "projects/p/queues/q/signingSecrets",
    "projects/%/locations/us-central1/queues/q/signingSecrets",
    "constructor",
  ])("nobody, of what there is not: %s", async (path) => {
    const { answer, asked } = await ask("POST", path);
    expect(answer).toMatchObject({ ok: false, error: { code: "NOT_FOUND" } });
    expect(asked).toEqual([]);
  });
});
