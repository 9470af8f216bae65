/** A project's access object: what it keeps, what it records, and what it forgets. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, test } from "vitest";
import type { AccessObject } from "../../src/access/access-object.ts";
import {
  AUDIT_KEPT_RECORDS,
  AUDIT_KEPT_US,
  EXPIRED_TOKEN_KEPT_US,
  MAX_ACCOUNTS_PER_PROJECT,
  MAX_KEYS_PER_ACCOUNT,
  MAX_TOKENS_PER_PROJECT,
  TOKEN_USE_INTERVAL_US,
} from "../../src/core/limits.ts";
import type { Result } from "../../src/core/result.ts";
import { DAY, NOW, SECOND } from "../support/factory.ts";

const ME = "user:me@example.com";
const EMAIL = "worker@p.iam.gserviceaccount.com";
const ACCOUNT = { email: EMAIL, uniqueId: "1234", displayName: "Worker", description: "" };
const KEY = { id: "k1", publicKey: { n: "AQ", e: "AQAB" }, validBeforeUs: 9e15 };
const TOKEN = { id: "t1", displayName: "", member: "user:token-t1@p", roles: ["roles/viewer"] };
const PROJECT = { kind: "project" } as const;
const QUEUE = { kind: "queue", location: "us-central1", queue: "q" } as const;

/** An object of its own, with a clock that the test moves. */
function access<T>(
  work: (object: AccessObject, time: { us: number }, sql: SqlStorage) => Promise<T>,
) {
  const { ACCESS: namespace } = env as unknown as {
    ACCESS: DurableObjectNamespace<AccessObject>;
  };
  const stub = namespace.getByName(`p-${crypto.randomUUID()}`);
  return runInDurableObject(stub, (object: AccessObject, state) => {
    const time = { us: NOW };
    object.clock = () => time.us;
    return work(object, time, state.storage.sql);
  });
}

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

async function hash(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}

async function methods(object: AccessObject): Promise<string[]> {
  return (await object.listAudit(Number.MAX_SAFE_INTEGER, 100)).items.map(({ method }) => method);
}

describe("an object that holds nothing", () => {
  it("answers, and keeps no tables for having been asked", () =>
    access(async (object, _time, sql) => {
      expect(await object.getCredentials(EMAIL)).toBeNull();
      expect(await object.useToken("t1", await hash("x"))).toBeNull();
      expect(await object.getAccount(EMAIL)).toMatchObject({ error: { code: "NOT_FOUND" } });
      expect(await object.deleteKey(EMAIL, "k1", ME)).toMatchObject({
        error: { code: "NOT_FOUND" },
      });
      expect(await object.removePolicy(QUEUE, ME)).toEqual({ ok: true, value: null });
      expect(await object.listAccounts("", 10)).toEqual({ items: [], more: false });
      expect(value(await object.getPolicies([PROJECT]))).toEqual([
        { version: 1, bindings: [], etag: "ACAB" },
      ]);
      const tables = sql.exec(
        "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'",
      );
      expect(tables.toArray()).toEqual([]);
    }));
});

describe("accounts", () => {
  it("are made once, found by email and number, and listed in pages", () =>
    access(async (object) => {
      const made = value(await object.createAccount(ACCOUNT, ME));
      expect(made).toMatchObject({ ...ACCOUNT, disabled: false, createTimeUs: NOW });
      expect(await object.createAccount(ACCOUNT, ME)).toMatchObject({
        error: { code: "ALREADY_EXISTS" },
      });
      expect(value(await object.getAccount("1234"))).toEqual(made);
      const other = { ...ACCOUNT, email: "another@p.iam.gserviceaccount.com", uniqueId: "5" };
      await object.createAccount(other, ME);
      const first = await object.listAccounts("", 1);
      expect(first).toMatchObject({ items: [{ email: other.email }], more: true });
      expect(await object.listAccounts(other.email, 1)).toMatchObject({
        items: [{ email: EMAIL }],
        more: false,
      });
    }));

  it("change their etag with every change, and a stale one is ABORTED", () =>
    access(async (object) => {
      const made = value(await object.createAccount(ACCOUNT, ME));
      const changed = value(
        await object.updateAccount(EMAIL, { displayName: "B", etag: made.etag }, ME),
      );
      expect(changed).toMatchObject({ displayName: "B", description: "" });
      expect(changed.etag).not.toBe(made.etag);
      expect(await object.updateAccount(EMAIL, { etag: made.etag }, ME)).toMatchObject({
        error: { code: "ABORTED" },
      });
    }));

  it("take their keys, their tokens and their rights with them", () =>
    access(async (object) => {
      const member = `serviceAccount:${EMAIL}`;
      await object.createAccount(ACCOUNT, ME);
      await object.createKey(EMAIL, KEY, ME);
      value(await object.createToken({ ...TOKEN, member }, await hash("t"), ME));
      const bindings = [
        { role: "roles/viewer", members: [member, ME] },
        { role: "roles/editor", members: [member] },
      ];
      const before = value(await object.setPolicy(PROJECT, { version: 1, bindings }, ME));
      value(await object.deleteAccount(EMAIL, ME));
      expect(await object.useToken("t1", await hash("t"))).toBeNull();
      const [after] = value(await object.getPolicies([PROJECT]));
      expect(after?.bindings).toEqual([{ role: "roles/viewer", members: [ME] }]);
      expect(after?.etag).not.toBe(before.etag);
      value(await object.createAccount({ ...ACCOUNT, uniqueId: "77" }, ME));
      expect(await object.getCredentials(EMAIL)).toMatchObject({
        account: { uniqueId: "77" },
        keys: [],
      });
    }));

  it("have a bound, and so have their keys", () =>
    access(async (object) => {
      for (let n = 0; n < MAX_ACCOUNTS_PER_PROJECT; n++) {
        const email = `a${n}@p.iam.gserviceaccount.com`;
        value(await object.createAccount({ ...ACCOUNT, email, uniqueId: `${n}` }, ME));
      }
      expect(await object.createAccount(ACCOUNT, ME)).toMatchObject({
        error: { code: "RESOURCE_EXHAUSTED" },
      });
      const email = "a1@p.iam.gserviceaccount.com";
      for (let n = 0; n < MAX_KEYS_PER_ACCOUNT; n++) {
        value(await object.createKey(email, { ...KEY, id: `k${n}` }, ME));
      }
      expect(await object.createKey(email, { ...KEY, id: "k-more" }, ME)).toMatchObject({
        error: { code: "FAILED_PRECONDITION" },
      });
    }));
});

describe("tokens", () => {
  it("are known by their hash alone, which nobody is shown", () =>
    access(async (object) => {
      const made = value(await object.createToken(TOKEN, await hash("secret"), ME));
      expect(made).toEqual({ ...TOKEN, createTimeUs: NOW });
      expect(await object.useToken("t1", await hash("secret"))).toMatchObject(TOKEN);
      expect(await object.useToken("t1", await hash("other"))).toBeNull();
      expect(await object.useToken("t1", new ArrayBuffer(31))).toBeNull();
      expect(await object.useToken("t2", await hash("secret"))).toBeNull();
      const shown = [
        value(await object.getToken("t1")),
        ...(await object.listTokens("", 10)).items,
      ];
      for (const token of shown) expect(token).not.toHaveProperty("hash");
      value(await object.deleteToken("t1", ME));
      expect(await object.useToken("t1", await hash("secret"))).toBeNull();
    }));

  it("end when they expire, and are listed a while longer", () =>
    access(async (object, time) => {
      await object.createToken({ ...TOKEN, expireTimeUs: NOW + SECOND }, await hash("a"), ME);
      time.us = NOW + SECOND - 1;
      expect(await object.useToken("t1", await hash("a"))).not.toBeNull();
      time.us = NOW + SECOND;
      expect(await object.useToken("t1", await hash("a"))).toBeNull();
      await object.createToken({ ...TOKEN, id: "t2" }, await hash("b"), ME);
      expect((await object.listTokens("", 10)).items).toHaveLength(2);
      time.us = NOW + EXPIRED_TOKEN_KEPT_US + 2 * SECOND;
      await object.createToken({ ...TOKEN, id: "t3" }, await hash("c"), ME);
      expect((await object.listTokens("", 10)).items.map(({ id }) => id)).toEqual(["t2", "t3"]);
    }));

  it("note their last use, one row a minute at most", () =>
    access(async (object, time, sql) => {
      await object.createToken(TOKEN, await hash("a"), ME);
      const used = async () => value(await object.getToken("t1")).lastUsedUs;
      expect(await used()).toBeUndefined();
      await object.useToken("t1", await hash("a"));
      expect(await used()).toBe(NOW);
      time.us = NOW + TOKEN_USE_INTERVAL_US - 1;
      const written = totalChanges(sql);
      await object.useToken("t1", await hash("a"));
      expect(totalChanges(sql)).toBe(written);
      expect(await used()).toBe(NOW);
      time.us = NOW + TOKEN_USE_INTERVAL_US;
      await object.useToken("t1", await hash("a"));
      expect(await used()).toBe(time.us);
    }));

  it("of an account stop with it, and cannot be made for one that is not there", () =>
    access(async (object) => {
      const member = `serviceAccount:${EMAIL}`;
      const wanted = { ...TOKEN, member };
      expect(await object.createToken(wanted, await hash("a"), ME)).toMatchObject({
        error: { code: "NOT_FOUND" },
      });
      await object.createAccount(ACCOUNT, ME);
      value(await object.createToken(wanted, await hash("a"), ME));
      expect(await object.useToken("t1", await hash("a"))).toMatchObject({ member });
      await object.setAccountDisabled(EMAIL, true, ME);
      expect(await object.useToken("t1", await hash("a"))).toBeNull();
    }));

  it("have a bound", () =>
    access(async (object) => {
      const digest = await hash("a");
      for (let n = 0; n < MAX_TOKENS_PER_PROJECT; n++) {
        value(await object.createToken({ ...TOKEN, id: `t${n}` }, digest, ME));
      }
      expect(await object.createToken({ ...TOKEN, id: "more" }, digest, ME)).toMatchObject({
        error: { code: "RESOURCE_EXHAUSTED" },
      });
    }));
});

describe("policies", () => {
  const bindings = [{ role: "roles/viewer", members: [ME] }];

  it("are kept apart for the project and each queue", () =>
    access(async (object) => {
      const set = value(await object.setPolicy(QUEUE, { version: 1, bindings }, ME));
      expect(set.bindings).toEqual(bindings);
      const [project, queue] = value(await object.getPolicies([PROJECT, QUEUE]));
      expect(project?.bindings).toEqual([]);
      expect(queue).toEqual(set);
    }));

  it("are replaced, and a stale etag is ABORTED", () =>
    access(async (object) => {
      const first = value(
        await object.setPolicy(PROJECT, { version: 1, bindings, etag: "ACAB" }, ME),
      );
      expect(
        await object.setPolicy(PROJECT, { version: 1, bindings, etag: "ACAB" }, ME),
      ).toMatchObject({
        error: { code: "ABORTED" },
      });
      const empty = { version: 1, bindings: [], etag: first.etag };
      expect(value(await object.setPolicy(PROJECT, empty, ME)).etag).not.toBe(first.etag);
    }));

  it("of a queue that is made again never have an etag of before", () =>
    access(async (object) => {
      const first = value(await object.setPolicy(QUEUE, { version: 1, bindings }, ME));
      value(await object.removePolicy(QUEUE, ME));
      const second = value(await object.setPolicy(QUEUE, { version: 1, bindings }, ME));
      expect(second.etag).not.toBe(first.etag);
    }));
});

describe("the record of changes", () => {
  it("has every change, by whom and when, newest first, and no refusal", () =>
    access(async (object, time) => {
      await object.createAccount(ACCOUNT, "owner");
      time.us += SECOND;
      await object.createAccount(ACCOUNT, ME);
      await object.setAccountDisabled(EMAIL, true, ME);
      await object.setAccountDisabled(EMAIL, true, ME);
      await object.createKey(EMAIL, KEY, ME);
      await object.setKeyDisabled(EMAIL, "k1", true, ME);
      await object.deleteKey(EMAIL, "k1", ME);
      await object.createToken(TOKEN, await hash("a"), ME);
      await object.deleteToken("t1", ME);
      await object.setPolicy(QUEUE, { version: 1, bindings: [] }, ME);
      await object.removePolicy(QUEUE, ME);
      await object.deleteAccount(EMAIL, ME);
      expect(await methods(object)).toEqual([
        "serviceAccounts.delete",
        "removeIamPolicy",
        "setIamPolicy",
        "tokens.delete",
        "tokens.create",
        "serviceAccountKeys.delete",
        "serviceAccountKeys.disable",
        "serviceAccountKeys.create",
        "serviceAccounts.disable",
        "serviceAccounts.create",
      ]);
      const { items } = await object.listAudit(2, 10);
      expect(items).toEqual([
        {
          number: 1,
          timeUs: NOW,
          actor: "owner",
          method: "serviceAccounts.create",
          resource: `serviceAccounts/${EMAIL}`,
        },
      ]);
    }));

  it("is written together with the change: neither is there without the other", () =>
    access(async (object, _time, sql) => {
      await object.createAccount(ACCOUNT, ME);
      sql.exec(
        "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END",
      );
      await expect(object.createKey(EMAIL, KEY, ME)).rejects.toThrow("disk full");
      expect(value(await object.listKeys(EMAIL))).toEqual([]);
    }));

  test.each([
    ["many", 1, AUDIT_KEPT_RECORDS],
    ["old", AUDIT_KEPT_US + DAY, 1],
  ])("ends with records that are too %s, and never with the newest", (_name, later, number) =>
    access(async (object, time, sql) => {
      await object.createAccount(ACCOUNT, ME);
      time.us += later;
      sql.exec(
        "INSERT INTO audit(number, time_us, actor, method, resource) VALUES (?, ?, '', 'filler', '')",
        number + 1,
        NOW,
      );
      await object.createKey(EMAIL, KEY, ME);
      expect(await methods(object)).not.toContain("serviceAccounts.create");
      expect((await methods(object))[0]).toBe("serviceAccountKeys.create");
    }),
  );
});

function totalChanges(sql: SqlStorage): number {
  return sql.exec<{ n: number }>("SELECT total_changes() AS n").one().n;
}
