/**
 * Signed webhooks: the Standard Webhooks scheme, version 1 (standardwebhooks.com). A request carries
 *
 *   webhook-id         the task, the same on every attempt: what a handler knows repeats by
 *   webhook-timestamp  when the attempt was made, seconds since the epoch
 *   webhook-signature  v1,<base64 of HMAC-SHA256(secret, "id.timestamp.body")>, one for each live secret
 *
 * A queue's secret is derived from one root of the deployment, so it is stored nowhere and costs no
 * row: HMAC-SHA256(root, queue and generation). Whoever knows one secret learns nothing of another.
 */
import { encodeBase64url } from "../core/base64url.ts";
import { BoundedMap } from "../core/bounded-map.ts";
import { MAX_CACHED_WEBHOOK_SECRETS } from "../core/limits.ts";
import type { QueueName, WebhookSigning } from "../core/model.ts";
import { queueObjectName } from "../core/names.ts";
import { liveGenerations } from "../core/webhook-signing.ts";

const HMAC = { name: "HMAC", hash: "SHA-256" } as const;
/** Characters of a queue's hash in an id: 96 bits. */
const QUEUE_HASH_LENGTH = 16;

/** The secret of one generation of a queue, as handlers are given it: `whsec_` and 32 bytes. */
export async function webhookSecret(
  root: string,
  queue: QueueName,
  generation: number,
): Promise<string> {
  return `whsec_${(await secretBytes(root, queue, generation)).toBase64()}`;
}

async function secretBytes(
  root: string,
  queue: QueueName,
  generation: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await importHmac(Uint8Array.fromBase64(root));
  const text = `edgetasks webhook secret 1\n${queueObjectName(queue)}\n${generation}`;
  return new Uint8Array(await crypto.subtle.sign(HMAC, key, new TextEncoder().encode(text)));
}

function importHmac(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, HMAC, false, ["sign"]);
}

/** What is signed of a request. */
export interface SignedParts {
  readonly queue: QueueName;
  readonly signing: Omit<WebhookSigning, "enabled">;
  /** The task's sequence number: unique in its queue for good. */
  readonly sequence: number;
  /** Exactly the bytes that are sent; absent: none. */
  readonly body: Uint8Array | undefined;
}

export type WebhookHeaders = readonly (readonly [name: string, value: string])[];

/** Keys ready to sign and hashes of queue names, by what they were made from; oldest first. */
export interface WebhookCache {
  readonly keys: BoundedMap<CryptoKey>;
  readonly hashes: BoundedMap<string>;
}

const isolateCache: WebhookCache = {
  keys: new BoundedMap(MAX_CACHED_WEBHOOK_SECRETS),
  hashes: new BoundedMap(MAX_CACHED_WEBHOOK_SECRETS),
};

/** The three headers of an attempt that is made now, milliseconds since the epoch. */
export async function webhookHeaders(
  root: string,
  parts: SignedParts,
  nowMs: number,
  cache: WebhookCache = isolateCache,
): Promise<WebhookHeaders> {
  const id = `msg_${await queueHash(parts.queue, cache)}_${parts.sequence.toString(36)}`;
  const timestamp = String(Math.floor(nowMs / 1000));
  const content = signedContent(`${id}.${timestamp}.`, parts.body);
  const signatures = await Promise.all(
    liveGenerations(parts.signing, nowMs * 1000).map(async (generation) => {
      const key = await signingKey(root, parts.queue, generation, cache);
      return `v1,${new Uint8Array(await crypto.subtle.sign(HMAC, key, content)).toBase64()}`;
    }),
  );
  return [
    ["webhook-id", id],
    ["webhook-timestamp", timestamp],
    ["webhook-signature", signatures.join(" ")],
  ];
}

function signedContent(prefix: string, body: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(prefix);
  const content = new Uint8Array(head.length + (body?.length ?? 0));
  content.set(head);
  if (body !== undefined) content.set(body, head.length);
  return content;
}

async function signingKey(
  root: string,
  queue: QueueName,
  generation: number,
  { keys }: WebhookCache,
): Promise<CryptoKey> {
  const name = `${root} ${queueObjectName(queue)} ${generation}`;
  const known = keys.get(name);
  if (known !== undefined) return known;
  const key = await importHmac(await secretBytes(root, queue, generation));
  keys.set(name, key);
  return key;
}

/** An id has no full stop in it, and names of queues may: a hash stands for the name. */
async function queueHash(queue: QueueName, { hashes }: WebhookCache): Promise<string> {
  const name = queueObjectName(queue);
  const known = hashes.get(name);
  if (known !== undefined) return known;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(name));
  const hash = encodeBase64url(digest).slice(0, QUEUE_HASH_LENGTH);
  hashes.set(name, hash);
  return hash;
}
