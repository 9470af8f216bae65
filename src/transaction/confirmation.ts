/** Asking a transaction's confirmUrl how it ended, when its caller has not said so in time. */
import type { DeploymentConfig } from "../core/config.ts";
import { MAX_CONFIRM_SIZE } from "../core/limits.ts";
import { transactionPath } from "../core/names.ts";
import { checkTarget } from "../core/target-policy.ts";
import type { TransactionOutcome } from "../queue/service.ts";
import type { TransactionName } from "./service.ts";

export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** What a confirmation needs from around it. */
export interface Confirming {
  readonly config: Pick<DeploymentConfig, "targetAllow" | "issuer">;
  readonly send: Send;
  readonly timeoutMs: number;
}

/**
 * POSTs `{"transaction": "projects/…/transactions/ID"}`. An answer is 200 with
 * `{"outcome": "commit"}` or `{"outcome": "rollback"}`; 404 and 410 say that nothing was ever heard
 * of it: rollback. Anything else, silence and redirects among them, is no answer: undefined. Never
 * throws.
 */
export async function askOutcome(
  url: string,
  name: TransactionName,
  { config, send, timeoutMs }: Confirming,
): Promise<TransactionOutcome | undefined> {
  const target = URL.parse(url);
  // What may be called is decided anew: it may have changed since the transaction began.
  const isAllowed = target !== null && checkTarget(target, config, hostOf(config.issuer)) === null;
  if (!isAllowed) return undefined;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await send(target.href, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "edgetasks" },
      body: JSON.stringify({ transaction: transactionPath(name) }),
      redirect: "manual",
      signal,
    });
    return await readOutcome(response, signal);
  } catch {
    return undefined;
  }
}

async function readOutcome(
  response: Response,
  signal: AbortSignal,
): Promise<TransactionOutcome | undefined> {
  if (response.status !== 200) {
    await response.body?.cancel();
    return response.status === 404 || response.status === 410 ? "ROLLED_BACK" : undefined;
  }
  const text = await readText(response, signal);
  const answer = text === undefined ? undefined : (JSON.parse(text) as unknown);
  const outcome = (answer as { readonly outcome?: unknown } | null | undefined)?.outcome;
  if (outcome === "commit") return "COMMITTED";
  return outcome === "rollback" ? "ROLLED_BACK" : undefined;
}

/** The body, unless it is larger than any answer is, or does not end in time. */
async function readText({ body }: Response, signal: AbortSignal): Promise<string | undefined> {
  if (body === null) return undefined;
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  // A request's signal need not end an answer that has begun.
  signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (signal.aborted) return undefined;
    if (done) return text;
    size += value.length;
    if (size > MAX_CONFIRM_SIZE) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}

function hostOf(issuer: string): string | undefined {
  return URL.parse(issuer)?.host;
}
