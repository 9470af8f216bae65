/** Signatures of webhooks by a shared secret (the Standard Webhooks specification). */
import { decodeBase64 } from "./base64.ts";
import { bytesOf } from "./payload.ts";
import { platform } from "./platform.ts";
import type { Verdict, Verifier } from "./task-handler.ts";
import type { WebKey } from "./web-key.ts";

/** Remembers messages that were handled, so that none is handled twice. */
export interface SeenIds {
  has(id: string): boolean | Promise<boolean>;
  add(id: string): void | Promise<void>;
}

export interface SignatureOptions {
  /** `whsec_` and base64; several while a secret is being replaced. */
  readonly secrets: string | readonly string[];
  /** Seconds between the signature's time and now, at most, either way; 300. */
  readonly toleranceSeconds?: number | undefined;
  /** Where given, a message that was handled is answered as done and not handled again. */
  readonly seen?: SeenIds | undefined;
  /** The clock, milliseconds. */
  readonly now?: (() => number) | undefined;
}

/**
 * Believes requests that the queue signed with its secret: HMAC-SHA256 over message id, time and
 * body, in the headers webhook-id, webhook-timestamp and webhook-signature. The headers of the task
 * itself are not signed; TLS guards them.
 *
 * @example
 * const verify = verifySignature({
 *   secrets: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
 *   seen: new MemorySeenIds(),
 * });
 * const handle = taskHandler((task) => console.log(task.text()), { verify });
 * console.log((await handle(new Request("https://app.example.com/", { method: "POST" }))).status);
 */
export function verifySignature(options: SignatureOptions): Verifier {
  const { secrets, toleranceSeconds = 300, seen, now = platform.now } = options;
  const list = typeof secrets === "string" ? [secrets] : secrets;
  if (list.length === 0) throw new TypeError("verifySignature needs a secret.");
  const bytesOfSecrets = list.map(readSecret);
  let keys: readonly WebKey[] | undefined;
  return async (request, body) => {
    const { headers } = request;
    const id = headers.get("webhook-id");
    const timestamp = headers.get("webhook-timestamp");
    const signatures = headers.get("webhook-signature");
    if (!id || !timestamp || !signatures) return refused("it is not signed");
    if (!/^\d{1,12}$/.test(timestamp)) return refused("its timestamp is no number");
    const ageSeconds = now() / 1000 - Number(timestamp);
    if (Math.abs(ageSeconds) > toleranceSeconds) return refused("its signature is too old or new");
    // Not when it is made, which in a Worker is no time for it; nor shared while it is under way.
    keys ??= await Promise.all(bytesOfSecrets.map(importSecret));
    const signed = concatenate(bytesOf(`${id}.${timestamp}.`), body);
    for (const signature of signatures.split(" ")) {
      if (await isValid(signature, signed, keys)) {
        const trust = { by: "signature", messageId: id } as const;
        return { ok: true, trust, ...(seen === undefined ? {} : { seen }) };
      }
    }
    return refused("its signature is not of this queue's secret");
  };
}

/** Compared by the platform, in constant time. */
async function isValid(
  signature: string,
  signed: Uint8Array<ArrayBuffer>,
  keys: readonly WebKey[],
): Promise<boolean> {
  const [version, base64 = ""] = signature.split(",");
  if (version !== "v1") return false;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = decodeBase64(base64);
  } catch {
    return false;
  }
  for (const key of keys) {
    const isOfKey = await crypto.subtle.verify("HMAC", key, bytes, signed);
    if (isOfKey) return true;
  }
  return false;
}

function readSecret(secret: string): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  try {
    bytes = decodeBase64(secret.replace(/^whsec_/, ""));
  } catch {
    // Said below, without the secret.
  }
  if (bytes !== undefined && bytes.length > 0) return bytes;
  throw new TypeError("A webhook's secret must be whsec_ and base64.");
}

function importSecret(bytes: Uint8Array<ArrayBuffer>): Promise<WebKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", bytes, algorithm, false, ["verify"]);
}

function concatenate(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function refused(reason: string): Verdict {
  return { ok: false, status: 401, reason };
}

/** Message ids of this process, the newest `max` of them; for more than one process use a store. */
export class MemorySeenIds implements SeenIds {
  readonly #ids = new Set<string>();
  readonly #max: number;

  constructor(max = 10_000) {
    this.#max = max;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= this.#max) return;
      this.#ids.delete(oldest);
    }
  }
}
