/**
 * The client as it is packed: installed into an empty project, its README's and docstrings' examples
 * run against the built server, in Node and in a Worker of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as sdk from "../../src/client/index.ts";
import { ROOT, type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const CLIENT = join(ROOT, "src", "client");
const LOCATION = "projects/my-project/locations/us-central1";
const README = readFileSync(join(CLIENT, "README.md"), "utf8");
const blocks = [...README.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let project: string;
let server: RunningServer;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer({ dataFolder: join(folder.path, "data") });
  project = join(folder.path, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), '{"name":"empty","type":"module"}');
  await run("npm", ["pack", "--pack-destination", folder.path], ROOT);
  const [tarball = ""] = (await readdir(folder.path)).filter((file) => file.endsWith(".tgz"));
  const flags = ["--offline", "--no-audit", "--no-fund"];
  await run("npm", ["install", ...flags, join(folder.path, tarball)], project);
  await makeQueue("my-pull-queue", { pullTarget: {} });
  for (const id of ["mail", "shipping"]) await makeQueue(id, { appEngineHttpTarget: {} });
}, 180_000);

afterAll(async () => {
  await server.stop();
  await folder.remove();
});

/** Runs a program to its end; what it printed. Rejects with that where it failed. */
async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, FORCE_COLOR: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = collect(child);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${basename(command)} ${args[0]} failed:\n${printed.text}`);
  return printed.text;
}

function collect(child: ChildProcess): { text: string } {
  const printed = { text: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      printed.text += text;
    });
  }
  return printed;
}

async function makeQueue(id: string, target: object): Promise<void> {
  const name = `${LOCATION}/queues/${id}`;
  const response = await fetch(`${server.url}/v2beta2/${LOCATION}/queues`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, ...target }),
  });
  expect(response.status, id).toBe(200);
}

/** The block of the README that contains a text. */
function block(containing: string): string {
  const found = blocks.find((code) => code.includes(containing));
  if (found === undefined) throw new Error(`the README has no block with ${containing}`);
  return found;
}

const here = (code: string) => code.replaceAll("http://127.0.0.1:8787", server.url);

/** Runs a module in the empty project. */
async function runModule(name: string, code: string): Promise<string> {
  await writeFile(join(project, name), here(code));
  return run(process.execPath, [name], project);
}

describe("an empty Node project", () => {
  test("gets the client and nothing else", async () => {
    expect(
      (await readdir(join(project, "node_modules"))).filter((name) => name[0] !== "."),
    ).toEqual(["edgetasks"]);
    const packed = JSON.parse(
      readFileSync(join(project, "node_modules", "edgetasks", "package.json"), "utf8"),
    ) as { dependencies?: object };
    expect(packed.dependencies).toBeUndefined();
  });

  test("runs the README's first example", async () => {
    expect(await runModule("first.js", block("leaseTasksByTag"))).toBe("leased { image: 17 }\n");
  });

  test("runs the README's worker", async () => {
    const printed = await runModule("worker.js", block("pullWorker"));
    expect(printed).toBe("working on { image: 18 } false\n");
  });

  test("compiles against the types, at their strictest", async () => {
    const code = `import { Queue, Task, taskHandler, type ConnectionOptions } from "edgetasks/client";
      const options: ConnectionOptions = { baseUrl: "x", project: "p", location: "l" };
      const tasks: Task[] = await new Queue("q", options).leaseTasks(1, 2);
      taskHandler((task) => task.params(), { verify: "none" });
      export const names: (string | undefined)[] = tasks.map((task) => task.name);`;
    await writeFile(join(project, "use.ts"), code);
    const flags = [
      "--strict",
      "--noEmit",
      "--target",
      "es2022",
      "--lib",
      "es2023,dom,dom.iterable",
    ];
    const tsc = join(ROOT, "node_modules", ".bin", "tsc");
    for (const [module, resolution] of [
      ["nodenext", "nodenext"],
      ["esnext", "bundler"],
    ] as const) {
      const kinds = ["--module", module, "--moduleResolution", resolution, "--types", ""];
      await run(tsc, [...flags, ...kinds, "use.ts"], project);
    }
  });
});

test("the README's Hono app refuses what has no token", async () => {
  // Beside this project's own node_modules, for Hono; the client is found by the package's name.
  const file = join(ROOT, ".wrangler", `hono-${process.pid}.mjs`);
  await mkdir(join(ROOT, ".wrangler"), { recursive: true });
  const use = `const answer = await app.request("/work", { method: "POST" }); console.log(answer.status);`;
  await writeFile(file, `${block("hono")}\n${use}`);
  try {
    expect(await run(process.execPath, [file], ROOT)).toBe("401\n");
  } finally {
    await rm(file);
  }
});

describe("an empty Worker", () => {
  test("runs the README's example through a service binding", async () => {
    const worker = join(folder.path, "project", "worker");
    await mkdir(worker, { recursive: true });
    await writeFile(join(worker, "index.js"), block("env.EDGETASKS"));
    await writeFile(
      join(worker, "wrangler.toml"),
      'name = "empty"\nmain = "index.js"\ncompatibility_date = "2026-11-01"\n',
    );
    const wrangler = join(ROOT, "node_modules", ".bin", "wrangler");
    const dryRun = ["deploy", "--dry-run", "--outdir", "out"];
    await run(wrangler, dryRun, worker, { WRANGLER_SEND_METRICS: "false" });
    await writeFile(join(worker, "out", "config.capnp"), workerConfig());
    const { port, stop } = await serve(join(worker, "out", "config.capnp"));
    try {
      const url = `http://127.0.0.1:${port}`;
      const added = await fetch(url);
      expect(await added.json()).toEqual({
        name: expect.stringMatching(/^\d+$/),
        queue: "default",
      });
      const refused = await fetch(`${url}/work`, { method: "POST", body: "id=17" });
      expect(refused.status).toBe(401);
    } finally {
      await stop();
    }
  });
});

/** The Worker, with a binding that leads to the server. */
function workerConfig(): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "edgetasks", external = (address = "127.0.0.1:${server.port}", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  compatibilityDate = "2026-11-01",
  bindings = [
    (name = "EDGETASKS", service = "edgetasks"),
    (name = "WEBHOOK_SECRET", text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
  ],
);
`;
}

async function serve(config: string): Promise<{ port: number; stop: () => Promise<void> }> {
  const workerd = join(ROOT, "node_modules", ".bin", "workerd");
  const child = spawn(workerd, ["serve", config, "--control-fd=3"], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const exit = once(child, "exit");
  const port = await new Promise<number>((resolve, reject) => {
    exit.then(() => reject(new Error("workerd ended")), reject);
    let told = "";
    child.stdio[3]?.on("data", (data: Buffer) => {
      told += data.toString();
      const [, found] = /"port":(\d+)/.exec(told) ?? [];
      if (found !== undefined) resolve(Number(found));
    });
  });
  return {
    port,
    async stop() {
      child.kill();
      await exit;
    },
  };
}

describe("the example of", () => {
  /** Docstrings that show one, by the name of what follows them. */
  const examples = readdirSync(CLIENT)
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => {
      const text = readFileSync(join(CLIENT, file), "utf8");
      const docs = text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*?)\*\/\s*((?:[^\n]|\n(?!\n))*)/g);
      return [...docs].flatMap(([, doc = "", after = ""]) => {
        const [, example] = /@example\n([\s\S]*)/.exec(doc) ?? [];
        if (example === undefined) return [];
        const code = example.replaceAll(/^ *\* ?/gm, "").trim();
        const declaration = after.replace(/^\s*\/\/.*\n/, "").trim();
        const [, name = "?"] =
          /^(?:export )?(?:async )?(?:class|function|static async|async \*|async)? ?\*?(\w+)/.exec(
            declaration,
          ) ?? [];
        return [{ title: `${basename(file, ".ts")}: ${name}`, code }];
      });
    });

  test("every public class, function and method is there", () => {
    const titles = examples.map(({ title }) => title);
    expect(titles).toEqual(
      expect.arrayContaining([
        "connection: Connection",
        "errors: TaskQueueError",
        "oidc: verifyOidc",
        "pull-worker: pullWorker",
        "queue: Queue",
        "queue: leaseTasks",
        "queue: list",
        "retry-options: TaskRetryOptions",
        "signature: verifySignature",
        "statistics: QueueStatistics",
        "task-handler: taskHandler",
        "task: Task",
        "task: extractParams",
        "transaction: Transaction",
      ]),
    );
    expect(titles.length).toBeGreaterThan(25);
  });

  test.each(examples.map(({ title, code }, index) => [title, code, index] as const))(
    "%s runs",
    async (_title, code, index) => {
      const queue = `example-${index}`;
      await makeQueue(queue, { pullTarget: {} });
      const module = `import * as sdk from "edgetasks/client";
        const { ${exportsUsed(code).join(", ")} } = sdk;
        const connection = new sdk.Connection({
          baseUrl: "${server.url}", project: "my-project", location: "us-central1",
        });
        const queue = connection.queue("${queue}");
        await queue.add(new sdk.Task({ method: "PULL", payload: "first", tag: "images" }));
        ${code}`;
      await runModule(`example-${index}.js`, module);
    },
  );
});

/** What the client exports, the code uses, and does not bring itself. */
function exportsUsed(code: string): string[] {
  return Object.keys(sdk).filter(
    (name) => new RegExp(`\\b${name}\\b`).test(code) && !code.includes(`const ${name} `),
  );
}
