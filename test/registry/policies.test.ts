/** The policy of a queue goes with it, through failures as well. */
import { describe, expect, it } from "vitest";
import type { QueueName } from "../../src/core/model.ts";
import { settings } from "../support/factory.ts";
import { TestRegistry } from "./fake-queues.ts";

/** The part of the object that is replaced here. */
interface Replaceable {
  forgetPolicy: (name: QueueName) => Promise<unknown>;
}

describe("deleting a queue", () => {
  it("forgets its policy before the name is free, and is repeated when that fails", async () => {
    const world = new TestRegistry();
    const forgotten: string[] = [];
    let isBroken = true;
    const broken: Replaceable["forgetPolicy"] = async ({ queue }) => {
      if (isBroken) throw new Error("broken");
      forgotten.push(queue);
    };
    const run = <T>(work: Parameters<typeof world.run<T>>[0]) =>
      world.run((registry, state) => {
        (registry as unknown as Replaceable).forgetPolicy = broken;
        return work(registry, state);
      });
    await run((registry) => registry.createQueue("q", settings()));
    const first = await run((registry) => registry.deleteQueue("q"));
    expect(first).toMatchObject({ ok: false, error: { code: "UNAVAILABLE" } });
    isBroken = false;
    // Whoever comes by next finishes what was begun.
    const again = await run((registry) => registry.createQueue("q", settings()));
    expect(again).toMatchObject({ ok: false, error: { code: "FAILED_PRECONDITION" } });
    expect(forgotten).toEqual(["q"]);
  });
});
