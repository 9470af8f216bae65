/** Hosts of App Engine targets (push.md §10). */
import { expect, it } from "vitest";
import { appEngineHost, effectiveRouting } from "../../src/core/app-engine-host.ts";

const DEFAULT = "{project}.appspot.com";

it.each([
  [undefined, DEFAULT, "p", "p.appspot.com"],
  [{}, DEFAULT, "p", "p.appspot.com"],
  [{ service: "", version: "" }, DEFAULT, "p", "p.appspot.com"],
  [{ service: "s" }, DEFAULT, "p", "s.p.appspot.com"],
  [{ service: "s", version: "v" }, DEFAULT, "p", "v.s.p.appspot.com"],
  [{ service: "s", version: "v", instance: "0" }, DEFAULT, "p", "0.v.s.p.appspot.com"],
  [{ version: "v" }, DEFAULT, "p", "v.p.appspot.com"],
  [{ service: "s", host: "ignored" }, DEFAULT, "p", "s.p.appspot.com"],
  [{ service: "s" }, DEFAULT, "example.com:p", "s.p.example.com.a.appspot.com"],
  [{ service: "s" }, "apps.example.com", "p", "s.apps.example.com"],
])("%o in %s of project %s: %s", (routing, appEngineDomain, project, host) => {
  expect(appEngineHost(routing, { appEngineDomain }, project)).toBe(host);
});

it("a queue's override replaces a task's routing as a whole", () => {
  const task = { service: "s", version: "v" };
  expect(effectiveRouting(task, { service: "other" })).toEqual({ service: "other" });
  expect(effectiveRouting(task, undefined)).toEqual(task);
  expect(effectiveRouting(undefined, undefined)).toEqual({});
});
