/** API tokens. The secret is in the answer that makes one, and nowhere after. */
import type { ApiToken } from "../../access/service.ts";
import { fail, ok, type Result } from "../../core/result.ts";
import { echo, invalidField } from "../../protocol/errors.ts";
import * as field from "../../protocol/message.ts";
import { readPageSize } from "../../protocol/query.ts";
import { writeTimestamp } from "../../protocol/wire.ts";
import { makeApiToken } from "../api-token.ts";
import { sha256 } from "../encoding.ts";
import { isMember } from "../iam/members.ts";
import { permissionsOf } from "../iam/roles.ts";
import { done } from "./accounts.ts";
import type { AdminAnswer, AdminCall } from "./call.ts";
import { readCursor, writeCursor } from "./pages.ts";

/** Tokens of a page, at most and where none is asked for. */
const MAX_PAGE = 100;
const MAX_DISPLAY_NAME = 100;
const MAX_ROLES = 20;

const createRequest = field.message("edgetasks.v1.CreateTokenRequest", {
  displayName: field.string(),
  member: field.string(),
  roles: field.repeated(field.string()),
  expireTime: field.timestamp(),
  ttl: field.duration(),
});

export async function createToken(call: AdminCall): AdminAnswer {
  const read = field.readMessage(createRequest, call.body, "");
  if (!read.ok) return read;
  const { displayName = "", member, ttl } = read.value;
  if (displayName.length > MAX_DISPLAY_NAME) {
    return invalidField(
      "display_name",
      `display_name must be ${MAX_DISPLAY_NAME} characters at most.`,
    );
  }
  const roles = readRoles((read.value.roles ?? []).map((role) => role ?? ""));
  if (!roles.ok) return roles;
  const expiry = readExpiry(read.value.expireTime, ttl, call.nowUs);
  if (!expiry.ok) return expiry;
  const { project } = call.resource;
  const { id, text } = makeApiToken(project, (size) =>
    crypto.getRandomValues(new Uint8Array(size)),
  );
  const speaksFor = readMember(member, `user:token-${id}@${project}`);
  if (!speaksFor.ok) return speaksFor;
  const wanted = {
    id,
    displayName,
    member: speaksFor.value,
    roles: roles.value,
    ...(expiry.value === undefined ? {} : { expireTimeUs: expiry.value }),
  };
  const made = await call.store.createToken(wanted, await sha256(text), call.actor);
  return made.ok ? ok({ ...showToken(call, made.value), token: text }) : made;
}

export async function getToken(call: AdminCall): AdminAnswer {
  const found = await call.store.getToken(call.resource.id);
  return found.ok ? ok(showToken(call, found.value)) : found;
}

export async function listTokens(call: AdminCall): AdminAnswer {
  const size = readPageSize(call.query, MAX_PAGE);
  if (!size.ok) return size;
  const after = readCursor(call, "");
  if (!after.ok) return after;
  const { items, more } = await call.store.listTokens(after.value, size.value);
  return ok({
    ...(items.length === 0 ? {} : { tokens: items.map((token) => showToken(call, token)) }),
    ...(more ? { nextPageToken: writeCursor(call, items.at(-1)?.id ?? "") } : {}),
  });
}

export function deleteToken({ store, resource, actor }: AdminCall): AdminAnswer {
  return done(store.deleteToken(resource.id, actor));
}

function readRoles(roles: readonly string[]): Result<readonly string[]> {
  if (roles.length > MAX_ROLES)
    return invalidField("roles", `A token has ${MAX_ROLES} roles at most.`);
  const unknown = roles.find((role) => permissionsOf(role) === undefined);
  if (unknown !== undefined) {
    return invalidField("roles", `Role ${echo(unknown)} is not supported.`);
  }
  return ok([...new Set(roles)]);
}

/** A token speaks for itself, for a user by name, or for an account of the project. */
function readMember(given: string | undefined, own: string): Result<string> {
  if (given === undefined || given === "") return ok(own);
  if (isMember(given) && /^(user|serviceAccount):/.test(given)) return ok(given);
  return invalidField("member", "member must be user:NAME@DOMAIN or serviceAccount:EMAIL.");
}

function readExpiry(
  expireUs: number | undefined,
  ttlUs: number | undefined,
  nowUs: number,
): Result<number | undefined> {
  if (expireUs !== undefined && ttlUs !== undefined) {
    return fail("INVALID_ARGUMENT", "A token has either expire_time or ttl, not both.");
  }
  const expiry = ttlUs === undefined ? expireUs : nowUs + ttlUs;
  if (expiry === undefined || expiry > nowUs) return ok(expiry);
  return invalidField("expire_time", "The time of expiry must be in the future.");
}

function showToken({ resource }: AdminCall, token: ApiToken): object {
  const { id, displayName, member, roles, createTimeUs, expireTimeUs, lastUsedUs } = token;
  return {
    name: `projects/${resource.project}/tokens/${id}`,
    ...(displayName === "" ? {} : { displayName }),
    member,
    ...(roles.length === 0 ? {} : { roles }),
    createTime: writeTimestamp(createTimeUs),
    ...(expireTimeUs === undefined ? {} : { expireTime: writeTimestamp(expireTimeUs) }),
    ...(lastUsedUs === undefined ? {} : { lastUsedTime: writeTimestamp(lastUsedUs) }),
  };
}
