/** Billed rows: runs rows.bench.ts inside workerd, where they can be counted, and reads its counts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../support/server.ts";
import type { RowCount } from "./row-count.ts";
import type { Section } from "./section.ts";
import { atMost, type Figure } from "./table.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export const billedRows: Section = {
  name: "rows",
  run: async () => {
    const folder = await temporaryFolder();
    try {
      const figures = await countRows(join(folder.path, "rows.json"));
      return {
        name: "rows",
        title: "Billed rows written for a task, over its whole life",
        method:
          "Counted inside workerd: rowsWritten of every statement, and one for each setAlarm, from " +
          "the create to the end of all alarms and tombstones that it brought about.",
        figures,
      };
    } finally {
      await folder.remove();
    }
  },
};

async function countRows(outputFile: string): Promise<Figure[]> {
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const args = ["run", "--config", "test/bench/vitest.config.ts"];
  const reporter = ["--reporter=json", `--outputFile=${outputFile}`];
  const child = spawn(process.execPath, [vitest, ...args, ...reporter], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`rows could not be counted:\n${output}`);
  const results = JSON.parse(await readFile(outputFile, "utf8")) as {
    readonly testResults: readonly {
      readonly assertionResults: readonly { readonly title: string; readonly meta: RowCount }[];
    }[];
  };
  return results.testResults
    .flatMap((file) => file.assertionResults)
    .map(({ title, meta }) => atMost(title, meta.rows / meta.tasks, meta.goal, "rows"));
}
