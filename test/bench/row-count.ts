/** What one test of rows.bench.ts leaves in its meta, for rows.ts to read. */
export interface RowCount {
  readonly tasks: number;
  readonly rows: number;
  /** At most so many rows a task. */
  readonly goal: number;
}
