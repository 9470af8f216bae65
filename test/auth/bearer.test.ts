/** Who may call, and what is said to those who may not. */
import { describe, expect, it, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { authorize } from "../../src/auth/bearer.ts";

type Access = { open: boolean; apiToken: string | undefined };

function verdict(url: string, access: Access, authorization?: string) {
  const headers = authorization === undefined ? {} : { authorization };
  return Promise.resolve(authorize(new Request(url, { headers }), access));
}

describe("a server open to loopback", () => {
  const access = { open: true, apiToken: undefined };

  test.each([
    "http://localhost/v2/x",
    "http://LOCALHOST:8787/v2/x",
    "http://127.0.0.1:8787/v2/x",
    "http://127.9.9.9/v2/x",
    "http://[::1]:8787/v2/x",
  ])("serves %s", async (url) => expect(await verdict(url, access)).toBeUndefined());

  test.each([
    "http://example.com/v2/x",
    "http://localhost.example.com/v2/x",
    "http://127.0.0.1.example.com/v2/x",
    "http://192.168.0.1/v2/x",
    "http://[::2]/v2/x",
    "http://user@example.com/v2/x?http://localhost/",
  ])("refuses %s", async (url) =>
    expect(await verdict(url, access)).toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringContaining("OPEN_MODE=loopback"),
    }),
  );
});

describe("a deployment without a token", () => {
  it("refuses everything and says which secret to set", async () => {
    const refusal = await verdict("http://localhost/v2/x", { open: false, apiToken: undefined });
    expect(refusal).toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringContaining("wrangler secret put API_TOKEN"),
    });
  });
});

describe("a deployment with a token", () => {
  const access = { open: false, apiToken: "s3cret-token" };
  const url = "https://tasks.example.com/v2/x";

  test.each(["Bearer s3cret-token", "bearer s3cret-token", "Bearer  s3cret-token"])(
    "serves %j",
    async (header) => expect(await verdict(url, access, header)).toBeUndefined(),
  );

  test.each([
    "Bearer s3cret-tokem",
    "Bearer s3cret-toke",
    "Bearer s3cret-token2",
    "Bearer ",
    "Bearer",
    "Basic s3cret-token",
    "s3cret-token",
  ])("refuses %j, also after the right one was seen", async (header) => {
    expect(await verdict(url, access, "Bearer s3cret-token")).toBeUndefined();
    expect(await verdict(url, access, header)).toMatchObject({ code: "UNAUTHENTICATED" });
  });

  it("refuses a request without any", async () => {
    expect(await verdict(url, access)).toMatchObject({ code: "UNAUTHENTICATED" });
  });

  it("forgets an accepted token when the token changes", async () => {
    expect(await verdict(url, access, "Bearer s3cret-token")).toBeUndefined();
    const next = { open: false, apiToken: "other" };
    expect(await verdict(url, next, "Bearer s3cret-token")).toMatchObject({
      code: "UNAUTHENTICATED",
    });
    expect(await verdict(url, next, "Bearer other")).toBeUndefined();
    expect(await verdict(url, access, "Bearer other")).toMatchObject({ code: "UNAUTHENTICATED" });
  });

  it("asks for the token only when it has to be hashed", () => {
    const right = { headers: { authorization: "Bearer s3cret-token" } };
    const verdicts = () => authorize(new Request(url, right), access);
    return Promise.resolve(verdicts()).then(() => expect(verdicts()).toBeUndefined());
  });
});

describe("over HTTP", () => {
  const env = { API_TOKEN: "s3cret-token" };
  const app = createApp();

  test.each(["/v2/projects/p/locations", "/v1/projects/p/locations"])(
    "%s asks for the token",
    async (path) => {
      const reply = await app.request(path, {}, env);
      expect(reply.status).toBe(401);
      expect(reply.headers.get("www-authenticate")).toBe("Bearer");
      expect(await reply.json()).toMatchObject({ error: { code: 401, status: "UNAUTHENTICATED" } });
      const known = await app.request(
        path,
        { headers: { authorization: "Bearer s3cret-token" } },
        env,
      );
      expect(known.status).toBe(200);
    },
  );

  test.each(["/healthz", "/", "/.well-known/openid-configuration"])(
    "%s is for everyone",
    async (path) => expect((await app.request(path, {}, env)).status).toBe(200),
  );

  it("answers 403 where no token is set", async () => {
    const reply = await app.request("http://localhost/v2/projects/p/locations", {}, {});
    expect(reply.status).toBe(403);
    expect(await reply.json()).toMatchObject({ error: { status: "PERMISSION_DENIED" } });
  });
});
