/** The confirmUrl, which is asked when the caller has not said how it ended. */
import { describe, expect, it } from "vitest";
import { CONFIRM_LIMIT_US, CONFIRM_RETRY_US, MAX_CONFIRM_SIZE } from "../../src/core/limits.ts";
import { transactionPath } from "../../src/core/names.ts";
import { askOutcome, type Send } from "../../src/transaction/confirmation.ts";
import { error, value } from "../support/engine.ts";
import { CONFIRM_URL, TestTransaction } from "./fake-participants.ts";

const NAME = { project: "p", location: "us-central1", id: "7" };

function ask(send: Send, url = CONFIRM_URL, targetAllow: readonly string[] = []) {
  const config = { targetAllow, issuer: "https://tasks.example.com" };
  return askOutcome(url, NAME, { config, send, timeoutMs: 50 });
}

describe("the question", () => {
  it("is a POST of the transaction's name that follows no redirect", async () => {
    const sent: [string, RequestInit][] = [];
    await ask(async (url, init) => {
      sent.push([url, init]);
      return Response.json({ outcome: "commit" });
    });
    const [url, init] = sent[0]!;
    expect(url).toBe(CONFIRM_URL);
    expect(init).toMatchObject({ method: "POST", redirect: "manual" });
    expect(new Headers(init.headers).get("content-type")).toBe("application/json");
    expect(JSON.parse(String(init.body))).toEqual({ transaction: transactionPath(NAME) });
  });

  it.each(["http://10.0.0.1/x", "http://localhost/x", "https://tasks.example.com/x", "nonsense"])(
    "is not put to %s, where this deployment calls nobody",
    async (url) => {
      let count = 0;
      const outcome = await ask(async () => {
        count++;
        return Response.json({ outcome: "commit" });
      }, url);
      expect([outcome, count]).toEqual([undefined, 0]);
    },
  );
});

describe("the answer", () => {
  const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });
  it.each([
    ["commit", () => json({ outcome: "commit" }), "COMMITTED"],
    ["rollback", () => json({ outcome: "rollback", more: 1 }), "ROLLED_BACK"],
    ["404", () => json({ outcome: "commit" }, 404), "ROLLED_BACK"],
    ["410", () => new Response(null, { status: 410 }), "ROLLED_BACK"],
    ["201", () => json({ outcome: "commit" }, 201), undefined],
    ["204", () => new Response(null, { status: 204 }), undefined],
    ["302", () => new Response(null, { status: 302, headers: { location: "/x" } }), undefined],
    ["400", () => json({ outcome: "rollback" }, 400), undefined],
    ["500", () => json({ outcome: "rollback" }, 500), undefined],
    ["another word", () => json({ outcome: "committed" }), undefined],
    ["another type", () => json({ outcome: true }), undefined],
    ["a list", () => json(["commit"]), undefined],
    ["null", () => json(null), undefined],
    ["no JSON", () => new Response("commit"), undefined],
    ["nothing", () => new Response(null), undefined],
    [
      "a body beyond measure",
      () => new Response(`${" ".repeat(MAX_CONFIRM_SIZE)}{"outcome":"commit"}`),
      undefined,
    ],
  ] as const)("%s", async (_what, answer, outcome) => {
    expect(await ask(async () => answer())).toBe(outcome);
  });

  it("may be no answer at all", async () => {
    const failing: Send = () => Promise.reject(new Error("connection refused"));
    expect(await ask(failing)).toBeUndefined();
    const silent: Send = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    expect(await ask(silent)).toBeUndefined();
  });

  it("that does not end in time is none, whatever came of it", async () => {
    let isCancelled = false;
    const endless = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"outcome":"commit"}')),
      cancel: () => {
        isCancelled = true;
      },
    });
    expect(await ask(async () => new Response(endless))).toBeUndefined();
    expect(isCancelled).toBe(true);
  }, 3000);
});

describe("a transaction with a confirmUrl", () => {
  const started = async () => {
    const transaction = new TestTransaction();
    await transaction.beginWith(["a", "b"], { confirmUrl: CONFIRM_URL });
    return transaction;
  };

  it.each([
    ["commit", "COMMITTED"],
    ["rollback", "ROLLED_BACK"],
  ] as const)("ends at its expiry as the answer says: %s", async (outcome, state) => {
    const transaction = await started();
    transaction.confirm = () => Response.json({ outcome });
    expect(await transaction.ringNext()).toBe(60e6);
    expect(transaction.asked).toHaveLength(1);
    expect(value(await transaction.get()).state).toBe(state);
    expect([...transaction.queues.told.values()]).toEqual([state, state]);
  });

  it("is not asked about where the caller said so in time", async () => {
    const transaction = await started();
    value(await transaction.commit());
    transaction.advance(61e6);
    await transaction.ring();
    expect(transaction.asked).toEqual([]);
  });

  it("is asked about again with growing pauses, for a day, and then rolled back", async () => {
    const transaction = await started();
    transaction.confirm = () => new Response(null, { status: 503 });
    await transaction.ringNext();
    const pauses: number[] = [];
    const end = transaction.nowUs + CONFIRM_LIMIT_US;
    while (value(await transaction.get()).state === "OPEN")
      pauses.push(await transaction.ringNext());
    expect(pauses.slice(0, 4)).toEqual([1e6, 1e6, 2e6, 4e6]);
    expect(Math.max(...pauses)).toBe(CONFIRM_RETRY_US.last);
    expect(transaction.nowUs).toBeGreaterThanOrEqual(end);
    expect(transaction.nowUs).toBeLessThanOrEqual(end + CONFIRM_RETRY_US.last);
    expect(value(await transaction.get()).state).toBe("ROLLED_BACK");
    expect(transaction.queues.told.get("a")).toBe("ROLLED_BACK");
    expect(transaction.warnings).toHaveLength(1);
  });

  it("goes on being asked about after a death", async () => {
    const transaction = await started();
    transaction.confirm = () => new Response(null, { status: 503 });
    for (let n = 0; n < 3; n++) await transaction.ringNext();
    await transaction.evict();
    transaction.confirm = () => Response.json({ outcome: "commit" });
    expect(await transaction.ringNext()).toBeLessThanOrEqual(30e6);
    expect(transaction.queues.told.get("b")).toBe("COMMITTED");
  });

  it("still takes the caller's word while no answer has come, and no further task", async () => {
    const transaction = await started();
    transaction.confirm = () => new Response(null, { status: 503 });
    await transaction.ringNext();
    expect(error(await transaction.enlist("a")).cause).toBe("TRANSACTION_OVER");
    expect(value(await transaction.commit()).state).toBe("COMMITTED");
  });

  it("keeps what the caller says while it is being asked about", async () => {
    const transaction = await started();
    // The caller's commit comes in the middle of the question, whose answer is another.
    transaction.confirm = async () => {
      value(await transaction.commit());
      return Response.json({ outcome: "rollback" });
    };
    await transaction.ringNext();
    expect(transaction.asked).toHaveLength(1);
    expect(value(await transaction.get()).state).toBe("COMMITTED");
    expect([...transaction.queues.told.values()]).toEqual(["COMMITTED", "COMMITTED"]);
  });
});
