/** Settings that are read into more than text. */
import { describe, expect, it } from "vitest";
import { DEFAULT_ISSUER, readConfig } from "../../src/core/config.ts";

describe("the setting ISSUER", () => {
  it.each([
    [undefined, DEFAULT_ISSUER],
    ["", DEFAULT_ISSUER],
    ["https://tasks.example.com", "https://tasks.example.com"],
    ["https://example.com/tasks/", "https://example.com/tasks/"],
    ["http://127.0.0.1:8787", "http://127.0.0.1:8787"],
  ])("%j is taken to the letter, since receivers compare it so", (value, issuer) => {
    expect(readConfig(value === undefined ? {} : { ISSUER: value }).issuer).toBe(issuer);
  });

  it.each(["tasks.example.com", "ftp://x.y", "https://x.y?a=1", "https://x.y/#a", "https://"])(
    "%j is an error that names it",
    (value) => {
      expect(() => readConfig({ ISSUER: value })).toThrow(
        `setting ISSUER must be an http or https URL without query, not "${value}"`,
      );
    },
  );
});
