/**
 * Credentials that are forged, stale, or of something else: each is UNAUTHENTICATED, says why in
 * words that its sender may know, and is refused again on the second try.
 */
import { beforeAll, describe, expect, test } from "vitest";
import {
  base64url,
  call,
  claimsOf,
  encode,
  grant,
  type KeyFile,
  locations,
  makeAccount,
  makeKey,
  newProject,
  ORIGIN,
  OWNER_TOKEN,
  sign,
} from "../support/accounts.ts";

interface World {
  readonly project: string;
  /** An account that may do everything. */
  readonly file: KeyFile;
  /** Of another account of the same project. */
  readonly other: KeyFile;
  /** Of an account of the same name in another project. */
  readonly foreign: KeyFile;
  /** An API token of the project. */
  readonly apiToken: string;
  /** An access token of the token endpoint. */
  readonly accessToken: string;
  /** An identity token of the token endpoint. */
  readonly identityToken: string;
}

let world: World;

beforeAll(async () => {
  const project = newProject();
  const file = await makeAccount(project, "chief-clerk");
  const other = await makeAccount(project, "other-clerk");
  const foreign = await makeAccount(newProject(), "chief-clerk");
  await grant(project, `serviceAccount:${file.client_email}`, "roles/owner");
  const made = await call(`/edgetasks/v1/projects/${project}/tokens`, {
    body: { roles: ["roles/owner"] },
  });
  world = {
    project,
    file,
    other,
    foreign,
    apiToken: made.body.token,
    accessToken: (await exchange(file, {})).access_token,
    identityToken: (await exchange(file, { target_audience: "https://example.com" })).id_token,
  };
});

test("what the table below spoils is good", async () => {
  const { file, apiToken, accessToken, project } = world;
  for (const token of [await sign(file), apiToken, accessToken, OWNER_TOKEN]) {
    expect(await call(locations(project), { token })).toMatchObject({ status: 200 });
  }
});

type Forge = (world: World) => Promise<string> | string;

const now = () => Math.floor(Date.now() / 1000);
const withClaims =
  (changes: () => Record<string, unknown>): Forge =>
  ({ file }) =>
    sign(file, claimsOf(file, changes()));
const withHeader =
  (header: (file: KeyFile) => Record<string, unknown>): Forge =>
  ({ file }) =>
    sign(file, claimsOf(file), header(file));

const TIMES: [string, Forge, RegExp][] = [
  ["expired", withClaims(() => ({ iat: now() - 3700, exp: now() - 100 })), /expired/],
  ["expired a minute ago", withClaims(() => ({ iat: now() - 3660, exp: now() - 60 })), /expired/],
  [
    "issued too long ago, for a day",
    withClaims(() => ({ iat: now() - 7200, exp: now() + 79200 })),
    /one hour/,
  ],
  [
    "issued two minutes ahead",
    withClaims(() => ({ iat: now() + 120, exp: now() + 3000 })),
    /in the future/,
  ],
  ["good for two hours", withClaims(() => ({ exp: now() + 7200 })), /one hour/],
  ["good for ever", withClaims(() => ({ exp: Number.MAX_SAFE_INTEGER })), /one hour/],
  ["ending before it begins", withClaims(() => ({ iat: now() + 30, exp: now() })), /one hour/],
  ["without an end", withClaims(() => ({ exp: undefined })), /\(exp\)/],
  ["without a beginning", withClaims(() => ({ iat: undefined })), /\(iat\)/],
  ["with an end in words", withClaims(() => ({ exp: "tomorrow" })), /\(exp\)/],
  ["with a time as text", withClaims(() => ({ iat: `${now()}` })), /\(iat\)/],
  ["not valid before later", withClaims(() => ({ nbf: now() + 600 })), /\(nbf\)/],
];

const ISSUERS: [string, Forge, RegExp][] = [
  ["without an issuer", withClaims(() => ({ iss: undefined })), /\(iss\)/],
  ["of a person", withClaims(() => ({ iss: "a@example.com", sub: "a@example.com" })), /\(iss\)/],
  ["with a list of issuers", withClaims(() => ({ iss: ["a", "b"] })), /\(iss\)/],
  ["for another subject", withClaims(() => ({ sub: "boss@example.com" })), /\(sub\)/],
  [
    "in the name of another account, with one's own key",
    ({ file, other }) => sign(other, claimsOf(file), { alg: "RS256", kid: other.private_key_id }),
    /not signed with a usable key/,
  ],
  [
    "the same, under that account's key id",
    ({ file, other }) => sign(other, claimsOf(file), { alg: "RS256", kid: file.private_key_id }),
    /not signed with a usable key/,
  ],
  [
    "the same, without a key id",
    ({ file, other }) => sign(other, claimsOf(file), { alg: "RS256" }),
    /not signed with a usable key/,
  ],
  [
    "in the name of an account of another project",
    ({ file, foreign }) => sign(foreign, claimsOf(file), { alg: "RS256" }),
    /not signed with a usable key/,
  ],
  [
    "of an account that does not exist",
    ({ file, project }) => {
      const nobody = `nobody-here@${project}.iam.gserviceaccount.com`;
      return sign(file, claimsOf(file, { iss: nobody, sub: nobody }));
    },
    /not signed with a usable key/,
  ],
  [
    "of a project that does not exist",
    ({ file }) => {
      const nobody = `clerk-1@${newProject()}.iam.gserviceaccount.com`;
      return sign(file, claimsOf(file, { iss: nobody, sub: nobody }));
    },
    /not signed with a usable key/,
  ],
];

const PURPOSES: [string, Forge, RegExp][] = [
  ["for nothing", withClaims(() => ({ scope: undefined })), /neither audience nor scope/],
  ["for another scope", withClaims(() => ({ scope: "openid email" })), /scope opens nothing/],
  [
    "for a list of scopes, besides an audience",
    withClaims(() => ({ aud: "https://cloudtasks.googleapis.com/", scope: ["openid"] })),
    /scope is not text/,
  ],
  ["for an empty scope", withClaims(() => ({ scope: " " })), /neither audience nor scope/],
  [
    "for another service",
    withClaims(() => ({ aud: "https://pubsub.googleapis.com/", scope: undefined })),
    /another audience/,
  ],
  [
    "for another service, in scope",
    withClaims(() => ({ aud: "https://example.com/" })),
    /another audience/,
  ],
  [
    "for the token endpoint",
    withClaims(() => ({ aud: "https://oauth2.googleapis.com/token" })),
    /another audience/,
  ],
  ["for a path of this service", withClaims(() => ({ aud: `${ORIGIN}/v2` })), /another audience/],
];

const ALGORITHMS: [string, Forge, RegExp][] = [
  [
    "unsigned (none)",
    ({ file }) => `${encode({ alg: "none" })}.${encode(claimsOf(file))}.`,
    /RS256/,
  ],
  [
    "unsigned (None), with something behind",
    ({ file }) => `${encode({ alg: "None" })}.${encode(claimsOf(file))}.AAAA`,
    /RS256/,
  ],
  [
    "RS256 by name, unsigned",
    ({ file }) => `${encode({ alg: "RS256" })}.${encode(claimsOf(file))}.`,
    /not signed/,
  ],
  ["HS256 with the public key", hmacWithPublicKey("HS256"), /RS256/],
  [
    "HMAC with the public key, called RS256",
    hmacWithPublicKey("RS256"),
    /not signed with a usable key/,
  ],
  ["signed with RS256, called RS512", withHeader(() => ({ alg: "RS512" })), /RS256/],
  ["signed with RS256, called PS256", withHeader(() => ({ alg: "PS256" })), /RS256/],
  ["without an algorithm", withHeader(() => ({ typ: "JWT" })), /RS256/],
  ["of another type", withHeader(() => ({ alg: "RS256", typ: "at+jwt" })), /credential/],
  ["of a type that is no text", withHeader(() => ({ alg: "RS256", typ: 7 })), /type/],
  [
    "with a critical extension",
    withHeader((file) => ({ alg: "RS256", kid: file.private_key_id, crit: ["b64"], b64: false })),
    /critical/,
  ],
  [
    "under a key id that is unknown",
    withHeader(() => ({ alg: "RS256", kid: "ab".repeat(20) })),
    /usable key/,
  ],
  ["with a key of its own in the header", withOwnKey, /usable key/],
];

const SHAPES: [string, Forge, RegExp][] = [
  ["with a changed claim", tampered(1), /not signed with a usable key/],
  ["with a changed signature", tampered(2), /not signed with a usable key/],
  ["cut short", async ({ file }) => (await sign(file)).slice(0, -5), /not (a JWT|signed)/],
  ["with a part too many", async ({ file }) => `${await sign(file)}.AAAA`, /not a JWT/],
  [
    "with two parts",
    async ({ file }) => (await sign(file)).split(".").slice(0, 2).join("."),
    /not/,
  ],
  ["padded", async ({ file }) => `${await sign(file)}==`, /not signed/],
  ["in base64, not base64url", ({ file }) => `e30+.${encode(claimsOf(file))}.AAAA`, /not a JWT/],
  ["not JSON", () => `${base64url(new Uint8Array([123, 34]))}.e30.AAAA`, /not a JWT/],
  ["of JSON that is a list", () => `${encode([])}.${encode([])}.AAAA`, /not a JWT/],
  ["of JSON that is null", () => `${encode(null)}.${encode(null)}.AAAA`, /not a JWT/],
  [
    "with bytes that are not UTF-8",
    () => `${base64url(new Uint8Array([255, 254]))}.e30.AAAA`,
    /not a JWT/,
  ],
  ["empty", () => "..", /not a JWT/],
  ["over 8 KB", withClaims(() => ({ padding: "x".repeat(9000) })), /too large/],
];

const OTHERS: [string, Forge, RegExp][] = [
  [
    "an API token with another secret",
    ({ apiToken }) => `${apiToken.slice(0, -3)}AAA`,
    /credential/,
  ],
  [
    "an API token of another project",
    ({ apiToken, project }) => apiToken.replace(project, "elsewhere"),
    /credential/,
  ],
  ["an API token without its secret", ({ apiToken }) => apiToken.slice(0, -43), /credential/],
  ["the hash of an API token", async ({ apiToken }) => hex(await sha256(apiToken)), /credential/],
  ["an access token with a changed claim", spoilt("accessToken", 1), /credential/],
  ["an access token with a changed signature", spoilt("accessToken", 2), /credential/],
  ["an identity token, which is for others", ({ identityToken }) => identityToken, /\(iss\)/],
  [
    "an access token that an account signed itself",
    ({ file }) =>
      sign(file, claimsOf(file), { alg: "RS256", typ: "at+jwt", kid: file.private_key_id }),
    /credential/,
  ],
];

const TABLE = { TIMES, ISSUERS, PURPOSES, ALGORITHMS, SHAPES, OTHERS };

describe.each(Object.entries(TABLE))("%s", (_group, rows) => {
  test.each(rows)("%s", async (_name, forge, reason) => {
    const token = await forge(world);
    for (let attempt = 0; attempt < 2; attempt++) {
      const reply = await call(locations(world.project), { token });
      expect(reply.status).toBe(401);
      expect(reply.headers.get("www-authenticate")).toBe("Bearer");
      expect(reply.body.error).toMatchObject({ code: 401, status: "UNAUTHENTICATED" });
      expect(reply.body.error.message).toMatch(reason);
      expect(reply.body.error.message).not.toContain(token.slice(0, 40) || "nothing at all");
    }
  });
});

test("stale: keys and accounts that are disabled, deleted or gone", async () => {
  const project = newProject();
  const first = await makeAccount(project, "stale-clerk");
  const second = await makeKey(project, first.client_email);
  const account = `/v1/projects/${project}/serviceAccounts/${first.client_email}`;
  const status = async (file: KeyFile) =>
    (await call(locations(project), { token: await sign(file) })).status;
  expect(await status(first)).toBe(403);

  await call(`${account}/keys/${first.private_key_id}:disable`, { method: "POST" });
  expect([await status(first), await status(second)]).toEqual([401, 403]);
  await call(`${account}/keys/${first.private_key_id}:enable`, { method: "POST" });
  expect(await status(first)).toBe(403);
  await call(`${account}/keys/${first.private_key_id}`, { method: "DELETE" });
  expect([await status(first), await status(second)]).toEqual([401, 403]);

  await call(`${account}:disable`, { method: "POST" });
  const refused = await call(locations(project), { token: await sign(second) });
  expect(refused.body.error.message).toContain("the service account is disabled");
  await call(`${account}:enable`, { method: "POST" });
  expect(await status(second)).toBe(403);

  await call(account, { method: "DELETE" });
  expect(await status(second)).toBe(401);
  await makeAccount(project, "stale-clerk");
  expect(await status(second)).toBe(401);
});

async function exchange(file: KeyFile, changes: Record<string, unknown>) {
  const claims = claimsOf(file, { aud: "https://oauth2.googleapis.com/token", ...changes });
  const { body } = await call("/token", {
    token: "",
    form: {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: await sign(file, claims),
    },
  });
  return body;
}

/** The classic confusion: the public key, which is no secret, taken as an HMAC secret. */
function hmacWithPublicKey(alg: string): Forge {
  return async ({ file, project }) => {
    const path = `/v1/projects/${project}/serviceAccounts/${file.client_email}/keys/${file.private_key_id}`;
    const key = await call(`${path}?publicKeyType=TYPE_RAW_PUBLIC_KEY`);
    const pem = Uint8Array.fromBase64(key.body.publicKeyData);
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const secret = await crypto.subtle.importKey("raw", pem, hmac, false, ["sign"]);
    const text = `${encode({ alg, kid: file.private_key_id })}.${encode(claimsOf(file))}`;
    const mac = await crypto.subtle.sign(hmac, secret, new TextEncoder().encode(text));
    return `${text}.${base64url(new Uint8Array(mac))}`;
  };
}

async function withOwnKey({ file, other }: World): Promise<string> {
  const jwk = { kty: "RSA", n: "AQAB", e: "AQAB" };
  const jku = "https://example.com/keys.json";
  return sign(other, claimsOf(file), {
    alg: "RS256",
    kid: file.private_key_id,
    jwk,
    jku,
    x5u: jku,
  });
}

/** One character in the middle of a part is another. */
function tampered(part: number): Forge {
  return async ({ file }) => spoil(await sign(file), part);
}

function spoilt(name: "accessToken", part: number): Forge {
  return (found) => spoil(found[name], part);
}

/** A changed claim is still JSON: a letter of the account's name is another. */
function spoil(token: string, part: number): string {
  const parts = token.split(".");
  const text = parts[part] ?? "";
  if (part === 1) {
    const claims = new TextDecoder().decode(
      Uint8Array.fromBase64(text.replaceAll("-", "+").replaceAll("_", "/")),
    );
    parts[part] = base64url(new TextEncoder().encode(claims.replaceAll("chief", "thief")));
  } else {
    const middle = Math.floor(text.length / 2);
    const letter = text[middle] === "A" ? "B" : "A";
    parts[part] = text.slice(0, middle) + letter + text.slice(middle + 1);
  }
  return parts.join(".");
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}
