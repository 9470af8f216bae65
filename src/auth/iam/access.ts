/**
 * What a caller may do: the one thing of IAM that a face has in its hands.
 *
 * How a face is made safe:
 *  1. It is mounted with `guarded` (app.ts), which verifies the caller and calls the face's handler
 *     with an Access. Nothing else makes one.
 *  2. Every method of its tables names the permission it needs, in a field that cannot be left out.
 *     One place asks for it, when the path has been read and before the body is:
 *
 *       const verdict = access.isTrusted
 *         ? undefined
 *         : access.require(method.permission, queueResource(name));
 *       const refusal = verdict instanceof Promise ? await verdict : verdict;
 *       if (refusal !== undefined) return errorResponse(refusal);
 *
 *     `isTrusted` spares the holder of the deployment's own token, and everyone in open mode, even
 *     the building of the resource's name. A verdict is a promise only where policies have to be
 *     fetched, once in half a minute.
 *  3. What only the body tells (a FULL view, an account to act as) is asked when it has been read,
 *     and before anything is changed: `require` once more, `requireActAs`.
 *  4. Its table is added to those that test/auth/iam-routes.test.ts walks.
 *
 * A refusal is PERMISSION_DENIED in the same words for what is forbidden and what does not exist, so
 * permission is always asked before existence. Whoever shows no credential at all is refused with
 * UNAUTHENTICATED instead, unless a policy names allUsers; `guarded` replaces every answer of a
 * handler that had nothing granted, so a path that is wrong tells strangers nothing either.
 */
import { projectOfEmail } from "../../core/account-names.ts";
import type { QueueName } from "../../core/model.ts";
import { type DomainError, fail } from "../../core/result.ts";
import type { Env } from "../../env.ts";
import { accessStub } from "../../stubs.ts";
import { type Caller, memberOf } from "../caller.ts";
import { type Grant, isGranted } from "./evaluate.ts";
import { ALL_USERS, identitiesOf, STRANGER } from "./members.ts";
import { type Grants, grantsFor } from "./policies.ts";
import { aclGrantsFor, isAclPermission } from "./queue-acl.ts";
import { accountResource, type Resource } from "./resource.ts";
import { type Permission, permissionsOf } from "./roles.ts";
import { ShortMemory } from "./short-memory.ts";

/** Why not; undefined: it may be done. */
export type Verdict = DomainError | undefined | Promise<DomainError | undefined>;

export interface Access {
  /** True: everything is allowed, and asking can be left out. */
  readonly isTrusted: boolean;
  /** What a caller without a credential is told; undefined: the caller is known. */
  readonly stranger: DomainError | undefined;
  /** The caller in records of what was done: a member, or `owner`. */
  readonly actor: string;
  /** True once anything was allowed. */
  readonly wasGranted: boolean;
  /** PERMISSION_DENIED, or UNAUTHENTICATED for a stranger. */
  require(permission: Permission, resource: Resource): Verdict;
  /**
   * Whether the caller may have tasks carry tokens of an account. PERMISSION_DENIED; NOT_FOUND when
   * there is no such account, which only those learn who may act as it. The trusted are not asked:
   * a deployment may have no accounts.
   */
  requireActAs(queue: Pick<QueueName, "project">, email: string): Verdict;
  /** Those of the permissions that the caller has. */
  permitted<P extends Permission>(
    permissions: readonly P[],
    resource: Resource,
  ): Promise<readonly P[]>;
}

/** Requires several permissions on one resource; the refusal is that of the first one missing. */
export async function requireAll(
  access: Access,
  permissions: readonly Permission[],
  resource: Resource,
): Promise<DomainError | undefined> {
  for (const permission of permissions) {
    const refusal = await access.require(permission, resource);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** The access of a verified caller. */
export function accessOf(caller: Caller, env: Env, nowUs: number): Access {
  if (caller.kind === "anonymous" || caller.kind === "owner") return trusted(memberOf(caller));
  return new PolicyAccess(env, nowUs, caller);
}

/** The access of one who has shown no credential, and the refusal that calls for one. */
export function strangersAccess(refusal: DomainError, env: Env, nowUs: number): Access {
  return new PolicyAccess(env, nowUs, refusal);
}

const TRUSTED = new Map<string, Access>();

function trusted(actor: string): Access {
  let access = TRUSTED.get(actor);
  if (access === undefined) {
    access = {
      isTrusted: true,
      stranger: undefined,
      actor,
      wasGranted: true,
      require: () => undefined,
      requireActAs: () => undefined,
      permitted: async (permissions) => permissions,
    };
    TRUSTED.set(actor, access);
  }
  return access;
}

/** Emails of accounts that were there when they were looked for. */
const knownAccounts = new ShortMemory<true>();

class PolicyAccess implements Access {
  readonly isTrusted = false;
  readonly actor: string;
  /** Instead of PERMISSION_DENIED. */
  readonly stranger: DomainError | undefined;
  wasGranted = false;
  readonly #env: Env;
  readonly #nowUs: number;
  readonly #caller: Caller | undefined;

  constructor(env: Env, nowUs: number, who: Caller | DomainError) {
    this.#env = env;
    this.#nowUs = nowUs;
    this.#caller = "kind" in who ? who : undefined;
    this.stranger = "kind" in who ? undefined : who;
    this.actor = this.#caller === undefined ? ALL_USERS : memberOf(this.#caller);
  }

  require(permission: Permission, resource: Resource): Verdict {
    if (this.#hasByToken(permission, resource)) return this.#allow();
    const grants = grantsFor(this.#env, resource, this.#nowUs);
    if (grants instanceof Promise) {
      return grants.then((known) => this.#judge(known, permission, resource));
    }
    return this.#judge(grants, permission, resource);
  }

  requireActAs({ project }: Pick<QueueName, "project">, email: string): Verdict {
    const home = projectOfEmail(email) ?? project;
    const verdict = this.require("iam.serviceAccounts.actAs", accountResource(home, email));
    if (verdict instanceof Promise) {
      return verdict.then((refusal) => refusal ?? this.#requireAccount(home, email));
    }
    return verdict ?? this.#requireAccount(home, email);
  }

  async permitted<P extends Permission>(
    permissions: readonly P[],
    resource: Resource,
  ): Promise<readonly P[]> {
    const found: P[] = [];
    for (const permission of permissions) {
      if ((await this.require(permission, resource)) === undefined) found.push(permission);
    }
    return found;
  }

  /** Roles that an API token has of its own. */
  #hasByToken(permission: string, { project }: Resource): boolean {
    const caller = this.#caller;
    if (caller?.kind !== "token" || caller.project !== project) return false;
    return caller.roles.some((role) => permissionsOf(role)?.has(permission) === true);
  }

  #judge(grants: Grants, permission: Permission, resource: Resource): Verdict {
    if (grants.some((policy) => this.#isGranted(policy, permission, resource))) {
      return this.#allow();
    }
    const { queue } = resource;
    if (queue === undefined || this.stranger !== undefined || !isAclPermission(permission)) {
      return this.#refuse(permission, resource);
    }
    return aclGrantsFor(this.#env, queue, this.#nowUs).then((acl) =>
      this.#isGranted(acl, permission, resource)
        ? this.#allow()
        : this.#refuse(permission, resource),
    );
  }

  #isGranted(grants: readonly Grant[], permission: string, resource: Resource): boolean {
    const identities =
      this.#caller === undefined ? STRANGER : identitiesOf(this.#caller, resource.project);
    return isGranted(grants, identities, permission, () => ({
      name: resource.name,
      type: resource.type,
      service: resource.type.slice(0, resource.type.indexOf("/")),
      nowUs: this.#nowUs,
    }));
  }

  #allow(): undefined {
    this.wasGranted = true;
  }

  #refuse(permission: string, resource: Resource): DomainError {
    return this.stranger ?? permissionDenied(permission, resource);
  }

  #requireAccount(project: string, email: string): Verdict {
    const isKnown = knownAccounts.get(this.#env.ACCESS, email, this.#nowUs);
    return isKnown ? undefined : this.#findAccount(project, email);
  }

  async #findAccount(project: string, email: string): Promise<DomainError | undefined> {
    const account = await accessStub(this.#env, project).getAccount(email);
    // An account is found by its number too, under which no policy would know it.
    if (!account.ok || account.value.email !== email) {
      return fail("NOT_FOUND", `Service account ${email} was not found.`).error;
    }
    knownAccounts.set(this.#env.ACCESS, email, true, this.#nowUs);
    return undefined;
  }
}

/** The recorded wording (errors.md §2). */
function permissionDenied(permission: string, { name, shownAs }: Resource): DomainError {
  return fail(
    "PERMISSION_DENIED",
    `The principal (user or service account) lacks IAM permission "${permission}" for the resource ` +
      `"${shownAs ?? name}" (or the resource may not exist).`,
  ).error;
}
