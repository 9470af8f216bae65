/** The client in a Worker that is bound to a deployed server: the built bundle, API_TOKEN set. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { currentBundle } from "../../src/local/build.ts";
import { startWorkerd } from "../../src/local/workerd.ts";
import { settingsEnvironment, workerdConfig } from "../../src/local/workerd-config.ts";
import { ROOT, temporaryFolder } from "../support/server.ts";

/** What it does with the client, and what it finds at the door for everybody. */
const WORKER = `
  import { Connection, pullWorker, Task } from "./index.ts";
  const place = { project: "bound-project", location: "us-central1" };
  const parent = "projects/bound-project/locations/us-central1";
  export default {
    async fetch(request, env) {
      const made = await env.EDGETASKS.fetch("http://localhost/v2beta2/" + parent + "/queues", {
        method: "POST",
        body: JSON.stringify({ name: parent + "/queues/bound", pullTarget: {} }),
      });
      await made.text();
      const queue = new Connection({ ...place, binding: env.EDGETASKS }).queue("bound");
      await queue.add(["a", "b"].map((payload) => new Task({ method: "PULL", payload })));
      await queue.transaction((tx) => tx.add(new Task({ method: "PULL", payload: "c" })));
      const stop = new AbortController();
      const handled = [];
      await pullWorker({
        queue,
        signal: stop.signal,
        handler: (task) => {
          handled.push(task.text());
          if (handled.length === 3) stop.abort();
        },
      });
      const { tasks } = await queue.fetchStatistics();
      const stranger = new Connection({ ...place, binding: env.FRONT_DOOR }).queue("bound");
      const refused = await stranger.get().then(() => "let in", (error) => error.code);
      return Response.json({ made: made.status, handled: handled.sort(), tasks, refused });
    },
  };`;

test("a Worker of the same account needs no token at the entrypoint for bindings, though the deployment has one", async () => {
  const { path: place, remove } = await temporaryFolder();
  await mkdir(join(place, "objects"));
  const { manifest, module } = await currentBundle(() => undefined);
  await copyFile(module, join(place, "server.js"));
  await build({
    stdin: { contents: WORKER, resolveDir: join(ROOT, "src", "client") },
    bundle: true,
    format: "esm",
    outfile: join(place, "client.js"),
  });
  const settings = { ...manifest.vars, API_TOKEN: "owner-token-of-this-test" };
  const config = workerdConfig({
    manifest,
    module: "server.js",
    objectFolder: join(place, "objects"),
    address: "127.0.0.1:0",
    settings: Object.keys(settings),
  });
  const client = `(name = "client", worker = (
    modules = [(name = "client.js", esModule = embed "client.js")],
    compatibilityDate = "${manifest.compatibilityDate}",
    bindings = [
      (name = "EDGETASKS", service = (name = "main", entrypoint = "BoundApi")),
      (name = "FRONT_DOOR", service = "main"),
    ])),`;
  const file = join(place, "config.capnp");
  await writeFile(
    file,
    config
      .replace('http = (), service = "main"', 'http = (), service = "client"')
      .replace("services = [", `services = [\n    ${client}`),
  );
  const workerd = startWorkerd(file, settingsEnvironment(settings));
  try {
    const response = await fetch(`http://127.0.0.1:${await workerd.listening}/`);
    expect(await response.json()).toEqual({
      made: 200,
      handled: ["a", "b", "c"],
      tasks: 0,
      refused: "UNAUTHENTICATED",
    });
  } finally {
    workerd.stop(1000);
    await workerd.ended;
    await remove();
  }
});
