/** The token endpoint: RFC 7523 in, tokens of this deployment or errors of RFC 6749 out. */
import { describe, expect, it, test } from "vitest";
import type { Env } from "../../src/env.ts";
import { keyStub } from "../../src/stubs.ts";
import {
  CLOSED,
  call,
  claimsOf,
  grant,
  type KeyFile,
  locations,
  makeAccount,
  newProject,
  ORIGIN,
  SCOPE,
  sign,
} from "../support/accounts.ts";

const GOOGLE = "https://oauth2.googleapis.com/token";
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";

function post(form: Record<string, string>, settings: Env = CLOSED) {
  return call("/token", { form, token: "", settings });
}

async function exchange(file: KeyFile, changes: Record<string, unknown> = {}) {
  const assertion = await sign(file, claimsOf(file, { aud: GOOGLE, ...changes }));
  return post({ grant_type: GRANT, assertion });
}

describe("an exchange", () => {
  test.each([GOOGLE, `${ORIGIN}/token`, "https://www.googleapis.com/oauth2/v4/token"])(
    "for the audience %s gives a token that opens what the account may do",
    async (aud) => {
      const project = newProject();
      const file = await makeAccount(project);
      const reply = await exchange(file, { aud });
      expect(reply.status).toBe(200);
      expect(reply.headers.get("cache-control")).toBe("no-store");
      expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
      expect(reply.body).toEqual({
        access_token: expect.any(String),
        expires_in: 3600,
        token_type: "Bearer",
        scope: SCOPE,
      });
      const token = reply.body.access_token;
      expect(await call(locations(project), { token })).toMatchObject({ status: 403 });
      await grant(project, `serviceAccount:${file.client_email}`, "roles/cloudtasks.viewer");
      expect(await call(locations(project), { token })).toMatchObject({ status: 200 });
    },
  );

  it("without a subject is fine, as Python's library makes it", async () => {
    const file = await makeAccount(newProject());
    expect(await exchange(file, { sub: undefined })).toMatchObject({ status: 200 });
  });

  it("keeps the token within its scopes", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    await grant(project, `serviceAccount:${file.client_email}`, "roles/owner");
    const { body } = await exchange(file, { scope: SCOPE.replace("platform", "tasks") });
    const token = body.access_token;
    expect(await call(locations(project), { token })).toMatchObject({ status: 200 });
    expect(await call(`/v1/projects/${project}/serviceAccounts`, { token })).toMatchObject({
      status: 403,
    });
  });

  it("gives an identity token for a target audience", async () => {
    const file = await makeAccount(newProject());
    const { body } = await exchange(file, {
      target_audience: "https://example.com",
      scope: undefined,
    });
    const claims = JSON.parse(
      atob(body.id_token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")),
    );
    expect(claims).toMatchObject({
      aud: "https://example.com",
      sub: file.client_id,
      email: file.client_email,
      email_verified: true,
    });
    expect(body).not.toHaveProperty("access_token");
  });

  test.each([
    ["its key is deleted", "DELETE", "/keys/KEY"],
    ["its key is disabled", "POST", "/keys/KEY:disable"],
    ["its account is disabled", "POST", ":disable"],
    ["its account is deleted", "DELETE", ""],
  ])("ends when %s", async (_name, method, path) => {
    const project = newProject();
    const file = await makeAccount(project);
    const token = (await exchange(file)).body.access_token;
    expect(await call(locations(project), { token })).toMatchObject({ status: 403 });
    const account = `/v1/projects/${project}/serviceAccounts/${file.client_email}`;
    await call(`${account}${path.replace("KEY", file.private_key_id)}`, { method });
    expect(await call(locations(project), { token })).toMatchObject({ status: 401 });
  });

  it("does not outlive an account that is made again under its name", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    const token = (await exchange(file)).body.access_token;
    await call(`/v1/projects/${project}/serviceAccounts/${file.client_email}`, {
      method: "DELETE",
    });
    await makeAccount(project);
    expect(await call(locations(project), { token })).toMatchObject({ status: 401 });
  });
});

describe("an access token that the deployment makes for a task", () => {
  const ISSUER = "https://edgetasks";

  /** As the dispatcher has it signed, for an account by its number. */
  function made(file: KeyFile, changes: Record<string, unknown> = {}, seconds = 3600) {
    const { client_email: email, client_id: sub } = file;
    const claims = { aud: ISSUER, sub, client_id: email, email, scope: SCOPE, ...changes };
    return keyStub(CLOSED).signToken(claims, seconds, "at+jwt");
  }

  it("opens what the account may do", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    await grant(project, `serviceAccount:${file.client_email}`, "roles/cloudtasks.viewer");
    expect(await call(locations(project), { token: await made(file) })).toMatchObject({
      status: 200,
    });
  });

  test.each<[string, Record<string, unknown>, number]>([
    ["for another audience", { aud: "https://example.com" }, 3600],
    ["under the account's name alone", { sub: "worker" }, 3600],
    ["without a scope", { scope: undefined }, 3600],
    ["of somebody who is no account", { email: "me@example.com" }, 3600],
    ["that has expired", {}, -1],
  ])("is refused %s", async (_name, changes, seconds) => {
    const file = await makeAccount(newProject());
    const token = await made(file, changes, seconds);
    expect(await call(locations("p"), { token })).toMatchObject({ status: 401 });
  });

  it("does not outlive an account that is made again under its name", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    const token = await made(file);
    expect(await call(locations(project), { token })).toMatchObject({ status: 403 });
    const path = `/v1/projects/${project}/serviceAccounts/${file.client_email}`;
    await call(path, { method: "DELETE" });
    await makeAccount(project);
    expect(await call(locations(project), { token })).toMatchObject({ status: 401 });
  });
});

describe("refusals", () => {
  type Row = [
    string,
    (file: KeyFile) => Promise<Record<string, string>> | Record<string, string>,
    string,
  ];
  const assertion = async (file: KeyFile, changes: Record<string, unknown>) => ({
    grant_type: GRANT,
    assertion: await sign(file, claimsOf(file, { aud: GOOGLE, ...changes })),
  });
  const ago = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

  test.each<Row>([
    ["no grant type", () => ({ assertion: "x" }), "invalid_request"],
    ["another grant type", () => ({ grant_type: "client_credentials" }), "unsupported_grant_type"],
    ["no assertion", () => ({ grant_type: GRANT }), "invalid_request"],
    ["an assertion that is no JWT", () => ({ grant_type: GRANT, assertion: "x" }), "invalid_grant"],
    ["a stale one", (file) => assertion(file, { iat: ago(4000), exp: ago(400) }), "invalid_grant"],
    [
      "one for another audience",
      (file) => assertion(file, { aud: "https://example.com" }),
      "invalid_grant",
    ],
    ["one for the service itself", (file) => assertion(file, { aud: undefined }), "invalid_grant"],
    [
      "one for another subject",
      (file) => assertion(file, { sub: "boss@example.com" }),
      "invalid_grant",
    ],
    ["one without a scope", (file) => assertion(file, { scope: undefined }), "invalid_scope"],
    ["one for a scope of others", (file) => assertion(file, { scope: "openid" }), "invalid_scope"],
    [
      "a target audience that is no text",
      (file) => assertion(file, { target_audience: 7 }),
      "invalid_request",
    ],
    [
      "one of an unknown account",
      (file) => assertion(file, { iss: `x${file.client_email}`, sub: `x${file.client_email}` }),
      "invalid_grant",
    ],
    [
      "one with a signature that is cut",
      async (file) => {
        const form = await assertion(file, {});
        return { ...form, assertion: form.assertion.slice(0, -4) };
      },
      "invalid_grant",
    ],
  ])("%s", async (_name, form, error) => {
    const reply = await post(await form(await makeAccount(newProject())));
    expect(reply.status).toBe(400);
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(reply.body).toEqual({ error, error_description: expect.any(String) });
  });

  it("of other methods, other forms, large bodies and doubled parameters", async () => {
    expect(await call("/token", { token: "" })).toMatchObject({ status: 405 });
    expect(await call("/token", { token: "", body: {} })).toMatchObject({ status: 400 });
    expect(await post({ assertion: "x".repeat(40_000) })).toMatchObject({ status: 413 });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const doubled = await call("/token", { token: "", headers, text: "grant_type=a&grant_type=b" });
    expect(doubled.body).toMatchObject({ error: "invalid_request" });
  });

  it("of everything where no API_TOKEN is set", async () => {
    const closed = { ...CLOSED, API_TOKEN: "" } as unknown as Env;
    const reply = await post({ grant_type: GRANT, assertion: "x" }, closed);
    expect(reply).toMatchObject({ status: 403, body: { error: "access_denied" } });
  });

  it("nobody where nobody is asked for credentials", async () => {
    const open = { ...CLOSED, OPEN_MODE: "loopback" } as unknown as Env;
    const elsewhere = await post({ grant_type: GRANT, assertion: "x" }, open);
    expect(elsewhere.status).toBe(403);
    const here = await call("/token", {
      form: { grant_type: GRANT, assertion: "x" },
      token: "",
      settings: open,
      origin: "http://localhost:8787",
    });
    expect(here).toMatchObject({ status: 200, body: { token_type: "Bearer" } });
  });
});
