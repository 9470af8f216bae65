/** Queues over the wire: each method and each field of discovery cloudtasks.v2, as transcripts. */
import { describe, expect, it, test } from "vitest";
import { createQueue, ok, refusal, send, uniqueLocation } from "./rest.ts";

const DEFAULTS = {
  rateLimits: { maxDispatchesPerSecond: 500, maxBurstSize: 100, maxConcurrentDispatches: 1000 },
  retryConfig: { maxAttempts: 100, minBackoff: "0.100s", maxBackoff: "3600s", maxDoublings: 16 },
};

/** Every field of a queue that its owner sets, as it is sent. */
const EVERYTHING = {
  appEngineRoutingOverride: { service: "s", version: "v", instance: "i" },
  rateLimits: { maxDispatchesPerSecond: 5.5, maxConcurrentDispatches: 3 },
  retryConfig: {
    maxAttempts: -1,
    maxRetryDuration: "3600s",
    minBackoff: "0.250s",
    maxBackoff: "10s",
    maxDoublings: 2,
  },
  stackdriverLoggingConfig: { samplingRatio: 0.5 },
  httpTarget: {
    uriOverride: {
      scheme: "HTTP",
      host: "hooks.example.com",
      port: "8080",
      pathOverride: { path: "/in" },
      queryOverride: { queryParams: "a=1&b=2" },
      uriOverrideEnforceMode: "IF_NOT_EXISTS",
    },
    httpMethod: "PUT",
    headerOverrides: [
      { header: { key: "X-One", value: "1" } },
      { header: { key: "X-Two", value: "2" } },
    ],
    oidcToken: { serviceAccountEmail: "a@b.c", audience: "aud" },
  },
};

/** As it is answered: output-only parts are there too. */
function everythingShown(name: string) {
  const project = name.split("/")[1];
  return {
    ...EVERYTHING,
    name,
    appEngineRoutingOverride: {
      ...EVERYTHING.appEngineRoutingOverride,
      host: `i.v.s.${project}.appspot.com`,
    },
    rateLimits: { ...EVERYTHING.rateLimits, maxBurstSize: 10 },
    state: "RUNNING",
  };
}

describe("queues.create", () => {
  it("fills in the defaults", async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/plain`;
    const queue = await ok("POST", `/v2/${location}/queues`, { name });
    expect(queue).toEqual({ name, ...DEFAULTS, state: "RUNNING" });
    expect(await ok("GET", `/v2/${name}`)).toEqual(queue);
  });

  it("keeps every field", async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/full`;
    const queue = await ok("POST", `/v2/${location}/queues`, { name, ...EVERYTHING });
    expect(queue).toEqual(everythingShown(name));
    expect(await ok("GET", `/v2/${name}`)).toEqual(queue);
    expect((await ok("GET", `/v2/${location}/queues`)).queues).toEqual([queue]);
  });

  it("takes proto names, numbers for enums, numbers for int64 and text for int32", async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/proto`;
    const queue = await ok("POST", `/v2/${location}/queues`, {
      name,
      retry_config: { max_attempts: "7", min_backoff: "1s" },
      http_target: {
        http_method: 4,
        uri_override: { scheme: 1, port: 8080, host: "h.example.com" },
      },
    });
    expect(queue.retryConfig).toEqual({
      ...DEFAULTS.retryConfig,
      maxAttempts: 7,
      minBackoff: "1s",
    });
    expect(queue.httpTarget).toEqual({
      httpMethod: "PUT",
      uriOverride: {
        scheme: "HTTP",
        port: "8080",
        host: "h.example.com",
        uriOverrideEnforceMode: "ALWAYS",
      },
    });
  });

  it("shows enums as numbers on request", async () => {
    const location = uniqueLocation();
    const path = `/v2/${location}/queues?$alt=json%3Benum-encoding=int`;
    const queue = await ok("POST", path, { name: `${location}/queues/ints`, ...EVERYTHING });
    expect(queue.state).toBe(1);
    expect(queue.httpTarget).toMatchObject({
      httpMethod: 4,
      uriOverride: { scheme: 1, uriOverrideEnforceMode: 1 },
    });
  });

  it("ignores what only answers carry", async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/echoed`;
    const queue = await ok("POST", `/v2/${location}/queues`, {
      name,
      state: "PAUSED",
      purgeTime: "2020-01-01T00:00:00Z",
      rateLimits: { maxBurstSize: -5 },
      appEngineRoutingOverride: { service: "s", host: "elsewhere" },
    });
    const host = `s.${name.split("/")[1]}.appspot.com`;
    expect(queue).toEqual({
      name,
      ...DEFAULTS,
      state: "RUNNING",
      appEngineRoutingOverride: { service: "s", host },
    });
  });

  it("takes null as unset", async () => {
    const location = uniqueLocation();
    const name = `${location}/queues/nulls`;
    const queue = await ok("POST", `/v2/${location}/queues`, {
      name,
      retryConfig: null,
      rateLimits: { maxDispatchesPerSecond: null },
      httpTarget: null,
    });
    expect(queue).toEqual({ name, ...DEFAULTS, state: "RUNNING" });
  });

  test.each([
    [{ oauthToken: { serviceAccountEmail: "a@b.c", scope: "s" } }],
    [{ uriOverride: { host: "h.example.com", uriOverrideEnforceMode: "ALWAYS" } }],
    [
      {
        uriOverride: {
          port: "0",
          pathOverride: {},
          queryOverride: {},
          uriOverrideEnforceMode: "ALWAYS",
        },
      },
    ],
  ])("keeps the target %j", async (httpTarget) => {
    const name = await createQueue({ httpTarget });
    expect((await ok("GET", `/v2/${name}`)).httpTarget).toEqual(httpTarget);
  });
});

describe("queues.patch", () => {
  it("changes what the mask names, in either spelling", async () => {
    const name = await createQueue({ retryConfig: { maxAttempts: 5 } }, false);
    const first = await ok(
      "PATCH",
      `/v2/${name}?updateMask=rate_limits.max_dispatches_per_second%2Cretry_config.min_backoff`,
      {
        rateLimits: { maxDispatchesPerSecond: 1 },
        retryConfig: { minBackoff: "2s", maxAttempts: 9 },
      },
    );
    expect(first).toMatchObject({
      rateLimits: { maxDispatchesPerSecond: 1, maxBurstSize: 10 },
      retryConfig: { maxAttempts: 5, minBackoff: "2s" },
    });
    const second = await ok("PATCH", `/v2/${name}?updateMask=retryConfig.maxAttempts`, {
      retryConfig: { maxAttempts: 9 },
    });
    expect(second).toEqual({ ...first, retryConfig: { ...first.retryConfig, maxAttempts: 9 } });
    expect(await ok("GET", `/v2/${name}`)).toEqual(second);
  });

  it("sets a named field that is not given back to its default", async () => {
    const name = await createQueue({ retryConfig: { maxAttempts: 5, maxDoublings: 3 } }, false);
    const queue = await ok("PATCH", `/v2/${name}?updateMask=retryConfig.maxAttempts`, {});
    expect(queue.retryConfig).toEqual({ ...DEFAULTS.retryConfig, maxDoublings: 3 });
  });

  it("reaches every nested field of the HTTP target", async () => {
    const name = await createQueue(EVERYTHING, false);
    const mask = [
      "http_target.uri_override.host",
      "httpTarget.uriOverride.pathOverride.path",
      "httpTarget.uriOverride.query_override",
      "httpTarget.oidcToken.audience",
    ].join(",");
    const queue = await ok("PATCH", `/v2/${name}?updateMask=${mask}`, {
      httpTarget: {
        uriOverride: { host: "other.example.com", pathOverride: { path: "/out" } },
        oidcToken: { audience: "other" },
      },
    });
    const { queryOverride: _, ...uriOverride } = EVERYTHING.httpTarget.uriOverride;
    expect(queue.httpTarget).toEqual({
      ...EVERYTHING.httpTarget,
      uriOverride: { ...uriOverride, host: "other.example.com", pathOverride: { path: "/out" } },
      oidcToken: { serviceAccountEmail: "a@b.c", audience: "other" },
    });
  });

  it("replaces everything without a mask", async () => {
    const name = await createQueue(EVERYTHING, false);
    const queue = await ok("PATCH", `/v2/${name}`, { retryConfig: { maxAttempts: 3 } });
    expect(queue).toEqual({
      name,
      ...DEFAULTS,
      retryConfig: { ...DEFAULTS.retryConfig, maxAttempts: 3 },
      state: "RUNNING",
    });
  });

  it("creates a queue that is missing", async () => {
    const name = `${uniqueLocation()}/queues/new`;
    const queue = await ok("PATCH", `/v2/${name}?updateMask=retryConfig`, {
      retryConfig: { maxAttempts: 3 },
    });
    expect(queue).toMatchObject({ name, retryConfig: { maxAttempts: 3 }, state: "RUNNING" });
    expect(await ok("GET", `/v2/${name}`)).toEqual(queue);
  });

  it('takes the Node client\'s empty message, the JSON text ""', async () => {
    const name = `${uniqueLocation()}/queues/empty`;
    const path = `/v2/${name}?$alt=json%3Benum-encoding=int`;
    expect(await ok("PATCH", path, '""')).toEqual({ name, ...DEFAULTS, state: 1 });
  });

  it("changes nothing for output-only fields, named or not", async () => {
    const name = await createQueue();
    const before = await ok("GET", `/v2/${name}`);
    const path = `/v2/${name}?updateMask=state,purge_time,rateLimits.maxBurstSize`;
    const after = await ok("PATCH", path, { state: "RUNNING", rateLimits: { maxBurstSize: 400 } });
    expect(after).toEqual(before);
    expect(after.state).toBe("PAUSED");
  });

  it("is reached by POST with an override of the verb, as Java clients do", async () => {
    const name = await createQueue({}, false);
    const reply = await send(
      "POST",
      `/v2/${name}?updateMask=retryConfig.maxAttempts`,
      { retryConfig: { maxAttempts: 4 } },
      { "x-http-method-override": "PATCH" },
    );
    expect(reply).toMatchObject({ status: 200, body: { retryConfig: { maxAttempts: 4 } } });
  });
});

describe("queues.pause, resume, purge, delete", () => {
  it("pause and resume change the state", async () => {
    const name = await createQueue({}, false);
    const queue = await ok("GET", `/v2/${name}`);
    expect(await ok("POST", `/v2/${name}:pause`, {})).toEqual({ ...queue, state: "PAUSED" });
    expect(await ok("POST", `/v2/${name}:resume`, { name })).toEqual(queue);
    expect(await ok("POST", `/v2/${name}:pause?$alt=json%3Benum-encoding=int`)).toEqual({
      ...queue,
      state: 2,
    });
  });

  it("purge sets its time and empties the queue", async () => {
    const name = await createQueue();
    await ok("POST", `/v2/${name}/tasks`, {
      task: { httpRequest: { url: "https://example.com/" } },
    });
    const purged = await ok("POST", `/v2/${name}:purge`, {});
    expect(purged.purgeTime).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/);
    expect(await ok("GET", `/v2/${name}`)).toEqual(purged);
    expect(await ok("GET", `/v2/${name}/tasks`)).toEqual({});
  });

  it("delete answers an empty message, and the queue is gone", async () => {
    const name = await createQueue();
    expect(await ok("DELETE", `/v2/${name}`)).toEqual({});
    expect((await send("GET", `/v2/${name}`)).status).toBe(404);
    expect(await ok("GET", `/v2/${name.slice(0, name.indexOf("/queues/"))}/queues`)).toEqual({});
  });
});

describe("queues.list", () => {
  async function setup(...ids: readonly string[]) {
    const location = uniqueLocation();
    for (const id of ids) {
      await ok("POST", `/v2/${location}/queues`, {
        name: `${location}/queues/${id}`,
        rateLimits: { maxDispatchesPerSecond: id.length },
      });
    }
    const names = (page: { queues?: { name: string }[] }) =>
      (page.queues ?? []).map(({ name }) => name.slice(`${location}/queues/`.length));
    return { location, path: `/v2/${location}/queues`, names };
  }

  it("is in lexicographic order, page by page", async () => {
    const { path, names } = await setup("b", "a", "d", "C");
    const first = await ok("GET", `${path}?pageSize=3`);
    expect(names(first)).toEqual(["C", "a", "b"]);
    const second = await ok("GET", `${path}?pageSize=3&pageToken=${first.nextPageToken}`);
    expect(names(second)).toEqual(["d"]);
    expect(second.nextPageToken).toBeUndefined();
  });

  it("goes on where it was, whatever was written in between", async () => {
    const { location, path, names } = await setup("a", "c", "e");
    const first = await ok("GET", `${path}?pageSize=2`);
    await ok("POST", path, { name: `${location}/queues/b` });
    await ok("POST", path, { name: `${location}/queues/d` });
    await ok("DELETE", `/v2/${location}/queues/c`);
    const second = await ok("GET", `${path}?pageSize=2&pageToken=${first.nextPageToken}`);
    expect(names(second)).toEqual(["d", "e"]);
  });

  it("filters by any field", async () => {
    const { location, path, names } = await setup("a", "bb", "ccc");
    await ok("POST", `/v2/${location}/queues/bb:pause`, {});
    expect(names(await ok("GET", `${path}?filter=state%3A%20PAUSED`))).toEqual(["bb"]);
    expect(names(await ok("GET", `${path}?filter=state%20%3D%202`))).toEqual(["bb"]);
    const rate = encodeURIComponent("rate_limits.max_dispatches_per_second >= 2 -state:PAUSED");
    expect(names(await ok("GET", `${path}?filter=${rate}`))).toEqual(["ccc"]);
    // Enums are compared by name even where the answer has numbers.
    const ints = await ok("GET", `${path}?filter=state:PAUSED&$alt=json%3Benum-encoding=int`);
    expect(ints.queues).toMatchObject([{ state: 2 }]);
  });

  it("leads on past pages that the filter empties", async () => {
    const { path, names } = await setup("a", "bb", "ccc");
    const filter = encodeURIComponent("rateLimits.maxDispatchesPerSecond > 2");
    let page = await ok("GET", `${path}?pageSize=1&filter=${filter}`);
    const seen = [names(page)];
    while (page.nextPageToken) {
      page = await ok("GET", `${path}?pageSize=1&filter=${filter}&pageToken=${page.nextPageToken}`);
      seen.push(names(page));
    }
    expect(seen).toEqual([[], [], ["ccc"]]);
  });

  it("of another filter or parent needs a token of its own", async () => {
    const { path } = await setup("a", "b");
    const { nextPageToken } = await ok("GET", `${path}?pageSize=1`);
    expect(
      await send("GET", `${path}?pageToken=${nextPageToken}&filter=state:PAUSED`),
    ).toMatchObject(
      refusal(400, "INVALID_ARGUMENT", "The filter must not change between the pages of a list."),
    );
    expect(
      await send("GET", `/v2/${uniqueLocation()}/queues?pageToken=${nextPageToken}`),
    ).toMatchObject(refusal(400, "INVALID_ARGUMENT", "The page token belongs to another list."));
  });

  it("of no queues is an empty message", async () =>
    expect(await ok("GET", `/v2/${uniqueLocation()}/queues`)).toEqual({}));

  it("shows the parts that are asked for", async () => {
    const { location, path } = await setup("a");
    expect(await ok("GET", `${path}?fields=queues(name,state)`)).toEqual({
      queues: [{ name: `${location}/queues/a`, state: "RUNNING" }],
    });
  });
});

describe("cmekConfig", () => {
  it("is empty", async () => {
    const location = uniqueLocation();
    expect(await ok("GET", `/v2/${location}/cmekConfig`)).toEqual({
      name: `${location}/cmekConfig`,
    });
  });

  it("cannot be changed", async () => {
    const path = `/v2/${uniqueLocation()}/cmekConfig?updateMask=kms_key`;
    expect(
      await send("PATCH", path, { kmsKey: "projects/p/locations/l/keyRings/r/cryptoKeys/k" }),
    ).toMatchObject(
      refusal(
        501,
        "UNIMPLEMENTED",
        "Customer-managed encryption keys are not supported by this service.",
      ),
    );
  });
});
