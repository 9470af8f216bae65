/** The deployment's signing material as an isolate keeps it: asked for once a minute. */
import { SIGNING_MATERIAL_RETRY_MS, SIGNING_MATERIAL_REUSE_MS } from "../core/limits.ts";
import type { KeyService, SigningMaterial } from "./key-service.ts";

export interface CachedMaterial {
  current?: { readonly material: SigningMaterial; readonly freshUntilMs: number };
}

/** Material of this isolate; it can be lost at any time. */
const isolateCache: CachedMaterial = {};

/** Gives the material to the attempts of one invocation. */
export class SigningSource {
  readonly #fetch: KeyService["signingMaterial"];
  readonly #nowMs: () => number;
  readonly #cache: CachedMaterial;
  /** The call under way; of this invocation alone, for one may not await another's I/O. */
  #pending: Promise<SigningMaterial> | undefined;

  constructor(
    fetch: KeyService["signingMaterial"],
    nowMs: () => number,
    cache: CachedMaterial = isolateCache,
  ) {
    this.#fetch = fetch;
    this.#nowMs = nowMs;
    this.#cache = cache;
  }

  /**
   * The material, a minute old at most where the keys' object answers. Where it does not, what is
   * known still signs; rejects only where nothing is known yet.
   */
  material(): SigningMaterial | Promise<SigningMaterial> {
    const { current } = this.#cache;
    if (current !== undefined && this.#nowMs() < current.freshUntilMs) return current.material;
    this.#pending ??= this.#renew().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #renew(): Promise<SigningMaterial> {
    try {
      const { webhookRoot, epoch } = await this.#askTwice();
      return this.#keep({ webhookRoot, epoch }, SIGNING_MATERIAL_REUSE_MS);
    } catch (error) {
      const { current } = this.#cache;
      if (current === undefined) throw error;
      return this.#keep(current.material, SIGNING_MATERIAL_RETRY_MS);
    }
  }

  /** An object that restarts breaks the calls it has; the next one starts it again. */
  async #askTwice(): Promise<SigningMaterial> {
    try {
      return await this.#fetch();
    } catch {
      return this.#fetch();
    }
  }

  #keep(material: SigningMaterial, forMs: number): SigningMaterial {
    this.#cache.current = { material, freshUntilMs: this.#nowMs() + forMs };
    return material;
  }
}
