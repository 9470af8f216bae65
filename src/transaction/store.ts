/** The storage of a transaction's object: one record, for every row written counts. */
import type { TransactionName, TransactionState } from "./service.ts";

/** A transaction as it is stored. Queues go by their ids: they are of its project and location. */
export interface StoredTransaction {
  readonly name: TransactionName;
  readonly state: TransactionState;
  readonly createTimeUs: number;
  readonly expireTimeUs: number;
  readonly confirmUrl?: string;
  readonly queues: readonly string[];
  /** Once it is decided: the queues that are not known to have followed. */
  readonly untold: readonly string[];
  /** When the last queue had followed. */
  readonly settleTimeUs?: number;
}

const KEY = "transaction";

export class Store {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  read(): StoredTransaction | null {
    return this.#storage.kv.get<StoredTransaction>(KEY) ?? null;
  }

  /** One row. */
  write(transaction: StoredTransaction): void {
    this.#storage.kv.put(KEY, transaction);
  }

  /** Leaves nothing, not even an alarm. */
  async clear(): Promise<void> {
    await this.#storage.deleteAll();
  }
}
