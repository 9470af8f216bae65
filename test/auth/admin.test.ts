/** The admin interface: Google's IAM API for accounts and keys, our own for tokens and the record. */
import { describe, expect, it, test } from "vitest";
import { call, grant, makeAccount, newProject, sign } from "../support/accounts.ts";

const accountsOf = (project: string) => `/v1/projects/${project}/serviceAccounts`;
const tokensOf = (project: string) => `/edgetasks/v1/projects/${project}/tokens`;
const auditOf = (project: string) => `/edgetasks/v1/projects/${project}/auditLog`;
const emailOf = (project: string, id = "worker") => `${id}@${project}.iam.gserviceaccount.com`;

async function setup() {
  const project = newProject();
  const made = await call(accountsOf(project), {
    body: { accountId: "worker", serviceAccount: { displayName: "Worker", description: "works" } },
  });
  return {
    project,
    made,
    email: emailOf(project),
    path: `${accountsOf(project)}/${emailOf(project)}`,
  };
}

describe("service accounts", () => {
  it("are shown as Google shows them", async () => {
    const { project, made, email } = await setup();
    expect(made.status).toBe(200);
    expect(made.headers.get("cache-control")).toBe("no-store");
    expect(made.headers.get("x-content-type-options")).toBe("nosniff");
    expect(made.body).toEqual({
      name: `projects/${project}/serviceAccounts/${email}`,
      projectId: project,
      uniqueId: expect.stringMatching(/^1\d{20}$/),
      email,
      displayName: "Worker",
      description: "works",
      etag: expect.any(String),
      oauth2ClientId: made.body.uniqueId,
    });
  });

  it("are found by email, by number, with any escape, and in the project -", async () => {
    const { project, made, email } = await setup();
    for (const name of [email, email.replace("@", "%40"), made.body.uniqueId]) {
      expect(await call(`${accountsOf(project)}/${name}`)).toMatchObject({ body: made.body });
    }
    const found = await call(`/v1/projects/-/serviceAccounts/${email}`);
    expect(found.body).toEqual(made.body);
    expect(await call(`${accountsOf(newProject())}/${email}`)).toMatchObject({ status: 404 });
  });

  it("of a project with a domain have it behind the project's name", async () => {
    const project = `${newProject()}`;
    const scoped = `example.com:${project}`;
    const made = await call(accountsOf(scoped), { body: { accountId: "worker" } });
    expect(made.body.email).toBe(`worker@${project}.example.com.iam.gserviceaccount.com`);
    expect(await call(`/v1/projects/-/serviceAccounts/${made.body.email}`)).toMatchObject({
      status: 200,
    });
    const dotted = await call(accountsOf(`${project}.dotted`), { body: { accountId: "worker" } });
    expect(dotted.body.error.status).toBe("FAILED_PRECONDITION");
  });

  it("are listed in pages", async () => {
    const { project } = await setup();
    await call(accountsOf(project), { body: { accountId: "a-first-one" } });
    const first = await call(`${accountsOf(project)}?pageSize=1`);
    expect(first.body.accounts).toMatchObject([{ email: emailOf(project, "a-first-one") }]);
    const token = encodeURIComponent(first.body.nextPageToken);
    const second = await call(`${accountsOf(project)}?pageSize=1&pageToken=${token}`);
    expect(second.body).toEqual({
      accounts: [expect.objectContaining({ email: emailOf(project) })],
    });
    const elsewhere = await call(`${accountsOf(newProject())}?pageToken=${token}`);
    expect(elsewhere.status).toBe(400);
    expect((await call(accountsOf(newProject()))).body).toEqual({});
  });

  it("are changed by PATCH within its mask, and by PUT", async () => {
    const { path } = await setup();
    const patched = await call(path, {
      method: "PATCH",
      body: { serviceAccount: { displayName: "B", description: "no" }, updateMask: "display_name" },
    });
    expect(patched.body).toMatchObject({ displayName: "B", description: "works" });
    const put = await call(path, { method: "PUT", body: { displayName: "C" } });
    expect(put.body).toMatchObject({ displayName: "C", description: "works" });
    const stale = await call(path, {
      method: "PUT",
      body: { displayName: "D", etag: patched.body.etag },
    });
    expect(stale.body.error.status).toBe("ABORTED");
  });

  it("are disabled, enabled and deleted with an empty answer", async () => {
    const { path } = await setup();
    expect(await call(`${path}:disable`, { method: "POST" })).toMatchObject({
      status: 200,
      body: {},
    });
    expect((await call(path)).body.disabled).toBe(true);
    expect(await call(`${path}:enable`, { body: {} })).toMatchObject({ status: 200, body: {} });
    expect((await call(path)).body).not.toHaveProperty("disabled");
    expect(await call(path, { method: "DELETE" })).toMatchObject({ status: 200, body: {} });
    expect(await call(path)).toMatchObject({
      status: 404,
      body: { error: { status: "NOT_FOUND" } },
    });
    expect(await call(path, { method: "DELETE" })).toMatchObject({ status: 404 });
  });

  test.each<[string, unknown, RegExp]>([
    ["no id", {}, /account_id/],
    ["an id that is too short", { accountId: "short" }, /account_id/],
    ["an id with a capital", { accountId: "Capital" }, /account_id/],
    ["an id that ends with a hyphen", { accountId: "hyphen-" }, /account_id/],
    [
      "a long display name",
      { accountId: "worker", serviceAccount: { displayName: "x".repeat(101) } },
      /display_name/,
    ],
    [
      "a long description",
      { accountId: "worker", serviceAccount: { description: "é".repeat(129) } },
      /description/,
    ],
    ["a field that is unknown", { accountId: "worker", colour: "red" }, /colour/],
    ["a field of the wrong type", { accountId: 7 }, /account_id/],
    ["a list", [], /Root element/],
  ])("refuse %s, and nothing is made", async (_name, body, reason) => {
    const project = newProject();
    const refused = await call(accountsOf(project), { body });
    expect(refused).toMatchObject({ status: 400, body: { error: { status: "INVALID_ARGUMENT" } } });
    expect(refused.body.error.message).toMatch(reason);
    expect((await call(accountsOf(project))).body).toEqual({});
    expect((await call(auditOf(project))).body).toEqual({});
  });

  it("are made once", async () => {
    const { project } = await setup();
    const again = await call(accountsOf(project), { body: { accountId: "worker" } });
    expect(again).toMatchObject({ status: 409, body: { error: { status: "ALREADY_EXISTS" } } });
  });
});

describe("keys", () => {
  it("come once, as the file that clients read", async () => {
    const { project, made, email, path } = await setup();
    const key = await call(`${path}/keys`, { body: {} });
    const id = key.body.name.split("/").at(-1);
    expect(id).toMatch(/^[0-9a-f]{40}$/);
    const { privateKeyData, ...shown } = key.body;
    expect(shown).toEqual({
      name: `projects/${project}/serviceAccounts/${email}/keys/${id}`,
      privateKeyType: "TYPE_GOOGLE_CREDENTIALS_FILE",
      keyAlgorithm: "KEY_ALG_RSA_2048",
      keyOrigin: "GOOGLE_PROVIDED",
      keyType: "USER_MANAGED",
      validAfterTime: expect.stringMatching(/Z$/),
      validBeforeTime: "9999-12-31T23:59:59Z",
    });
    expect(JSON.parse(atob(privateKeyData))).toEqual({
      type: "service_account",
      project_id: project,
      private_key_id: id,
      private_key: expect.stringMatching(
        /^-----BEGIN PRIVATE KEY-----\n[\s\S]+\n-----END PRIVATE KEY-----\n$/,
      ),
      client_email: email,
      client_id: made.body.uniqueId,
      auth_uri: "https://accounts.google.com/o/oauth2/auth",
      token_uri: "https://tasks.example.com/token",
      universe_domain: "googleapis.com",
    });
    const later = [await call(`${path}/keys`), await call(`${path}/keys/${id}`)];
    for (const { body } of later) expect(JSON.stringify(body)).not.toMatch(/private/i);
  });

  it("are listed, disabled, enabled, deleted", async () => {
    const { path } = await setup();
    const { body } = await call(`${path}/keys`, { body: {} });
    const key = `${path}/keys/${body.name.split("/").at(-1)}`;
    await call(`${key}:disable`, { method: "POST" });
    expect((await call(`${path}/keys`)).body.keys).toMatchObject([{ disabled: true }]);
    await call(`${key}:enable`, { method: "POST" });
    expect((await call(key)).body).not.toHaveProperty("disabled");
    expect((await call(`${path}/keys?keyTypes=SYSTEM_MANAGED`)).body).toEqual({});
    expect((await call(`${path}/keys?keyTypes=USER_MANAGED`)).body.keys).toHaveLength(1);
    expect(await call(key, { method: "DELETE" })).toMatchObject({ status: 200, body: {} });
    expect((await call(`${path}/keys`)).body).toEqual({});
    expect(await call(key)).toMatchObject({ status: 404 });
  });

  it("show their public half as PEM", async () => {
    const { path } = await setup();
    const { body } = await call(`${path}/keys`, { body: {} });
    const key = `${path}/keys/${body.name.split("/").at(-1)}`;
    const shown = await call(`${key}?publicKeyType=TYPE_RAW_PUBLIC_KEY`);
    expect(atob(shown.body.publicKeyData)).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
    expect(await call(`${key}?publicKeyType=TYPE_X509_PEM_FILE`)).toMatchObject({ status: 400 });
    expect(await call(`${key}?publicKeyType=SHAPE`)).toMatchObject({ status: 400 });
  });

  test.each([
    [{ privateKeyType: "TYPE_PKCS12_FILE" }, /private_key_type|CREDENTIALS_FILE/],
    [{ keyAlgorithm: "KEY_ALG_RSA_1024" }, /2048/],
    [{ keyAlgorithm: "ROT13" }, /key_algorithm/],
  ])("are not made as %j", async (body, reason) => {
    const { path } = await setup();
    const refused = await call(`${path}/keys`, { body });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toMatch(reason);
    expect((await call(`${path}/keys`)).body).toEqual({});
  });

  it("are ten at most", async () => {
    const { path } = await setup();
    for (let n = 0; n < 10; n++) await call(`${path}/keys`, { body: {} });
    const more = await call(`${path}/keys`, { body: {} });
    expect(more).toMatchObject({ status: 400, body: { error: { status: "FAILED_PRECONDITION" } } });
  });
});

describe("API tokens", () => {
  it("show their text once, and open what their roles open", async () => {
    const project = newProject();
    const made = await call(tokensOf(project), {
      body: { displayName: "ci", roles: ["roles/cloudtasks.viewer"], ttl: "3600s" },
    });
    const { token, ...shown } = made.body;
    const id = shown.name.split("/").at(-1);
    expect(token).toMatch(new RegExp(`^et_${project}_${id}_[A-Za-z0-9_-]{43}$`));
    expect(shown).toMatchObject({ member: `user:token-${id}@${project}`, displayName: "ci" });
    const life = Date.parse(shown.expireTime) - Date.parse(shown.createTime);
    expect(Math.abs(life - 3_600_000)).toBeLessThan(10_000);
    const locations = `/v2/projects/${project}/locations`;
    expect(await call(locations, { token })).toMatchObject({ status: 200 });
    expect(await call(tokensOf(project), { token })).toMatchObject({ status: 403 });
    expect(await call(`/v2/projects/${newProject()}/locations`, { token })).toMatchObject({
      status: 403,
    });
    const listed = await call(tokensOf(project));
    expect(listed.body.tokens).toEqual([{ ...shown, lastUsedTime: expect.any(String) }]);
    expect(await call(`${tokensOf(project)}/${id}`, { method: "DELETE" })).toMatchObject({
      status: 200,
    });
    expect(await call(locations, { token })).toMatchObject({ status: 401 });
  });

  it("of a project with a domain are bearer tokens as well", async () => {
    const project = `example.com:${newProject()}`;
    const made = await call(tokensOf(project), { body: { roles: ["roles/viewer"] } });
    expect(made.body.token).toMatch(/^[A-Za-z0-9._~+/-]+=*$/);
    const reply = await call(`/v2/projects/${project}/locations`, { token: made.body.token });
    expect(reply.status).toBe(200);
  });

  it("speak for an account, with its rights", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    const member = `serviceAccount:${file.client_email}`;
    await grant(project, member, "roles/cloudtasks.viewer");
    const made = await call(tokensOf(project), { body: { member } });
    const reply = await call(`/v2/projects/${project}/locations`, { token: made.body.token });
    expect(reply.status).toBe(200);
    const nobody = `serviceAccount:nobody-here@${project}.iam.gserviceaccount.com`;
    expect(await call(tokensOf(project), { body: { member: nobody } })).toMatchObject({
      status: 404,
    });
  });

  test.each<[unknown, RegExp]>([
    [{ roles: ["roles/emperor"] }, /emperor/],
    [{ roles: "roles/viewer" }, /roles/],
    [{ member: "allUsers" }, /member/],
    [{ member: "domain:example.com" }, /member/],
    [{ member: "me" }, /member/],
    [{ displayName: "x".repeat(101) }, /display_name/],
    [{ expireTime: "2020-01-01T00:00:00Z" }, /future/],
    [{ ttl: "-5s" }, /future/],
    [{ ttl: "5s", expireTime: "2100-01-01T00:00:00Z" }, /not both/],
    [{ ttl: "an hour" }, /ttl/],
    [{ secret: "mine" }, /secret/],
  ])("are not made from %j", async (body, reason) => {
    const project = newProject();
    const refused = await call(tokensOf(project), { body });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toMatch(reason);
    expect((await call(tokensOf(project))).body).toEqual({});
  });
});

describe("the record of changes", () => {
  it("tells who did what, in pages, to those who may read it", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    await grant(project, `serviceAccount:${file.client_email}`, "roles/iam.serviceAccountKeyAdmin");
    const token = await sign(file);
    const keys = `${accountsOf(project)}/${file.client_email}/keys`;
    expect(await call(keys, { body: {}, token })).toMatchObject({ status: 200 });
    expect(await call(auditOf(project), { token })).toMatchObject({ status: 403 });
    const first = await call(`${auditOf(project)}?pageSize=1`);
    expect(first.body.entries).toEqual([
      {
        timestamp: expect.stringMatching(/Z$/),
        actor: `serviceAccount:${file.client_email}`,
        method: "serviceAccountKeys.create",
        resource: expect.stringContaining(
          `projects/${project}/serviceAccounts/${file.client_email}/keys/`,
        ),
      },
    ]);
    const next = encodeURIComponent(first.body.nextPageToken);
    const rest = await call(`${auditOf(project)}?pageToken=${next}`);
    expect(
      rest.body.entries.map(({ actor, method }: Record<string, string>) => [actor, method]),
    ).toEqual([
      ["owner", "setIamPolicy"],
      ["owner", "serviceAccountKeys.create"],
      ["owner", "serviceAccounts.create"],
    ]);
    expect(rest.body.entries[0].resource).toBe(`projects/${project}`);
  });
});

describe("what is not served", () => {
  const project = "my-project";
  const account = `${accountsOf(project)}/${emailOf(project)}`;
  test.each([
    ["PUT", accountsOf(project)],
    ["POST", account],
    ["POST", `${account}:undelete`],
    ["POST", `${account}:signJwt`],
    ["POST", `${account}:toString`],
    ["POST", `${account}/keys:upload`],
    ["GET", `${account}/keys/k/more`],
    ["PATCH", `${account}/keys/k`],
    ["GET", `${tokensOf(project)}/t/keys`],
    ["PUT", `${tokensOf(project)}/t`],
    ["POST", auditOf(project)],
    ["DELETE", auditOf(project)],
    ["GET", `/edgetasks/v1/projects/${project}/serviceAccounts`],
    ["GET", `/v1/projects/${project}/tokens`],
    ["GET", `${accountsOf("bad_project")}`],
    ["GET", `${accountsOf("-")}/1234`],
    ["GET", `${accountsOf(project)}/%E0%A4%A`],
  ])("%s %s is 404", async (method, path) => {
    expect(await call(path, { method })).toMatchObject({ status: 404 });
  });

  it("refuses bodies over 64 KB before they are read, and text that is no JSON", async () => {
    const large = await call(accountsOf(project), { body: { accountId: "x".repeat(70_000) } });
    expect(large).toMatchObject({ status: 400 });
    expect(large.body.error.message).toContain("65536 bytes");
    expect(large.body.error.message.length).toBeLessThan(200);
    const text = await call(accountsOf(project), { form: { accountId: "worker" } });
    expect(text.body.error.message).toContain("Invalid JSON payload");
  });

  it("refuses parameters that are unknown", async () => {
    expect(await call(`${accountsOf(project)}?colour=red`)).toMatchObject({ status: 400 });
  });
});
