/**
 * Holds the deployment's keys. One object per deployment; they are made here on first use and kept in
 * its storage. A private signing key never leaves it; nothing of a key is logged. A new signing key is
 * made by the alarm every period, or by command, and key-schedule.ts says when each one signs.
 */
import { DurableObject } from "cloudflare:workers";
import { readConfig } from "../core/config.ts";
import { KEY_LEAD_MS, MAX_SIGNING_KEYS } from "../core/limits.ts";
import type { QueueName } from "../core/model.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { Env } from "../env.ts";
import { activeKey, nextKeyMs, nextWorkMs, retiredKeys, retiresMs } from "./key-schedule.ts";
import type {
  KeyRotation,
  KeyService,
  SigningKeyInfo,
  SigningMaterial,
  TokenType,
} from "./key-service.ts";
import { importSigner, makeKeyPair, publicJwk, type Signer, signJwt } from "./rsa-key.ts";
import { type KeyRow, KeyStore } from "./store.ts";
import { webhookSecret } from "./webhook-signature.ts";

/** Size of the root of the webhook secrets, in bytes. */
const ROOT_SIZE = 32;

export class KeyObject extends DurableObject<Env> implements KeyService {
  /** Milliseconds since the epoch; a test may set it. */
  clock: () => number = Date.now;

  readonly #store: KeyStore;
  /** The rows as they are stored, the newest first. */
  #keys: readonly KeyRow[];
  /** When there is something to do about them; what an alarm that got lost is made up for by. */
  #workMs = 0;
  /** The imported key that signed last. */
  #signer: Promise<Signer> | undefined;
  #signerKid = "";
  /** Changes of the keys, one after another: two first calls make one key. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new KeyStore(ctx.storage);
    this.#keys = this.#store.list();
  }

  async signToken(
    claims: Readonly<Record<string, unknown>>,
    lifetimeSeconds: number,
    type: TokenType = "JWT",
  ): Promise<string> {
    await this.#upToDate();
    const signer = await this.#activeSigner();
    const issuedAt = Math.floor(this.clock() / 1000);
    return signJwt(signer, type, {
      ...claims,
      iss: readConfig(this.env).issuer,
      iat: issuedAt,
      exp: issuedAt + lifetimeSeconds,
      ...(type === "at+jwt" ? { jti: crypto.randomUUID() } : {}),
    });
  }

  async publicKeys(): Promise<{ readonly keys: readonly JsonWebKey[] }> {
    await this.#upToDate();
    return { keys: this.#keys.map(({ kid, privateJwk }) => publicJwk(kid, privateJwk)) };
  }

  async signingMaterial(): Promise<SigningMaterial> {
    const epochs = this.#keys.filter((key) => key.revokedOthers).map((key) => key.createdMs);
    return { webhookRoot: this.#webhookRoot(), epoch: Math.max(0, ...epochs) };
  }

  webhookSecrets(queue: QueueName, generations: readonly number[]): Promise<readonly string[]> {
    const root = this.#webhookRoot();
    return Promise.all(generations.map((generation) => webhookSecret(root, queue, generation)));
  }

  async listKeys(): Promise<readonly SigningKeyInfo[]> {
    await this.#upToDate();
    return this.#describe();
  }

  rotateKeys({
    activateAfterMs,
    revokeOthers,
  }: KeyRotation): Promise<Result<readonly SigningKeyInfo[]>> {
    return this.#inLine(async () => {
      const refusal = revokeOthers ? undefined : this.#rotationProblem();
      if (refusal !== undefined) return refusal;
      await this.#addKey(revokeOthers ? 0 : activateAfterMs, revokeOthers);
      return ok(this.#describe());
    });
  }

  /** Repeated by the platform when it throws; and every call makes up for an alarm that got lost. */
  override async alarm(): Promise<void> {
    await this.#inLine(() => this.#work());
  }

  // ---- The keys over time ------------------------------------------------------------------------

  /** Does what is due, for the most part nothing. The first call of all makes the first key. */
  async #upToDate(): Promise<void> {
    if (this.clock() < this.#workMs) return;
    try {
      await this.#inLine(() => this.#work());
    } catch (error) {
      if (this.#keys.length === 0) throw error;
      // The keys that are there still sign; the alarm and the next call try again.
      console.error(JSON.stringify({ severity: "ERROR", message: String(error) }));
    }
  }

  async #work(): Promise<void> {
    const nowMs = this.clock();
    if (this.#keys.length === 0) await this.#addKey(0, false);
    else if (nextKeyMs(this.#keys) <= nowMs) await this.#addKey(KEY_LEAD_MS, false);
    for (const { kid } of retiredKeys(this.#keys, nowMs)) this.#store.remove(kid);
    await this.#reload();
  }

  async #addKey(leadMs: number, revokedOthers: boolean): Promise<void> {
    const pair = await makeKeyPair();
    const createdMs = this.clock();
    this.#store.add({ ...pair, createdMs, signsFromMs: createdMs + leadMs, revokedOthers });
    await this.#reload();
  }

  async #reload(): Promise<void> {
    this.#keys = this.#store.list();
    this.#workMs = nextWorkMs(this.#keys);
    const alarmMs = await this.ctx.storage.getAlarm();
    if (alarmMs !== this.#workMs) await this.ctx.storage.setAlarm(this.#workMs);
  }

  #rotationProblem(): Result<never> | undefined {
    const nowMs = this.clock();
    const pending = this.#keys.find(({ signsFromMs }) => signsFromMs > nowMs);
    if (pending !== undefined && this.#keys.length > 1) {
      return fail(
        "FAILED_PRECONDITION",
        `A rotation is under way: the key ${pending.kid} signs from ` +
          `${new Date(pending.signsFromMs).toISOString()}.`,
      );
    }
    if (this.#keys.length < MAX_SIGNING_KEYS) return undefined;
    return fail(
      "RESOURCE_EXHAUSTED",
      `${MAX_SIGNING_KEYS} keys are still published for the tokens they signed. Wait for the first of them to go.`,
    );
  }

  #describe(): readonly SigningKeyInfo[] {
    const nowMs = this.clock();
    const active = activeKey(this.#keys, nowMs);
    return this.#keys.map((key) => {
      const { kid, createdMs, signsFromMs } = key;
      const endMs = retiresMs(this.#keys, key);
      const state = key === active ? "ACTIVE" : signsFromMs > nowMs ? "PENDING" : "RETIRING";
      const end = endMs === undefined ? {} : { retiresMs: endMs };
      return { kid, state, createdMs, signsFromMs, ...end };
    });
  }

  #activeSigner(): Promise<Signer> {
    const key = activeKey(this.#keys, this.clock());
    if (key === undefined) throw new Error("edgetasks bug: no signing key");
    if (this.#signer === undefined || this.#signerKid !== key.kid) {
      this.#signerKid = key.kid;
      this.#signer = importSigner(key.kid, key.privateJwk).catch((error: unknown) => {
        this.#signer = undefined;
        throw error;
      });
    }
    return this.#signer;
  }

  #inLine<T>(step: () => Promise<T>): Promise<T> {
    const run = this.#line.then(step);
    this.#line = run.catch(() => undefined);
    return run;
  }

  // ---- The root of the webhook secrets -----------------------------------------------------------

  /** Made on first use. No await between looking and storing: there is one for good. */
  #webhookRoot(): string {
    const stored = this.#store.webhookRoot();
    if (stored !== null) return stored;
    const secret = crypto.getRandomValues(new Uint8Array(ROOT_SIZE)).toBase64();
    this.#store.setWebhookRoot(secret);
    return secret;
  }
}
