/** Who is calling: what every face is told about the sender of a request. */

/** The sender of a request, verified. */
export type Caller =
  /** Anyone who reaches a server that is open to loopback; may do everything. */
  | { readonly kind: "anonymous" }
  /** The holder of the deployment's API_TOKEN; may do everything. */
  | { readonly kind: "owner" }
  /** A service account, by a token it signed itself or one of the token endpoint's. */
  | {
      readonly kind: "serviceAccount";
      readonly email: string;
      /** The project that holds the account; it has rights there and elsewhere by policies alone. */
      readonly project: string;
      /** The OAuth scopes its token is good for; absent: all that the account may do. */
      readonly scopes?: readonly string[];
    }
  /** The holder of an API token of a project. */
  | {
      readonly kind: "token";
      readonly id: string;
      readonly project: string;
      /** Whom it speaks for in policies, such as `user:token-ID@PROJECT`. */
      readonly member: string;
      /** Roles it has on the whole of its project, besides what policies say of its member. */
      readonly roles: readonly string[];
    };

export const ANONYMOUS: Caller = { kind: "anonymous" };
export const OWNER: Caller = { kind: "owner" };

/** The caller's name in policies and in the record of changes. */
export function memberOf(caller: Caller): string {
  switch (caller.kind) {
    case "anonymous":
    case "owner":
      return caller.kind;
    case "serviceAccount":
      return `serviceAccount:${caller.email}`;
    case "token":
      return caller.member;
  }
}
