/** The methods of the admin interface: what each one needs, reads and does. */
import type { Permission } from "../iam/roles.ts";
import {
  createAccount,
  deleteAccount,
  disableAccount,
  enableAccount,
  getAccount,
  listAccounts,
  patchAccount,
  putAccount,
} from "./accounts.ts";
import { listAudit } from "./audit.ts";
import type { AdminAnswer, AdminCall, AdminResource } from "./call.ts";
import { createKey, deleteKey, disableKey, enableKey, getKey, listKeys } from "./keys.ts";
import { createToken, deleteToken, getToken, listTokens } from "./tokens.ts";

export interface AdminMethod {
  /** What the caller must be allowed, on the account where the path has one, else on the project. */
  readonly permission: Permission;
  readonly run: (call: AdminCall) => AdminAnswer;
  /** The fields it reads from the query. */
  readonly params?: readonly string[];
}

type Table = Readonly<Record<AdminResource["kind"], Readonly<Record<string, AdminMethod>>>>;

const PAGED = ["pageSize", "pageToken"] as const;

/** Methods by kind of resource and `VERB` or `VERB:action`. */
export const ADMIN_METHODS: Table = {
  accounts: {
    GET: { permission: "iam.serviceAccounts.list", run: listAccounts, params: PAGED },
    POST: { permission: "iam.serviceAccounts.create", run: createAccount },
  },
  account: {
    GET: { permission: "iam.serviceAccounts.get", run: getAccount },
    PATCH: { permission: "iam.serviceAccounts.update", run: patchAccount },
    PUT: { permission: "iam.serviceAccounts.update", run: putAccount },
    DELETE: { permission: "iam.serviceAccounts.delete", run: deleteAccount },
    "POST:disable": { permission: "iam.serviceAccounts.disable", run: disableAccount },
    "POST:enable": { permission: "iam.serviceAccounts.enable", run: enableAccount },
  },
  keys: {
    GET: { permission: "iam.serviceAccountKeys.list", run: listKeys, params: ["keyTypes"] },
    POST: { permission: "iam.serviceAccountKeys.create", run: createKey },
  },
  key: {
    GET: { permission: "iam.serviceAccountKeys.get", run: getKey, params: ["publicKeyType"] },
    DELETE: { permission: "iam.serviceAccountKeys.delete", run: deleteKey },
    "POST:disable": { permission: "iam.serviceAccountKeys.disable", run: disableKey },
    "POST:enable": { permission: "iam.serviceAccountKeys.enable", run: enableKey },
  },
  tokens: {
    GET: { permission: "edgetasks.apiTokens.list", run: listTokens, params: PAGED },
    POST: { permission: "edgetasks.apiTokens.create", run: createToken },
  },
  token: {
    GET: { permission: "edgetasks.apiTokens.get", run: getToken },
    DELETE: { permission: "edgetasks.apiTokens.delete", run: deleteToken },
  },
  auditLog: {
    GET: { permission: "logging.logEntries.list", run: listAudit, params: PAGED },
  },
};
