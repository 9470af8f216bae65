/** The material of an isolate: how often it is asked for, and what holds when nobody answers. */
import { describe, expect, it } from "vitest";
import { SIGNING_MATERIAL_RETRY_MS, SIGNING_MATERIAL_REUSE_MS } from "../../src/core/limits.ts";
import { type CachedMaterial, SigningSource } from "../../src/dispatch/signing-source.ts";

function rig() {
  const cache: CachedMaterial = {};
  const state = { nowMs: 0, calls: 0, failures: 0 };
  const source = () =>
    new SigningSource(
      async () => {
        state.calls += 1;
        if (state.failures > 0) {
          state.failures -= 1;
          throw new Error("away");
        }
        return { webhookRoot: `root ${state.calls}`, epoch: state.calls };
      },
      () => state.nowMs,
      cache,
    );
  return { state, source };
}

describe("signing material", () => {
  it("is asked for once a minute, whatever the invocations", async () => {
    const { state, source } = rig();
    const one = source();
    await Promise.all([one.material(), one.material()]);
    expect(await source().material()).toEqual({ webhookRoot: "root 1", epoch: 1 });
    state.nowMs = SIGNING_MATERIAL_REUSE_MS - 1;
    await source().material();
    expect(state.calls).toBe(1);
    state.nowMs = SIGNING_MATERIAL_REUSE_MS;
    expect(await source().material()).toEqual({ webhookRoot: "root 2", epoch: 2 });
  });

  it("is there after a restart of its object, which fails one call", async () => {
    const { state, source } = rig();
    state.failures = 1;
    expect(await source().material()).toEqual({ webhookRoot: "root 2", epoch: 2 });
  });

  it("holds on while its object is away, and is asked for again soon", async () => {
    const { state, source } = rig();
    await source().material();
    state.nowMs = SIGNING_MATERIAL_REUSE_MS;
    state.failures = 2;
    expect(await source().material()).toEqual({ webhookRoot: "root 1", epoch: 1 });
    await source().material();
    expect(state.calls).toBe(3);
    state.nowMs += SIGNING_MATERIAL_RETRY_MS;
    expect(await source().material()).toEqual({ webhookRoot: "root 4", epoch: 4 });
  });

  it("is missing only where it never was", async () => {
    const { state, source } = rig();
    state.failures = 2;
    await expect(source().material()).rejects.toThrow("away");
    expect(await source().material()).toMatchObject({ epoch: 3 });
  });
});
