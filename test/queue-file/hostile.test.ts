/** Files that mean harm, or nothing: every one is read or refused, and none takes long. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/core/config.ts";
import { parseQueueFile } from "../../src/queue-file/queue-file.ts";
import { queueXml, queueYaml } from "./parsed.ts";

const CONFIG = readConfig({});

/** What anything must come to: a file, or at least one problem with its line. */
function expectVerdict(text: string): void {
  const parsed = parseQueueFile(text, CONFIG);
  if (parsed.ok) return;
  expect(parsed.problems.length).toBeGreaterThan(0);
  for (const { line, message } of parsed.problems) {
    expect(line).toBeGreaterThanOrEqual(1);
    expect(message).toMatch(/\.$/);
  }
}

describe("any text", () => {
  test("is read or refused", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), expectVerdict), { numRuns: 500 });
  });

  test.each([
    ["yaml", queueYaml],
    ["xml", queueXml],
  ])("that was a queue.%s before something was cut out or put in", (_kind, text) => {
    const place = fc.nat({ max: text.length });
    const piece = fc.oneof(
      fc.string({ maxLength: 5 }),
      fc.constantFrom(
        "<",
        "</queue>",
        "&",
        "<!DOCTYPE a>",
        "*a",
        "&a ",
        "- ",
        "\n",
        "\t",
        "{",
        "'",
      ),
    );
    fc.assert(
      fc.property(place, fc.nat({ max: 20 }), piece, (start, length, inserted) => {
        expectVerdict(text.slice(0, start) + inserted + text.slice(start + length));
      }),
      { numRuns: 500 },
    );
  });
});

/** The largest file that is taken, more or less. */
const fill = (piece: string) => piece.repeat(Math.ceil((256 * 1024) / piece.length));

test.each([
  ["nested lists", fill("- ")],
  ["nested mappings", fill("{a: ")],
  ["nested elements", fill("<a>")],
  ["aliases", `queue:\n- &a {name: q}\n${fill("- *a\n")}`],
  ["a multitude of keys", Array.from({ length: 60_000 }, (_, n) => `k${n}:`).join("\n")],
  ["one element again and again", `<queue-entries>${fill("<queue/>").repeat(4)}</queue-entries>`],
  [
    "entities of entities",
    `<!DOCTYPE q [<!ENTITY a "${"a".repeat(1000)}">${fill('<!ENTITY b "&a;&a;&a;">')}]><queue-entries>&b;</queue-entries>`,
  ],
])("%s are refused within seconds", (_what, text) => {
  const before = performance.now();
  expect(parseQueueFile(text, CONFIG).ok).toBe(false);
  expectVerdict(text.slice(0, 1000));
  expect(performance.now() - before).toBeLessThan(10_000);
});
