/** The messages of IAM's methods (google.iam.v1), the same in every version. */
import type { z } from "zod";
import * as field from "../message.ts";

const PACKAGE = "google.iam.v1";

const expr = field.message("google.type.Expr", {
  expression: field.string(),
  title: field.string(),
  description: field.string(),
  location: field.string(),
});

const policy = field.message(`${PACKAGE}.Policy`, {
  version: field.int32(),
  bindings: field.repeated(
    field.message(`${PACKAGE}.Binding`, {
      role: field.string(),
      members: field.repeated(field.string()),
      condition: expr,
    }),
  ),
  etag: field.bytes(),
  auditConfigs: field.outputOnly(),
});

export const getPolicySchema = field.message(`${PACKAGE}.GetIamPolicyRequest`, {
  resource: field.string(),
  options: field.message(`${PACKAGE}.GetPolicyOptions`, { requestedPolicyVersion: field.int32() }),
});

export const setPolicySchema = field.message(`${PACKAGE}.SetIamPolicyRequest`, {
  resource: field.string(),
  policy,
  updateMask: field.string(),
});

export const testPermissionsSchema = field.message(`${PACKAGE}.TestIamPermissionsRequest`, {
  resource: field.string(),
  permissions: field.repeated(field.string()),
});

export type WirePolicy = NonNullable<z.infer<typeof policy>>;
export type WireExpr = NonNullable<z.infer<typeof expr>>;
