/**
 * What may stand in a policy (discovery v2 Policy, Binding). Everything is checked when a policy is
 * set, so that one that is kept can be carried out.
 */
import type { Binding, Policy } from "../../access/service.ts";
import { ALL_AUTHENTICATED_USERS, ALL_USERS, isMember } from "./members.ts";
import { isQueueRole, permissionsOf } from "./roles.ts";

/** Principals in a policy, each time one is named (discovery v2 Policy.bindings). */
const MAX_PRINCIPALS = 1500;
/** Conditional bindings in a policy: IAM's own limit. */
const MAX_CONDITIONS = 100;
/** "A few 10s of KB" (discovery v2 SetIamPolicyRequest): characters of the bindings as JSON. */
const MAX_SIZE = 64 * 1024;
/** Longest title and description of a condition together, in characters. */
const MAX_WORDS = 1000;

/** Whose policy it is: some roles make sense on a project alone. */
export type PolicyKind = "project" | "queue";

/** A refusal that names the field, snake_case, as a path from the policy. */
export interface PolicyProblem {
  readonly field: string;
  readonly message: string;
}

export type Checked =
  | { readonly ok: true; readonly policy: Pick<Policy, "version" | "bindings"> }
  | { readonly ok: false; readonly problem: PolicyProblem };

/**
 * A policy as it is to be kept: members once each, version 3 where there are conditions, else 1.
 */
export async function checkPolicy(
  kind: PolicyKind,
  { version, bindings }: { readonly version: number; readonly bindings: readonly Binding[] },
): Promise<Checked> {
  const hasConditions = bindings.some(({ condition }) => condition !== undefined);
  const problem =
    versionProblem(version, hasConditions) ??
    sizeProblem(bindings) ??
    firstOf(bindings, (binding, index) => bindingProblem(kind, binding, `bindings[${index}]`)) ??
    (hasConditions ? await conditionsProblem(bindings) : undefined);
  if (problem !== undefined) return { ok: false, problem };
  const kept = bindings.map((binding) => ({ ...binding, members: [...new Set(binding.members)] }));
  return { ok: true, policy: { version: hasConditions ? 3 : 1, bindings: kept } };
}

/** Whether a version can be asked for, or be given. */
export function isPolicyVersion(version: number): boolean {
  return version === 0 || version === 1 || version === 3;
}

function versionProblem(version: number, hasConditions: boolean): PolicyProblem | undefined {
  if (!isPolicyVersion(version)) {
    return { field: "version", message: `Policy.version must be 0, 1 or 3, not ${version}.` };
  }
  if (!hasConditions || version === 3) return undefined;
  const message = "A policy with conditional role bindings must have version 3.";
  return { field: "version", message };
}

function sizeProblem(bindings: readonly Binding[]): PolicyProblem | undefined {
  const principals = bindings.reduce((sum, { members }) => sum + members.length, 0);
  if (principals > MAX_PRINCIPALS) {
    const message = `The policy names ${principals} principals; at most ${MAX_PRINCIPALS} are allowed.`;
    return { field: "bindings", message };
  }
  if (bindings.filter(({ condition }) => condition !== undefined).length > MAX_CONDITIONS) {
    const message = `The policy has more than ${MAX_CONDITIONS} conditional role bindings.`;
    return { field: "bindings", message };
  }
  if (JSON.stringify(bindings).length <= MAX_SIZE) return undefined;
  return { field: "bindings", message: `The policy is larger than ${MAX_SIZE} bytes.` };
}

function bindingProblem(
  kind: PolicyKind,
  { role, members, condition }: Binding,
  field: string,
): PolicyProblem | undefined {
  if (kind === "queue" ? !isQueueRole(role) : permissionsOf(role) === undefined) {
    const message = `Role ${shown(role)} is not supported for this resource.`;
    return { field: `${field}.role`, message };
  }
  if (members.length === 0) {
    const message = `The binding of ${role} must have at least one member.`;
    return { field: `${field}.members`, message };
  }
  const problem = firstOf(members, (member, index) =>
    isMember(member) ? undefined : memberProblem(member, `${field}.members[${index}]`),
  );
  if (problem !== undefined || condition === undefined) return problem;
  return conditionProblem(role, members, condition, `${field}.condition`);
}

function memberProblem(member: string, field: string): PolicyProblem {
  const message = /^[a-zA-Z]+:/.test(member)
    ? `The member ${shown(member)} is not supported. Members are user:EMAIL, serviceAccount:EMAIL, ` +
      "domain:DOMAIN, allAuthenticatedUsers and allUsers."
    : `The member ${shown(member)} is of an unknown type. Please set a valid type prefix for the ` +
      "member.";
  return { field, message };
}

/** As IAM has it: what everybody may do, or who owns a project, does not hang on a condition. */
function conditionProblem(
  role: string,
  members: readonly string[],
  { title = "", description = "" }: NonNullable<Binding["condition"]>,
  field: string,
): PolicyProblem | undefined {
  if (/^roles\/(owner|editor|viewer)$/.test(role)) {
    return { field, message: `The basic role ${role} cannot be bound with a condition.` };
  }
  const all = members.find((member) => member === ALL_USERS || member === ALL_AUTHENTICATED_USERS);
  if (all !== undefined) return { field, message: `${all} cannot be bound with a condition.` };
  if (title.length + description.length <= MAX_WORDS) return undefined;
  const message = `The condition's title and description are longer than ${MAX_WORDS} characters.`;
  return { field, message };
}

async function conditionsProblem(bindings: readonly Binding[]): Promise<PolicyProblem | undefined> {
  const { compileCondition } = await import("./condition.ts");
  return firstOf(bindings, ({ condition }, index) => {
    const compiled = condition === undefined ? undefined : compileCondition(condition.expression);
    if (compiled === undefined || compiled.ok) return undefined;
    const field = `bindings[${index}].condition.expression`;
    return { field, message: compiled.error.message };
  });
}

function firstOf<T>(
  items: readonly T[],
  problemOf: (item: T, index: number) => PolicyProblem | undefined,
): PolicyProblem | undefined {
  for (const [index, item] of items.entries()) {
    const problem = problemOf(item, index);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function shown(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
