/**
 * Whether a queue's webhooks are signed, and with which of its secrets. A queue starts signed, with
 * a secret that no earlier queue of its name had.
 */
import type { QueueSettings, WebhookSigning } from "./model.ts";
import { fail, ok, type Result } from "./result.ts";

export type SigningChange =
  | { readonly kind: "enable" | "disable" }
  /** A new secret; the one before signs along for the overlap, microseconds. */
  | { readonly kind: "rotate"; readonly overlapUs: number };

/** What the settings say, with the default where they say nothing. */
export function signingOf(settings: Pick<QueueSettings, "webhookSigning">): WebhookSigning {
  return settings.webhookSigning ?? { enabled: true, generation: 0 };
}

/** The settings of a queue that is made now. A pull queue sends nothing that could be signed. */
export function withFirstSecret(settings: QueueSettings, nowUs: number): QueueSettings {
  if (settings.type === "PULL" || settings.webhookSigning !== undefined) return settings;
  return { ...settings, webhookSigning: { enabled: true, generation: nowUs } };
}

/**
 * The settings after a change. A rotation while a secret still signs along ends that one: two are
 * live at most. FAILED_PRECONDITION for a pull queue.
 */
export function changeSigning(
  settings: QueueSettings,
  change: SigningChange,
  nowUs: number,
): Result<QueueSettings> {
  if (settings.type === "PULL") {
    return fail("FAILED_PRECONDITION", "A pull queue sends no webhooks that could be signed.");
  }
  return ok({ ...settings, webhookSigning: changed(signingOf(settings), change, nowUs) });
}

function changed(signing: WebhookSigning, change: SigningChange, nowUs: number): WebhookSigning {
  switch (change.kind) {
    case "enable":
      return { ...signing, enabled: true };
    case "disable":
      return { ...signing, enabled: false };
    case "rotate": {
      const { enabled, generation } = signing;
      const next = { enabled, generation: Math.max(nowUs, generation + 1) };
      if (change.overlapUs === 0) return next;
      return { ...next, previous: { generation, untilUs: nowUs + change.overlapUs } };
    }
    default:
      return change satisfies never;
  }
}

/** The generations whose secrets sign now, the newest first. */
export function liveGenerations(
  { generation, previous }: Omit<WebhookSigning, "enabled">,
  nowUs: number,
): readonly number[] {
  const isAlong = previous !== undefined && previous.untilUs > nowUs;
  return isAlong ? [generation, previous.generation] : [generation];
}
