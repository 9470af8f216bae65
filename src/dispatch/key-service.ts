/**
 * The methods of the object that holds this deployment's keys: the RSA keys that sign tokens, and
 * the root from which the webhook secrets of all queues are derived. Plain data in and out.
 */
import type { QueueName } from "../core/model.ts";
import type { Result } from "../core/result.ts";

/** An identity token, or an access token of this deployment's own (RFC 9068). */
export type TokenType = "JWT" | "at+jwt";

export interface KeyService {
  /**
   * Signs a JWT (RS256) with the current key. The issuer, iat and exp are added here, and for an
   * access token a jti; none of them can be chosen by the asker. Lifetime in seconds.
   */
  signToken(
    claims: Readonly<Record<string, unknown>>,
    lifetimeSeconds: number,
    type?: TokenType,
  ): Promise<string>;
  /** The public keys, as a JWK set: what signs now, what signs next, what signed lately. */
  publicKeys(): Promise<{ readonly keys: readonly JsonWebKey[] }>;
  /** What a dispatcher keeps for a minute to sign webhooks by itself. A secret: never log it. */
  signingMaterial(): Promise<SigningMaterial>;
  /** The secrets (`whsec_…`) of a queue's generations, in their order. */
  webhookSecrets(queue: QueueName, generations: readonly number[]): Promise<readonly string[]>;

  /** The signing keys, the newest first; no private part. */
  listKeys(): Promise<readonly SigningKeyInfo[]>;
  /**
   * Makes a new signing key. FAILED_PRECONDITION while an earlier one still waits to sign, unless
   * `revokeOthers`; RESOURCE_EXHAUSTED while too many old ones are still published.
   */
  rotateKeys(request: KeyRotation): Promise<Result<readonly SigningKeyInfo[]>>;
}

export interface KeyRotation {
  /** How long the new key is only published, so that receivers know it before it signs. */
  readonly activateAfterMs: number;
  /** For a key that leaked: the new one signs at once, and the others are no longer published. */
  readonly revokeOthers: boolean;
}

/** Times in milliseconds since the epoch. */
export interface SigningKeyInfo {
  readonly kid: string;
  /** Published and not signing yet; signing; published for the tokens it signed. */
  readonly state: "PENDING" | "ACTIVE" | "RETIRING";
  readonly createdMs: number;
  readonly signsFromMs: number;
  /** When it is no longer published; absent while it has no successor. */
  readonly retiresMs?: number;
}

export interface SigningMaterial {
  /** 32 bytes in base64. */
  readonly webhookRoot: string;
  /** Changes when signing keys are revoked: tokens signed under another epoch are not used again. */
  readonly epoch: number;
}
