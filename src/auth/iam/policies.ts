/**
 * The policies of projects and queues, made ready to be asked. A queue whose policies are remembered
 * is judged without a call and without waiting.
 */
import type { PolicyTarget } from "../../access/service.ts";
import { BoundedMap } from "../../core/bounded-map.ts";
import type { QueueName } from "../../core/model.ts";
import type { Env } from "../../env.ts";
import { accessStub } from "../../stubs.ts";
import type { Condition } from "./condition.ts";
import { type Grant, grantsOf, type ReadCondition } from "./evaluate.ts";
import type { Resource } from "./resource.ts";
import { ShortMemory } from "./short-memory.ts";

/** What counts for a resource: the grants of its project, and those of its queue. */
export type Grants = readonly (readonly Grant[])[];

const memory = new ShortMemory<Grants>();

/**
 * The grants for a resource; a promise only where they have to be fetched. Each request fetches for
 * itself: the platform does not let one wait for another's call.
 */
export function grantsFor(env: Env, resource: Resource, nowUs: number): Grants | Promise<Grants> {
  const { project, queue } = resource;
  const key = queue === undefined ? project : `${project}/${queue.location}/${queue.queue}`;
  return (
    memory.get(env.ACCESS, key, nowUs) ??
    fetchGrants(env, resource).then((grants) => {
      memory.set(env.ACCESS, key, grants, nowUs);
      return grants;
    })
  );
}

/** Forgets all policies: one was changed from here, which is rare. */
export function forgetPolicies(env: Env): void {
  memory.forget(env.ACCESS);
}

async function fetchGrants(env: Env, { project, queue }: Resource): Promise<Grants> {
  const targets: PolicyTarget[] = [{ kind: "project" }];
  if (queue !== undefined) targets.push(targetOf(queue));
  const policies = await accessStub(env, project).getPolicies(targets);
  if (!policies.ok) throw new Error(`policies cannot be read: ${policies.error.code}`);
  const hasConditions = policies.value.some(({ bindings }) =>
    bindings.some(({ condition }) => condition !== undefined),
  );
  const readCondition = hasConditions ? await conditionReader() : () => undefined;
  return policies.value.map((policy) => grantsOf(policy, readCondition));
}

/** Conditions made ready: reading one again costs up to some milliseconds. */
const conditions = new BoundedMap<Condition>(500);

/** The language of conditions is loaded where there is one: hardly any isolate ever needs it. */
async function conditionReader(): Promise<ReadCondition> {
  const { compileCondition } = await import("./condition.ts");
  return (expression) => {
    const known = conditions.get(expression);
    if (known !== undefined) return known;
    const compiled = compileCondition(expression);
    if (!compiled.ok) return undefined;
    conditions.set(expression, compiled.value);
    return compiled.value;
  };
}

/** Where the policy of a queue is kept. */
export function targetOf({ location, queue }: QueueName): PolicyTarget {
  return { kind: "queue", location, queue };
}
