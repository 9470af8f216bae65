/**
 * Accounts with their keys, and the deployment's own keys, as an isolate remembers them: read from
 * their objects at most once in VERIFIED_FOR_MS, unless a key is asked for that is not there.
 */
import type { AccountKey, Credentials } from "../access/service.ts";
import { BoundedMap } from "../core/bounded-map.ts";
import { MAX_CACHED_ACCOUNTS, OWN_KEYS_REREAD_MS, VERIFIED_FOR_MS } from "../core/limits.ts";
import type { Env } from "../env.ts";
import { accessStub, keyStub } from "../stubs.ts";
import type { Assertion } from "./jwt.ts";
import { importPublicKey, isSignedBy } from "./rsa.ts";

/** What an account's tokens are verified with. */
export class KnownAccount {
  readonly account: Credentials["account"];
  /** Until when what was verified with this counts, milliseconds. */
  readonly goodUntilMs: number;
  readonly #keys: readonly AccountKey[];
  readonly #imported = new Map<string, CryptoKey>();

  constructor({ account, keys }: Credentials, readMs: number) {
    this.account = account;
    this.goodUntilMs = readMs + VERIFIED_FOR_MS;
    this.#keys = keys;
  }

  /** The keys that may be used now; of them the one that is named, if one is. */
  usableKeys(id: string | undefined, nowMs: number): readonly AccountKey[] {
    const nowUs = nowMs * 1000;
    return this.#keys.filter(
      (key) => (id === undefined || key.id === id) && !key.disabled && nowUs < key.validBeforeUs,
    );
  }

  /** Which of the account's usable keys made the signature; undefined: none did. */
  async signingKey(
    { keyId, signature, signed }: Pick<Assertion, "keyId" | "signature" | "signed">,
    nowMs: number,
  ): Promise<string | undefined> {
    for (const key of this.usableKeys(keyId, nowMs)) {
      if (await isSignedBy(await this.#import(key), signature, signed)) return key.id;
    }
    return undefined;
  }

  async #import({ id, publicKey }: AccountKey): Promise<CryptoKey> {
    const known = this.#imported.get(id);
    if (known !== undefined) return known;
    const key = await importPublicKey(publicKey);
    this.#imported.set(id, key);
    return key;
  }
}

/** The accounts that an isolate remembers. */
export class AccountCache {
  readonly #env: Env;
  readonly #known = new BoundedMap<KnownAccount>(MAX_CACHED_ACCOUNTS);

  constructor(env: Env) {
    this.#env = env;
  }

  /**
   * The account as it was at most VERIFIED_FOR_MS ago, with the key that is named if there is one.
   * Null: there is no such account.
   */
  async find(
    email: string,
    project: string,
    keyId: string | undefined,
    nowMs: number,
  ): Promise<KnownAccount | null> {
    const known = this.#known.get(email);
    const isFresh = known !== undefined && nowMs < known.goodUntilMs;
    // A key that is not known may have been made since.
    if (isFresh && known.usableKeys(keyId, nowMs).length > 0) return known;
    const found = await accessStub(this.#env, project).getCredentials(email);
    if (found === null) return null;
    const account = new KnownAccount(structuredClone(found), nowMs);
    this.#known.set(email, account);
    return account;
  }

  forget(): void {
    this.#known.clear();
  }
}

/** The deployment's own public keys by their ids, as an isolate remembers them. */
export class OwnKeys {
  readonly #env: Env;
  #keys: ReadonlyMap<string, CryptoKey> = new Map();
  #readMs = Number.NEGATIVE_INFINITY;

  constructor(env: Env) {
    this.#env = env;
  }

  async find(kid: string, nowMs: number): Promise<CryptoKey | undefined> {
    const age = nowMs - this.#readMs;
    const isFresh = age < (this.#keys.has(kid) ? VERIFIED_FOR_MS : OWN_KEYS_REREAD_MS);
    if (!isFresh) await this.#read(nowMs);
    return this.#keys.get(kid);
  }

  forget(): void {
    this.#readMs = Number.NEGATIVE_INFINITY;
  }

  async #read(nowMs: number): Promise<void> {
    const { keys } = await keyStub(this.#env).publicKeys();
    const imported = new Map<string, CryptoKey>();
    for (const { n, e, ...rest } of keys) {
      const { kid } = rest as { readonly kid?: string };
      if (n === undefined || e === undefined || kid === undefined) continue;
      imported.set(kid, await importPublicKey({ n, e }));
    }
    this.#keys = imported;
    this.#readMs = nowMs;
  }
}
