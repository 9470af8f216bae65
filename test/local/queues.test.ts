/** `npm run queues` and `npm start -- --queues`, against the running server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { planLines, problemLines, summaryOf } from "../../src/local/queue-report.ts";
import { parseQueuesCommand } from "../../src/local/queues-options.ts";
import {
  ROOT,
  type RunningServer,
  runStartCommand,
  startServer,
  temporaryFolder,
} from "../support/server.ts";

const FIXTURES = join(ROOT, "test", "queue-file", "fixtures");
const YAML = join(FIXTURES, "queue.yaml");
const XML = join(FIXTURES, "queue.xml");

/** Runs `npm run queues -- ARGS` to its end. */
async function queues(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(ROOT, "src", "local", "queues.ts"), ...args], {
    env: { ...process.env, API_TOKEN: "", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;
let counter = 0;
let project: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  const environment = { API_TOKEN: "s3cret-token" };
  server = await startServer({ dataFolder: join(folder.path, "data"), environment });
});

afterAll(async () => {
  await server?.stop("SIGTERM");
  await folder?.remove();
});

beforeEach(() => {
  counter += 1;
  project = `app-${counter}`;
});

function written(name: string, ...lines: string[]): string {
  const path = join(folder.path, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

const TOKEN = { API_TOKEN: "s3cret-token" };
const here = () => ["--url", server.url, "--project", project];

describe("apply", () => {
  test("prints the plan, applies it, and has nothing to do again", async () => {
    const first = await queues(["apply", YAML, ...here()], TOKEN);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toContain(`${YAML} → ${server.url}, project ${project}\n`);
    expect(first.stdout).toContain("\n  imports: create and pause\n      rate: 0\n");
    expect(first.stdout).toMatch(/\nDone: 7 created, 1 paused\.\n$/);
    for (const file of [YAML, XML]) {
      const again = await queues(["apply", file, ...here()], TOKEN);
      expect(again).toMatchObject({ code: 0, stderr: "" });
      expect(again.stdout).toContain("\n  7 unchanged\nNothing to change.\n");
    }
  });

  test("--dry-run changes nothing", async () => {
    const file = written("dry.yaml", "queue:", "- {name: a, rate: 5/s}");
    for (const _ of ["first", "again"]) {
      const { code, stdout } = await queues(["apply", file, ...here(), "--dry-run"], TOKEN);
      expect(code).toBe(0);
      expect(stdout).toContain("  a: create\n      rate: 5/s\nA dry run: nothing was changed.\n");
    }
  });

  test("says what changes from what to what", async () => {
    await queues(["apply", YAML, ...here()], TOKEN);
    const file = written("next.yaml", "queue:", "- {name: thumbnails, rate: 2/s}");
    const { stdout } = await queues(["apply", file, ...here()], TOKEN);
    expect(stdout).toContain(
      "  thumbnails: update\n      rate: 90/m → 2/s\n      target: images → not set\n",
    );
    expect(stdout).toContain("\n  mail-queue: pause\n");
    expect(stdout).toMatch(/Done: 1 updated, 4 paused\.\n$/);
  });

  test("tells file, line, element and reason of every mistake, and changes nothing", async () => {
    const file = written("bad.yaml", "queue:", "- name: a", "  rate: 9/w", "- rate: 1/s");
    expect(await queues(["apply", file, ...here()], TOKEN)).toEqual({
      code: 1,
      stdout: "",
      stderr:
        `${file}:3: queue[0].rate: must be 0, or a number of tasks per s, m, h or d ` +
        `(such as 5/s), not "9/w".\n${file}:4: queue[1]: must have a name.\n`,
    });
    expect((await queues(["export", ...here()], TOKEN)).stdout).toContain("queue: []");
  });

  test("tells the same of what only the server knows", async () => {
    const push = written("push.yaml", "queue:", "- {name: a, rate: 1/s}");
    await queues(["apply", push, ...here()], TOKEN);
    const pull = written(
      "pull.xml",
      "<queue-entries><queue>",
      "<name>a</name><mode>pull</mode></queue></queue-entries>",
    );
    const { code, stderr } = await queues(["apply", pull, ...here()], TOKEN);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `${pull}:1: queue[0].mode: cannot be changed: the queue "a" is a push queue.\n`,
    });
  });
});

describe("export", () => {
  test.each(["yaml", "xml"])("prints a %s that applies without a change", async (format) => {
    await queues(["apply", YAML, ...here()], TOKEN);
    const { code, stdout } = await queues(["export", "--format", format, ...here()], TOKEN);
    expect(code).toBe(0);
    const file = written(`again.${format}`, stdout);
    const again = await queues(["apply", file, ...here()], TOKEN);
    expect(again.stdout).toContain("\n  7 unchanged\nNothing to change.\n");
  });
});

describe("check", () => {
  test("reads a file without a server", async () => {
    for (const file of [YAML, XML]) {
      expect(await queues(["check", file])).toEqual({
        code: 0,
        stdout: `${file}: 7 queues, nothing wrong\n`,
        stderr: "",
      });
    }
    const bad = written(
      "bad.xml",
      "<queue-entries>",
      "<queue><rate>1/s</rate></queue>",
      "</queue-entries>",
    );
    expect(await queues(["check", bad])).toEqual({
      code: 1,
      stdout: "",
      stderr: `${bad}:2: queue[0]: must have a name.\n`,
    });
  });

  test("goes by the limits in the environment", async () => {
    const file = written("fast.yaml", "queue:", "- {name: a, rate: 900/s}");
    const { stderr } = await queues(["check", file]);
    expect(stderr).toBe(`${file}:2: queue[0].rate: must be at most 500 per second.\n`);
    expect(await queues(["check", file], { MAX_DISPATCHES_PER_SECOND: "1000" })).toMatchObject({
      code: 0,
    });
  });
});

describe("a server that cannot be asked", () => {
  test("is told from one that will not", async () => {
    const apply = ["apply", YAML, "--url"];
    const refused = await queues([...apply, server.url, "--project", project]);
    expect(refused).toEqual({
      code: 1,
      stdout: "",
      stderr: `${server.url} asks for credentials: put its token into API_TOKEN\n`,
    });
    const wrong = await queues([...apply, server.url], { API_TOKEN: "wr0ng" });
    expect(wrong.stderr).toBe(
      `${server.url} asks for credentials: the API_TOKEN is not the server's\n`,
    );

    let status = 404;
    const other = createServer((_request, response) => {
      response.writeHead(status, { "content-type": "text/html" }).end("<html>wr0ng</html>");
    }).listen(0, "127.0.0.1");
    await once(other, "listening");
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const alien = () => `${url} does not look like this service: it answers ${status}\n`;
    expect((await queues([...apply, url])).stderr).toBe(alien());
    status = 200;
    for (const args of [
      [...apply, url],
      ["export", "--url", url],
    ]) {
      expect(await queues(args)).toEqual({ code: 1, stdout: "", stderr: alien() });
    }
    other.close();
    await once(other, "close");
    expect(await queues([...apply, url])).toEqual({
      code: 1,
      stdout: "",
      stderr: `nothing listens at ${url}: is the server running?\n`,
    });
  });

  test("matters less than a file that is not there", async () => {
    expect((await queues(["apply", "no/such/file"])).stderr).toBe(
      "no/such/file cannot be read: there is no such file\n",
    );
    const file = join(folder.path, "latin.yaml");
    writeFileSync(file, Buffer.from([0x71, 0xe9]));
    expect((await queues(["apply", file])).stderr).toBe(
      `${file} cannot be read: it is not UTF-8\n`,
    );
  });
});

describe("npm start -- --queues", () => {
  test("applies the file before the first lines, and again at the next start", async () => {
    const dataFolder = join(folder.path, "own");
    const args = ["--queues", YAML, "--project", "shop"];
    const started = await startServer({ dataFolder, args });
    expect(started.stdout).toContain(`Queues of ${YAML}: 7 created, 1 paused.\n`);
    const url = `${started.url}/v2/projects/shop/locations/us-central1/queues/mail-queue`;
    expect(await (await fetch(url)).json()).toMatchObject({ state: "RUNNING" });
    await started.stop();
    const again = await startServer({ dataFolder, args });
    expect(again.stdout).toContain(`Queues of ${YAML}: nothing to change.\n`);
    await again.stop();
  });

  test("takes the project my-project and the token as the server does", async () => {
    const started = await startServer({
      dataFolder: join(folder.path, "closed"),
      args: ["--queues", XML],
      environment: TOKEN,
    });
    const url = `${started.url}/v2/projects/my-project/locations/us-central1/queues`;
    const headers = { authorization: "Bearer s3cret-token" };
    const { queues } = (await (await fetch(url, { headers })).json()) as { queues: unknown[] };
    expect(queues).toHaveLength(5);
    await started.stop();
  });

  test("with a file that is wrong ends before it serves", async () => {
    const file = written("start.yaml", "queue:", "- name: a", "  rate: fast");
    const end = await runStartCommand([
      "--port",
      "0",
      "--data",
      join(folder.path, "bad"),
      "--queues",
      file,
    ]);
    expect(end.code).toBe(1);
    expect(end.stdout).toBe("");
    expect(end.stderr).toContain(`${file}:3: queue[0].rate: must be 0, or`);
  });

  test("with a file that what is there stands against ends too", async () => {
    const dataFolder = join(folder.path, "against");
    const push = written("a.yaml", "queue:", "- {name: a, rate: 1/s}");
    await (await startServer({ dataFolder, args: ["--queues", push] })).stop();
    const pull = written("b.yaml", "queue:", "- {name: a, mode: pull}");
    const end = await runStartCommand(["--port", "0", "--data", dataFolder, "--queues", pull]);
    expect(end).toMatchObject({ code: 1, stdout: "" });
    expect(end.stderr).toBe(
      `${pull}:2: queue[0].mode: cannot be changed: the queue "a" is a push queue.\n`,
    );
  });
});

describe("the command line", () => {
  const URL = { url: "http://127.0.0.1:8787" };

  test.each([
    [
      ["apply", "q.yaml"],
      { kind: "apply", file: "q.yaml", server: URL, dryRun: false, yes: false },
    ],
    [
      [
        "apply",
        "q.yaml",
        "--dry-run",
        "--yes",
        "--url",
        "https://q.example.com/",
        "--project",
        "a:b",
      ],
      {
        kind: "apply",
        file: "q.yaml",
        server: { url: "https://q.example.com/", project: "a:b" },
        dryRun: true,
        yes: true,
      },
    ],
    [["export"], { kind: "export", format: "yaml", server: URL }],
    [["check", "q.xml"], { kind: "check", file: "q.xml" }],
    [["--help", "apply"], { kind: "help" }],
  ])("%j", (args, command) => {
    expect(parseQueuesCommand(args, {})).toEqual(command);
  });

  test("takes the token from the environment alone", () => {
    expect(parseQueuesCommand(["export"], { API_TOKEN: "t" })).toMatchObject({
      server: { token: "t" },
    });
    expect(parseQueuesCommand(["export", "--token", "t"], {})).toMatchObject({ kind: "refuse" });
  });

  test.each([
    [[], "say what to do: apply, export or check"],
    [["deploy"], 'there is no command "deploy": only apply, export and check'],
    [["apply"], "apply takes one file"],
    [["check", "a", "b"], "check takes one file"],
    [["export", "a"], "export prints to its output and takes no file"],
    [["check", "a", "--dry-run"], "--dry-run is no option of check"],
    [["export", "--format", "json"], '--format must be yaml or xml, not "json"'],
    [["export", "--project", "a/b"], '--project must be a project\'s id, not "a/b"'],
    [
      ["export", "--url", "localhost"],
      '--url must be a server\'s address such as https://queues.example.com, not "localhost"',
    ],
    [["export", "--forma", "xml"], "Unknown option '--forma'"],
  ])("%j is refused", (args, message) => {
    expect(parseQueuesCommand(args, {})).toEqual({ kind: "refuse", message });
  });

  test("that is refused has an exit code of its own", async () => {
    const { code, stderr } = await queues(["apply"]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "apply takes one file\nnpm run queues -- --help lists the commands.\n",
    });
    expect(await queues(["--help"])).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("reports", () => {
  test("count and list", () => {
    const plan = [
      {
        queue: "a",
        actions: ["create", "pause"],
        changes: [{ element: "rate", from: null, to: "0" }],
      },
      { queue: "b", actions: ["unchanged"], changes: [] },
      {
        queue: "c",
        actions: ["update", "resume"],
        changes: [{ element: "target", from: "x", to: null }],
      },
    ];
    expect(planLines(plan)).toBe(
      "  a: create and pause\n      rate: 0\n  c: update and resume\n      target: x → not set\n  1 unchanged",
    );
    expect(summaryOf(plan)).toBe("1 created, 1 updated, 1 paused, 1 resumed");
    expect(summaryOf([])).toBe("nothing to change");
    expect(problemLines("f", [{ line: 1, element: "", message: "The file is empty." }])).toBe(
      "f:1: The file is empty.",
    );
  });

  test("the files of these tests hold every element of the reference", () => {
    const text = readFileSync(YAML, "utf8");
    for (const element of [
      ...["name", "rate", "bucket_size", "max_concurrent_requests", "mode", "target", "acl"],
      ...["retry_parameters", "task_retry_limit", "task_age_limit", "max_doublings"],
      ...["min_backoff_seconds", "max_backoff_seconds", "user_email", "writer_email"],
      ...["total_storage_limit", "resume_paused_queues", "application"],
    ]) {
      expect(text).toContain(`${element}:`);
    }
  });
});
