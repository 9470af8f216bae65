/** Locations under /v2 and /v1, and what else the Worker answers. */
import { describe, expect, it, test } from "vitest";
import { LOCATIONS } from "../../src/core/locations.ts";
import { ok, refusal, send } from "./rest.ts";

describe.each(["/v2", "/v1"])("under %s", (version) => {
  const path = `${version}/projects/p1/locations`;

  it("one is got", async () => {
    expect(await ok("GET", `${path}/us-central1?$alt=json%3Benum-encoding=int`)).toEqual({
      name: "projects/p1/locations/us-central1",
      locationId: "us-central1",
      displayName: "Iowa",
      labels: { "cloud.googleapis.com/region": "us-central1" },
    });
  });

  it("all are listed", async () => {
    const { locations, nextPageToken } = await ok("GET", path);
    expect(locations.map((location: { locationId: string }) => location.locationId)).toEqual(
      LOCATIONS.map(({ id }) => id),
    );
    expect(nextPageToken).toBeUndefined();
  });

  it("they come in pages", async () => {
    const seen: string[] = [];
    let token = "";
    do {
      const page = await ok("GET", `${path}?pageSize=10&pageToken=${token}`);
      expect(page.locations.length).toBeLessThanOrEqual(10);
      seen.push(...page.locations.map((location: { locationId: string }) => location.locationId));
      token = page.nextPageToken ?? "";
    } while (token !== "");
    expect(seen).toEqual(LOCATIONS.map(({ id }) => id));
  });

  it("they are filtered", async () => {
    const { locations } = await ok(
      "GET",
      `${path}?filter=${encodeURIComponent("displayName=tokyo")}`,
    );
    expect(locations).toMatchObject([{ locationId: "asia-northeast1" }]);
    expect(await ok("GET", `${path}?filter=displayName=Atlantis`)).toEqual({});
  });

  it("an unknown one is refused", async () => {
    expect(await send("GET", `${path}/nowhere`)).toMatchObject(
      refusal(
        400,
        "INVALID_ARGUMENT",
        "Location 'nowhere' is not a valid location. Use ListLocations to list valid locations.",
      ),
    );
  });

  it("a project may have a colon, escaped or not", async () => {
    for (const project of ["example.com:app", "example.com%3Aapp"]) {
      const location = await ok("GET", `${version}/projects/${project}/locations/us-east1`);
      expect(location.name).toBe("projects/example.com:app/locations/us-east1");
    }
  });
});

describe("beside the interface", () => {
  it("/v1 has locations and nothing else", async () => {
    const reply = await send("GET", "/v1/projects/p1/locations/us-central1/queues");
    expect(reply).toMatchObject({ status: 404, body: { error: { status: "NOT_FOUND" } } });
  });

  it("/healthz is well", async () => expect(await ok("GET", "/healthz")).toEqual({ status: "ok" }));

  it("/ says what this is", async () =>
    expect(await ok("GET", "/")).toMatchObject({ service: "edgetasks" }));

  it("the public keys are there, and where they are is told", async () => {
    const { keys } = await ok("GET", "/.well-known/jwks.json");
    expect(keys).toMatchObject([{ kty: "RSA", alg: "RS256", use: "sig", kid: expect.any(String) }]);
    expect(Object.keys(keys[0]).sort()).toEqual(["alg", "e", "kid", "kty", "n", "use"]);
    expect(await ok("GET", "/.well-known/openid-configuration")).toMatchObject({
      issuer: expect.any(String),
      jwks_uri: "http://localhost/.well-known/jwks.json",
      id_token_signing_alg_values_supported: ["RS256"],
    });
  });

  test.each(["/nothing", "/v3/projects/p/locations", "/v2", "/v2/"])(
    "%s is not found, in JSON",
    async (path) => {
      const reply = await send("GET", path);
      expect(reply).toMatchObject(
        refusal(404, "NOT_FOUND", `The requested URL ${path} was not found on this server.`),
      );
      expect(reply.headers.get("content-type")).toBe("application/json; charset=UTF-8");
    },
  );

  it("HEAD is GET without a body", async () => {
    const reply = await send("HEAD", "/v2/projects/p1/locations/us-central1");
    expect(reply).toMatchObject({ status: 200, body: "" });
    const missing = await send("HEAD", "/v2/projects/p1/locations/nowhere");
    expect(missing).toMatchObject({ status: 400, body: "" });
  });
});
