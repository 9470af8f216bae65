/** How every object with tables brings them up to date: migrations in order, each once. */

/** Whether anything was ever stored here: an object that was only asked about keeps no tables. */
export function hasTables(sql: SqlStorage): boolean {
  const found = sql.exec(
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version' LIMIT 1",
  );
  return found.toArray().length > 0;
}

/** Runs the migrations that were not run yet, in one transaction with the caller's. */
export function migrateBy(migrations: readonly string[], sql: SqlStorage): void {
  sql.exec("CREATE TABLE IF NOT EXISTS schema_version(version INTEGER NOT NULL)");
  const row = sql.exec<{ version: number }>("SELECT version FROM schema_version").toArray()[0];
  const version = row?.version ?? 0;
  if (version >= migrations.length) return;
  for (const step of migrations.slice(version)) sql.exec(step);
  sql.exec("DELETE FROM schema_version");
  sql.exec("INSERT INTO schema_version(version) VALUES (?)", migrations.length);
}
