/** Service accounts, as Google's IAM API shows them (iam.googleapis.com v1). */
import type { ServiceAccount } from "../../access/service.ts";
import { accountEmail, isAccountId } from "../../core/account-names.ts";
import { fail, ok, type Result } from "../../core/result.ts";
import { readUpdateMask } from "../../protocol/cloudtasks/field-mask.ts";
import { echo, invalidField } from "../../protocol/errors.ts";
import * as field from "../../protocol/message.ts";
import { readPageSize } from "../../protocol/query.ts";
import type { AdminAnswer, AdminCall } from "./call.ts";
import { readCursor, writeCursor } from "./pages.ts";

/** Accounts of a page, at most and where none is asked for; Google's figures. */
const PAGE = { most: 100, usual: 20 } as const;
/** Longest texts, in bytes of UTF-8; Google's figures. */
const MAX_DISPLAY_NAME = 100;
const MAX_DESCRIPTION = 256;

const account = field.message("google.iam.admin.v1.ServiceAccount", {
  displayName: field.string(),
  description: field.string(),
  etag: field.string(),
  name: field.outputOnly(),
  projectId: field.outputOnly(),
  uniqueId: field.outputOnly(),
  email: field.outputOnly(),
  oauth2ClientId: field.outputOnly(),
  disabled: field.outputOnly(),
});
const createRequest = field.message("google.iam.admin.v1.CreateServiceAccountRequest", {
  accountId: field.string(),
  serviceAccount: account,
});
const patchRequest = field.message("google.iam.admin.v1.PatchServiceAccountRequest", {
  serviceAccount: account,
  updateMask: field.string(),
});

const MASK_PATHS = new Map<string, string | null>([
  ["displayName", "displayName"],
  ["description", "description"],
  ["etag", null],
  ["name", null],
]);

export async function createAccount(call: AdminCall): AdminAnswer {
  const read = field.readMessage(createRequest, call.body, "");
  if (!read.ok) return read;
  const { accountId = "", serviceAccount } = read.value;
  if (!isAccountId(accountId)) {
    return invalidField(
      "account_id",
      "account_id must be 6 to 30 characters: small letters, digits and hyphens, a letter first " +
        "and no hyphen last.",
    );
  }
  const email = accountEmail(accountId, call.resource.project);
  if (email === null) {
    return fail(
      "FAILED_PRECONDITION",
      `Project ${echo(call.resource.project)} cannot have service accounts: its id does not fit an email.`,
    );
  }
  const { displayName = "", description = "" } = serviceAccount ?? {};
  const texts = checkTexts({ displayName, description });
  if (!texts.ok) return texts;
  const wanted = { email, uniqueId: newUniqueId(), ...texts.value };
  return shown(call, await call.store.createAccount(wanted, call.actor));
}

export async function getAccount(call: AdminCall): AdminAnswer {
  return shown(call, await call.store.getAccount(call.resource.account));
}

export async function listAccounts(call: AdminCall): AdminAnswer {
  const size = readPageSize(call.query, PAGE.most);
  if (!size.ok) return size;
  const after = readCursor(call, "");
  if (!after.ok) return after;
  const limit = call.query.values.has("pageSize") ? size.value : PAGE.usual;
  const { items, more } = await call.store.listAccounts(after.value, limit);
  return ok({
    ...(items.length === 0 ? {} : { accounts: items.map((item) => showAccount(call, item)) }),
    ...(more ? { nextPageToken: writeCursor(call, items.at(-1)?.email ?? "") } : {}),
  });
}

/** PATCH: what the mask names; without a mask all that the body has. */
export async function patchAccount(call: AdminCall): AdminAnswer {
  const read = field.readMessage(patchRequest, call.body, "");
  if (!read.ok) return read;
  const { serviceAccount, updateMask } = read.value;
  const mask = readUpdateMask(updateMask, MASK_PATHS);
  if (!mask.ok) return mask;
  const { displayName = "", description = "", etag } = serviceAccount ?? {};
  const all = { displayName, description };
  const given = mask.value ?? Object.keys(all).filter((name) => name in (serviceAccount ?? {}));
  const change = Object.fromEntries(Object.entries(all).filter(([name]) => given.includes(name)));
  return update(call, change, etag);
}

/** PUT, the older form: the body is the account, and its display name is what can be changed. */
export async function putAccount(call: AdminCall): AdminAnswer {
  const read = field.readMessage(account, call.body, "service_account");
  if (!read.ok) return read;
  const { displayName = "", etag } = read.value;
  return update(call, { displayName }, etag);
}

async function update(
  call: AdminCall,
  change: { displayName?: string; description?: string },
  etag: string | undefined,
): AdminAnswer {
  const texts = checkTexts(change);
  if (!texts.ok) return texts;
  const { account: name } = call.resource;
  return shown(call, await call.store.updateAccount(name, { ...change, etag }, call.actor));
}

export function disableAccount(call: AdminCall): AdminAnswer {
  return done(call.store.setAccountDisabled(call.resource.account, true, call.actor));
}

export function enableAccount(call: AdminCall): AdminAnswer {
  return done(call.store.setAccountDisabled(call.resource.account, false, call.actor));
}

export function deleteAccount(call: AdminCall): AdminAnswer {
  return done(call.store.deleteAccount(call.resource.account, call.actor));
}

/** The empty answer. */
export async function done(work: Promise<Result<null>>): AdminAnswer {
  const result = await work;
  return result.ok ? ok({}) : result;
}

function checkTexts<T extends { displayName?: string; description?: string }>(texts: T): Result<T> {
  const { displayName = "", description = "" } = texts;
  if (new TextEncoder().encode(displayName).length > MAX_DISPLAY_NAME) {
    const message = `display_name must be ${MAX_DISPLAY_NAME} bytes at most.`;
    return invalidField("service_account.display_name", message);
  }
  if (new TextEncoder().encode(description).length > MAX_DESCRIPTION) {
    const message = `description must be ${MAX_DESCRIPTION} bytes at most.`;
    return invalidField("service_account.description", message);
  }
  return ok(texts);
}

/** 21 digits, as Google's. */
function newUniqueId(): string {
  const digits = crypto.getRandomValues(new Uint8Array(20));
  return `1${[...digits].map((byte) => byte % 10).join("")}`;
}

function shown(call: AdminCall, result: Result<ServiceAccount>): Result<object> {
  return result.ok ? ok(showAccount(call, result.value)) : result;
}

function showAccount({ resource }: AdminCall, found: ServiceAccount): object {
  const { email, uniqueId, displayName, description, disabled, etag } = found;
  return {
    name: `projects/${resource.project}/serviceAccounts/${email}`,
    projectId: resource.project,
    uniqueId,
    email,
    ...(displayName === "" ? {} : { displayName }),
    ...(description === "" ? {} : { description }),
    etag,
    oauth2ClientId: uniqueId,
    ...(disabled ? { disabled } : {}),
  };
}
