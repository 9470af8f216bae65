/** One request on its way through a method, and what methods are. */
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type Access, requireAll } from "../../auth/iam/access.ts";
import type { Resource } from "../../auth/iam/resource.ts";
import type { Permission } from "../../auth/iam/roles.ts";
import type { DeploymentConfig } from "../../core/config.ts";
import type { LocationName } from "../../core/names.ts";
import { isProjectId } from "../../core/names.ts";
import type { Env } from "../../env.ts";
import { answer, Code, echo, type Reply, refuse } from "./errors.ts";
import { readMessage, writeMessage } from "./message.ts";
import { textOf } from "./text.ts";

export interface Call {
  readonly env: Env;
  readonly config: DeploymentConfig;
  /** What the caller may do. */
  readonly access: Access;
  /** What the method needs, of every queue it touches or else of the location. */
  readonly needs: readonly Permission[];
  /** The project that the caller's account or token belongs to; undefined: to none. */
  readonly ownProject: string | undefined;
  /** When the request came. */
  readonly nowUs: number;
  /** Bytes of the method's own message. */
  readonly size: number;
  /** Eight bytes by chance. */
  readonly random: () => Uint8Array;
}

/** What a method makes of its message: an encoded answer, a refusal, or a message it cannot read. */
export type Outcome =
  | Reply<Uint8Array>
  | { readonly ok: false; readonly problem: string; readonly tooLarge: boolean };

/** A call that no method has taken yet. */
export type NewCall = Omit<Call, "needs">;

export interface Method {
  readonly needs: readonly Permission[];
  readonly run: (call: NewCall, message: Uint8Array) => Promise<Outcome>;
}

/** A method over its messages, and what its caller must be allowed. */
export function method<I extends DescMessage, O extends DescMessage>(
  input: I,
  output: O,
  needs: readonly [Permission, ...Permission[]],
  run: (call: Call, request: MessageShape<I>) => Promise<Reply<MessageInitShape<O>>>,
): Method {
  return {
    needs,
    run: async (call, bytes) => {
      const request = readMessage(input, bytes);
      if (!request.ok) return request;
      const reply = await run({ ...call, needs }, request.value);
      return reply.ok ? answer(writeMessage(output, reply.value)) : reply;
    },
  };
}

/** PERMISSION_DENIED, where the caller may not do what the method needs; asked before existence. */
export async function denial(
  { access, needs }: Call,
  resource: Resource,
): Promise<Reply<never> | undefined> {
  if (access.isTrusted) return undefined;
  const refusal = await requireAll(access, needs, resource);
  return refusal === undefined ? undefined : refuse(Code.PERMISSION_DENIED, refusal.message);
}

/**
 * The app's project and location. An application id may come with a partition in front (`s~app`,
 * `e~app`); without any the project of the caller's own account counts, then the deployment's, since
 * most calls of the SDK name none.
 */
export function homeOf(
  { config, ownProject }: Call,
  applicationId: Uint8Array | string,
): Reply<LocationName> {
  const given = typeof applicationId === "string" ? applicationId : (textOf(applicationId) ?? "�");
  const project =
    given === "" ? (ownProject ?? config.appProject) : given.replace(/^[a-z\d-]{1,100}~/, "");
  if (project === undefined) {
    return refuse(
      Code.INVALID_REQUEST,
      "The call names no application (app_id), and the setting APP_PROJECT is not there to name one.",
    );
  }
  if (!isProjectId(project)) {
    return refuse(Code.INVALID_REQUEST, `Invalid app_id "${echo(given)}".`);
  }
  return answer({ project, location: config.appLocation });
}
