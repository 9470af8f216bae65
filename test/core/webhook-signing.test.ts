/** Which of a queue's secrets sign, and how that changes. */
import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/core/config.ts";
import type { QueueSettings, WebhookSigning } from "../../src/core/model.ts";
import { patchSettings } from "../../src/core/queue-settings.ts";
import {
  changeSigning,
  liveGenerations,
  type SigningChange,
  signingOf,
  withFirstSecret,
} from "../../src/core/webhook-signing.ts";
import { NOW, SECOND, settings } from "../support/factory.ts";

function changed(current: QueueSettings, change: SigningChange, nowUs = NOW): WebhookSigning {
  const result = changeSigning(current, change, nowUs);
  if (!result.ok) throw new Error(result.error.message);
  return signingOf(result.value);
}

const withSigning = (webhookSigning: WebhookSigning) => settings({ webhookSigning });

describe("the signing of a queue", () => {
  it("is on, also of queues that were made before there was any", () => {
    expect(signingOf(settings())).toEqual({ enabled: true, generation: 0 });
  });

  it("begins with a secret that no earlier queue of the name had", () => {
    const made = withFirstSecret(settings(), NOW);
    expect(made.webhookSigning).toEqual({ enabled: true, generation: NOW });
    expect(withFirstSecret(made, NOW + 1)).toEqual(made);
  });

  it("is no affair of a pull queue", () => {
    const pull = settings({ type: "PULL" });
    expect(withFirstSecret(pull, NOW)).toEqual(pull);
    expect(changeSigning(pull, { kind: "enable" }, NOW)).toMatchObject({
      error: { code: "FAILED_PRECONDITION" },
    });
  });

  it("can be switched off and on, and keeps its secrets", () => {
    const signing = { enabled: true, generation: 5, previous: { generation: 4, untilUs: 6 } };
    const off = changed(withSigning(signing), { kind: "disable" });
    expect(off).toEqual({ ...signing, enabled: false });
    expect(changed(withSigning(off), { kind: "enable" })).toEqual(signing);
  });

  it.each([
    ["everything is replaced", { input: { logSamplingRatio: 1 } }],
    ["a part is", { input: {}, paths: ["rateLimits"] }],
  ])("stays as it is when of the other settings %s", (_, patch) => {
    const webhookSigning = { enabled: false, generation: 5 };
    const patched = patchSettings(withSigning(webhookSigning), patch, readConfig({}));
    expect(patched).toMatchObject({ ok: true, value: { webhookSigning } });
  });
});

describe("a rotation", () => {
  const rotate: SigningChange = { kind: "rotate", overlapUs: 10 * SECOND };

  it("makes a secret, and the one before signs along for a time", () => {
    const signing = changed(settings(), rotate);
    expect(signing).toEqual({
      ...{ enabled: true, generation: NOW },
      previous: { generation: 0, untilUs: NOW + 10 * SECOND },
    });
    expect(liveGenerations(signing, NOW + 10 * SECOND - 1)).toEqual([NOW, 0]);
    expect(liveGenerations(signing, NOW + 10 * SECOND)).toEqual([NOW]);
  });

  it("leaves two secrets at most", () => {
    const once = changed(settings(), rotate);
    const twice = changed(withSigning(once), rotate, NOW + SECOND);
    expect(liveGenerations(twice, NOW + SECOND)).toEqual([NOW + SECOND, NOW]);
  });

  it("without overlap ends the old secret at once", () => {
    const signing = changed(withSigning(changed(settings(), rotate)), {
      kind: "rotate",
      overlapUs: 0,
    });
    expect(signing).toEqual({ enabled: true, generation: NOW + 1 });
  });

  it("never comes back to a secret, whatever the clock says", () => {
    const once = changed(settings(), rotate);
    expect(changed(withSigning(once), rotate, NOW - SECOND).generation).toBe(NOW + 1);
  });

  it("does not switch the signing on", () => {
    const off = changed(settings(), { kind: "disable" });
    expect(changed(withSigning(off), rotate).enabled).toBe(false);
  });
});
