/** The catalogue and the real objects of queues, over RPC as faces call them. */
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Env } from "../../src/env.ts";
import { queueStub, registryStub } from "../../src/stubs.ts";
import { SETTINGS } from "./fake-queues.ts";

const bindings = env as unknown as Env;

function setup() {
  const home = { project: `p-${crypto.randomUUID()}`, location: "europe-west1" };
  return {
    registry: () => registryStub(bindings, home),
    queue: (queue: string) => queueStub(bindings, { ...home, queue }),
    record: (queue: string) => ({
      name: { ...home, queue },
      settings: SETTINGS,
      state: "RUNNING" as const,
    }),
  };
}

describe("a catalogue with real queues", () => {
  it("creates, changes, lists and deletes what the queue's object then says of itself", async () => {
    const { registry, queue, record } = setup();
    expect(await registry().createQueue("a", SETTINGS)).toEqual({ ok: true, value: record("a") });
    expect(await queue("a").getQueue()).toEqual({ ok: true, value: record("a") });

    const patch = { paths: ["logSamplingRatio"], input: { logSamplingRatio: 0.25 } };
    const patched = { ...record("a"), settings: { ...SETTINGS, logSamplingRatio: 0.25 } };
    expect(await registry().patchQueue("a", patch)).toEqual({ ok: true, value: patched });
    expect(await registry().pauseQueue("a")).toMatchObject({
      ok: true,
      value: { state: "PAUSED" },
    });
    const purged = await registry().purgeQueue("a");
    expect(purged).toEqual({
      ok: true,
      value: { ...patched, state: "PAUSED", purgeTimeUs: expect.any(Number) },
    });
    expect(await queue("a").getQueue()).toEqual(purged);
    expect(await registry().listQueues("", 10)).toEqual({
      queues: [purged.ok ? purged.value : null],
      more: false,
    });

    expect(await registry().deleteQueue("a")).toEqual({ ok: true, value: null });
    expect(await queue("a").getQueue()).toMatchObject({ ok: false, error: { code: "NOT_FOUND" } });
    expect(await registry().listQueues("", 10)).toEqual({ queues: [], more: false });
    expect(await registry().createQueue("a", SETTINGS)).toMatchObject({
      ok: false,
      error: { code: "FAILED_PRECONDITION" },
    });
  });

  it("still knows them after both were evicted", async () => {
    const { registry, queue, record } = setup();
    await registry().createQueue("a", SETTINGS);
    await registry().pauseQueue("a");
    for (const stub of [registry(), queue("a")]) {
      await evictDurableObject(stub as unknown as DurableObjectStub);
    }
    const paused = { ...record("a"), state: "PAUSED" };
    expect(await registry().listQueues("", 10)).toEqual({ queues: [paused], more: false });
    expect(await queue("a").getQueue()).toEqual({ ok: true, value: paused });
    expect(await registry().resumeQueue("a")).toEqual({ ok: true, value: record("a") });
  });
});
