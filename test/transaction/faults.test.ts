/** Queues that fail while they are told, and deaths of the object at every step of its work. */
import { abortAllDurableObjects } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { TRANSACTION_KEPT_US } from "../../src/core/limits.ts";
import { value } from "../support/engine.ts";
import { CONFIRM_URL, type Fate, TestTransaction } from "./fake-participants.ts";

const FATES: readonly Fate[] = ["before", "after", "hangs", "refused"];

describe.each(FATES)("a queue whose call %s", (fate) => {
  it("does not hold up the answer, and is told by the alarm until it follows", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b"]);
    transaction.queues.fate = (queue) => (queue === "b" ? fate : "works");
    expect(value(await transaction.commit()).state).toBe("COMMITTED");
    expect(transaction.queues.told.get("a")).toBe("COMMITTED");
    for (let n = 0; n < 4; n++) expect(await transaction.ringNext()).toBeLessThanOrEqual(30e6);
    transaction.queues.fate = () => "works";
    expect(await transaction.ringNext()).toBeLessThanOrEqual(30e6);
    expect(transaction.queues.told.get("b")).toBe("COMMITTED");
    expect(transaction.queues.calls.filter((call) => call.startsWith("a "))).toHaveLength(1);
    expect(await transaction.ringNext()).toBe(TRANSACTION_KEPT_US);
  });

  it("is told after the object's death too, with no need of a caller", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b"]);
    transaction.queues.fate = () => fate;
    value(await transaction.commit());
    await transaction.evict();
    transaction.queues.fate = () => "works";
    expect(await transaction.ringNext()).toBeLessThanOrEqual(30e6);
    expect(transaction.queues.told.size).toBe(2);
  });
});

describe("the answer", () => {
  it("comes without the queues once the patience is over; they are still told", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    transaction.patienceMs = 10;
    transaction.tellMs = 60_000;
    transaction.queues.fate = () => "hangs";
    expect(value(await transaction.commit()).state).toBe("COMMITTED");
    expect(transaction.queues.told.size).toBe(0);
    await abortAllDurableObjects();
    transaction.queues.fate = () => "works";
    await transaction.ringNext();
    expect(transaction.queues.told.get("a")).toBe("COMMITTED");
  });
});

describe("a death", () => {
  it.each([
    ["before the decision", undefined, "ROLLED_BACK"],
    ["after the decision to commit, before anybody was told", "commit", "COMMITTED"],
    ["after the decision to roll back, before anybody was told", "rollback", "ROLLED_BACK"],
  ] as const)("%s", async (_when, end, state) => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b"]);
    transaction.patienceMs = 1;
    transaction.queues.fate = () => "hangs";
    if (end !== undefined) value(await transaction[end]());
    // For real: what was not durable is gone, and so is whatever still ran.
    await abortAllDurableObjects();
    transaction.queues.fate = () => "works";
    expect(await transaction.ringNext()).toBe(end === undefined ? 60e6 : 10e6);
    expect(value(await transaction.get()).state).toBe(state);
    expect([...transaction.queues.told]).toEqual([
      ["a", state],
      ["b", state],
    ]);
  });

  it("while the alarm works leaves another alarm", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    transaction.tellMs = 60_000;
    transaction.queues.fate = () => "hangs";
    transaction.advance(60e6);
    // Not awaited: it hangs until the object dies.
    const hanging = transaction.ring().catch(() => false);
    await expect.poll(() => transaction.queues.calls.length).toBe(1);
    await abortAllDurableObjects();
    await hanging;
    transaction.queues.fate = () => "works";
    expect(await transaction.ringNext()).toBeLessThanOrEqual(30e6);
    expect(transaction.queues.told.get("a")).toBe("ROLLED_BACK");
  });

  it("while a confirmUrl is asked leaves another alarm", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"], { confirmUrl: CONFIRM_URL });
    transaction.confirm = () => new Promise<never>(() => {});
    transaction.advance(60e6);
    const hanging = transaction.ring().catch(() => false);
    await expect.poll(() => transaction.asked.length).toBe(1);
    // Looked at before the death: the next start would repair it.
    const alarmMs = await transaction.alarmMs();
    expect(alarmMs).toBe(transaction.nowUs / 1000 + 30_000);
    await abortAllDurableObjects();
    await hanging;
    transaction.confirm = () => Response.json({ outcome: "commit" });
    await transaction.ringNext();
    expect(transaction.queues.told.get("a")).toBe("COMMITTED");
  });

  it("of the alarm itself is repaired by the next start", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    await transaction.run((_, { storage }) => storage.deleteAlarm());
    await transaction.evict();
    await transaction.ringNext();
    expect(transaction.queues.told.get("a")).toBe("ROLLED_BACK");
  });
});
