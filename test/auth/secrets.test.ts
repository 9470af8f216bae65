/** Secrets come out once, to those they are made for, and are in no error, list or log. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { authenticateToken } from "../../src/auth/authenticate.ts";
import type { Env } from "../../src/env.ts";
import {
  CLOSED,
  call,
  claimsOf,
  locations,
  makeAccount,
  newProject,
  ORIGIN,
  OWNER_TOKEN,
  sign,
} from "../support/accounts.ts";

const METHODS = ["debug", "error", "info", "log", "warn"] as const;
let logged: string[];

beforeEach(() => {
  logged = [];
  for (const method of METHODS) {
    vi.spyOn(console, method).mockImplementation((...args: unknown[]) => {
      logged.push(
        args.map((arg) => (typeof arg === "string" ? arg : JSON.stringify(arg))).join(" "),
      );
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a secret", () => {
  it("is in no answer but the one that makes it, and in no log", async () => {
    const project = newProject();
    const file = await makeAccount(project);
    const made = await call(`/edgetasks/v1/projects/${project}/tokens`, {
      body: { roles: ["roles/owner"] },
    });
    const jwt = await sign(file);
    const stale = await sign(file, claimsOf(file, { exp: 1, iat: 0 }));
    const form = {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: await sign(file, claimsOf(file, { aud: "https://oauth2.googleapis.com/token" })),
    };
    const access = (await call("/token", { form, token: "" })).body.access_token;
    const tokens = [made.body.token, jwt, stale, access, OWNER_TOKEN, `${OWNER_TOKEN}x`];

    const account = `/v1/projects/${project}/serviceAccounts/${file.client_email}`;
    const paths = [
      locations(project),
      "/v2/nowhere",
      `/v2/projects/${project}/locations/us-central1/queues/none`,
      account,
      `${account}/keys`,
      `${account}/keys/${file.private_key_id}`,
      `/edgetasks/v1/projects/${project}/tokens`,
      `/edgetasks/v1/projects/${project}/auditLog`,
      `${locations(project)}?pageToken=broken`,
    ];
    const replies = await Promise.all(
      paths.flatMap((path) => tokens.map((token) => call(path, { token }))),
    );
    const spoilt = { ...form, assertion: form.assertion.slice(0, -2) };
    replies.push(await call("/token", { form: spoilt, token: "" }));
    const seen = replies
      .map(({ body, headers }) => JSON.stringify([body, [...headers]]))
      .join("\n");
    expect(seen).toContain(file.client_email);
    const secrets = [...tokens, ...tokens.map((token) => token.slice(-20)), form.assertion];
    secrets.push(file.private_key.split("\n")[4] ?? "", "PRIVATE KEY");
    for (const secret of secrets) {
      expect(seen).not.toContain(secret);
      expect(logged.join("\n")).not.toContain(secret);
    }
  });

  it("is stored as a hash", async () => {
    const project = newProject();
    const made = await call(`/edgetasks/v1/projects/${project}/tokens`, { body: {} });
    const { runInDurableObject } = await import("cloudflare:test");
    const stub = CLOSED.ACCESS.getByName(project) as unknown as DurableObjectStub;
    const rows = await runInDurableObject(stub, (_object, state) =>
      state.storage.sql.exec("SELECT * FROM token").toArray(),
    );
    expect(rows).toHaveLength(1);
    const text = JSON.stringify(rows, (_key, value) =>
      value instanceof ArrayBuffer ? new TextDecoder("latin1").decode(value) : value,
    );
    expect(text).not.toContain(made.body.token.slice(-43));
  });
});

describe("a credential that comes elsewhere than in a header", () => {
  const ask = (text: string, settings: Env = CLOSED) =>
    authenticateToken(new Request(`${ORIGIN}/ticket`), text, settings, Date.now());

  it("is the same credential", async () => {
    const project = newProject();
    const made = await call(`/edgetasks/v1/projects/${project}/tokens`, {
      body: { roles: ["roles/viewer"] },
    });
    expect(await ask(made.body.token)).toMatchObject({
      ok: true,
      value: { kind: "token", project, roles: ["roles/viewer"] },
    });
    expect(await ask(OWNER_TOKEN)).toEqual({ ok: true, value: { kind: "owner" } });
  });

  it("is refused when it is wrong, and on a closed deployment", async () => {
    for (const text of ["", "wrong", `${OWNER_TOKEN} `, `x ${OWNER_TOKEN}`]) {
      const answer = await ask(text);
      expect(answer.ok, JSON.stringify(text)).toBe(text.trim() === OWNER_TOKEN);
    }
    const closed = { ...CLOSED, API_TOKEN: "" } as unknown as Env;
    expect(await ask(OWNER_TOKEN, closed)).toMatchObject({ error: { code: "PERMISSION_DENIED" } });
  });
});
