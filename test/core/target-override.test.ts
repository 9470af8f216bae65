/** A queue's httpTarget over its tasks (push.md §9). */
import { describe, expect, it } from "vitest";
import type { HttpTargetOverride, TaskMeta, UriOverride } from "../../src/core/model.ts";
import {
  applyHeaderOverrides,
  applyUriOverride,
  urlOfOverride,
} from "../../src/core/target-override.ts";

function override(url: string, parts: Partial<UriOverride>): string {
  const result = applyUriOverride(new URL(url), { enforceMode: "ALWAYS", ...parts });
  return result.ok ? result.value.href : `${result.error.code}: ${result.error.message}`;
}

describe("the URL, always overridden", () => {
  it.each<[string, Partial<UriOverride>, string]>([
    ["https://a.com/p?q=1", {}, "https://a.com/p?q=1"],
    ["http://a.com/p?q=1", {}, "https://a.com/p?q=1"],
    ["http://a.com/", { scheme: "HTTP" }, "http://a.com/"],
    ["https://a.com/", { scheme: "HTTP" }, "http://a.com/"],
    ["http://a.com:8080/", { scheme: "HTTPS" }, "https://a.com:8080/"],
    ["https://www.google.com", { host: "example.net" }, "https://example.net/"],
    ["https://a.com:8443/p", { host: "example.net" }, "https://example.net:8443/p"],
    ["https://a.com:8443/p", { host: "example.net:2053" }, "https://example.net:2053/p"],
    ["https://a.com:8443/p", { host: "example.net:443" }, "https://example.net/p"],
    ["https://a.com/", { host: "[::1]" }, "https://[::1]/"],
    ["https://www.example.com/example", { port: 123 }, "https://www.example.com:123/example"],
    ["https://a.com:8443/p", { port: 0 }, "https://a.com/p"],
    ["https://a.com:8443/p", { port: 443 }, "https://a.com/p"],
    ["https://a.com/p?q=1", { path: "/users/1234" }, "https://a.com/users/1234?q=1"],
    ["https://a.com/p?q=1", { path: "users" }, "https://a.com/users?q=1"],
    ["https://a.com/p?q=1", { path: "/a?b#c" }, "https://a.com/a%3Fb%23c?q=1"],
    ["https://a.com/p?q=1", { path: "" }, "https://a.com/?q=1"],
    ["https://a.com/p?q=1", { query: "x=1&y=2" }, "https://a.com/p?x=1&y=2"],
    ["https://a.com/p?q=1", { query: "" }, "https://a.com/p"],
    ["https://a.com/p#f", { query: "x" }, "https://a.com/p?x#f"],
    [
      "http://a.com/p",
      { scheme: "HTTP", host: "b.com", port: 8080, path: "/x", query: "y" },
      "http://b.com:8080/x?y",
    ],
  ])("%s with %o: %s", (url, parts, expected) => {
    expect(override(url, parts)).toBe(expected);
  });

  it.each<[Partial<UriOverride>, string]>([
    [{ host: "a b" }, 'INVALID_ARGUMENT: The queue\'s UriOverride.host "a b" is not a host.'],
    [
      { host: "a.com/x" },
      'INVALID_ARGUMENT: The queue\'s UriOverride.host "a.com/x" is not a host.',
    ],
    [
      { host: "u@a.com" },
      'INVALID_ARGUMENT: The queue\'s UriOverride.host "u@a.com" is not a host.',
    ],
    [{ host: "" }, 'INVALID_ARGUMENT: The queue\'s UriOverride.host "" is not a host.'],
    [{ port: 65_536 }, "INVALID_ARGUMENT: The queue's UriOverride.port 65536 is not a port."],
    [{ port: -1 }, "INVALID_ARGUMENT: The queue's UriOverride.port -1 is not a port."],
    [{ port: 1.5 }, "INVALID_ARGUMENT: The queue's UriOverride.port 1.5 is not a port."],
  ])("%o cannot be used", (parts, expected) => {
    expect(override("https://a.com/", parts)).toBe(expected);
  });
});

describe("the URL, filled in where the task has nothing", () => {
  const parts: Partial<UriOverride> = {
    enforceMode: "IF_NOT_EXISTS",
    scheme: "HTTPS",
    host: "b.com",
    port: 8443,
    path: "/x",
    query: "y=1",
  };

  it.each([
    ["http://a.com", "http://a.com:8443/x?y=1"],
    ["http://a.com/", "http://a.com:8443/x?y=1"],
    ["http://a.com/p", "http://a.com:8443/p?y=1"],
    ["http://a.com:8080/?q", "http://a.com:8080/x?q"],
    ["http://a.com:8080/p?q", "http://a.com:8080/p?q"],
  ])("%s: %s", (url, expected) => {
    expect(override(url, parts)).toBe(expected);
  });
});

it("a task's URL is left alone without an override, and never changed in place", () => {
  const url = new URL("http://a.com/p");
  expect(applyUriOverride(url, undefined)).toEqual({ ok: true, value: url });
  applyUriOverride(url, { enforceMode: "ALWAYS", host: "b.com" });
  expect(url.href).toBe("http://a.com/p");
});

describe("the URL of a task that has none", () => {
  it.each<[Partial<UriOverride> | undefined, string | null]>([
    [{ host: "b.com" }, "https://b.com/"],
    [{ host: "b.com", scheme: "HTTP", port: 8080 }, "http://b.com:8080/"],
    [{ host: "b.com", path: "/x", query: "y", enforceMode: "IF_NOT_EXISTS" }, "https://b.com/x?y"],
    [{ path: "/x" }, null],
    [undefined, null],
  ])("%o: %s", (parts, expected) => {
    const result = urlOfOverride(parts && { enforceMode: "ALWAYS", ...parts });
    expect(result?.ok ? result.value.href : result).toBe(expected);
  });
});

describe("headers", () => {
  function meta(headers: Record<string, string>, method: "POST" | "GET" = "POST"): TaskMeta {
    return { target: { kind: "http", url: "https://a.com/", method, headers } };
  }

  function headersAfter(
    headers: Record<string, string>,
    pairs: [string, string][],
    method: "POST" | "GET" = "POST",
  ): Readonly<Record<string, string>> | null {
    const overrides = pairs.map(([key, value]) => ({ key, value }));
    const { target } = applyHeaderOverrides(meta(headers, method), { headers: overrides });
    return target.kind === "http" ? target.headers : null;
  }

  it("are set, and replace a task's own in any letter case", () => {
    expect(
      headersAfter({ "content-type": "a/b", "X-A": "task", "x-a": "task" }, [["X-a", "queue"]]),
    ).toEqual({ "content-type": "a/b", "X-a": "queue" });
  });

  it.each([
    "Host",
    "content-length",
    "User-Agent",
    "X-Google-A",
    "x-appengine-b",
    "X-CloudTasks-TaskName",
    "Connection",
    "Upgrade",
  ])("%s is the service's own and ignored", (name) => {
    expect(headersAfter({ "Content-Type": "a/b", "User-Agent": "x" }, [[name, "v"]])).toEqual({
      "Content-Type": "a/b",
      "User-Agent": "x",
    });
  });

  it("make a body JSON where nobody names its type", () => {
    const json = { "Content-Type": "application/json" };
    expect(headersAfter({}, [["X-A", "1"]])).toEqual({ "X-A": "1", ...json });
    expect(headersAfter({ "content-type": "a/b" }, [["X-A", "1"]])).toEqual({
      "content-type": "a/b",
      "X-A": "1",
    });
    expect(headersAfter({}, [["content-type", "c/d"]])).toEqual({ "content-type": "c/d" });
    expect(headersAfter({}, [["X-A", "1"]], "GET")).toEqual({ "X-A": "1" });
  });

  it.each<[string, TaskMeta, HttpTargetOverride | undefined]>([
    ["no queue-level target", meta({}), undefined],
    ["a queue-level target without headers", meta({}), { method: "PUT" }],
    ["an empty list", meta({}), { headers: [] }],
    [
      "an App Engine task",
      { target: { kind: "appEngine", relativeUri: "/", method: "POST", headers: {} } },
      { headers: [{ key: "X-A", value: "1" }] },
    ],
    ["a pull task", { target: { kind: "pull" } }, { headers: [{ key: "X-A", value: "1" }] }],
  ])("%s: the very same task", (_, task, httpTarget) => {
    expect(applyHeaderOverrides(task, httpTarget)).toBe(task);
  });
});
