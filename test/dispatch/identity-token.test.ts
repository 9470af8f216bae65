/** Tokens, checked by an independent JOSE implementation the way a receiver would. */
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { BoundedMap } from "../../src/core/bounded-map.ts";
import { MAX_CACHED_TOKENS, TOKEN_LIFETIME_S, TOKEN_REUSE_MS } from "../../src/core/limits.ts";
import {
  type CachedToken,
  type TokenPorts,
  TokenSource,
} from "../../src/dispatch/identity-token.ts";
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

/** A source of tokens in a project without accounts. */
function sourceOf(
  ports: Partial<TokenPorts>,
  cache = new BoundedMap<CachedToken>(MAX_CACHED_TOKENS),
) {
  return new TokenSource(
    {
      signToken: async () => "token",
      epoch: () => 0,
      findAccount: async () => undefined,
      issuer: ISSUER,
      nowMs: Date.now,
      ...ports,
    },
    cache,
  );
}

const oidc = (audience: string): RequestToken => ({
  project: "p",
  token: { kind: "oidc", serviceAccountEmail: EMAIL },
  audience,
});

describe("a token for a target", () => {
  it("says who calls whom, and is signed with a published key", async () => {
    const keys = newKeys();
    const source = sourceOf({ signToken: (...call) => keys.signToken(...call) });
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
    const source = sourceOf({ signToken: (...call) => keys.signToken(...call) });
    const own = scope === undefined ? {} : { scope };
    const token = await source.tokenFor({
      project: "p",
      token: { kind: "oauth", serviceAccountEmail: EMAIL, ...own },
      audience: "",
    });
    const { payload, protectedHeader } = await verify(keys, token, ISSUER);
    expect(protectedHeader.typ).toBe("at+jwt");
    expect(payload).toEqual({
      ...{ iss: ISSUER, aud: ISSUER, sub: EMAIL, client_id: EMAIL, scope: expected },
      ...{ email: EMAIL, email_verified: true, jti: expect.stringMatching(/^[\w-]{36}$/) },
      ...{ iat: payload.iat, exp: (payload.iat ?? 0) + TOKEN_LIFETIME_S },
    });
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

describe("the account of a token", () => {
  const account = (uniqueId: string, disabled = false) => ({
    findAccount: async () => ({ uniqueId, disabled }),
  });

  it("is known by its number, where the project has it", async () => {
    const claims: unknown[] = [];
    const signToken = async (given: unknown) => String(claims.push(given));
    const source = sourceOf({ signToken, ...account("1234567890") });
    await source.tokenFor(oidc("a"));
    expect(claims).toEqual([
      {
        aud: "a",
        sub: "1234567890",
        azp: "1234567890",
        email: EMAIL,
        email_verified: true,
      },
    ]);
  });

  it("gets no token while it is disabled", async () => {
    const source = sourceOf(account("1", true));
    await expect(source.tokenFor(oidc("a"))).rejects.toThrow(
      `the service account ${EMAIL} is disabled`,
    );
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
});

describe("signatures are saved", () => {
  function rig() {
    const signed: unknown[] = [];
    const cache = new BoundedMap<CachedToken>(MAX_CACHED_TOKENS);
    const clock = { nowMs: 0 };
    const source = (ports: Partial<TokenPorts> = {}) =>
      sourceOf(
        {
          signToken: async (claims) => {
            signed.push(claims);
            return `token ${signed.length}`;
          },
          nowMs: () => clock.nowMs,
          ...ports,
        },
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

  it("until the keys that made them are revoked", async () => {
    const { source } = rig();
    expect(await source({ epoch: () => 1 }).tokenFor(oidc("a"))).toBe("token 1");
    expect(await source({ epoch: () => 1 }).tokenFor(oidc("a"))).toBe("token 1");
    expect(await source({ epoch: () => 2 }).tokenFor(oidc("a"))).toBe("token 2");
  });

  it("where several attempts ask at once", async () => {
    const { signed, source } = rig();
    const one = source();
    await Promise.all([one.tokenFor(oidc("a")), one.tokenFor(oidc("a"))]);
    expect(signed).toHaveLength(1);
  });

  it.each<[string, RequestToken]>([
    ["audience", oidc("b")],
    [
      "account",
      { project: "p", token: { kind: "oidc", serviceAccountEmail: "x@y" }, audience: "a" },
    ],
    ["kind", { project: "p", token: { kind: "oauth", serviceAccountEmail: EMAIL }, audience: "a" }],
    ["project", { ...oidc("a"), project: "other" }],
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
    const one = sourceOf({
      signToken: async () => {
        calls += 1;
        if (calls === 1) throw new Error("away");
        return "token";
      },
    });
    await expect(one.tokenFor(oidc("a"))).rejects.toThrow("away");
    expect(await one.tokenFor(oidc("a"))).toBe("token");
  });
});
