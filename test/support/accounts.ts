/** A closed deployment, and callers with the credentials it knows. */
import { env } from "cloudflare:test";
import { createApp } from "../../src/app.ts";
import type { Env } from "../../src/env.ts";

export const OWNER_TOKEN = "owner-token-of-the-tests";

/** The settings of a deployment that asks for credentials; no limit on failed sign-ins. */
export const CLOSED = {
  ...env,
  OPEN_MODE: "",
  API_TOKEN: OWNER_TOKEN,
  FAILED_SIGN_INS: undefined,
} as unknown as Env;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests look at
  readonly body: any;
}

export interface CallOptions {
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as a form instead. */
  readonly form?: Readonly<Record<string, string>>;
  /** Sent as it is. */
  readonly text?: string;
  readonly origin?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly settings?: Env;
}

const app = createApp();
export const ORIGIN = "https://tasks.example.com";

/** Calls the deployment as its owner, unless another token is given; "" sends none. */
export async function call(path: string, options: CallOptions = {}): Promise<Reply> {
  const { body, form, token = OWNER_TOKEN, headers, settings = CLOSED } = options;
  const { text: plain, origin = ORIGIN } = options;
  const sent = plain ?? (form === undefined ? JSON.stringify(body) : new URLSearchParams(form));
  const method = options.method ?? (sent === undefined ? "GET" : "POST");
  const response = await app.request(
    `${origin}${path}`,
    {
      method,
      headers: { ...(token === "" ? {} : { authorization: `Bearer ${token}` }), ...headers },
      ...(sent === undefined ? {} : { body: sent }),
    },
    settings,
    { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} },
  );
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : text,
  };
}

let projects = 0;

/** A project that no other test has. */
export function newProject(): string {
  return `project-${++projects}-${crypto.randomUUID().slice(0, 8)}`;
}

/** What a key file says. */
export interface KeyFile {
  readonly project_id: string;
  readonly private_key_id: string;
  readonly private_key: string;
  readonly client_email: string;
  readonly client_id: string;
  readonly token_uri: string;
}

/** A service account with a key, made by the owner. */
export async function makeAccount(project: string, accountId = "worker"): Promise<KeyFile> {
  const path = `/v1/projects/${project}/serviceAccounts`;
  const made = await call(path, { body: { accountId } });
  if (made.status !== 200) throw new Error(`no account: ${JSON.stringify(made.body)}`);
  return makeKey(project, made.body.email);
}

export async function makeKey(project: string, email: string): Promise<KeyFile> {
  const made = await call(`/v1/projects/${project}/serviceAccounts/${email}/keys`, { body: {} });
  if (made.status !== 200) throw new Error(`no key: ${JSON.stringify(made.body)}`);
  return JSON.parse(atob(made.body.privateKeyData));
}

export const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/** The claims of a self-signed token as the Node client makes it. */
export function claimsOf(file: KeyFile, changes: Record<string, unknown> = {}) {
  const iat = Math.floor(Date.now() / 1000);
  const { client_email: email } = file;
  return { iss: email, sub: email, scope: SCOPE, iat, exp: iat + 3600, ...changes };
}

/** Signs claims with the key of the file. */
export async function sign(
  file: KeyFile,
  claims: Record<string, unknown> = claimsOf(file),
  header: Record<string, unknown> = { alg: "RS256", typ: "JWT", kid: file.private_key_id },
): Promise<string> {
  const text = `${encode(header)}.${encode(claims)}`;
  const key = await privateKey(file);
  const mac = await crypto.subtle.sign(RS256, key, new TextEncoder().encode(text));
  return `${text}.${base64url(new Uint8Array(mac))}`;
}

const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

function privateKey({ private_key }: KeyFile): Promise<CryptoKey> {
  const der = Uint8Array.fromBase64(private_key.replace(/-----[A-Z ]+-----|\s/g, ""));
  return crypto.subtle.importKey("pkcs8", der, RS256, false, ["sign"]);
}

/** A part of a JWT. */
export function encode(part: unknown): string {
  return base64url(new TextEncoder().encode(JSON.stringify(part)));
}

export function base64url(bytes: Uint8Array): string {
  return bytes.toBase64().replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** A path that an account with cloudtasks.viewer may read. */
export function locations(project: string): string {
  return `/v2/projects/${project}/locations`;
}

/** Gives roles on the project, by the admin interface. */
export async function grant(project: string, member: string, ...roles: string[]): Promise<void> {
  const bindings = roles.map((role) => ({ role, members: [member] }));
  const set = await call(`/v1/projects/${project}:setIamPolicy`, {
    body: { policy: { bindings } },
  });
  if (set.status !== 200) throw new Error(`no policy: ${JSON.stringify(set.body)}`);
}
