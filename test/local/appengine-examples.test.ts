/**
 * App Engine code as an app has it, against a server that asks for a token: an app that adds tasks
 * and is called by them, and a worker of a pull queue. Nothing but the environment tells them where.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { announceMissing, pythonProof } from "../appengine/sdk.ts";
import { eventually } from "../support/eventually.ts";
import { ROOT, type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const EXAMPLES = join(ROOT, "test", "appengine", "examples");
const TOKEN = "secret";

const installed = pythonProof();
if ("missing" in installed) announceMissing("Python", installed.missing);

describe.skipIf("missing" in installed)("an App Engine app", () => {
  let server: RunningServer;
  let app: string;

  beforeAll(async () => {
    const folder = await temporaryFolder();
    const port = await freePort();
    app = `http://127.0.0.1:${port}`;
    server = await startServer({
      dataFolder: folder.path,
      args: ["--app-engine-url", app],
      environment: { API_TOKEN: TOKEN },
    });
    const uploaded = await fetch(`${server.url}/api/queue/update?appId=my-project`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}` },
      body: readFileSync(join(EXAMPLES, "queue.yaml")),
    });
    expect(uploaded.status).toBe(200);
    const running = run("app.py", { PORT: String(port) });
    await eventually(() => fetch(app));
    return async () => {
      running.child.kill("SIGKILL");
      await server.stop();
      await folder.remove();
    };
  });

  test("adds tasks in a request, is called by them, and a worker leases what they left", async () => {
    for (const path of ["/start", "/start_deferred"]) {
      const reply = await fetch(app + path);
      expect(await reply.text()).toBe("ok");
    }
    const worker = run("worker.py");
    expect(await worker.end).toEqual({ code: 0, stdout: "10 32 5\n", stderr: expect.anything() });
  });

  test("with a ticket that is not the token: RPCFailedError, which does not tell the ticket", async () => {
    const worker = run("worker.py", { HTTP_X_APPENGINE_API_TICKET: "forged-ticket" });
    const { code, stderr } = await worker.end;
    expect(code).toBe(1);
    expect(stderr).toContain("RPCFailedError");
    expect(stderr).not.toContain("forged-ticket");
  });

  /** Starts an example with the environment that README names. */
  function run(script: string, environment: Readonly<Record<string, string>> = {}) {
    return runPython(EXAMPLES, ["-B", script], server.port, environment);
  }
});

describe.skipIf("missing" in installed)("README's app and worker, on an open server", () => {
  test("add a push task, are called by it, and lease what it left", async () => {
    const folder = await temporaryFolder();
    const port = await freePort();
    await writeFile(join(folder.path, "main.py"), readmeBlock("flask"));
    await writeFile(join(folder.path, "worker.py"), readmeBlock("python worker.py"));
    const command = readmeBlock("--queues").trim().replace("npm start -- ", "").split(" ");
    const [, queues = "", , url = ""] = command;
    expect(command).toEqual(["--queues", queues, "--app-engine-url", "http://localhost:8080"]);
    const server = await startServer({
      dataFolder: join(folder.path, "data"),
      args: ["--queues", join(ROOT, queues), "--app-engine-url", url.replace("8080", `${port}`)],
    });
    const flask = ["-B", "-m", "flask", "--app", "main", "run", "-p", String(port)];
    const app = runPython(folder.path, flask, server.port, {});
    try {
      const reply = await eventually(() => fetch(`http://127.0.0.1:${port}/start`));
      expect(await reply.text()).toBe("ok");
      const leased = await eventually(async () => {
        const worker = runPython(folder.path, ["-B", "worker.py"], server.port, {});
        const { code, stdout } = await worker.end;
        expect(code).toBe(0);
        if (stdout === "") throw new Error("nothing was there to lease");
        return stdout;
      });
      expect(leased).toBe("b'10'\n");
    } finally {
      app.child.kill("SIGKILL");
      await server.stop();
      await folder.remove();
    }
  });
});

/** The first block of README that contains a text. */
function readmeBlock(containing: string): string {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
  const found = blocks.find((code) => code.includes(containing));
  if (found === undefined) throw new Error(`README has no block with ${containing}`);
  return found;
}

/** Runs Python with the environment that README names. */
function runPython(
  folder: string,
  args: readonly string[],
  port: number,
  environment: Readonly<Record<string, string>>,
) {
  if ("missing" in installed) throw new Error(installed.missing);
  const child = spawn(installed.program.command, args, {
    cwd: folder,
    env: {
      ...process.env,
      API_HOST: "127.0.0.1",
      API_PORT: String(port),
      HTTP_X_APPENGINE_API_TICKET: TOKEN,
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 30_000,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const end = once(child, "close").then(([code]) => ({ code, stdout, stderr }));
  return { child, end };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
