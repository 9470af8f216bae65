/**
 * The admin interface of accounts, keys, tokens and the record of changes.
 *
 *  - /v1/projects/P/serviceAccounts[/EMAIL[/keys[/ID]]] as Google's IAM API v1; `-` as the project
 *    stands for the account's own.
 *  - /edgetasks/v1/projects/P/tokens[/ID] and /edgetasks/v1/projects/P/auditLog, our own.
 *
 * Gaps, against Google's: no policies on single accounts, no undelete, no upload of public keys, no
 * signBlob and signJwt, no X.509 certificates, no PKCS #12. Google never shows who uses an account's
 * email again; here its bindings in the project's policies go with the account.
 */
import type { Context } from "hono";
import { projectOfEmail } from "../../core/account-names.ts";
import { isProjectId } from "../../core/names.ts";
import { fail, type Result } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import { readBounded } from "../../protocol/bounded-body.ts";
import { pathNotFound } from "../../protocol/cloudtasks/routes.ts";
import { errorResponse, JSON_TYPE } from "../../protocol/errors.ts";
import { parseJson } from "../../protocol/json-body.ts";
import { readQuery } from "../../protocol/query.ts";
import { accessStub } from "../../stubs.ts";
import { forgetVerified } from "../authenticate.ts";
import type { Access } from "../iam/access.ts";
import { accountResource, projectResource, type Resource } from "../iam/resource.ts";
import type { AdminCall, AdminResource } from "./call.ts";
import { ADMIN_METHODS, type AdminMethod } from "./methods.ts";

/** Where it is mounted. */
export const ADMIN_PATHS = [
  "/v1/projects/:project/serviceAccounts/*",
  "/edgetasks/v1/projects/:project/tokens/*",
  "/edgetasks/v1/projects/:project/auditLog",
];

/** The largest body taken, in bytes. */
const MAX_BODY = 64 * 1024;

const HEADERS = {
  "content-type": JSON_TYPE,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

/** Answers a request to the admin interface. */
export async function adminFace(
  { req, env }: Context<{ Bindings: Env }>,
  access: Access,
): Promise<Response> {
  const { pathname, search, origin } = new URL(req.url);
  const resource = readAdminPath(pathname);
  const method = resource === undefined ? undefined : methodOf(resource, req.method);
  if (resource === undefined || method === undefined) return pathNotFound(req.raw);
  const result = await answer(req.raw, method, access, { resource, search, origin, env });
  if (!result.ok) return errorResponse(result.error, undefined, HEADERS);
  if (req.method !== "GET") forgetVerified(env);
  return new Response(JSON.stringify(result.value), { headers: HEADERS });
}

interface Place {
  readonly resource: AdminResource;
  readonly search: string;
  readonly origin: string;
  readonly env: Env;
}

/** Permission is asked before anything of the request is read but its path. */
async function answer(
  request: Request,
  method: AdminMethod,
  access: Access,
  { resource, search, origin, env }: Place,
): Promise<Result<object>> {
  const refusal = access.isTrusted
    ? undefined
    : await access.require(method.permission, await protectedBy(resource, env));
  if (refusal !== undefined) return { ok: false, error: refusal };
  const query = readQuery(search.slice(1), method.params ?? []);
  if (!query.ok) return query;
  const bytes = await readBounded(request, MAX_BODY);
  if (bytes === undefined) {
    return fail("INVALID_ARGUMENT", `Request payload size exceeds the limit: ${MAX_BODY} bytes.`);
  }
  const body = parseJson(new TextDecoder().decode(bytes));
  if (!body.ok) return body;
  const call: AdminCall = {
    resource,
    store: accessStub(env, resource.project),
    actor: access.actor,
    query: query.value,
    body: body.value,
    origin,
    nowUs: Date.now() * 1000,
  };
  return method.run(call);
}

function methodOf({ kind, verb }: AdminResource, httpMethod: string): AdminMethod | undefined {
  const name = verb === "" ? httpMethod : `${httpMethod}:${verb}`;
  const methods = ADMIN_METHODS[kind];
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}

/**
 * An account that the path names by its number is protected under its email all the same, which is
 * how conditions know it. Refusals repeat what the path has.
 */
async function protectedBy({ project, account }: AdminResource, env: Env): Promise<Resource> {
  if (account === "") return projectResource(project);
  if (!/^\d+$/.test(account)) return accountResource(project, account);
  const found = await accessStub(env, project).getAccount(account);
  const email = found.ok ? found.value.email : account;
  return { ...accountResource(project, email), shownAs: account };
}

// ---- Paths -------------------------------------------------------------------------------------

const PATH =
  /^\/(v1|edgetasks\/v1)\/projects\/([^/]+)\/(serviceAccounts|tokens|auditLog)(?:\/([^/:]+)(?:\/(keys)(?:\/([^/:]+))?)?)?(?::([a-zA-Z]+))?$/;

/** Undefined: nothing here has such a path. */
export function readAdminPath(pathname: string): AdminResource | undefined {
  const [, version, ...parts] = PATH.exec(pathname) ?? [];
  const decoded = decodeAll(parts);
  if (version === undefined || decoded === undefined) return undefined;
  const [given = "", collection = "", name = "", keys = "", key = "", verb = ""] = decoded;
  if ((collection === "serviceAccounts") !== (version === "v1")) return undefined;
  const project = given === "-" ? projectOfEmail(name) : given;
  if (project === null || !isProjectId(project)) return undefined;
  const none = { project, account: "", id: "", verb };
  if (collection === "auditLog") return name === "" ? { ...none, kind: "auditLog" } : undefined;
  if (collection === "tokens") {
    if (keys !== "") return undefined;
    return { ...none, kind: name === "" ? "tokens" : "token", id: name };
  }
  if (name === "") return { ...none, kind: "accounts" };
  if (keys === "") return { ...none, kind: "account", account: name };
  return { ...none, kind: key === "" ? "keys" : "key", account: name, id: key };
}

function decodeAll(parts: readonly (string | undefined)[]): string[] | undefined {
  try {
    return parts.map((part) => decodeURIComponent(part ?? ""));
  } catch {
    return undefined;
  }
}
