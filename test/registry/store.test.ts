/** The catalogue's table: what it refuses, what its statements cost, and that it only grows. */
import { describe, expect, it } from "vitest";
import { MIGRATIONS } from "../../src/registry/schema.ts";
import { Store } from "../../src/registry/store.ts";
import { TestRegistry } from "./fake-queues.ts";

/** Works on the storage of a fresh object. */
function withStorage<T>(work: (storage: DurableObjectStorage, registry: TestRegistry) => T) {
  const registry = new TestRegistry();
  return registry.run((_, { storage }) => work(storage, registry));
}

/** A store with so many queues, every third one deleted, every fifth one being changed. */
function fill(storage: DurableObjectStorage, registry: TestRegistry, count: number): Store {
  const store = new Store(storage);
  for (let n = 0; n < count; n++) {
    const name = `q${String(n).padStart(5, "0")}`;
    const record = registry.record(name);
    if (n % 3 === 0) store.writeTombstone(name, 1000 + n);
    else if (n % 5 === 0) store.writeUpdating(record, { kind: "pause" }, 5000 + n);
    else store.writeLive(record);
  }
  return store;
}

describe("the table refuses", () => {
  it.each([
    ["an unknown phase", "'a', 'gone', '{}', NULL, NULL, 0"],
    ["a live queue without a record", "'a', 'live', NULL, NULL, NULL, 0"],
    ["a live queue that waits", "'a', 'live', '{}', NULL, 5, 0"],
    ["a live queue with a change", "'a', 'live', '{}', '{}', NULL, 0"],
    ["a live queue with failures", "'a', 'live', '{}', NULL, NULL, 1"],
    ["an update that does not say what", "'a', 'updating', '{}', NULL, 5, 0"],
    ["a pending step without a time", "'a', 'deleting', '{}', NULL, NULL, 0"],
    ["a tombstone with a record", "'a', 'tombstone', '{}', NULL, 5, 0"],
    ["a tombstone without an end", "'a', 'tombstone', NULL, NULL, NULL, 0"],
  ])("%s", async (_, values) => {
    await withStorage((storage) => {
      new Store(storage).writeTombstone("x", 1);
      const insert = () => storage.sql.exec(`INSERT INTO queue VALUES (${values})`);
      expect(insert).toThrow(/CHECK constraint failed/);
    });
  });
});

describe("the store", () => {
  it("sweeps the tombstones that ended, the oldest first and so many at a time", async () => {
    await withStorage((storage, registry) => {
      const store = fill(storage, registry, 30);
      expect(store.sweepTombstones(1009, 2)).toBe(2);
      expect(store.read("q00000")).toBeNull();
      expect(store.nextTombstoneEndUs()).toBe(1006);
      expect(store.sweepTombstones(1009, 10)).toBe(2);
      expect(store.sweepTombstones(1009, 10)).toBe(0);
      expect(store.read("q00012")).toEqual({ phase: "tombstone", untilUs: 1012 });
    });
  });

  it("reads as many rows as it answers, not as many as there are", async () => {
    await withStorage((storage, registry) => {
      const store = fill(storage, registry, 3000);
      const reads = (work: () => unknown) => {
        const exec = storage.sql.exec;
        const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
        const counting: SqlStorage["exec"] = (statement, ...values) => {
          const cursor = exec.call(storage.sql, statement, ...values);
          cursors.push(cursor);
          return cursor as never;
        };
        Object.defineProperty(storage.sql, "exec", { value: counting, configurable: true });
        work();
        Reflect.deleteProperty(storage.sql, "exec");
        expect(cursors.length).toBeGreaterThan(0);
        return cursors.reduce((sum, { rowsRead }) => sum + rowsRead, 0);
      };
      expect(reads(() => store.read("q01500"))).toBeLessThanOrEqual(2);
      expect(reads(() => [...store.readQueues("q01500", 10)])).toBeLessThanOrEqual(20);
      expect(reads(() => store.readPageEnd("q01500", 10))).toBeLessThanOrEqual(20);
      expect(reads(() => store.nextTombstoneEndUs())).toBeLessThanOrEqual(2);
      expect(reads(() => store.readDue(5100, 100))).toBeLessThanOrEqual(60);
      expect(reads(() => store.sweepTombstones(1030, 100))).toBeLessThanOrEqual(60);
    });
  });
});

describe("migrations", () => {
  it("open the table of each older version and leave its entries", async () => {
    for (let version = 1; version <= MIGRATIONS.length; version++) {
      await withStorage((storage, registry) => {
        for (const step of MIGRATIONS.slice(0, version)) storage.sql.exec(step);
        storage.sql.exec("CREATE TABLE schema_version(version INTEGER NOT NULL)");
        storage.sql.exec("INSERT INTO schema_version(version) VALUES (?)", version);
        const record = registry.record("a");
        storage.sql.exec(
          "INSERT INTO queue(name, phase, record) VALUES ('a', 'live', ?)",
          JSON.stringify(record),
        );
        expect(new Store(storage).read("a")).toEqual({ phase: "live", record });
        const row = storage.sql.exec("SELECT version FROM schema_version").one();
        expect(row).toEqual({ version: MIGRATIONS.length });
      });
    }
  });

  it("leave the tables of a later version alone, as after a rollback", async () => {
    await withStorage((storage, registry) => {
      fill(storage, registry, 3);
      storage.sql.exec("UPDATE schema_version SET version = 99");
      expect(new Store(storage).read("q00001")?.phase).toBe("live");
      expect(storage.sql.exec("SELECT version FROM schema_version").one()).toEqual({ version: 99 });
    });
  });
});
