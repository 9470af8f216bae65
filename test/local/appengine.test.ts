/**
 * App Engine's own SDKs, unmodified, against the built server: each case of their programs
 * (test/appengine) is a test here. Where an SDK is not installed that is said, and left out.
 */
import { describe, expect, test } from "vitest";
import {
  announceMissing,
  goProof,
  type Installed,
  pythonProof,
  runProof,
} from "../appengine/sdk.ts";

await prove("Python", pythonProof(), 70);
await prove("Go", goProof(), 15);

/** Runs a program now, since its cases are the tests; there must be so many of them at least. */
async function prove(language: string, installed: Installed, least: number): Promise<void> {
  const name = `App Engine's ${language} SDK`;
  if ("missing" in installed) {
    announceMissing(language, installed.missing);
    describe(name, () => {
      test.skipIf(true)(`left out: ${installed.missing}`, () => {});
    });
    return;
  }
  const outcomes = await runProof(installed.program);
  describe(name, () => {
    test("has run all its cases", () => {
      expect(outcomes.length).toBeGreaterThanOrEqual(least);
    });
    for (const outcome of outcomes) {
      test(outcome.case, () => expect(outcome.error ?? "").toBe(""));
    }
  });
}
