/** Makes one attempt: build, sign, send under the deadline, classify. */
import type { AttemptOrder, AttemptOutcome } from "../core/attempt.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { TokenSource } from "./identity-token.ts";
import { endOfFailure, endOfResponse, failureText } from "./outcome.ts";
import { buildRequest, type OutgoingRequest, type RequestSettings } from "./request.ts";
import type { SignedParts, WebhookHeaders } from "./webhook-signature.ts";

/** The part of fetch, and of a service binding's fetch, that is used. */
export type Send = (url: string, init: RequestInit) => Promise<Response>;

export interface SenderPorts {
  readonly tokens: Pick<TokenSource, "tokenFor">;
  /** The headers that sign a request made now. Rejects when there is no key to sign with. */
  readonly webhookHeaders: (parts: SignedParts, nowMs: number) => Promise<WebhookHeaders>;
  /** The way to a service binding, or to the Internet where no name is given. */
  readonly senderTo: (binding: string | undefined) => Send;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** Makes an attempt. What goes wrong with its target is its end; it rejects on bugs only. */
export async function makeAttempt(
  order: AttemptOrder,
  settings: RequestSettings,
  ports: SenderPorts,
): Promise<AttemptOutcome> {
  const { scheduleTimeUs, sequence, attempt } = order;
  const request = buildRequest(order, settings);
  const ended = request.ok
    ? await send(request.value, ports)
    : ({ end: { kind: "refused", message: request.error.message } } as const);
  return { scheduleTimeUs, sequence, attempt, ...ended };
}

type Ended = Pick<AttemptOutcome, "end" | "retryAfterUs">;

async function send(request: OutgoingRequest, ports: SenderPorts): Promise<Ended> {
  const headers = headersOf(request);
  if (!headers.ok) return { end: { kind: "refused", message: headers.error.message } };
  const problem =
    (await authorize(request, headers.value, ports)) ?? (await sign(request, headers.value, ports));
  if (problem !== null) return { end: { kind: "unreachable", message: problem } };

  const signal = AbortSignal.timeout(Math.max(1, Math.ceil(request.deadlineUs / 1000)));
  try {
    const response = await ports.senderTo(request.binding)(request.url.href, {
      method: request.method,
      headers: headers.value,
      ...(request.body === undefined ? {} : { body: request.body }),
      // A redirect could lead past the target policy, and counts as a failure (push.md §1.2).
      redirect: "manual",
      signal,
      // An attempt must reach its handler: never answered from a cache on the way.
      ...(isCacheable(request) ? { cf: { cacheTtl: -1 } } : {}),
    });
    discardBody(response);
    return endOfResponse(response, request.kind, ports.nowMs());
  } catch (error) {
    return { end: endOfFailure(error, signal.aborted, request.binding !== undefined) };
  }
}

/** Names and values that were stored before a rule forbade them are found here. */
function headersOf(request: OutgoingRequest): Result<Headers> {
  const headers = new Headers();
  for (const [name, value] of request.headers) {
    try {
      headers.set(name, value);
    } catch {
      return fail("INVALID_ARGUMENT", `The header ${JSON.stringify(name)} cannot be sent.`);
    }
  }
  return ok(headers);
}

/** Sets Authorization where the task asks for a token; answers what kept it from being signed. */
async function authorize(
  request: OutgoingRequest,
  headers: Headers,
  ports: SenderPorts,
): Promise<string | null> {
  if (request.token === undefined) return null;
  try {
    headers.set("Authorization", `Bearer ${await ports.tokens.tokenFor(request.token)}`);
    return null;
  } catch (error) {
    return `The token for the target could not be signed: ${failureText(error)}`;
  }
}

/**
 * Sets the webhook's signature; answers what kept it from being made. A request that should be signed
 * is never sent without: its handler could not tell it from a forged one.
 */
async function sign(
  { webhook, body }: OutgoingRequest,
  headers: Headers,
  ports: SenderPorts,
): Promise<string | null> {
  if (webhook === undefined) return null;
  try {
    const signed = await ports.webhookHeaders({ ...webhook, body }, ports.nowMs());
    for (const [name, value] of signed) headers.set(name, value);
    return null;
  } catch (error) {
    return `The webhook could not be signed: ${failureText(error)}`;
  }
}

/** Frees the connection; only the status counts. */
function discardBody(response: Response): void {
  response.body?.cancel().catch(() => undefined);
}

function isCacheable(request: OutgoingRequest): boolean {
  return request.binding === undefined && (request.method === "GET" || request.method === "HEAD");
}
