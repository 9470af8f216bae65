/**
 * The text of API tokens: `et_PROJECT_ID_SECRET`. The project is in it so that its object is found;
 * a colon, which a bearer token cannot have, is written `~`. Only a hash of the whole is stored.
 */

import { encodeBase64url } from "../core/base64url.ts";
import { isProjectId } from "../core/names.ts";

const TOKEN = /^et_([A-Za-z0-9.~-]{1,200})_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;
const SECRET_BYTES = 32;

/** A new token, shown once. */
export interface NewToken {
  readonly id: string;
  readonly text: string;
}

export function makeApiToken(project: string, random: (size: number) => Uint8Array): NewToken {
  const id = random(8).toHex();
  const secret = encodeBase64url(random(SECRET_BYTES));
  return { id, text: `et_${project.replaceAll(":", "~")}_${id}_${secret}` };
}

/** Where the token would be known. Undefined: it has not the form of one. */
export function parseApiToken(text: string): { project: string; id: string } | undefined {
  const [, label, id] = TOKEN.exec(text) ?? [];
  const project = label?.replaceAll("~", ":");
  if (project === undefined || id === undefined || !isProjectId(project)) return undefined;
  return { project, id };
}
