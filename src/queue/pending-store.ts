/** The SQL statements on the tasks of open transactions. Rows in, rows out; no decisions. */
import type { PendingRow } from "./schema.ts";

/** What a queue holds of one transaction. */
export type PendingSum = {
  tx: string;
  tasks: number;
  size: number;
  first: number;
  last: number;
};

export class PendingStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Each transaction that has tasks here. Reads every row, though not the bodies. */
  sums(): PendingSum[] {
    return this.#sql
      .exec<PendingSum>(
        `SELECT tx, count(*) AS tasks, sum(length(meta) + coalesce(length(body), 0)) AS size,
           min(seq) AS first, max(seq) AS last
         FROM pending GROUP BY tx ORDER BY tx`,
      )
      .toArray();
  }

  /** The sequence number must be free. */
  insert(row: Omit<PendingRow, "body"> & { readonly body: Uint8Array | null }): void {
    this.#sql.exec(
      "INSERT INTO pending(tx, seq, at, tag, meta, body) VALUES (?, ?, ?, ?, ?, ?)",
      row.tx,
      row.seq,
      row.at,
      row.tag,
      row.meta,
      row.body,
    );
  }

  /** The tasks of a transaction in the order in which they were added. Primary key. */
  tasksOf(tx: string): Iterable<PendingRow> {
    return this.#sql.exec<PendingRow>(
      "SELECT tx, seq, at, tag, meta, body FROM pending WHERE tx = ? ORDER BY seq",
      tx,
    );
  }

  /** Primary key. */
  has(tx: string, seq: number): boolean {
    const found = this.#sql.exec("SELECT 1 FROM pending WHERE tx = ? AND seq = ?", tx, seq);
    return found.next().done !== true;
  }

  remove(tx: string): void {
    this.#sql.exec("DELETE FROM pending WHERE tx = ?", tx);
  }
}
