/** Who may call, and what is said to those who may not. */
import { describe, expect, it, test } from "vitest";
import { authenticate } from "../../src/auth/authenticate.ts";
import type { Env } from "../../src/env.ts";
import {
  CLOSED,
  call,
  claimsOf,
  grant,
  locations,
  makeAccount,
  makeKey,
  newProject,
  ORIGIN,
  OWNER_TOKEN,
  SCOPE,
  sign,
} from "../support/accounts.ts";

async function verdict(url: string, settings: Env, authorization?: string, nowMs = Date.now()) {
  const headers = authorization === undefined ? {} : { authorization };
  return authenticate(new Request(url, { headers }), settings, nowMs);
}

const OK = { ok: true };
const url = `${ORIGIN}/v2/x`;

describe("a server open to loopback", () => {
  const open = { ...CLOSED, OPEN_MODE: "loopback", API_TOKEN: "" } as unknown as Env;

  test.each([
    "http://localhost/v2/x",
    "http://LOCALHOST:8787/v2/x",
    "http://127.0.0.1:8787/v2/x",
    "http://127.9.9.9/v2/x",
    "http://[::1]:8787/v2/x",
  ])("serves %s", async (open_) =>
    expect(await verdict(open_, open)).toEqual({ ok: true, value: { kind: "anonymous" } }),
  );

  test.each([
    "http://example.com/v2/x",
    "http://localhost.example.com/v2/x",
    "http://127.0.0.1.example.com/v2/x",
    "http://192.168.0.1/v2/x",
    "http://[::2]/v2/x",
    "http://user@example.com/v2/x?http://localhost/",
  ])("refuses %s", async (elsewhere) =>
    expect(await verdict(elsewhere, open)).toMatchObject({
      error: {
        code: "PERMISSION_DENIED",
        message: expect.stringContaining("OPEN_MODE=loopback"),
      },
    }),
  );

  test.each([
    ["http://localhost:3000", 200],
    ["http://[::1]:3000", 200],
    ["https://example.com", 403],
    ["http://localhost.example.com", 403],
    ["null", 403],
  ])("is asked by a page of %s: %i", async (origin, status) => {
    const path = `/v2/projects/${newProject()}/locations/us-central1/queues/q:testIamPermissions`;
    const here = { origin: "http://localhost:8787", settings: open, headers: { origin } };
    expect(await call(path, { ...here, token: "", body: {} })).toMatchObject({ status });
  });
});

describe("a deployment without a token", () => {
  const unset = { ...CLOSED, API_TOKEN: "" } as unknown as Env;

  it("refuses everything and says which secret to set", async () => {
    expect(await verdict("http://localhost/v2/x", unset)).toMatchObject({
      error: {
        code: "PERMISSION_DENIED",
        message: expect.stringContaining("wrangler secret put API_TOKEN"),
      },
    });
  });

  it("answers 403, to the holder of a service account's key as well", async () => {
    const project = newProject();
    const token = await sign(await makeAccount(project));
    const reply = await call(locations(project), { token, settings: unset });
    expect(reply.status).toBe(403);
    expect(reply.body).toMatchObject({ error: { status: "PERMISSION_DENIED" } });
  });

  test.each(["/healthz", "/", "/.well-known/openid-configuration", "/.well-known/jwks.json"])(
    "%s is for everyone",
    async (path) =>
      expect(await call(path, { token: "", settings: unset })).toMatchObject({ status: 200 }),
  );
});

describe("the deployment's own token", () => {
  test.each([`Bearer ${OWNER_TOKEN}`, `bearer ${OWNER_TOKEN}`, `Bearer  ${OWNER_TOKEN}`])(
    "is taken as %j",
    async (header) =>
      expect(await verdict(url, CLOSED, header)).toEqual({ ok: true, value: { kind: "owner" } }),
  );

  test.each([
    `Bearer ${OWNER_TOKEN}x`,
    `Bearer ${OWNER_TOKEN.slice(0, -1)}`,
    `Bearer ${OWNER_TOKEN.slice(0, -1)}t`,
    "Bearer ",
    "Bearer",
    `Basic ${OWNER_TOKEN}`,
    OWNER_TOKEN,
    `Bearer ${OWNER_TOKEN} ${OWNER_TOKEN}`,
  ])("is not %j, also after the right one was seen", async (header) => {
    expect(await verdict(url, CLOSED, `Bearer ${OWNER_TOKEN}`)).toMatchObject(OK);
    expect(await verdict(url, CLOSED, header)).toMatchObject({
      error: { code: "UNAUTHENTICATED" },
    });
  });

  it("is forgotten when it changes", async () => {
    const next = { ...CLOSED, API_TOKEN: "other" } as unknown as Env;
    expect(await verdict(url, CLOSED, `Bearer ${OWNER_TOKEN}`)).toMatchObject(OK);
    expect(await verdict(url, next, `Bearer ${OWNER_TOKEN}`)).toMatchObject({
      error: { code: "UNAUTHENTICATED" },
    });
    expect(await verdict(url, next, "Bearer other")).toMatchObject(OK);
  });

  it("needs no waiting once it is known", async () => {
    const headers = { authorization: `Bearer ${OWNER_TOKEN}` };
    const ask = () => authenticate(new Request(url, { headers }), CLOSED, Date.now());
    await ask();
    expect(ask()).not.toBeInstanceOf(Promise);
  });

  it("is asked for by name where there is none", async () => {
    const reply = await call(locations("p"), { token: "" });
    expect(reply.status).toBe(401);
    expect(reply.headers.get("www-authenticate")).toBe("Bearer");
    expect(reply.body).toMatchObject({ error: { code: 401, status: "UNAUTHENTICATED" } });
  });
});

describe("a token that a service account signed", () => {
  test.each<[string, (file: { private_key_id: string }) => Record<string, unknown>, object]>([
    ["as the Node client makes it: scope, no audience", () => ({}), {}],
    [
      "with the audience of the service",
      () => ({ aud: "https://cloudtasks.googleapis.com/", scope: undefined }),
      {},
    ],
    [
      "with the same, no slash",
      () => ({ aud: "https://cloudtasks.googleapis.com", scope: undefined }),
      {},
    ],
    ["with this deployment as audience", () => ({ aud: `${ORIGIN}/`, scope: undefined }), {}],
    ["with audience and scope", () => ({ aud: "https://cloudtasks.googleapis.com/" }), {}],
    ["without a subject", () => ({ sub: undefined }), {}],
    ["by a clock 50 s ahead", () => shifted(50), {}],
    ["by a clock 50 s behind, at its end", () => shifted(-3650), {}],
    ["with one of several scopes known", () => ({ scope: `openid ${SCOPE}` }), {}],
  ])("%s", async (_name, changes) => {
    const project = newProject();
    const file = await makeAccount(project);
    const token = await sign(file, claimsOf(file, changes(file)));
    expect(await verdict(url, CLOSED, `Bearer ${token}`)).toEqual({
      ok: true,
      value: { kind: "serviceAccount", email: file.client_email, project },
    });
  });

  it("needs no key id: the account's keys are tried", async () => {
    const project = newProject();
    const first = await makeAccount(project);
    const second = await makeKey(project, first.client_email);
    for (const file of [first, second]) {
      const token = await sign(file, claimsOf(file), { alg: "RS256" });
      expect(await verdict(url, CLOSED, `Bearer ${token}`)).toMatchObject(OK);
    }
  });

  it("opens what its roles open, and nothing before it has some", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    const token = await sign(file);
    expect(await call(locations(project), { token })).toMatchObject({ status: 403 });
    await grant(project, `serviceAccount:${file.client_email}`, "roles/cloudtasks.viewer");
    expect(await call(locations(project), { token })).toMatchObject({ status: 200 });
  });

  it("opens what its scopes name", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    await grant(project, `serviceAccount:${file.client_email}`, "roles/owner");
    const tasks = await sign(
      file,
      claimsOf(file, { scope: `${SCOPE.replace("platform", "tasks")}` }),
    );
    expect(await call(locations(project), { token: tasks })).toMatchObject({ status: 200 });
    const refused = await call(`/v1/projects/${project}/serviceAccounts`, { token: tasks });
    expect(refused.status).toBe(403);
    expect(refused.body.error.details[0].reason).toBe("ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    const consumer = SCOPE.replace("cloud-platform", "taskqueue.consumer");
    const queue = await sign(file, claimsOf(file, { scope: consumer }));
    expect(await call(locations(project), { token: queue })).toMatchObject({ status: 403 });
  });

  it("is remembered, and for no longer than half a minute", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    const header = `Bearer ${await sign(file)}`;
    const now = Date.now();
    const ask = (nowMs: number) =>
      authenticate(new Request(url, { headers: { authorization: header } }), CLOSED, nowMs);
    expect(await ask(now)).toMatchObject(OK);
    expect(ask(now + 29_000)).toMatchObject(OK);
    expect(ask(now + 30_000)).toBeInstanceOf(Promise);
    expect(await ask(now + 30_000)).toMatchObject(OK);
  });

  it("is not remembered beyond its end", async () => {
    const file = await makeAccount(newProject());
    const now = Date.now();
    const iat = Math.floor(now / 1000) - 3600;
    const header = `Bearer ${await sign(file, claimsOf(file, { iat, exp: iat + 3600 }))}`;
    expect(await verdict(url, CLOSED, header, now)).toMatchObject(OK);
    expect(await verdict(url, CLOSED, header, (iat + 3659) * 1000)).toMatchObject(OK);
    expect(await verdict(url, CLOSED, header, (iat + 3660) * 1000)).toMatchObject({
      error: { message: expect.stringContaining("expired") },
    });
  });

  test.each([
    ["its key is deleted", "DELETE", "/keys/KEY"],
    ["its key is disabled", "POST", "/keys/KEY:disable"],
    ["its account is disabled", "POST", ":disable"],
    ["its account is deleted", "DELETE", ""],
  ])("stops when %s: here at once, elsewhere within 60 s", async (_name, method, path) => {
    const project = newProject();
    const file = await makeAccount(project);
    const header = `Bearer ${await sign(file)}`;
    // Another isolate of the same deployment has settings of its own.
    const elsewhere = { ...CLOSED } as Env;
    const now = Date.now();
    expect(await verdict(url, CLOSED, header, now)).toMatchObject(OK);
    expect(await verdict(url, elsewhere, header, now)).toMatchObject(OK);
    const place = path.replace("KEY", file.private_key_id);
    const account = `/v1/projects/${project}/serviceAccounts/${file.client_email}`;
    expect(await call(`${account}${place}`, { method })).toMatchObject({ status: 200 });
    const refused = { error: { code: "UNAUTHENTICATED" } };
    expect(await verdict(url, CLOSED, header, now)).toMatchObject(refused);
    expect(await verdict(url, elsewhere, header, now + 29_000)).toMatchObject(OK);
    expect(await verdict(url, elsewhere, header, now + 60_000)).toMatchObject(refused);
  });

  it("works with a key that was made after the account was last looked at", async () => {
    const project = newProject();
    const first = await makeAccount(project);
    const elsewhere = { ...CLOSED } as Env;
    const now = Date.now();
    expect(await verdict(url, elsewhere, `Bearer ${await sign(first)}`, now)).toMatchObject(OK);
    const second = await makeKey(project, first.client_email);
    expect(await verdict(url, elsewhere, `Bearer ${await sign(second)}`, now)).toMatchObject(OK);
  });
});

describe("credentials in the query", () => {
  test.each(["access_token", "oauth_token", "key"])(
    "%s counts only where it is turned on",
    async (name) => {
      const path = `${locations("p")}?${name}=${OWNER_TOKEN}`;
      expect(await call(path, { token: "" })).toMatchObject({ status: 401 });
      const on = { ...CLOSED, QUERY_TOKENS: "on" } as unknown as Env;
      expect(await call(path, { token: "", settings: on })).toMatchObject({ status: 200 });
      expect(await call(path, { token: "wrong", settings: on })).toMatchObject({ status: 401 });
    },
  );
});

/** Issued by a clock that is off. */
function shifted(seconds: number) {
  const iat = Math.floor(Date.now() / 1000) + seconds;
  return { iat, exp: iat + 3600 };
}
