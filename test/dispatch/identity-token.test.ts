/** Tokens, checked by an independent JOSE implementation the way a receiver would. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { MAX_CACHED_TOKENS, TOKEN_LIFETIME_S, TOKEN_REUSE_MS } from "../../src/core/limits.ts";
import { type CachedToken, TokenSource } from "../../src/dispatch/identity-token.ts";
import type { KeyService } from "../../src/dispatch/key-service.ts";
import type { RequestToken } from "../../src/dispatch/request.ts";
import type { Env } from "../../src/env.ts";

const ISSUER = "https://edgetasks";
const EMAIL = "caller@p.iam.gserviceaccount.com";

/** A key object of its own for each test. */
function newKeys() {
  return (env as unknown as Env).KEYS.getByName(crypto.randomUUID());
}

async function verify(keys: KeyService, token: string, audience: string) {
  const set = createLocalJWKSet(
    (await keys.publicKeys()) as Parameters<typeof createLocalJWKSet>[0],
  );
  return jwtVerify(token, set, { issuer: ISSUER, audience, algorithms: ["RS256"] });
}

const oidc = (audience: string): RequestToken => ({
  token: { kind: "oidc", serviceAccountEmail: EMAIL },
  audience,
});

describe("a token for a target", () => {
  it("says who calls whom, and is signed with a published key", async () => {
    const keys = newKeys();
    const source = new TokenSource((...call) => keys.signToken(...call), Date.now, new Map());
    const token = await source.tokenFor(oidc("https://example.com/hook"));
    const { payload, protectedHeader } = await verify(keys, token, "https://example.com/hook");
    expect(payload).toEqual({
      iss: ISSUER,
      aud: "https://example.com/hook",
      sub: EMAIL,
      azp: EMAIL,
      email: EMAIL,
      email_verified: true,
      iat: payload.iat,
      exp: (payload.iat ?? 0) + TOKEN_LIFETIME_S,
    });
    const [published] = (await keys.publicKeys()).keys;
    expect(protectedHeader).toEqual({
      alg: "RS256",
      typ: "JWT",
      kid: (published as { kid?: string }).kid,
    });
  });

  it.each([
    [undefined, "https://www.googleapis.com/auth/cloud-platform"],
    ["https://scope", "https://scope"],
  ])("with scope %s is an access token", async (scope, expected) => {
    const keys = newKeys();
    const source = new TokenSource((...call) => keys.signToken(...call), Date.now, new Map());
    const own = scope === undefined ? {} : { scope };
    const token = await source.tokenFor({
      token: { kind: "oauth", serviceAccountEmail: EMAIL, ...own },
      audience: "https://example.com",
    });
    const { payload } = await verify(keys, token, "https://example.com");
    expect(payload).toMatchObject({ scope: expected, sub: EMAIL, iss: ISSUER });
  });

  it("does not pass where a claim was changed", async () => {
    const keys = newKeys();
    const token = await keys.signToken({ aud: "a", email: EMAIL }, 60);
    const [header, , signature] = token.split(".");
    const forged = btoa(JSON.stringify({ iss: ISSUER, aud: "a", email: "root@p" }));
    await expect(verify(keys, `${header}.${forged}.${signature}`, "a")).rejects.toThrow(
      /signature verification failed/,
    );
    await expect(verify(newKeys(), token, "a")).rejects.toThrow();
  });

  it("cannot have its issuer or its times chosen by the asker", async () => {
    const keys = newKeys();
    const token = await keys.signToken({ aud: "a", iss: "https://other", exp: 1, iat: 1 }, 60);
    const { payload } = await verify(keys, token, "a");
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
  });
});

describe("the key", () => {
  it("is one, even when several first calls come together", async () => {
    const keys = newKeys();
    const tokens = await Promise.all([1, 2, 3].map((n) => keys.signToken({ n, aud: "a" }, 60)));
    expect((await keys.publicKeys()).keys).toHaveLength(1);
    for (const token of tokens) await verify(keys, token, "a");
  });

  it("is found again after an eviction", async () => {
    const keys = newKeys();
    const before = await keys.signToken({ aud: "a" }, 60);
    const published = await keys.publicKeys();
    await evictDurableObject(keys as unknown as DurableObjectStub);
    expect(await keys.publicKeys()).toEqual(published);
    await verify(keys, before, "a");
    const after = await keys.signToken({ aud: "a" }, 60);
    expect(decodeProtectedHeader(after).kid).toBe(decodeProtectedHeader(before).kid);
  });

  it("is published as its public half alone", async () => {
    const [key] = (await newKeys().publicKeys()).keys;
    expect(key).toEqual({
      kty: "RSA",
      alg: "RS256",
      use: "sig",
      e: "AQAB",
      n: expect.stringMatching(/^[\w-]{342}$/),
      kid: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  it("that is newest signs; the older ones stay published", async () => {
    const keys = newKeys();
    const other = newKeys();
    const older = await keys.signToken({ aud: "a" }, 60);
    await other.publicKeys();
    const row = await runInDurableObject(other as unknown as DurableObjectStub, (_, { storage }) =>
      storage.sql.exec("SELECT kid, private_jwk FROM signing_key").one(),
    );
    await runInDurableObject(keys as unknown as DurableObjectStub, (_, { storage }) => {
      storage.sql.exec(
        "INSERT INTO signing_key(kid, created_ms, private_jwk) VALUES (?, 9e15, ?)",
        row["kid"],
        row["private_jwk"],
      );
    });
    await evictDurableObject(keys as unknown as DurableObjectStub);
    const newer = await keys.signToken({ aud: "a" }, 60);
    expect(decodeProtectedHeader(newer).kid).toBe(row["kid"]);
    await verify(keys, older, "a");
    await verify(keys, newer, "a");
  });
});

describe("signatures are saved", () => {
  function rig() {
    const signed: unknown[] = [];
    const cache = new Map<string, CachedToken>();
    const clock = { nowMs: 0 };
    const source = () =>
      new TokenSource(
        async (claims) => {
          signed.push(claims);
          return `token ${signed.length}`;
        },
        () => clock.nowMs,
        cache,
      );
    return { signed, cache, clock, source };
  }

  it("for some minutes, also between invocations", async () => {
    const { clock, source } = rig();
    expect(await source().tokenFor(oidc("a"))).toBe("token 1");
    clock.nowMs = TOKEN_REUSE_MS - 1;
    expect(await source().tokenFor(oidc("a"))).toBe("token 1");
    clock.nowMs = TOKEN_REUSE_MS;
    expect(await source().tokenFor(oidc("a"))).toBe("token 2");
  });

  it("where several attempts ask at once", async () => {
    const { signed, source } = rig();
    const one = source();
    await Promise.all([one.tokenFor(oidc("a")), one.tokenFor(oidc("a"))]);
    expect(signed).toHaveLength(1);
  });

  it.each<[string, RequestToken]>([
    ["audience", oidc("b")],
    ["account", { token: { kind: "oidc", serviceAccountEmail: "x@y" }, audience: "a" }],
    ["kind", { token: { kind: "oauth", serviceAccountEmail: EMAIL }, audience: "a" }],
  ])("but never used for another %s", async (_, other) => {
    const { source } = rig();
    const one = source();
    expect(await one.tokenFor(oidc("a"))).not.toBe(await one.tokenFor(other));
  });

  it("a limited number of them, the oldest forgotten first", async () => {
    const { cache, source } = rig();
    const one = source();
    for (let n = 0; n <= MAX_CACHED_TOKENS; n++) await one.tokenFor(oidc(`a${n}`));
    expect(cache.size).toBe(MAX_CACHED_TOKENS);
    expect([...cache.keys()].some((key) => key.includes('"a0"'))).toBe(false);
  });

  it("a failure is not", async () => {
    let calls = 0;
    const one = new TokenSource(
      async () => {
        calls += 1;
        if (calls === 1) throw new Error("away");
        return "token";
      },
      () => 0,
      new Map(),
    );
    await expect(one.tokenFor(oidc("a"))).rejects.toThrow("away");
    expect(await one.tokenFor(oidc("a"))).toBe("token");
  });
});
