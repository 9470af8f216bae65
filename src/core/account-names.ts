/** Names of service accounts: `ID@PROJECT.iam.gserviceaccount.com`, as Google's. */
import { isProjectId } from "./names.ts";

const DOMAIN = ".iam.gserviceaccount.com";
const EMAIL =
  /^([a-z0-9-]{1,63})@((?:[A-Za-z0-9-]{1,63}\.){0,8}[A-Za-z0-9-]{1,63})\.iam\.gserviceaccount\.com$/;
/** 6 to 30 characters: a letter first, no hyphen last. */
const ACCOUNT_ID = /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/;

export function isAccountId(text: string): boolean {
  return ACCOUNT_ID.test(text);
}

/**
 * The email of an account. Null for a project that no email can name: `domain.com:id` is written
 * `id.domain.com` in one, so another dot in the id would be read as the domain's.
 */
export function accountEmail(id: string, project: string): string | null {
  const [, domain, plain] = /^(?:(.*):)?([^:]*)$/.exec(project) ?? [];
  const label = domain === undefined ? plain : `${plain}.${domain}`;
  const email = `${id}@${label}${DOMAIN}`;
  return projectOfEmail(email) === project ? email : null;
}

/** The project that holds the account. Null: no service account has this email. */
export function projectOfEmail(email: string): string | null {
  const label = EMAIL.exec(email)?.[2];
  if (label === undefined) return null;
  const dot = label.indexOf(".");
  const project = dot < 0 ? label : `${label.slice(dot + 1)}:${label.slice(0, dot)}`;
  return isProjectId(project) ? project : null;
}
