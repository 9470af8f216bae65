/** Signing keys over time: made, published, signing, gone; by the alarm and by command. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import {
  KEY_LEAD_MS,
  KEY_MARGIN_MS,
  KEY_PERIOD_MS,
  MAX_SIGNING_KEYS,
  TOKEN_LIFETIME_S,
} from "../../src/core/limits.ts";
import type { KeyObject } from "../../src/dispatch/key-object.ts";
import type { KeyRotation } from "../../src/dispatch/key-service.ts";
import type { Env } from "../../src/env.ts";

const START = Date.now();
const DAY_MS = 86_400_000;

/** A key object of its own with a clock in the test's hands. */
async function newKeys() {
  const stub = (env as unknown as Env).KEYS.getByName(crypto.randomUUID());
  const object = stub as unknown as DurableObjectStub<KeyObject>;
  const at = (nowMs: number) =>
    runInDurableObject(object, (instance) => {
      instance.clock = () => nowMs;
    });
  await at(START);
  return {
    stub,
    at,
    alarm: () => runDurableObjectAlarm(object),
    alarmMs: () => runInDurableObject(object, (_, { storage }) => storage.getAlarm()),
    evict: () => evictDurableObject(object),
    sql: <T extends Record<string, SqlStorageValue>>(statement: string) =>
      runInDurableObject(object, (_, { storage }) => storage.sql.exec<T>(statement).toArray()),
    kid: async () => decodeProtectedHeader(await stub.signToken({ aud: "a" }, 60)).kid ?? "",
    published: async () =>
      (await stub.publicKeys()).keys.map((key) => (key as { kid?: string }).kid ?? ""),
    async rotate(changes: Partial<KeyRotation> = {}) {
      const request = { activateAfterMs: KEY_LEAD_MS, revokeOthers: false, ...changes };
      return stub.rotateKeys(request);
    },
  };
}

/** From the moment a key stops signing until it is no longer published. */
const RETIREMENT_MS = TOKEN_LIFETIME_S * 1000 + KEY_MARGIN_MS;

describe("on schedule", () => {
  it("a new key is published first, signs later, and the old one goes last", async () => {
    const keys = await newKeys();
    const old = await keys.kid();
    const madeMs = START + KEY_PERIOD_MS;
    expect(await keys.alarmMs()).toBe(madeMs);

    await keys.at(madeMs);
    expect(await keys.alarm()).toBe(true);
    const [next = ""] = (await keys.published()).filter((kid) => kid !== old);
    expect(await keys.published()).toHaveLength(2);
    expect(await keys.kid()).toBe(old);
    await keys.at(madeMs + KEY_LEAD_MS - 1);
    expect(await keys.kid()).toBe(old);

    await keys.at(madeMs + KEY_LEAD_MS);
    expect(await keys.kid()).toBe(next);
    const endMs = madeMs + KEY_LEAD_MS + RETIREMENT_MS;
    expect(await keys.alarmMs()).toBe(endMs);
    await keys.at(endMs - 1);
    expect(await keys.published()).toEqual([next, old]);
    await keys.at(endMs);
    expect(await keys.alarm()).toBe(true);
    expect(await keys.published()).toEqual([next]);
    expect(await keys.alarmMs()).toBe(madeMs + KEY_PERIOD_MS);
  });

  it("a call makes up for an alarm that got lost", async () => {
    const keys = await newKeys();
    await keys.kid();
    await keys.at(START + KEY_PERIOD_MS);
    expect(await keys.published()).toHaveLength(2);
  });

  it("a key is never published for less than a lead before it signs, nor less than its tokens live", async () => {
    const keys = await newKeys();
    const seen = new Map<string, { first: number; last: number }>();
    const signed: { kid: string; atMs: number }[] = [];
    for (let atMs = START; atMs < START + 65 * DAY_MS; atMs += KEY_LEAD_MS / 2) {
      const isNear = (atMs - START) % KEY_PERIOD_MS < 4 * KEY_LEAD_MS;
      if (!isNear) continue;
      await keys.at(atMs);
      for (const kid of await keys.published()) {
        seen.set(kid, { first: seen.get(kid)?.first ?? atMs, last: atMs });
      }
      signed.push({ kid: await keys.kid(), atMs });
    }
    expect(seen.size).toBe(3);
    for (const { kid, atMs } of signed) {
      const { first = Infinity, last = 0 } = seen.get(kid) ?? {};
      expect(first === START || atMs - first >= KEY_LEAD_MS).toBe(true);
      const endsMs = signed.findLast((other) => other.kid === kid)?.atMs ?? 0;
      const isLastKey = kid === signed.at(-1)?.kid;
      expect(isLastKey || last - endsMs >= TOKEN_LIFETIME_S * 1000).toBe(true);
    }
  });
});

describe("by command", () => {
  it("a rotation answers what signs, what will and when the old one goes", async () => {
    const keys = await newKeys();
    const old = await keys.kid();
    await keys.at(START + 1);
    const rotated = await keys.rotate({ activateAfterMs: 4999 });
    expect(rotated).toEqual({
      ok: true,
      value: [
        {
          ...{ kid: expect.stringMatching(/^[\w-]{43}$/), state: "PENDING" },
          ...{ createdMs: START + 1, signsFromMs: START + 5000 },
        },
        {
          ...{ kid: old, state: "ACTIVE", createdMs: START, signsFromMs: START },
          retiresMs: START + 5000 + RETIREMENT_MS,
        },
      ],
    });
    await keys.at(START + 5000);
    expect((await keys.stub.listKeys()).map(({ state }) => state)).toEqual(["ACTIVE", "RETIRING"]);
    expect(await keys.alarmMs()).toBe(START + 5000 + RETIREMENT_MS);
  });

  it("one waits for the one before", async () => {
    const keys = await newKeys();
    await keys.kid();
    await keys.rotate();
    const refused = await keys.rotate();
    expect(refused).toMatchObject({ ok: false, error: { code: "FAILED_PRECONDITION" } });
    expect(await keys.published()).toHaveLength(2);
    await keys.at(START + KEY_LEAD_MS);
    expect((await keys.rotate()).ok).toBe(true);
  });

  it("no more keys are published than receivers can be asked to fetch", async () => {
    const keys = await newKeys();
    await keys.kid();
    for (let count = 1; count < MAX_SIGNING_KEYS; count++) {
      await keys.at(START + count);
      expect((await keys.rotate({ activateAfterMs: 0 })).ok).toBe(true);
    }
    await keys.at(START + MAX_SIGNING_KEYS);
    expect(await keys.rotate()).toMatchObject({ error: { code: "RESOURCE_EXHAUSTED" } });
    expect(await keys.published()).toHaveLength(MAX_SIGNING_KEYS);
  });

  it("a leaked key goes at once, and so do the tokens that dispatchers keep", async () => {
    const keys = await newKeys();
    const old = await keys.kid();
    await keys.rotate();
    const before = await keys.stub.signingMaterial();
    await keys.at(START + 1);
    expect((await keys.rotate({ revokeOthers: true })).ok).toBe(true);
    const published = await keys.published();
    expect(published).toHaveLength(1);
    expect(published).not.toContain(old);
    expect([await keys.kid()]).toEqual(published);
    const after = await keys.stub.signingMaterial();
    expect(after.epoch).not.toBe(before.epoch);
    expect(after.webhookRoot).toBe(before.webhookRoot);
  });
});

describe("what is stored", () => {
  it("stays: the keys and their times are found again", async () => {
    const keys = await newKeys();
    await keys.kid();
    await keys.rotate();
    const before = await keys.stub.listKeys();
    const material = await keys.stub.signingMaterial();
    await keys.evict();
    await keys.at(START);
    expect(await keys.stub.listKeys()).toEqual(before);
    expect(await keys.stub.signingMaterial()).toEqual(material);
  });

  it("of an earlier version is taken over: its key signs on, and is replaced in its time", async () => {
    const keys = await newKeys();
    const old = await keys.kid();
    await keys.sql("DROP TABLE schema_version");
    await keys.sql("DROP TABLE webhook_root");
    await keys.sql("ALTER TABLE signing_key DROP COLUMN signs_from_ms");
    await keys.sql("ALTER TABLE signing_key DROP COLUMN revoked_others");
    await keys.evict();
    await keys.at(START + 1);
    expect(await keys.kid()).toBe(old);
    expect(await keys.stub.listKeys()).toMatchObject([{ state: "ACTIVE", signsFromMs: START }]);
    expect((await keys.stub.signingMaterial()).webhookRoot).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });

  it("is one root, even when several first calls come together", async () => {
    const { stub } = await newKeys();
    const materials = await Promise.all([1, 2, 3].map(() => stub.signingMaterial()));
    expect(new Set(materials.map(({ webhookRoot }) => webhookRoot)).size).toBe(1);
    const queue = { project: "p", location: "l", queue: "q" };
    expect(await stub.webhookSecrets(queue, [0])).toEqual(await stub.webhookSecrets(queue, [0]));
  });
});
