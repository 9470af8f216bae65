/** The filter language of lists, as a page of examples. */
import { describe, expect, it, test } from "vitest";
import { readFilter } from "../../src/protocol/cloudtasks/filter.ts";
import { QUEUE_FILTER } from "../../src/protocol/cloudtasks/v2/queue.ts";

const QUEUE = {
  name: "projects/p/locations/us-central1/queues/Mail-out",
  state: "PAUSED",
  purgeTime: "2026-05-01T12:00:00.000005Z",
  rateLimits: { maxDispatchesPerSecond: 7.5, maxBurstSize: 10, maxConcurrentDispatches: 3 },
  retryConfig: { maxAttempts: -1, minBackoff: "0.100s", maxBackoff: "3600s" },
  httpTarget: {
    httpMethod: "PUT",
    uriOverride: { host: "example.com", port: "8080", uriOverrideEnforceMode: "ALWAYS" },
    headerOverrides: [
      { header: { key: "X-A", value: "1" } },
      { header: { key: "X-B", value: "2" } },
    ],
  },
};

function matches(text: string): boolean {
  const filter = readFilter(text, QUEUE_FILTER);
  if (!filter.ok) throw new Error(filter.error.message);
  return filter.value(QUEUE);
}

describe("matches", () => {
  test.each([
    "",
    "  ",
    "state: PAUSED",
    "state:PAUSED",
    "state = paused",
    "state=2",
    'state="PAUSED"',
    "state: 'PAUSED'",
    "state != RUNNING",
    "state > RUNNING",
    "state:(RUNNING OR PAUSED)",
    "state: (NOT RUNNING)",
    "name:mail",
    'name:"queues/mail"',
    "name = projects/p/locations/us-central1/queues/mail-out",
    "name < q",
    "rateLimits.maxDispatchesPerSecond = 7.5",
    "rate_limits.max_dispatches_per_second >= 7.5",
    "rateLimits.maxDispatchesPerSecond > 7",
    "rateLimits.maxBurstSize <= 10",
    "rateLimits.maxConcurrentDispatches < 4",
    "rateLimits.maxConcurrentDispatches : 3",
    "retryConfig.maxAttempts = -1",
    "retryConfig.maxDoublings = 0",
    "retryConfig.minBackoff < 1s",
    "retryConfig.maxBackoff = 3600.000s",
    "purgeTime > 2026-05-01T12:00:00Z",
    'purgeTime <= "2026-05-01T14:00:00.000005+02:00"',
    "purgeTime:*",
    "httpTarget:*",
    "httpTarget.httpMethod = 4",
    "httpTarget.uriOverride.port > 8000",
    "httpTarget.headerOverrides.header.key = X-B",
    "NOT appEngineRoutingOverride:*",
    "-state:RUNNING",
    "NOT NOT state:PAUSED",
    "state:PAUSED name:mail",
    "state:PAUSED AND name:mail",
    "state:RUNNING OR name:mail",
    "(state:RUNNING OR name:mail) AND purgeTime:*",
    "(((state:PAUSED)))",
    // OR binds more tightly than AND: (PAUSED or RUNNING) and mail.
    "state:PAUSED OR state:RUNNING AND name:mail",
  ])("%s", (text) => expect(matches(text)).toBe(true));
});

describe("does not match", () => {
  test.each([
    "state: RUNNING",
    "state = 1",
    "name:letter",
    "NOT state:PAUSED",
    "-(state:PAUSED OR state:RUNNING)",
    "state:PAUSED AND name:letter",
    "state:PAUSED name:letter",
    "rateLimits.maxDispatchesPerSecond > 7.5",
    "retryConfig.minBackoff > 1s",
    "purgeTime > 2026-05-01T12:00:00.000005Z",
    "appEngineRoutingOverride:*",
    // A field that is not set compares with nothing, not even as different.
    "appEngineRoutingOverride.service = x",
    "appEngineRoutingOverride.service != x",
    "stackdriverLoggingConfig.samplingRatio = 0",
    // As above: (letter or RUNNING or PAUSED) and letter.
    "state:PAUSED OR name:letter AND name:letter",
    "state:(RUNNING OR DISABLED)",
  ])("%s", (text) => expect(matches(text)).toBe(false));
});

describe("is refused", () => {
  test.each([
    ["color = red", 'Invalid filter. There is no field "color".'],
    ["constructor:*", 'Invalid filter. There is no field "constructor".'],
    ["rateLimits.rate > 1", 'Invalid filter. There is no field "rateLimits.rate".'],
    ["state", 'Invalid filter. After "state" one of <= >= != < > = : is needed.'],
    ["state =~ PAUSED", 'Invalid filter. After "state" one of <= >= != < > = : is needed.'],
    ["state = ASLEEP", 'Invalid filter. "ASLEEP" cannot be compared with state.'],
    ["state = 9", 'Invalid filter. "9" cannot be compared with state.'],
    ["httpTarget = 5", 'Invalid filter. "5" cannot be compared with httpTarget.'],
    [
      "rateLimits.maxBurstSize > many",
      'Invalid filter. "many" cannot be compared with rateLimits.maxBurstSize.',
    ],
    [
      "retryConfig.minBackoff > 5",
      'Invalid filter. "5" cannot be compared with retryConfig.minBackoff.',
    ],
    ["purgeTime > today", 'Invalid filter. "today" cannot be compared with purgeTime.'],
    ["state:", "Invalid filter. It ends too early."],
    ["(state:PAUSED", "Invalid filter. It ends too early."],
    ["state:PAUSED)", 'Invalid filter. It cannot be read from ")" on.'],
    ["state:PAUSED AND", "Invalid filter. It ends too early."],
    ["= PAUSED", 'Invalid filter. It cannot be read from "= PAUSED" on.'],
    [`${"(".repeat(40)}state:PAUSED${")".repeat(40)}`, "Invalid filter. It is nested too deeply."],
    [`${"NOT ".repeat(40)}state:PAUSED`, "Invalid filter. It is nested too deeply."],
    [`name:${"x".repeat(5000)}`, "Invalid filter. It is longer than 4096 characters."],
  ])("%s", (text, message) => {
    expect(readFilter(text, QUEUE_FILTER)).toMatchObject({
      ok: false,
      error: { code: "INVALID_ARGUMENT", message },
    });
  });

  it("keeps its time with hostile text", () => {
    const hostile = `name:"${"\\\\".repeat(2000)}`;
    expect(readFilter(hostile, QUEUE_FILTER).ok).toBe(false);
  });
});
