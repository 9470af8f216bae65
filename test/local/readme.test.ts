/** What README tells a newcomer to run, run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startReceiver } from "../support/receiver.ts";
import { ROOT, type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const README = readFileSync(join(ROOT, "README.md"), "utf8");

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: RunningServer;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer({ dataFolder: folder.path });
});

afterAll(async () => {
  await server.stop();
  await folder.remove();
});

/** The first block of a language that contains a text. */
function codeBlock(language: string, containing: string): string {
  const blocks = [...README.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  const found = blocks.find(([, kind, code]) => kind === language && code?.includes(containing));
  const code = found?.[2];
  if (code === undefined) throw new Error(`README has no ${language} block with ${containing}`);
  return code;
}

/** Puts this test's ports in place of README's; both must be there. */
function withPorts(code: string, targetPort: number): string {
  expect(code).toContain("8787");
  expect(code).toContain("8080");
  return code.replaceAll("8787", String(server.port)).replaceAll("8080", String(targetPort));
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("the example with the official client delivers its webhook", async () => {
  const code = withPorts(codeBlock("js", "@google-cloud/tasks"), await freePort());
  const example = spawn(process.execPath, ["--input-type=module", "-"], {
    cwd: ROOT,
    stdio: ["pipe", "pipe", "inherit"],
  });
  example.stdin.end(code);
  let printed = "";
  for await (const text of example.stdout.setEncoding("utf8")) {
    printed += text;
    if (printed.includes("body Hello from a task") && printed.includes("created ")) break;
  }
  example.kill();
  expect(printed).toMatch(
    /^created projects\/my-project\/locations\/us-central1\/queues\/my-queue\/tasks\/\d+$/m,
  );
  expect(printed).toContain("webhook POST /hello");
  expect(printed).toContain("'x-cloudtasks-queuename': 'my-queue'");
});

test("so do the curl lines", async () => {
  const target = await startReceiver();
  const code = withPorts(codeBlock("sh", "curl "), Number(new URL(target.url).port));
  const shell = spawn("bash", ["-s"], { stdio: ["pipe", "ignore", "ignore"] });
  shell.stdin.end(code);
  const [request] = await target.waitFor(1);
  await target.close();
  expect(request).toMatchObject({ method: "POST", url: "/curl" });
});

test("the pull example leases by tag, with the official client and then with curl", async () => {
  const here = (code: string) => code.replaceAll("8787", String(server.port));
  const example = spawn(process.execPath, ["--input-type=module", "-"], {
    cwd: ROOT,
    stdio: ["pipe", "pipe", "inherit"],
  });
  example.stdin.end(here(codeBlock("js", "v2beta2")));
  const [printed] = await Promise.all([
    example.stdout.setEncoding("utf8").toArray(),
    once(example, "exit"),
  ]);
  expect(printed.join("")).toBe("leased thumbnails thumbnails\n".repeat(2));

  const shell = spawn("bash", ["-s"], { stdio: ["pipe", "pipe", "ignore"] });
  shell.stdin.end(here(codeBlock("sh", "groupByTag=true")));
  const answers = (await shell.stdout.setEncoding("utf8").toArray()).join("");
  expect(answers).toContain('"retry_count":1');
  expect(answers).toContain('"tag":"thumbnails"');
});
