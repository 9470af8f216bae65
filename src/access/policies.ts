/** How policies are kept. What may stand in one, and what it means, is the business of auth. */
import { fail, ok, type Result } from "../core/result.ts";
import { type Change, etagOf, type Moment } from "./change.ts";
import type { Policy, PolicyTarget } from "./service.ts";
import type { Store } from "./store.ts";

/** The policy where none was set, with the etag that the live service shows for it. */
const EMPTY: Policy = { version: 1, bindings: [], etag: "ACAB" };

export class Policies {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  read(target: PolicyTarget, hasTables: boolean): Policy {
    return (hasTables ? this.#store.findPolicy(keyOf(target)) : undefined) ?? EMPTY;
  }

  set(
    target: PolicyTarget,
    wanted: Omit<Policy, "etag"> & { readonly etag?: string },
    { number }: Moment,
  ): Result<Change<Policy>> {
    const current = this.read(target, true);
    if (wanted.etag !== undefined && wanted.etag !== current.etag) {
      return fail(
        "ABORTED",
        "There were concurrent policy changes. Please retry the whole read-modify-write with " +
          "exponential backoff.",
      );
    }
    const { version, bindings } = wanted;
    const policy = { version, bindings, etag: etagOf(number) };
    this.#store.writePolicy(keyOf(target), policy);
    return ok({ value: policy, audit: record("setIamPolicy", target) });
  }

  remove(target: PolicyTarget): Result<Change<null>> {
    const key = keyOf(target);
    if (this.#store.findPolicy(key) === undefined) return ok({ value: null });
    this.#store.removePolicy(key);
    return ok({ value: null, audit: record("removeIamPolicy", target) });
  }

  /**
   * Takes a member that is gone out of the project's policies: who is made later under that name
   * has none of its rights.
   */
  dropMember(member: string, { number }: Moment): void {
    for (const [key, policy] of this.#store.listPoliciesNaming(member)) {
      const bindings = policy.bindings
        .map((binding) => ({ ...binding, members: binding.members.filter((m) => m !== member) }))
        .filter(({ members }) => members.length > 0);
      this.#store.writePolicy(key, { version: policy.version, bindings, etag: etagOf(number) });
    }
  }
}

/** A slash is in no location and no queue id, and a queue's key always has one. */
function keyOf(target: PolicyTarget): string {
  return target.kind === "project" ? "project" : `${target.location}/${target.queue}`;
}

function record(method: string, target: PolicyTarget) {
  const resource =
    target.kind === "project" ? "project" : `locations/${target.location}/queues/${target.queue}`;
  return { method, resource };
}
