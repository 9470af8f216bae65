/** The object that decides: its states, its queues, its alarms, and what it keeps for how long. */
import { describe, expect, it } from "vitest";
import { MAX_TRANSACTION_QUEUES, TRANSACTION_KEPT_US } from "../../src/core/limits.ts";
import { error, value } from "../support/engine.ts";
import { TestTransaction } from "./fake-participants.ts";

const OVER = { code: "FAILED_PRECONDITION", cause: "TRANSACTION_OVER" };
const UNKNOWN = { code: "NOT_FOUND", cause: "NO_TRANSACTION" };

describe("a transaction that never began", () => {
  it("is unknown to every method and leaves nothing behind", async () => {
    const transaction = new TestTransaction();
    const answers = [
      await transaction.get(),
      await transaction.enlist("a"),
      await transaction.commit(),
      await transaction.rollback(),
      await transaction.stateFor("a"),
    ];
    for (const answer of answers) expect(error(answer)).toMatchObject(UNKNOWN);
    expect(await transaction.isEmpty()).toBe(true);
    expect(await transaction.alarmMs()).toBeNull();
  });
});

describe("begin", () => {
  it("opens it for its lifetime, once", async () => {
    const transaction = new TestTransaction();
    const { name, nowUs } = transaction;
    const record = {
      name,
      state: "OPEN",
      createTimeUs: nowUs,
      expireTimeUs: nowUs + 60e6,
      queues: [],
    };
    expect(value(await transaction.begin())).toEqual(record);
    expect(error(await transaction.begin()).code).toBe("ALREADY_EXISTS");
    await transaction.evict();
    expect(value(await transaction.get())).toEqual(record);
    expect(await transaction.alarmMs()).toBe(record.expireTimeUs / 1000);
  });
});

describe("enlist", () => {
  it("takes each queue once", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b", "a"]);
    const { queues } = value(await transaction.get());
    expect(queues).toEqual([transaction.queue("a"), transaction.queue("b")]);
  });

  it("refuses queues of another place, and too many", async () => {
    const transaction = new TestTransaction();
    await transaction.begin();
    for (const elsewhere of [{ project: "other" }, { location: "europe-west1" }]) {
      const name = { ...transaction.queue("a"), ...elsewhere };
      const refused = await transaction.run((object) => object.enlist(name));
      expect(error(refused).code).toBe("INVALID_ARGUMENT");
    }
    expect(value(await transaction.get()).queues).toEqual([]);
    for (let n = 0; n < MAX_TRANSACTION_QUEUES; n++) value(await transaction.enlist(`q-${n}`));
    expect(error(await transaction.enlist("more")).code).toBe("RESOURCE_EXHAUSTED");
    value(await transaction.enlist("q-0"));
  });

  it.each(["commit", "rollback"] as const)("is refused after a %s", async (end) => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    value(await transaction[end]());
    expect(error(await transaction.enlist("a"))).toMatchObject(OVER);
    expect(error(await transaction.enlist("b"))).toMatchObject(OVER);
  });

  it("is refused once its time is over, before the alarm has rung", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    transaction.advance(60e6 - 1);
    value(await transaction.enlist("a"));
    transaction.advance(1);
    expect(error(await transaction.enlist("a"))).toMatchObject(OVER);
    expect(value(await transaction.get()).state).toBe("OPEN");
  });
});

describe.each([
  ["commit", "COMMITTED", "rollback"],
  ["rollback", "ROLLED_BACK", "commit"],
] as const)("%s", (end, state, other) => {
  it("tells every queue before it answers", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b", "c"]);
    expect(value(await transaction[end]()).state).toBe(state);
    expect(transaction.queues.told).toEqual(
      new Map([
        ["a", state],
        ["b", state],
        ["c", state],
      ]),
    );
    expect(transaction.queues.calls).toHaveLength(3);
  });

  it("has the same answer again, tells nobody twice, and refuses the other way", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    const first = value(await transaction[end]());
    await transaction.evict();
    expect(value(await transaction[end]())).toEqual(first);
    expect(error(await transaction[other]())).toMatchObject(OVER);
    expect(value(await transaction.get())).toEqual(first);
    expect(transaction.queues.calls).toEqual([`a ${state}`]);
  });

  it("counts a queue that is gone as told", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    transaction.queues.fate = () => "gone";
    value(await transaction[end]());
    expect(await transaction.ringNext()).toBe(TRANSACTION_KEPT_US);
  });

  it("is kept for a day, then told once more, and forgotten", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b"]);
    value(await transaction[end]());
    transaction.advance(TRANSACTION_KEPT_US - 1e6);
    await transaction.ring();
    expect(value(await transaction.get()).state).toBe(state);
    expect(transaction.queues.calls).toHaveLength(2);
    transaction.advance(1e6);
    await transaction.ring();
    expect(transaction.queues.calls).toHaveLength(4);
    expect(error(await transaction.get())).toMatchObject(UNKNOWN);
    expect(await transaction.isEmpty()).toBe(true);
    expect(await transaction.alarmMs()).toBeNull();
  });

  it("is not forgotten while a queue cannot be reached", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b"]);
    value(await transaction[end]());
    transaction.queues.fate = (queue) => (queue === "b" ? "before" : "works");
    expect(await transaction.ringNext()).toBe(TRANSACTION_KEPT_US);
    expect(value(await transaction.get()).state).toBe(state);
    await transaction.evict();
    expect(await transaction.ringNext()).toBeLessThanOrEqual(30e6);
    expect(value(await transaction.stateFor("b")).state).toBe(state);
    transaction.queues.fate = () => "works";
    expect(await transaction.ringNext()).toBeLessThanOrEqual(30e6);
    expect(await transaction.isEmpty()).toBe(true);
  });
});

describe("expiry", () => {
  it("rolls back", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b"]);
    expect(await transaction.ringNext()).toBe(60e6);
    expect(value(await transaction.get()).state).toBe("ROLLED_BACK");
    expect([...transaction.queues.told.values()]).toEqual(["ROLLED_BACK", "ROLLED_BACK"]);
    expect(error(await transaction.commit())).toMatchObject(OVER);
    value(await transaction.rollback());
  });

  it("comes before a commit, also where the alarm is late", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    transaction.advance(60e6);
    expect(error(await transaction.commit())).toMatchObject(OVER);
    expect(value(await transaction.get()).state).toBe("ROLLED_BACK");
    await transaction.ringNext();
    expect(transaction.queues.told.get("a")).toBe("ROLLED_BACK");
  });

  it("is what a queue hears that asks, also where the alarm is late", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    transaction.advance(60e6);
    expect(value(await transaction.stateFor("a")).state).toBe("ROLLED_BACK");
    expect(error(await transaction.commit())).toMatchObject(OVER);
  });

  it("is not brought on by an alarm that rings too early", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    transaction.advance(1e6);
    await transaction.ring();
    expect(value(await transaction.get()).state).toBe("OPEN");
    expect(await transaction.ringNext()).toBe(59e6);
    expect(value(await transaction.get()).state).toBe("ROLLED_BACK");
  });
});

describe("races", () => {
  it("of commit and rollback have one winner, and everybody hears of that one", async () => {
    for (const order of [
      ["commit", "rollback"],
      ["rollback", "commit"],
    ] as const) {
      const transaction = new TestTransaction();
      await transaction.beginWith(["a", "b"]);
      const [won, lost] = await transaction.run((object) =>
        Promise.all(order.map((end) => object[end]())),
      );
      const { state } = value(won!);
      expect(error(lost!)).toMatchObject(OVER);
      expect(new Set(transaction.queues.told.values())).toEqual(new Set([state]));
    }
  });

  it("of two commits tell each queue once", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b"]);
    const both = await transaction.run((object) => Promise.all([object.commit(), object.commit()]));
    expect(both.map((result) => value(result).state)).toEqual(["COMMITTED", "COMMITTED"]);
    expect(transaction.queues.calls).toHaveLength(2);
  });
});

describe("a queue that asks", () => {
  it("is told how it stands", async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a"]);
    const expireTimeUs = transaction.nowUs + 60e6;
    expect(value(await transaction.stateFor("a"))).toEqual({ state: "OPEN", expireTimeUs });
    value(await transaction.commit());
    expect(value(await transaction.stateFor("a")).state).toBe("COMMITTED");
  });

  it("will be told the decision where it hears OPEN, even if nobody enlisted it", async () => {
    const transaction = new TestTransaction();
    await transaction.begin();
    value(await transaction.stateFor("a"));
    value(await transaction.commit());
    expect(transaction.queues.told.get("a")).toBe("COMMITTED");
  });
});
