/** Members: whom policies speak of, and which of them a caller is. */
import { projectOfEmail } from "../../core/account-names.ts";
import type { Caller } from "../caller.ts";

/** The second part may be a project (`token-ID@example.com:project`), whose name may have a colon. */
const EMAIL = /^[^\s@:/]{1,128}@[^\s@/]{1,255}$/;
const DOMAIN = /^[a-z\d](?:[a-z\d.-]{0,251}[a-z\d])?$/;

export const ALL_USERS = "allUsers";
export const ALL_AUTHENTICATED_USERS = "allAuthenticatedUsers";

/**
 * Whether a policy can have such a member. Names are compared letter by letter, domains are written
 * small. There are no groups and no outside identities here.
 */
export function isMember(text: string): boolean {
  if (text === ALL_USERS || text === ALL_AUTHENTICATED_USERS) return true;
  const [, kind, name = ""] = /^(user|serviceAccount|domain):(.+)$/s.exec(text) ?? [];
  if (kind === undefined) return false;
  return kind === "domain" ? DOMAIN.test(name) : EMAIL.test(name);
}

/** Everything that a policy of a project can call this caller. */
export function identitiesOf(caller: Caller, project: string): readonly string[] {
  return [...namesOf(caller, project), ALL_AUTHENTICATED_USERS, ALL_USERS];
}

/** What a policy can call one who has shown no credential. */
export const STRANGER: readonly string[] = [ALL_USERS];

function namesOf(caller: Caller, project: string): readonly string[] {
  if (caller.kind === "serviceAccount") return [`serviceAccount:${caller.email}`];
  if (caller.kind !== "token") return [];
  const { member } = caller;
  const isSelfNamed = member === `user:token-${caller.id}@${caller.project}`;
  // A project may make tokens in any user's name. In another project that name would be a claim which
  // nobody there has checked: it counts only where it tells itself which project it is of.
  if (caller.project !== project) {
    return isSelfNamed || isAccountOf(member, caller.project) ? [member] : [];
  }
  return isSelfNamed ? [member] : [member, ...domainOf(member)];
}

function isAccountOf(member: string, project: string): boolean {
  const [, email = ""] = /^serviceAccount:(.*)$/s.exec(member) ?? [];
  return projectOfEmail(email) === project;
}

/** Users are of their domain; service accounts are of none. */
function domainOf(member: string): readonly string[] {
  const [, domain] = /^user:[^@]+@(.+)$/.exec(member) ?? [];
  return domain === undefined ? [] : [`domain:${domain.toLowerCase()}`];
}
