/** The envelope of answers (rpc.md §2). */

import type { Reply } from "./errors.ts";
import { ResponseSchema, RpcError_ErrorCode as RpcCode } from "./gen/remote_api_pb.js";
import { writeMessage } from "./message.ts";

export { RpcCode };

/** Largest body of a request: 32 MiB, as the development server has it (rpc.md §7). */
export const MAX_REQUEST_SIZE = 32 * 2 ** 20;

/** What becomes of a call: a method's answer, its refusal, or an error of the envelope itself. */
export type Answer = Reply<Uint8Array> | { readonly ok: false; readonly rpc: RpcFault };

interface RpcFault {
  readonly code: RpcCode;
  readonly detail: string;
}

export function rpcError(code: RpcCode, detail: string): Answer {
  return { ok: false, rpc: { code, detail } };
}

export function encodeAnswer(answer: Answer): Uint8Array {
  if (answer.ok) return writeMessage(ResponseSchema, { response: answer.value });
  return writeMessage(
    ResponseSchema,
    "rpc" in answer ? { rpcError: answer.rpc } : { applicationError: answer.error },
  );
}
