/** A deployment with callers of every kind, spoken to over HTTP. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { Binding, PolicyTarget } from "../../src/access/service.ts";
import { createApp } from "../../src/app.ts";
import { makeApiToken } from "../../src/auth/api-token.ts";
import { sha256 } from "../../src/auth/encoding.ts";
import { forgetPolicies } from "../../src/auth/iam/policies.ts";
import type { Env } from "../../src/env.ts";
import { accessStub } from "../../src/stubs.ts";

const OWNER_TOKEN = "the-owners-token";

/** As deployed: closed, with a token for its owner. */
export const deployed: Env = {
  ...(env as unknown as Env),
  OPEN_MODE: undefined,
  API_TOKEN: OWNER_TOKEN,
  TARGET_ALLOW: "*",
};

const app = createApp();

export interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a client looks into an answer field by field.
  readonly body: any;
}

/** Sends a request with a bearer token, or without a credential where `token` is null. */
export async function send(
  token: string | null,
  method: string,
  path: string,
  body?: unknown,
): Promise<Reply> {
  const response = await app.request(
    path,
    {
      method,
      headers: {
        "content-type": "application/json",
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    deployed,
    createExecutionContext(),
  );
  return replyOf(response);
}

async function replyOf(response: Response): Promise<Reply> {
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
}

/** Sends requests in one; each may bring a credential of its own. The answers' statuses. */
export async function sendBatch(
  token: string | null,
  parts: readonly { readonly line: string; readonly token?: string; readonly body?: object }[],
): Promise<readonly number[] | Reply> {
  const lines = parts.flatMap(({ line, token: own, body = {} }) => [
    "--b",
    "Content-Type: application/http",
    "",
    line,
    ...(own === undefined ? [] : [`Authorization: Bearer ${own}`]),
    "Content-Type: application/json",
    "",
    JSON.stringify(body),
  ]);
  const init = {
    method: "POST",
    headers: {
      "content-type": "multipart/mixed; boundary=b",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: [...lines, "--b--", ""].join("\r\n"),
  };
  const response = await app.request("/batch", init, deployed, createExecutionContext());
  const reply = await replyOf(response);
  if (reply.status !== 200) return reply;
  return [...reply.body.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
}

/** Sends as the deployment's owner, and expects success. */
export async function owner(method: string, path: string, body?: unknown) {
  const reply = await send(OWNER_TOKEN, method, path, body);
  expect(reply, `${method} ${path}`).toMatchObject({ status: 200 });
  return reply.body;
}

export function asOwner(method: string, path: string, body?: unknown): Promise<Reply> {
  return send(OWNER_TOKEN, method, path, body);
}

export function newProject(): string {
  return `p-${crypto.randomUUID().slice(0, 8)}`;
}

/** Makes an API token of a project; its text is what the caller sends. */
export async function tokenFor(
  project: string,
  { member, roles = [] }: { readonly member?: string; readonly roles?: readonly string[] } = {},
): Promise<string> {
  const { id, text } = makeApiToken(project, (size) =>
    crypto.getRandomValues(new Uint8Array(size)),
  );
  const made = await accessStub(deployed, project).createToken(
    { id, displayName: "", member: member ?? `user:token-${id}@${project}`, roles },
    await sha256(text),
    "owner",
  );
  expect(made.ok).toBe(true);
  return text;
}

/** Makes a service account of a project. */
export async function account(project: string, id: string): Promise<string> {
  const email = `${id}@${project}.iam.gserviceaccount.com`;
  const made = await accessStub(deployed, project).createAccount(
    { email, uniqueId: "1".padEnd(21, "0"), displayName: "", description: "" },
    "owner",
  );
  expect(made.ok).toBe(true);
  return email;
}

/** Sets a policy behind the API's back, and has it count at once. */
export async function grant(
  project: string,
  target: PolicyTarget,
  bindings: readonly Binding[],
): Promise<void> {
  const set = await accessStub(deployed, project).setPolicy(
    target,
    { version: bindings.some(({ condition }) => condition) ? 3 : 1, bindings },
    "owner",
  );
  expect(set.ok).toBe(true);
  forgetPolicies(deployed);
}

/** A queue made by the owner, paused. */
export async function newQueue(project: string, id = "q", settings: object = {}): Promise<string> {
  const location = `projects/${project}/locations/us-central1`;
  const name = `${location}/queues/${id}`;
  await owner("POST", `/v2beta3/${location}/queues`, { name, ...settings });
  await owner("POST", `/v2/${name}:pause`, {});
  return name;
}

/** The refusal of errors.md §2. */
export function denied(permission: string, resource: string) {
  return {
    status: 403,
    body: {
      error: {
        code: 403,
        status: "PERMISSION_DENIED",
        message:
          `The principal (user or service account) lacks IAM permission "${permission}" for the ` +
          `resource "${resource}" (or the resource may not exist).`,
      },
    },
  };
}
