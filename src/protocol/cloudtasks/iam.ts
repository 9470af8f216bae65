/**
 * The methods of IAM on queues and projects (discovery v2 getIamPolicy, setIamPolicy,
 * testIamPermissions). Where the sources are silent:
 *
 *  - A policy with conditions is shown and replaced by those only who speak version 3, so that nobody
 *    loses conditions by not knowing of them; without an etag it may still be overwritten.
 *  - Policies are kept of queues that exist. A queue takes its policy with it: one that is made again
 *    under its name starts with none.
 *  - testIamPermissions asks for no permission. It leaves out names that are no permissions, and
 *    refuses wildcards.
 *  - Whoever locks everybody out is helped by the holder of the deployment's own token.
 */
import type { Binding, Policy, PolicyTarget } from "../../access/service.ts";
import { forgetPolicies, targetOf } from "../../auth/iam/policies.ts";
import { checkPolicy, isPolicyVersion } from "../../auth/iam/policy-rules.ts";
import { PERMISSIONS } from "../../auth/iam/roles.ts";
import { ok, type Result } from "../../core/result.ts";
import { accessStub, queueStub } from "../../stubs.ts";
import { writeBytes } from "../base64.ts";
import { echo, invalidField } from "../errors.ts";
import { readJson } from "../json-body.ts";
import { readMessage } from "../message.ts";
import { camelCase } from "../wire.ts";
import type { Answer, Call } from "./call.ts";
import type * as schema from "./iam-requests.ts";
import { getPolicySchema, setPolicySchema, testPermissionsSchema } from "./iam-requests.ts";
import { protectedResource } from "./resource.ts";

/** Permissions that one call may ask about. */
const MAX_TESTED = 100;

export function getQueuePolicy(call: Call): Answer {
  return getPolicy(call, targetOf(call.resource));
}

export function setQueuePolicy(call: Call): Answer {
  return setPolicy(call, targetOf(call.resource));
}

/** A queue that does not exist has an empty set of permissions, not an error (errors.md §2). */
export function testQueuePermissions(call: Call): Answer {
  return testPermissions(call, async () => (await findQueue(call)).ok);
}

export function getProjectPolicy(call: Call): Answer {
  return getPolicy(call, PROJECT);
}

export function setProjectPolicy(call: Call): Answer {
  return setPolicy(call, PROJECT);
}

export function testProjectPermissions(call: Call): Answer {
  return testPermissions(call, async () => true);
}

const PROJECT: PolicyTarget = { kind: "project" };

// ---- Reading ---------------------------------------------------------------------------------

async function getPolicy(call: Call, target: PolicyTarget): Answer {
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const message = readMessage(getPolicySchema, json.value, "");
  if (!message.ok) return message;
  const version = message.value.options?.requestedPolicyVersion ?? 0;
  const field = "options.requested_policy_version";
  if (!isPolicyVersion(version)) {
    return invalidField(field, `The policy version must be 0, 1 or 3, not ${version}.`);
  }
  const policy = await currentPolicy(call, target);
  if (!policy.ok) return policy;
  if (policy.value.version === 3 && version < 3) {
    return invalidField(
      field,
      "A policy with conditional role bindings must be asked for as version 3.",
    );
  }
  return ok(writePolicy(policy.value));
}

/** NOT_FOUND for a queue that does not exist. */
async function currentPolicy(call: Call, target: PolicyTarget): Promise<Result<Policy>> {
  const found = await findTarget(call, target);
  if (!found.ok) return found;
  const policies = await accessStub(call.env, call.resource.project).getPolicies([target]);
  if (!policies.ok) return policies;
  const [policy] = policies.value;
  return ok(policy ?? { version: 1, bindings: [], etag: "" });
}

function findTarget(call: Call, { kind }: PolicyTarget): Promise<Result<unknown>> {
  return kind === "queue" ? findQueue(call) : Promise.resolve(ok(null));
}

function findQueue({ env, resource }: Call): Promise<Result<unknown>> {
  return queueStub(env, resource).getQueue();
}

// ---- Setting ---------------------------------------------------------------------------------

async function setPolicy(call: Call, target: PolicyTarget): Answer {
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const message = readMessage(setPolicySchema, json.value, "");
  if (!message.ok) return message;
  const { policy: wire, updateMask } = message.value;
  if (!wire) return invalidField("policy", "Policy is required.");
  const mask = readMask(updateMask);
  if (!mask.ok) return mask;

  const current = await currentPolicy(call, target);
  if (!current.ok) return current;
  const policy = await replacement(target, current.value, wire, mask.value.bindings);
  return policy.ok ? write(call, target, policy.value) : policy;
}

type NewPolicy = Omit<Policy, "etag"> & { readonly etag?: string };

/** What is to stand in the current policy's place. INVALID_ARGUMENT names the field that is wrong. */
async function replacement(
  { kind }: PolicyTarget,
  current: Policy,
  wire: schema.WirePolicy,
  hasBindings: boolean,
): Promise<Result<NewPolicy>> {
  const wanted = { version: wire.version ?? 0, bindings: readBindings(wire) };
  const checked = await checkPolicy(kind, hasBindings ? wanted : current);
  if (!checked.ok) {
    const { field, message } = checked.problem;
    return invalidField(`policy.${field}`, message);
  }
  // An empty etag is none, as proto3 has it. What is kept from the current policy is that one's.
  const given =
    wire.etag === undefined || wire.etag.length === 0 ? undefined : writeBytes(wire.etag);
  const etag = given ?? (hasBindings ? undefined : current.etag);
  // One whose etag is stale is told that, and learns of the conditions when it reads again.
  if (current.version === 3 && wanted.version < 3 && given === current.etag) {
    const text = "The policy has conditional role bindings: it must be replaced as version 3.";
    return invalidField("policy.version", text);
  }
  return ok({ ...checked.policy, ...(etag === undefined ? {} : { etag }) });
}

/**
 * The queue is looked for once more when its policy has been written: one that was deleted meanwhile
 * must not leave a policy behind for the next of that name.
 */
async function write(call: Call, target: PolicyTarget, policy: NewPolicy): Answer {
  const { env, access, resource } = call;
  const stub = accessStub(env, resource.project);
  const written = await stub.setPolicy(target, policy, access.actor);
  if (!written.ok) return written;
  forgetPolicies(env);
  const found = await findTarget(call, target);
  if (!found.ok) {
    await stub.removePolicy(target, access.actor);
    return found;
  }
  return ok(writePolicy(written.value));
}

/** The default is `bindings, etag`; an etag that is given is always compared. */
function readMask(mask: string | undefined): Result<{ readonly bindings: boolean }> {
  if (mask === undefined || mask.trim() === "" || mask.trim() === "*")
    return ok({ bindings: true });
  const paths = mask.split(",").map((path) => camelCase(path.trim()));
  const unknown = paths.find((path) => !MASK_PATHS.includes(path));
  if (unknown !== undefined) {
    return invalidField("update_mask", `Unknown field mask path: "${echo(unknown)}".`);
  }
  return ok({ bindings: paths.includes("bindings") });
}

/** Resource Manager's clients name auditConfigs, of which there are none here. */
const MASK_PATHS = ["bindings", "etag", "version", "auditConfigs"];

function readBindings(wire: schema.WirePolicy): readonly Binding[] {
  return (wire.bindings ?? []).map((binding) => {
    const { role = "", members, condition } = binding ?? {};
    return {
      role,
      members: (members ?? []).map((member) => member ?? ""),
      ...(condition ? { condition: readCondition(condition) } : {}),
    };
  });
}

function readCondition({
  title,
  description,
  expression = "",
}: schema.WireExpr): NonNullable<Binding["condition"]> {
  return {
    ...(title ? { title } : {}),
    ...(description ? { description } : {}),
    expression,
  };
}

/** An empty policy is its etag alone. */
function writePolicy({ version, bindings, etag }: Policy): object {
  return bindings.length === 0 ? { etag } : { version, bindings, etag };
}

// ---- Testing ---------------------------------------------------------------------------------

async function testPermissions(call: Call, exists: () => Promise<boolean>): Answer {
  const json = await readJson(call.request);
  if (!json.ok) return json;
  const message = readMessage(testPermissionsSchema, json.value, "");
  if (!message.ok) return message;
  const asked = (message.value.permissions ?? []).map((permission) => permission ?? "");
  if (asked.length > MAX_TESTED) {
    return invalidField("permissions", `At most ${MAX_TESTED} permissions can be tested at once.`);
  }
  const wildcard = asked.findIndex((permission) => permission.includes("*"));
  if (wildcard !== -1) {
    const text = `Permissions with wildcards are not allowed: ${echo(asked[wildcard] ?? "")}`;
    return invalidField(`permissions[${wildcard}]`, text);
  }
  const known = PERMISSIONS.filter((permission) => asked.includes(permission));
  const permissions = await call.access.permitted(known, protectedResource(call.resource));
  return ok(permissions.length === 0 || !(await exists()) ? {} : { permissions });
}
