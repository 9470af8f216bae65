/** Queue files written: read again they are the same queues, whatever those are. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { readConfig } from "../../src/core/config.ts";
import type { QueueRecord } from "../../src/core/model.ts";
import {
  createSettings,
  createSettingsFromPatch,
  type SettingsInput,
} from "../../src/core/queue-settings.ts";
import { rateText } from "../../src/queue-file/description.ts";
import type { QueueDescription } from "../../src/queue-file/queue-file.ts";
import { creationOf, isPausing } from "../../src/queue-file/settings.ts";
import { writeQueueFile } from "../../src/queue-file/writer.ts";
import { descriptionsOf, queueYaml } from "./parsed.ts";

const CONFIG = readConfig({});
const TITLE = "The queues of projects/p/locations/l.";

/** The queue that a file makes of a description. */
function recordOf(queue: QueueDescription): QueueRecord {
  const settings = createSettingsFromPatch(creationOf(queue), CONFIG);
  if (!settings.ok) throw new Error(settings.error.message);
  return {
    name: { project: "p", location: "l", queue: queue.name },
    settings: settings.value,
    state: isPausing(queue) ? "PAUSED" : "RUNNING",
  };
}

function createdBy(input: SettingsInput, state: QueueRecord["state"] = "RUNNING"): QueueRecord {
  const settings = createSettings(input, CONFIG);
  if (!settings.ok) throw new Error(settings.error.message);
  return { name: { project: "p", location: "l", queue: "q" }, settings: settings.value, state };
}

const write = (records: readonly QueueRecord[], format: "yaml" | "xml") =>
  writeQueueFile(records, format, TITLE, CONFIG);

describe.each(["yaml", "xml"] as const)("queue.%s", (format) => {
  it("comes back equal from the queues it makes", () => {
    const queues = descriptionsOf(queueYaml);
    expect(descriptionsOf(write(queues.map(recordOf), format))).toEqual(queues);
  });

  test("any queues come back as the queues they were", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(description(), { selector: ({ name }) => name, maxLength: 8 }),
        (queues) => {
          const records = queues.map(recordOf);
          const again = descriptionsOf(write(records, format)).map(recordOf);
          expect(again).toEqual(records.map(withoutPausedRate));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("may have no queues", () => {
    expect(descriptionsOf(write([], format))).toEqual([]);
  });
});

/** A file's pause says nothing about the rate. */
function withoutPausedRate(record: QueueRecord): QueueRecord {
  if (record.state === "RUNNING") return record;
  const { settings } = record;
  const rateLimits = { ...settings.rateLimits, maxDispatchesPerSecond: 5 };
  return { ...record, settings: { ...settings, rateLimits } };
}

describe("texts", () => {
  it.each([
    [5, "5/s"],
    [0.5, "30/m"],
    [2.5, "150/m"],
    [1 / 3, "20/m"],
    [2000 / 86_400, "2000/d"],
    [1e-7, "0.0000001/s"],
    [1.25e-9, "0.00000000125/s"],
    [0, "0"],
  ])("the rate %d is %s", (rate, text) => {
    expect(rateText(rate)).toBe(text);
  });

  it("leaves defaults out, and says what no file can", () => {
    const paused = createdBy(
      {
        rateLimits: { maxDispatchesPerSecond: 20 },
        httpTarget: { uriOverride: { host: "example.com", enforceMode: "ALWAYS" } },
        appEngineRoutingOverride: { service: "web", instance: "1" },
        logSamplingRatio: 1,
      },
      "PAUSED",
    );
    expect(write([paused], "yaml")).toBe(`# ${TITLE}
queue:
- name: q
  # Paused; its rate when resumed: 20/s.
  # Not for this file to say: appEngineRoutingOverride, httpTarget, stackdriverLoggingConfig, taskTtl: 2678400s, tombstoneTtl: 3600s.
  rate: 0
  bucket_size: 20
  retry_parameters:
    task_retry_limit: 99
`);
  });

  it("keeps a paused pull queue paused, which has no rate to say so", () => {
    const queue = createdBy({ type: "PULL" }, "PAUSED");
    expect(write([queue], "yaml")).toContain("\nresume_paused_queues: false\n");
    expect(write([queue], "xml")).toContain("state: PAUSED");
  });

  it.each(["yes", "NULL", "010", "-a", "a--b"])("a queue called %s is itself again", (name) => {
    const record = recordOf({ name, mode: "pull", retry: {} });
    const named = { ...record, name: { ...record.name, project: "a--b" } };
    for (const format of ["yaml", "xml"] as const) {
      const text = writeQueueFile([named], format, "The queues of a---b.", CONFIG);
      expect(descriptionsOf(text)).toEqual([{ name, mode: "pull", retry: {} }]);
    }
  });
});

// ---- Any queue that a file can describe ------------------------------------------------------

function description(): fc.Arbitrary<QueueDescription> {
  return fc.oneof(pushQueue(), pullQueue());
}

const id = fc.stringMatching(/^[A-Za-z0-9-]{1,100}$/);
const seconds = fc.oneof(
  fc.constantFrom(0, 0.1e6, 3600e6),
  fc.nat({ max: 100_000_000 }),
  fc.integer({ min: 0, max: 1e15 }),
);

function pushQueue(): fc.Arbitrary<QueueDescription> {
  const retry = fc
    .record(
      {
        taskRetryLimit: fc.nat({ max: 2 ** 31 - 2 }),
        taskAgeLimitUs: fc.integer({ min: 1, max: 1e15 }),
        minBackoffUs: seconds,
        maxBackoffUs: seconds,
        maxDoublings: fc.nat(),
      },
      { requiredKeys: [] },
    )
    .map((retry) =>
      (retry.minBackoffUs ?? 0) > (retry.maxBackoffUs ?? Infinity)
        ? { ...retry, minBackoffUs: 0 }
        : retry,
    );
  const rate = fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 500 }),
    fc.double({ min: 1e-12, max: 500, noNaN: true }),
    fc.integer({ min: 1, max: 100_000 }).map((tasks) => tasks / 86_400),
  );
  const label = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}$/);
  return fc.record(
    {
      name: id,
      mode: fc.constant("push" as const),
      rate,
      bucketSize: fc.integer({ min: 0, max: 500 }),
      maxConcurrentRequests: fc.integer({ min: 0, max: 5000 }),
      target: fc.record({ service: label, version: label }, { requiredKeys: ["service"] }),
      retry,
    },
    { requiredKeys: ["name", "mode", "rate", "retry"] },
  );
}

function pullQueue(): fc.Arbitrary<QueueDescription> {
  const emails = fc.uniqueArray(fc.stringMatching(/^[\x21-\x7e\p{L}]{1,60}$/u), { maxLength: 3 });
  return fc.record(
    {
      name: id,
      mode: fc.constant("pull" as const),
      retry: fc.record({ taskRetryLimit: fc.nat() }, { requiredKeys: [] }),
      acl: fc.record({ userEmails: emails, writerEmails: emails }),
    },
    { requiredKeys: ["name", "mode", "retry"] },
  );
}
