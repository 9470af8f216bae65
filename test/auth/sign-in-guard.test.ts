/** Failed sign-ins are counted by address, and past the limit the address is not listened to. */
import { describe, expect, it, test } from "vitest";
import { authenticate } from "../../src/auth/authenticate.ts";
import type { Env } from "../../src/env.ts";
import { CLOSED, call, ORIGIN, OWNER_TOKEN } from "../support/accounts.ts";

/** A deployment that allows so many failures of an address. */
function limited(limit: number) {
  const counts = new Map<string, number>();
  const FAILED_SIGN_INS = {
    limit: async ({ key }: { key: string }) => {
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return { success: count <= limit };
    },
  };
  return { settings: { ...CLOSED, FAILED_SIGN_INS } as unknown as Env, counts };
}

async function status(settings: Env, token: string, address = "192.0.2.1", nowMs = Date.now()) {
  const headers = { authorization: `Bearer ${token}`, "cf-connecting-ip": address };
  const result = await authenticate(new Request(`${ORIGIN}/v2/x`, { headers }), settings, nowMs);
  return result.ok ? "OK" : result.error.code;
}

describe("a guess too many", () => {
  it("is RESOURCE_EXHAUSTED, and so is what comes next, right or wrong", async () => {
    const { settings, counts } = limited(2);
    const now = Date.now();
    const answers = [];
    for (const guess of ["a", "b", "c", "d", OWNER_TOKEN]) {
      answers.push(await status(settings, guess, "192.0.2.1", now));
    }
    expect(answers).toEqual([
      "UNAUTHENTICATED",
      "UNAUTHENTICATED",
      "RESOURCE_EXHAUSTED",
      "RESOURCE_EXHAUSTED",
      "RESOURCE_EXHAUSTED",
    ]);
    expect(counts.get("192.0.2.1")).toBe(3);
    expect(await status(settings, OWNER_TOKEN, "192.0.2.2", now)).toBe("OK");
    expect(await status(settings, OWNER_TOKEN, "192.0.2.1", now + 10_000)).toBe("OK");
  });

  it("does not shut out who is known already", async () => {
    const { settings } = limited(0);
    expect(await status(settings, OWNER_TOKEN)).toBe("OK");
    expect(await status(settings, "guess")).toBe("RESOURCE_EXHAUSTED");
    expect(await status(settings, OWNER_TOKEN)).toBe("OK");
  });

  it("is 429 over HTTP, in the words of the interface", async () => {
    const { settings } = limited(0);
    const reply = await call("/v2/projects/p/locations", { token: "guess", settings });
    expect(reply).toMatchObject({ status: 429, body: { error: { status: "RESOURCE_EXHAUSTED" } } });
    const form = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: "guess" };
    const token = await call("/token", { form, token: "", settings });
    expect(token).toMatchObject({ status: 429, body: { error: "temporarily_unavailable" } });
  });

  test.each([
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["192.0.2.7", "192.0.2.7"],
  ])("counts %s as %s", async (address, key) => {
    const { settings, counts } = limited(5);
    await status(settings, "guess", address);
    expect([...counts.keys()]).toEqual([key]);
  });

  it("is not one who sends the same wrong token again and again: that is refused from memory", async () => {
    const { settings, counts } = limited(5);
    const now = Date.now();
    for (let n = 0; n < 20; n++) await status(settings, "stale", "192.0.2.9", now + n);
    expect(counts.get("192.0.2.9")).toBe(1);
  });

  it("is counted for the caller of a batch, whatever address a part claims", async () => {
    const { settings, counts } = limited(5);
    const part = [
      "Content-Type: application/http",
      "",
      "GET /v2/projects/p/locations",
      "Authorization: Bearer guess",
      "CF-Connecting-IP: 198.51.100.1",
      "",
    ].join("\r\n");
    const reply = await call("/batch", {
      text: `--b\r\n${part}\r\n--b--\r\n`,
      headers: { "content-type": "multipart/mixed; boundary=b", "cf-connecting-ip": "192.0.2.5" },
      settings,
    });
    expect(reply.body).toContain("401");
    expect([...counts.keys()]).toEqual(["192.0.2.5"]);
  });

  it("is never reached where no limit is bound", async () => {
    for (let n = 0; n < 100; n++)
      expect(await status(CLOSED, `guess ${n}`)).toBe("UNAUTHENTICATED");
  });
});
