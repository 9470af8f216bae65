/** What callers see when an object cannot be reached or something here is broken. */
import { afterEach, describe, expect, it, test, vi } from "vitest";
import { createApp } from "../../src/app.ts";

const TASK = "/v2/projects/p/locations/us-central1/queues/q/tasks/t";

afterEach(() => vi.restoreAllMocks());

/** A Worker whose queue objects fail every call in this way. */
async function failing(error: Error) {
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const queue = { getTask: () => Promise.reject(error) };
  const namespace = { idFromName: () => ({}), get: () => queue };
  const env = { OPEN_MODE: "loopback", QUEUE: namespace };
  const reply = await createApp().request(`http://localhost${TASK}`, {}, env);
  return { status: reply.status, body: await reply.json(), logged: log.mock.calls.length };
}

describe("a call that fails", () => {
  test.each(["retryable", "overloaded"])("and is marked %s may be repeated", async (mark) =>
    expect(await failing(Object.assign(new Error("lost"), { [mark]: true }))).toEqual({
      status: 503,
      body: {
        error: {
          code: 503,
          message: "The service is currently unavailable.",
          status: "UNAVAILABLE",
        },
      },
      logged: 0,
    }),
  );

  it("otherwise is logged, and told without its text", async () =>
    expect(await failing(new Error("secret detail"))).toEqual({
      status: 500,
      body: { error: { code: 500, message: "Internal error encountered.", status: "INTERNAL" } },
      logged: 1,
    }));
});
