/** Keys of service accounts, as Google's IAM API shows them. */
import type { AccountKey } from "../../access/service.ts";
import { KEY_WITHOUT_END_US } from "../../core/limits.ts";
import { ok } from "../../core/result.ts";
import { invalidField } from "../../protocol/errors.ts";
import * as field from "../../protocol/message.ts";
import { readQueryEnum } from "../../protocol/query.ts";
import { writeTimestamp } from "../../protocol/wire.ts";
import { utf8 } from "../encoding.ts";
import { done } from "./accounts.ts";
import type { AdminAnswer, AdminCall } from "./call.ts";
import { keyFile, makeKey, publicKeyPem } from "./key-file.ts";

const TYPE = "google.iam.admin.v1.";
const PRIVATE_KEY_TYPES = [
  "TYPE_UNSPECIFIED",
  "TYPE_PKCS12_FILE",
  "TYPE_GOOGLE_CREDENTIALS_FILE",
] as const;
const PUBLIC_KEY_TYPES = ["TYPE_NONE", "TYPE_X509_PEM_FILE", "TYPE_RAW_PUBLIC_KEY"] as const;
const ALGORITHMS = ["KEY_ALG_UNSPECIFIED", "KEY_ALG_RSA_1024", "KEY_ALG_RSA_2048"] as const;
const KEY_TYPES = ["KEY_TYPE_UNSPECIFIED", "USER_MANAGED", "SYSTEM_MANAGED"] as const;

const createRequest = field.message(`${TYPE}CreateServiceAccountKeyRequest`, {
  privateKeyType: field.enumeration(`${TYPE}ServiceAccountPrivateKeyType`, PRIVATE_KEY_TYPES),
  keyAlgorithm: field.enumeration(`${TYPE}ServiceAccountKeyAlgorithm`, ALGORITHMS),
});

export async function createKey(call: AdminCall): AdminAnswer {
  const read = field.readMessage(createRequest, call.body, "");
  if (!read.ok) return read;
  const { privateKeyType, keyAlgorithm } = read.value;
  if (privateKeyType === "TYPE_PKCS12_FILE") {
    return invalidField("private_key_type", "Keys come as TYPE_GOOGLE_CREDENTIALS_FILE only.");
  }
  if (keyAlgorithm === "KEY_ALG_RSA_1024") {
    return invalidField("key_algorithm", "Keys are made with KEY_ALG_RSA_2048 only.");
  }
  const account = await call.store.getAccount(call.resource.account);
  if (!account.ok) return account;
  const { email, uniqueId } = account.value;
  const made = await makeKey();
  const wanted = { id: made.id, publicKey: made.publicKey, validBeforeUs: KEY_WITHOUT_END_US };
  const key = await call.store.createKey(email, wanted, call.actor);
  if (!key.ok) return key;
  const file = keyFile(made, { email, uniqueId, project: call.resource.project }, call.origin);
  return ok({
    ...showKey(call, email, key.value),
    privateKeyType: "TYPE_GOOGLE_CREDENTIALS_FILE",
    privateKeyData: utf8(`${JSON.stringify(file, null, 2)}\n`).toBase64(),
  });
}

export async function getKey(call: AdminCall): AdminAnswer {
  const form = readQueryEnum(
    call.query,
    "publicKeyType",
    `${TYPE}ServiceAccountPublicKeyType`,
    PUBLIC_KEY_TYPES,
  );
  if (!form.ok) return form;
  if (form.value === "TYPE_X509_PEM_FILE") {
    return invalidField("public_key_type", "Public keys are shown as TYPE_RAW_PUBLIC_KEY only.");
  }
  const account = await call.store.getAccount(call.resource.account);
  if (!account.ok) return account;
  const key = await call.store.getKey(account.value.email, call.resource.id);
  if (!key.ok) return key;
  const shown = showKey(call, account.value.email, key.value);
  if (form.value !== "TYPE_RAW_PUBLIC_KEY") return ok(shown);
  return ok({ ...shown, publicKeyData: utf8(await publicKeyPem(key.value)).toBase64() });
}

/** All keys were made by users, so a list of those that Google would manage is empty. */
export async function listKeys(call: AdminCall): AdminAnswer {
  const type = readQueryEnum(call.query, "keyTypes", `${TYPE}KeyType`, KEY_TYPES);
  if (!type.ok) return type;
  const account = await call.store.getAccount(call.resource.account);
  if (!account.ok) return account;
  const { email } = account.value;
  const keys = await call.store.listKeys(email);
  if (!keys.ok) return keys;
  if (type.value === "SYSTEM_MANAGED" || keys.value.length === 0) return ok({});
  return ok({ keys: keys.value.map((key) => showKey(call, email, key)) });
}

export function deleteKey({ store, resource, actor }: AdminCall): AdminAnswer {
  return done(store.deleteKey(resource.account, resource.id, actor));
}

export function disableKey({ store, resource, actor }: AdminCall): AdminAnswer {
  return done(store.setKeyDisabled(resource.account, resource.id, true, actor));
}

export function enableKey({ store, resource, actor }: AdminCall): AdminAnswer {
  return done(store.setKeyDisabled(resource.account, resource.id, false, actor));
}

function showKey({ resource }: AdminCall, email: string, key: AccountKey): object {
  const { id, disabled, validAfterUs, validBeforeUs } = key;
  return {
    name: `projects/${resource.project}/serviceAccounts/${email}/keys/${id}`,
    validAfterTime: writeTimestamp(validAfterUs),
    validBeforeTime:
      validBeforeUs === KEY_WITHOUT_END_US ? "9999-12-31T23:59:59Z" : writeTimestamp(validBeforeUs),
    keyAlgorithm: "KEY_ALG_RSA_2048",
    keyOrigin: "GOOGLE_PROVIDED",
    keyType: "USER_MANAGED",
    ...(disabled ? { disabled } : {}),
  };
}
