/** Python with the packages of a requirements file, installed once for each content of it. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./server.ts";

const run = promisify(execFile);

/** Path of an interpreter that has what the file requires. Needs python3 and, once, its package index. */
export async function pythonWith(requirements: string): Promise<string> {
  const hash = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex")
    .slice(0, 16);
  const folder = join(ROOT, ".wrangler", `python-${hash}`);
  const done = join(folder, "done");
  if (!existsSync(done)) {
    await rm(folder, { recursive: true, force: true });
    await run("python3", ["-m", "venv", folder]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    await run(join(folder, "bin", "python"), [...pip, "-r", requirements]);
    await writeFile(done, "");
  }
  return join(folder, "bin", "python");
}
