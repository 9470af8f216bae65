/**
 * The interface of what Cloud Tasks has no words for, /edgetasks/v1: which method answers a path, and
 * the way of a request through it. Its manners are those of the Cloud Tasks REST interface: names,
 * errors, JSON with unknown fields refused.
 *
 *   POST /edgetasks/v1/projects/P/locations/L/transactions              begin
 *   GET  /edgetasks/v1/projects/P/locations/L/transactions/ID           get
 *   POST /edgetasks/v1/projects/P/locations/L/transactions/ID:commit    commit
 *   POST /edgetasks/v1/projects/P/locations/L/transactions/ID:rollback  roll back
 *
 * Gaps: transactions are not listed; `fields` selects nothing.
 */
import type { Context } from "hono";
import type { Access } from "../../auth/iam/access.ts";
import { locationResource } from "../../auth/iam/resource.ts";
import { readConfig } from "../../core/config.ts";
import { findLocation } from "../../core/locations.ts";
import { isProjectId } from "../../core/names.ts";
import { fail } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import { echo, errorResponse, JSON_TYPE, unknownLocation, unknownProject } from "../errors.ts";
import { readQuery } from "../query.ts";
import { TRANSACTION_HEADER, transactionRefused } from "../transactions.ts";
import type { Route } from "./call.ts";
import { TRANSACTION_ROUTES } from "./transactions.ts";

export const ROUTES: readonly Route[] = [...TRANSACTION_ROUTES];

const PLACE = /^\/edgetasks\/v1\/projects\/([^/]+)\/locations\/([^/]+)\/(.+)$/;

/** Answers every path below /edgetasks/v1. */
export async function edgeTasksFace(
  { req, env }: Context<{ Bindings: Env }>,
  access: Access,
): Promise<Response> {
  const request = req.raw;
  const url = new URL(request.url);
  const [project, location, rest = ""] = decoded(PLACE.exec(url.pathname)?.slice(1)) ?? [];
  const route = ROUTES.find(({ path }) => path.test(rest));
  if (project === undefined || location === undefined || route === undefined) {
    return notFound(url.pathname);
  }
  const method = route.methods[request.method === "HEAD" ? "GET" : request.method];
  if (method === undefined) return methodNotAllowed(route, request.method);
  if (!isProjectId(project)) return errorResponse(unknownProject(project).error);
  if (findLocation(location) === undefined) return errorResponse(unknownLocation(location).error);
  const place = { project, location };
  const refusal = access.isTrusted
    ? undefined
    : await access.require(method.permission, locationResource(place));
  if (refusal !== undefined) return errorResponse(refusal);
  if (request.headers.has(TRANSACTION_HEADER)) return errorResponse(transactionRefused().error);
  const query = readQuery(url.search.slice(1), []);
  if (!query.ok) return errorResponse(query.error);
  const answer = await method.run({
    env,
    access,
    config: readConfig(env),
    request,
    place,
    ids: route.path.exec(rest)?.slice(1) ?? [],
    ownHost: url.host,
    random: (size) => crypto.getRandomValues(new Uint8Array(size)),
  });
  if (!answer.ok) return errorResponse(answer.error);
  return new Response(JSON.stringify(answer.value), { headers: { "content-type": JSON_TYPE } });
}

/** The parts of a path with their escapes undone; undefined where they cannot be. */
function decoded(parts: readonly string[] | undefined): readonly string[] | undefined {
  try {
    return parts?.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function notFound(path: string): Response {
  const text = `The requested URL ${echo(path)} was not found on this server.`;
  return errorResponse(fail("NOT_FOUND", text).error);
}

function methodNotAllowed({ methods }: Route, verb: string): Response {
  const verbs = Object.keys(methods);
  const allow = [...verbs, ...(verbs.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
  if (verb === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const text = `The method ${verb} is not allowed for this path.`;
  return errorResponse(fail("UNIMPLEMENTED", text).error, 405, { allow });
}
