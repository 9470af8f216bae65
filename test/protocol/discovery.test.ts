/** The discovery service: each interface's own document, pointing here. */
import { describe, expect, it, test } from "vitest";
import { ok, send } from "./rest.ts";

interface Resource {
  readonly methods?: Readonly<Record<string, { readonly id: string; readonly path: string }>>;
  readonly resources?: Readonly<Record<string, Resource>>;
}

function methodsOf(resource: Resource): { id: string; path: string }[] {
  return [
    ...Object.values(resource.methods ?? {}),
    ...Object.values(resource.resources ?? {}).flatMap(methodsOf),
  ];
}

const DOCUMENTS = [
  ["cloudtasks", "v2", "", 25],
  ["cloudtasks", "v2beta2", "", 32],
  ["cloudtasks", "v2beta3", "", 25],
  ["taskqueue", "v1beta2", "taskqueue/v1beta2/projects/", 8],
] as const;

describe.each(DOCUMENTS)("%s %s", (name, version, servicePath, count) => {
  it("has a document whose every address is this service", async () => {
    const document = await ok("GET", `/discovery/v1/apis/${name}/${version}/rest`);
    expect(document).toMatchObject({
      kind: "discovery#restDescription",
      id: `${name}:${version}`,
      name,
      version,
      protocol: "rest",
      rootUrl: "http://localhost/",
      servicePath,
      basePath: servicePath === "" ? "" : `/${servicePath}`,
      baseUrl: `http://localhost/${servicePath}`,
    });
    expect(document).not.toHaveProperty("mtlsRootUrl");
    const addresses = JSON.stringify(document).match(/"https?:\/\/[^"]*"/g) ?? [];
    // What is left of Google's own are names of scopes and a link to the documentation.
    expect(
      addresses.filter(
        (address) => !/localhost|googleapis\.com\/auth\/|(cloud|developers)\.google/.test(address),
      ),
    ).toEqual([]);
    expect(await ok("GET", `/$discovery/rest?version=${version}`)).toEqual(document);
  });

  it("names the methods, and every schema that they use", async () => {
    const document = await ok("GET", `/discovery/v1/apis/${name}/${version}/rest`);
    const methods = methodsOf(document);
    expect(new Set(methods.map(({ id }) => id)).size).toBe(count);
    const used = [...JSON.stringify(document).matchAll(/"\$ref":"(\w+)"/g)].map(([, ref]) => ref);
    expect(used.filter((ref) => !(String(ref) in document.schemas))).toEqual([]);
  });
});

it("is made at the host that was asked", async () => {
  const path = "http://127.0.0.1:8787/$discovery/rest?version=v2";
  const { default: worker } = (await import("../../src/worker.ts")) as {
    default: { fetch(request: Request, env: object): Promise<Response> };
  };
  const response = await worker.fetch(new Request(path), {});
  expect(await response.json()).toMatchObject({
    rootUrl: "http://127.0.0.1:8787/",
    baseUrl: "http://127.0.0.1:8787/",
  });
  expect(response.headers.get("cache-control")).toBe("public, max-age=300");
});

it("gives the preferred version to a client without a wish", async () => {
  expect(await ok("GET", "/$discovery/rest")).toMatchObject({ id: "cloudtasks:v2" });
});

describe("the list", () => {
  const ids = async (query: string) =>
    (await ok("GET", `/discovery/v1/apis${query}`)).items.map(({ id }: { id: string }) => id);

  it("leads to every document", async () => {
    const list = await ok("GET", "/discovery/v1/apis");
    expect(list).toMatchObject({ kind: "discovery#directoryList", discoveryVersion: "v1" });
    expect(list.items[2]).toEqual({
      kind: "discovery#directoryItem",
      id: "cloudtasks:v2",
      name: "cloudtasks",
      version: "v2",
      title: "Cloud Tasks API",
      description: "Manages the execution of large numbers of distributed requests.",
      discoveryRestUrl: "http://localhost/discovery/v1/apis/cloudtasks/v2/rest",
      documentationLink: "https://cloud.google.com/tasks/",
      preferred: true,
    });
    for (const { discoveryRestUrl, id } of list.items) {
      const path = discoveryRestUrl.slice("http://localhost".length);
      expect(await ok("GET", path)).toMatchObject({ id });
    }
  });

  it("is cut by name and preference", async () => {
    expect(await ids("?name=taskqueue")).toEqual(["taskqueue:v1beta2"]);
    expect(await ids("?preferred=true")).toEqual(["cloudtasks:v2", "taskqueue:v1beta2"]);
    expect(await ids("?name=storage")).toEqual([]);
  });
});

test.each([
  "/$discovery/rest?version=v3",
  "/discovery/v1/apis/cloudtasks/v1/rest",
  "/discovery/v1/apis/taskqueue/v2/rest",
  "/discovery/v1/apis/storage/v1/rest",
])("%s is not there", async (path) => {
  expect(await send("GET", path)).toMatchObject({
    status: 404,
    body: { error: { code: 404, status: "NOT_FOUND" } },
  });
});
