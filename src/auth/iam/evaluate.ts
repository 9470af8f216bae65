/** What policies say of a caller: pure, no clock, no calls. */
import type { Policy } from "../../access/service.ts";
import type { Condition } from "./condition.ts";
import { permissionsOf } from "./roles.ts";

/** What a condition can look at. */
export interface Attributes {
  readonly name: string;
  readonly type: string;
  readonly service: string;
  /** When the request came, microseconds. */
  readonly nowUs: number;
}

/** A binding made ready to be asked. */
export interface Grant {
  readonly permissions: ReadonlySet<string>;
  readonly members: ReadonlySet<string>;
  /** Absent: always. */
  readonly condition?: Condition;
}

/** Reads the conditions of a policy, or says that one cannot be read. */
export type ReadCondition = (expression: string) => Condition | undefined;

const NEVER: Condition = () => false;

/** A policy's grants. A role or a condition that is no longer understood grants nothing. */
export function grantsOf(policy: Policy, readCondition: ReadCondition): readonly Grant[] {
  return policy.bindings.map(({ role, members, condition }) => ({
    permissions: permissionsOf(role) ?? new Set(),
    members: new Set(members),
    ...(condition === undefined ? {} : { condition: readCondition(condition.expression) ?? NEVER }),
  }));
}

/** Whether one of the grants gives one of these identities the permission on the resource. */
export function isGranted(
  grants: readonly Grant[],
  identities: readonly string[],
  permission: string,
  attributes: () => Attributes,
): boolean {
  return grants.some(
    ({ permissions, members, condition }) =>
      permissions.has(permission) &&
      identities.some((identity) => members.has(identity)) &&
      (condition === undefined || condition(attributes())),
  );
}
