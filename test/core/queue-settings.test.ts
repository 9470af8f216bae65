/** What settings a queue has: defaults, refusals to the letter, and patches. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DeploymentConfig, readConfig } from "../../src/core/config.ts";
import type { HttpTargetOverride, QueueSettings } from "../../src/core/model.ts";
import {
  createRetryConfig,
  createSettings,
  createSettingsFromPatch,
  deriveBurstSize,
  patchSettings,
  type SettingsInput,
  type SettingsPatch,
} from "../../src/core/queue-settings.ts";
import type { Result } from "../../src/core/result.ts";

const SECOND_US = 1e6;
const DAY_US = 86_400 * SECOND_US;
const CONFIG = readConfig({});

function configWith(settings: Partial<DeploymentConfig>): DeploymentConfig {
  return { ...CONFIG, ...settings };
}

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`refused: ${result.error.message}`);
  return result.value;
}

function refusal(result: Result<unknown>): string {
  if (result.ok) throw new Error("was not refused");
  expect(result.error.code).toBe("INVALID_ARGUMENT");
  return result.error.message;
}

const created = (input: SettingsInput, config = CONFIG) => value(createSettings(input, config));
const patched = (current: QueueSettings, patch: SettingsPatch) =>
  value(patchSettings(current, patch, CONFIG));

const DEFAULTS: QueueSettings = {
  type: "PUSH",
  rateLimits: { maxDispatchesPerSecond: 500, maxBurstSize: 100, maxConcurrentDispatches: 1000 },
  retryConfig: {
    maxAttempts: 100,
    maxRetryDurationUs: 0,
    minBackoffUs: 0.1 * SECOND_US,
    maxBackoffUs: 3600 * SECOND_US,
    maxDoublings: 16,
  },
  taskTtlUs: 31 * DAY_US,
  tombstoneTtlUs: 3600 * SECOND_US,
};

describe("defaults", () => {
  it("fill in whatever is not given", () => {
    expect(created({})).toEqual(DEFAULTS);
  });

  it("take the place of the zeros that proto3 sends for unset fields", () => {
    const zeros = {
      rateLimits: { maxDispatchesPerSecond: 0, maxBurstSize: 0, maxConcurrentDispatches: 0 },
      retryConfig: { maxAttempts: 0, maxDoublings: 0 },
    };
    expect(created(zeros)).toEqual(DEFAULTS);
  });

  it("follow the deployment's settings", () => {
    const config = configWith({
      maxDispatchesPerSecond: 40,
      maxConcurrentDispatches: 7,
      taskTombstoneUs: 0,
    });
    expect(created({}, config)).toEqual({
      ...DEFAULTS,
      rateLimits: { maxDispatchesPerSecond: 40, maxBurstSize: 40, maxConcurrentDispatches: 7 },
      tombstoneTtlUs: 0,
    });
  });

  it("keep what is given", () => {
    const input: SettingsInput = {
      type: "PUSH",
      rateLimits: { maxDispatchesPerSecond: 2.5, maxConcurrentDispatches: 3 },
      retryConfig: {
        maxAttempts: -1,
        maxRetryDurationUs: 5,
        minBackoffUs: 0,
        maxBackoffUs: 1,
        maxDoublings: 2,
      },
      appEngineRoutingOverride: { service: "mail" },
      httpTarget: { method: "PUT" },
      logSamplingRatio: 0.5,
      taskTtlUs: 10 * DAY_US,
      tombstoneTtlUs: 9 * DAY_US,
    };
    expect(created(input)).toEqual({
      ...input,
      rateLimits: { maxDispatchesPerSecond: 2.5, maxBurstSize: 10, maxConcurrentDispatches: 3 },
    });
  });
});

describe("a pull queue", () => {
  const PULL: SettingsInput = { type: "PULL" };

  it("gives leases without end, and has rates and backoffs that are nobody's to choose", () => {
    const settings = {
      ...DEFAULTS,
      type: "PULL",
      retryConfig: { ...DEFAULTS.retryConfig, maxAttempts: -1 },
    };
    expect(created(PULL)).toEqual(settings);
    const input: SettingsInput = {
      ...PULL,
      rateLimits: { maxDispatchesPerSecond: 2, maxBurstSize: 3, maxConcurrentDispatches: 4 },
      retryConfig: { minBackoffUs: 5, maxBackoffUs: 6, maxDoublings: 7, maxRetryDurationUs: 8 },
    };
    expect(created(input)).toEqual(settings);
  });

  it("may limit its leases", () => {
    expect(created({ ...PULL, retryConfig: { maxAttempts: 3 } }).retryConfig.maxAttempts).toBe(3);
  });

  it.each([
    { httpTarget: { method: "PUT" } },
    { appEngineRoutingOverride: { service: "s" } },
  ] as const)("cannot have %j", (target) => {
    expect(refusal(createSettings({ ...PULL, ...target }, CONFIG))).toBe(
      "A pull queue cannot have a target: nothing is sent from it.",
    );
  });
});

describe("the burst", () => {
  it.each([
    [0.001, 10],
    [1, 10],
    [10, 10],
    [10.2, 11],
    [55, 55],
    [100, 100],
    [101, 100],
    [500, 100],
    [501, 101],
    [10_000, 2000],
  ])("of %d a second is %d", (rate, burst) => {
    expect(deriveBurstSize(rate)).toBe(burst);
  });

  it("is kept where a face lets its owner choose it", () => {
    expect(created({ rateLimits: { maxBurstSize: 500 } }).rateLimits.maxBurstSize).toBe(500);
  });

  it("is derived where a negative one is given, which is ignored", () => {
    expect(created({ rateLimits: { maxBurstSize: -5 } })).toEqual(DEFAULTS);
  });
});

describe("backoffs of which one is given", () => {
  it.each([
    [
      "a minimum above the default maximum moves the maximum",
      { minBackoffUs: 7200e6 },
      [7200, 7200],
    ],
    [
      "a maximum below the default minimum moves the minimum",
      { maxBackoffUs: 0.05e6 },
      [0.05, 0.05],
    ],
    ["a minimum below the default maximum moves nothing", { minBackoffUs: 30e6 }, [30, 3600]],
    ["a maximum above the default minimum moves nothing", { maxBackoffUs: 30e6 }, [0.1, 30]],
  ])("%s", (_, retryConfig, [min, max]) => {
    const settings = created({ retryConfig }).retryConfig;
    expect([settings.minBackoffUs / SECOND_US, settings.maxBackoffUs / SECOND_US]).toEqual([
      min,
      max,
    ]);
  });
});

const OIDC = { kind: "oidc", serviceAccountEmail: "a@b.c", audience: "x" } as const;
const uri = (uriOverride: Partial<NonNullable<HttpTargetOverride["uriOverride"]>>) => ({
  httpTarget: { uriOverride: { enforceMode: "ALWAYS" as const, ...uriOverride } },
});
const header = (key: string, text: string) => ({
  httpTarget: { headers: [{ key, value: text }] },
});

describe("refusals", () => {
  const REFUSED: readonly (readonly [SettingsInput, string])[] = [
    // Recorded from the live service (errors.md §2).
    [
      { rateLimits: { maxDispatchesPerSecond: -1 } },
      "RateLimits.maxDispatchesPerSecond cannot be negative.",
    ],
    [
      { rateLimits: { maxDispatchesPerSecond: 500.1 } },
      "RateLimits.maxDispatchesPerSecond must be less than or equal to 500.",
    ],
    [
      { rateLimits: { maxConcurrentDispatches: -1 } },
      "RateLimits.maxConcurrentDispatches cannot be negative.",
    ],
    [
      { rateLimits: { maxConcurrentDispatches: 5001 } },
      "RateLimits.maxConcurrentDispatches must be less than or equal to 5000.",
    ],
    [
      { retryConfig: { maxAttempts: -2 } },
      "RetryConfig.maxAttempts must be greater or equal to -1.",
    ],
    [{ retryConfig: { maxDoublings: -1 } }, "RetryConfig.maxDoublings cannot be negative."],
    [{ retryConfig: { minBackoffUs: -1 } }, "RetryConfig.minBackoff cannot be negative."],
    [
      { retryConfig: { minBackoffUs: 2, maxBackoffUs: 1 } },
      "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.",
    ],
    // Worded like them.
    [{ retryConfig: { maxBackoffUs: -1 } }, "RetryConfig.maxBackoff cannot be negative."],
    [
      { retryConfig: { maxRetryDurationUs: -1 } },
      "RetryConfig.maxRetryDuration cannot be negative.",
    ],
    [
      { retryConfig: { maxRetryDurationUs: 9.1e15 } },
      "RetryConfig.maxRetryDuration must be less than or equal to 9000000000s.",
    ],
    [
      { rateLimits: { maxDispatchesPerSecond: Number.NaN } },
      "RateLimits.maxDispatchesPerSecond must be less than or equal to 500.",
    ],
    [
      { rateLimits: { maxConcurrentDispatches: 1.5 } },
      "RateLimits.maxConcurrentDispatches must be an integer.",
    ],
    [
      { rateLimits: { maxBurstSize: 501 } },
      "RateLimits.maxBurstSize must be less than or equal to 500.",
    ],
    [
      { retryConfig: { maxAttempts: 2 ** 31 } },
      "RetryConfig.maxAttempts must be less than or equal to 2147483647.",
    ],
    [{ retryConfig: { maxAttempts: 1.5 } }, "RetryConfig.maxAttempts must be an integer."],
    [
      { logSamplingRatio: 1.01 },
      "StackdriverLoggingConfig.samplingRatio must be between [0.0, 1.0].",
    ],
    [
      { logSamplingRatio: -0.01 },
      "StackdriverLoggingConfig.samplingRatio must be between [0.0, 1.0].",
    ],
    [{ taskTtlUs: 10 * DAY_US - 1 }, "Queue.taskTtl must be between [240h, 87600h]."],
    [{ tombstoneTtlUs: 9 * DAY_US + 1 }, "Queue.tombstoneTtl must be between [1h, 216h]."],
    [uri({ host: "" }), "UriOverride.host cannot be empty."],
    [uri({ port: -1 }), "UriOverride.port cannot be negative."],
    [uri({ port: 65_536 }), "UriOverride.port must be less than or equal to 65535."],
    [uri({ port: 80.5 }), "UriOverride.port must be an integer."],
    [
      uri({ path: "x".repeat(2084) }),
      "UriOverride.pathOverride.path must be no longer than 2083 characters.",
    ],
    [
      { httpTarget: { token: { ...OIDC, serviceAccountEmail: "" } } },
      "HttpTarget.oidcToken.serviceAccountEmail is required.",
    ],
    [
      { httpTarget: { token: { kind: "oidc", serviceAccountEmail: "a@b.c" } } },
      "HttpTarget.oidcToken.audience is required.",
    ],
    [
      { httpTarget: { token: { kind: "oauth", serviceAccountEmail: "a@b.c" } } },
      "HttpTarget.oauthToken.scope is required.",
    ],
    [header("Bad Name", "x"), 'HttpTarget.headerOverrides has an invalid header name: "Bad Name".'],
    [header("", "x"), 'HttpTarget.headerOverrides has an invalid header name: "".'],
    [
      header("X-A", "1\r\nX-B: 2"),
      "HttpTarget.headerOverrides has an invalid value for the header X-A.",
    ],
    [
      header("X-A", "ü".repeat(40_959)),
      "HttpTarget.headerOverrides must be less than 80KB in total.",
    ],
    [
      { appEngineRoutingOverride: { service: "s".repeat(2084) } },
      "AppEngineRouting.service must be no longer than 2083 characters.",
    ],
  ];

  it.each(REFUSED)("%j: %s", (input, text) => {
    expect(refusal(createSettings(input, CONFIG))).toBe(text);
    expect(refusal(createSettingsFromPatch({ input }, CONFIG))).toBe(text);
  });

  it.each(REFUSED.filter(([input]) => !("taskTtlUs" in input || "tombstoneTtlUs" in input)))(
    "also of a patch: %j",
    (input, text) => {
      const paths = Object.keys(input);
      expect(refusal(patchSettings(DEFAULTS, { input }, CONFIG))).toBe(text);
      expect(refusal(patchSettings(DEFAULTS, { input, paths }, CONFIG))).toBe(text);
    },
  );

  it("name the bound that the deployment sets", () => {
    const config = configWith({ maxDispatchesPerSecond: 2000, maxConcurrentDispatches: 20_000 });
    const rate = { rateLimits: { maxDispatchesPerSecond: 2001 } };
    const concurrency = { rateLimits: { maxConcurrentDispatches: 20_001 } };
    expect(refusal(createSettings(rate, config))).toBe(
      "RateLimits.maxDispatchesPerSecond must be less than or equal to 2000.",
    );
    expect(refusal(createSettings(concurrency, config))).toBe(
      "RateLimits.maxConcurrentDispatches must be less than or equal to 20000.",
    );
    expect(
      created({ rateLimits: { maxDispatchesPerSecond: 2000 } }, config).rateLimits.maxBurstSize,
    ).toBe(400);
  });
});

describe("the edges of what is allowed", () => {
  const ALLOWED: readonly SettingsInput[] = [
    { rateLimits: { maxDispatchesPerSecond: 500, maxConcurrentDispatches: 5000 } },
    { rateLimits: { maxDispatchesPerSecond: 0.0001 } },
    { retryConfig: { maxAttempts: -1 } },
    { retryConfig: { minBackoffUs: 7, maxBackoffUs: 7 } },
    { retryConfig: { minBackoffUs: 0, maxBackoffUs: 0 } },
    { logSamplingRatio: 0 },
    { logSamplingRatio: 1 },
    { taskTtlUs: 3650 * DAY_US, tombstoneTtlUs: 3600 * SECOND_US },
    uri({ port: 0, path: "", query: "" }),
    uri({ port: 65_535, path: "/".repeat(2083) }),
    header("X-A", "x".repeat(80 * 1024 - 4)),
    { httpTarget: { token: OIDC } },
    { httpTarget: {} },
  ];

  it.each(ALLOWED)("%j", (input) => {
    expect(created(input)).toMatchObject(input);
  });
});

describe("a patch", () => {
  const current = created({
    rateLimits: { maxDispatchesPerSecond: 50, maxConcurrentDispatches: 5, maxBurstSize: 77 },
    retryConfig: { maxAttempts: 3, minBackoffUs: 2e6, maxBackoffUs: 9e6, maxDoublings: 1 },
    appEngineRoutingOverride: { service: "mail", version: "v1", host: "v1.mail.app" },
    httpTarget: {
      method: "PUT",
      uriOverride: { host: "a.example", path: "/p", enforceMode: "IF_NOT_EXISTS" },
      token: OIDC,
    },
    logSamplingRatio: 0.5,
  });

  const cases: readonly {
    readonly it: string;
    readonly paths?: readonly string[];
    readonly input: SettingsInput;
    readonly gives: (before: QueueSettings) => QueueSettings;
  }[] = [
    { it: "with no path changes nothing", paths: [], input: DEFAULTS, gives: (s) => s },
    { it: "without a mask replaces everything", input: {}, gives: () => DEFAULTS },
    {
      it: "of one path leaves its neighbours",
      paths: ["retryConfig.maxAttempts"],
      input: { retryConfig: { maxAttempts: 8, maxDoublings: 9 }, logSamplingRatio: 1 },
      gives: (s) => ({ ...s, retryConfig: { ...s.retryConfig, maxAttempts: 8 } }),
    },
    {
      it: "of a path without a value sets the default",
      paths: ["retryConfig.maxAttempts", "logSamplingRatio"],
      input: {},
      gives: ({ logSamplingRatio: _, ...s }) => ({
        ...s,
        retryConfig: { ...s.retryConfig, maxAttempts: 100 },
      }),
    },
    {
      it: "of a message replaces all of it",
      paths: ["retryConfig"],
      input: { retryConfig: { maxAttempts: 8 } },
      gives: (s) => ({ ...s, retryConfig: { ...DEFAULTS.retryConfig, maxAttempts: 8 } }),
    },
    {
      it: "sets no doublings where a path names them",
      paths: ["retryConfig.maxDoublings"],
      input: { retryConfig: { maxDoublings: 0 } },
      gives: (s) => ({ ...s, retryConfig: { ...s.retryConfig, maxDoublings: 0 } }),
    },
    {
      it: "takes no doublings for unset where only their message is named",
      paths: ["retryConfig"],
      input: { retryConfig: { maxDoublings: 0 } },
      gives: (s) => ({ ...s, retryConfig: DEFAULTS.retryConfig }),
    },
    {
      it: "takes a zero rate for unset",
      paths: ["rateLimits.maxDispatchesPerSecond", "rateLimits.maxConcurrentDispatches"],
      input: { rateLimits: { maxDispatchesPerSecond: 0, maxConcurrentDispatches: 0 } },
      gives: (s) => ({ ...s, rateLimits: DEFAULTS.rateLimits }),
    },
    {
      it: "of a rate resets a chosen burst from it",
      paths: ["rateLimits.maxDispatchesPerSecond"],
      input: { rateLimits: { maxDispatchesPerSecond: 20 } },
      gives: (s) => ({
        ...s,
        rateLimits: { maxDispatchesPerSecond: 20, maxBurstSize: 20, maxConcurrentDispatches: 5 },
      }),
    },
    {
      it: "of any rate limit resets a chosen burst",
      paths: ["rateLimits.maxConcurrentDispatches"],
      input: { rateLimits: { maxConcurrentDispatches: 6 } },
      gives: (s) => ({
        ...s,
        rateLimits: { maxDispatchesPerSecond: 50, maxBurstSize: 50, maxConcurrentDispatches: 6 },
      }),
    },
    {
      it: "keeps the burst it gives",
      paths: ["rateLimits.maxDispatchesPerSecond", "rateLimits.maxBurstSize"],
      input: { rateLimits: { maxDispatchesPerSecond: 20, maxBurstSize: 400 } },
      gives: (s) => ({
        ...s,
        rateLimits: { maxDispatchesPerSecond: 20, maxBurstSize: 400, maxConcurrentDispatches: 5 },
      }),
    },
    {
      it: "takes an override away",
      paths: ["httpTarget", "appEngineRoutingOverride"],
      input: {},
      gives: ({ httpTarget: _, appEngineRoutingOverride: __, ...s }) => s,
    },
    {
      it: "reaches into the target's URI",
      paths: ["httpTarget.uriOverride.host", "httpTarget.uriOverride.path"],
      input: uri({ host: "b.example" }),
      gives: (s) => ({
        ...s,
        httpTarget: {
          ...s.httpTarget,
          uriOverride: { host: "b.example", enforceMode: "IF_NOT_EXISTS" },
        },
      }),
    },
    {
      it: "drops the host that belonged to another service",
      paths: ["appEngineRoutingOverride.service"],
      input: { appEngineRoutingOverride: { service: "web" } },
      gives: (s) => ({ ...s, appEngineRoutingOverride: { service: "web", version: "v1" } }),
    },
    {
      it: "changes one field of a token",
      paths: ["httpTarget.oidcToken.audience"],
      input: { httpTarget: { token: { ...OIDC, serviceAccountEmail: "no@no", audience: "y" } } },
      gives: (s) => ({ ...s, httpTarget: { ...s.httpTarget, token: { ...OIDC, audience: "y" } } }),
    },
    {
      it: "takes a token of the named kind away",
      paths: ["httpTarget.oidcToken"],
      input: {},
      gives: ({ httpTarget: { token: _, ...target } = {}, ...s }) => ({ ...s, httpTarget: target }),
    },
    {
      it: "does not take a token of the other kind away",
      paths: ["httpTarget.oauthToken"],
      input: {},
      gives: (s) => s,
    },
    {
      it: "replaces a token by one of the other kind",
      paths: ["httpTarget.oauthToken"],
      input: { httpTarget: { token: { kind: "oauth", serviceAccountEmail: "o@b.c", scope: "z" } } },
      gives: (s) => ({
        ...s,
        httpTarget: {
          ...s.httpTarget,
          token: { kind: "oauth", serviceAccountEmail: "o@b.c", scope: "z" },
        },
      }),
    },
    {
      it: "may name what was settled at creation, unchanged",
      paths: ["type", "taskTtlUs", "tombstoneTtlUs"],
      input: { type: "PUSH", taskTtlUs: 31 * DAY_US },
      gives: (s) => s,
    },
  ];

  it.each(cases)("$it", ({ paths, input, gives }) => {
    const patch = paths === undefined ? { input } : { input, paths };
    expect(patched(current, patch)).toEqual(gives(current));
  });

  it("gives an override made of single paths the mode ALWAYS", () => {
    const patch = { paths: ["httpTarget.uriOverride.port"], input: uri({ port: 81 }) };
    expect(patched(DEFAULTS, patch).httpTarget).toEqual({
      uriOverride: { port: 81, enforceMode: "ALWAYS" },
    });
  });

  it("that empties an override path by path takes it away", () => {
    const before = created({ httpTarget: { method: "PUT" } });
    expect(patched(before, { paths: ["httpTarget.method"], input: {} })).toEqual(DEFAULTS);
  });

  it.each([
    "",
    "name",
    "state",
    "retryConfig.",
    "retryConfig.maxAttempts.x",
    "rate_limits",
    "toString",
  ])("of the path %j is refused, naming it", (path) => {
    const patch = { paths: ["retryConfig", path], input: {} };
    expect(refusal(patchSettings(current, patch, CONFIG))).toBe(
      `Unknown field mask path: "${path}".`,
    );
    expect(refusal(createSettingsFromPatch(patch, CONFIG))).toBe(
      `Unknown field mask path: "${path}".`,
    );
  });

  it.each([
    ["type", { type: "PULL" }, "Queue.type cannot be changed after the queue is created."],
    [
      "taskTtlUs",
      { taskTtlUs: 20 * DAY_US },
      "Queue.taskTtl cannot be changed after the queue is created.",
    ],
    [
      "tombstoneTtlUs",
      { tombstoneTtlUs: 2 * DAY_US },
      "Queue.tombstoneTtl cannot be changed after the queue is created.",
    ],
  ] as const)("of another %s is refused", (path, input, text) => {
    expect(refusal(patchSettings(current, { input }, CONFIG))).toBe(text);
    expect(refusal(patchSettings(current, { input, paths: [path] }, CONFIG))).toBe(text);
  });

  it("checks a new value against stored ones", () => {
    const patch = {
      paths: ["retryConfig.minBackoffUs"],
      input: { retryConfig: { minBackoffUs: 10e6 } },
    };
    expect(refusal(patchSettings(current, patch, CONFIG))).toBe(
      "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.",
    );
  });

  it("that creates ignores what its mask leaves out", () => {
    const patch = {
      paths: ["retryConfig.maxAttempts", "taskTtlUs"],
      input: { retryConfig: { maxAttempts: 8, maxDoublings: 9 }, taskTtlUs: 20 * DAY_US },
    };
    expect(value(createSettingsFromPatch(patch, CONFIG))).toEqual({
      ...DEFAULTS,
      retryConfig: { ...DEFAULTS.retryConfig, maxAttempts: 8 },
      taskTtlUs: 20 * DAY_US,
    });
  });
});

describe("a task's own retry settings", () => {
  it("have the same defaults and rules", () => {
    expect(value(createRetryConfig({ maxAttempts: 5, maxDoublings: 0 }))).toEqual({
      ...DEFAULTS.retryConfig,
      maxAttempts: 5,
    });
    expect(refusal(createRetryConfig({ minBackoffUs: 2, maxBackoffUs: 1 }))).toBe(
      "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.",
    );
  });
});

describe("whatever is given", () => {
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const inputs = fc
    .record({
      rate: maybe(fc.double({ min: -1, max: 600, noNaN: true })),
      concurrency: maybe(fc.integer({ min: -1, max: 5500 })),
      attempts: maybe(fc.integer({ min: -3, max: 200 })),
      min: maybe(fc.integer({ min: -1, max: 8e9 })),
      max: maybe(fc.integer({ min: -1, max: 8e9 })),
    })
    .map((given): SettingsInput => {
      const { rate, concurrency, attempts, min, max } = given;
      return {
        rateLimits: {
          ...(rate === undefined ? {} : { maxDispatchesPerSecond: rate }),
          ...(concurrency === undefined ? {} : { maxConcurrentDispatches: concurrency }),
        },
        retryConfig: {
          ...(attempts === undefined ? {} : { maxAttempts: attempts }),
          ...(min === undefined ? {} : { minBackoffUs: min }),
          ...(max === undefined ? {} : { maxBackoffUs: max }),
        },
      };
    });

  it("settings that were accepted keep every rule, and patching them onto themselves changes nothing", () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const result = createSettings(input, CONFIG);
        if (!result.ok) return;
        const { rateLimits, retryConfig } = result.value;
        expect(rateLimits.maxDispatchesPerSecond).toBeGreaterThan(0);
        expect(rateLimits.maxDispatchesPerSecond).toBeLessThanOrEqual(500);
        expect(rateLimits.maxBurstSize).toBeGreaterThanOrEqual(10);
        expect(rateLimits.maxConcurrentDispatches).toBeGreaterThan(0);
        expect(retryConfig.minBackoffUs).toBeGreaterThanOrEqual(0);
        expect(retryConfig.minBackoffUs).toBeLessThanOrEqual(retryConfig.maxBackoffUs);
        expect(retryConfig.maxAttempts === -1 || retryConfig.maxAttempts > 0).toBe(true);
        const paths = ["rateLimits", "retryConfig"];
        expect(patched(result.value, { input: result.value, paths })).toEqual(result.value);
        expect(patched(result.value, { input: result.value })).toEqual(result.value);
      }),
    );
  });

  it("a refused patch says why and an accepted one touches only what it names", () => {
    fc.assert(
      fc.property(inputs, inputs, (first, second) => {
        const before = createSettings(first, CONFIG);
        if (!before.ok) return;
        const patch = { input: second, paths: ["retryConfig.maxAttempts"] };
        const after = patchSettings(before.value, patch, CONFIG);
        if (!after.ok) {
          expect(after.error.message).toBe(
            "RetryConfig.maxAttempts must be greater or equal to -1.",
          );
          return;
        }
        const { maxAttempts: _, ...rest } = before.value.retryConfig;
        expect(after.value).toMatchObject({ ...before.value, retryConfig: rest });
      }),
    );
  });
});

describe("the acl of a pull queue", () => {
  const acl = { userEmails: ["a@b.c"], writerEmails: ["d@e.f", "g@h.i"] };
  const pull = created({ type: "PULL", acl });

  it("is kept, each email once, and none when it names nobody", () => {
    expect(pull.acl).toEqual(acl);
    const twice = { userEmails: ["a@b.c", "a@b.c"], writerEmails: [] };
    expect(created({ type: "PULL", acl: twice }).acl).toEqual({ ...twice, userEmails: ["a@b.c"] });
    const nobody = { userEmails: [], writerEmails: [] };
    expect(created({ type: "PULL", acl: nobody })).toEqual(created({ type: "PULL" }));
  });

  it("is changed by its path, and by nothing that does not name it", () => {
    const other = { userEmails: [], writerEmails: ["x@y.z"] };
    expect(patched(pull, { input: { acl: other }, paths: ["acl"] }).acl).toEqual(other);
    expect(patched(pull, { input: {}, paths: ["acl"] }).acl).toBe(undefined);
    expect(patched(pull, { input: { retryConfig: { maxAttempts: 3 } } }).acl).toEqual(acl);
    expect(patched(pull, { input: { acl: other } }).acl).toEqual(other);
    expect(patched(pull, { input: {}, paths: ["retryConfig"] }).acl).toEqual(acl);
  });

  it.each([
    [{ type: "PUSH", acl }, "Queue.acl can be set for a pull queue only."],
    [
      { type: "PULL", acl: { userEmails: ["a b"], writerEmails: [] } },
      "Queue.acl.userEmails must be emails of at most 320 characters.",
    ],
    [
      { type: "PULL", acl: { userEmails: [], writerEmails: [""] } },
      "Queue.acl.writerEmails must be emails of at most 320 characters.",
    ],
    [
      { type: "PULL", acl: { userEmails: ["x".repeat(321)], writerEmails: [] } },
      "Queue.acl.userEmails must be emails of at most 320 characters.",
    ],
    [
      {
        type: "PULL",
        acl: { userEmails: Array.from({ length: 501 }, (_, n) => `u${n}`), writerEmails: [] },
      },
      "Queue.acl.userEmails must be no more than 500 emails.",
    ],
  ] as const)("is refused: %j", (input, message) => {
    expect(refusal(createSettings(input, CONFIG))).toBe(message);
  });
});
