/** `npm run queues`: queue files applied to a server, exported from it, or just checked. */
import { createInterface } from "node:readline/promises";
import { checkQueueFile, readQueueFile } from "./queue-check.ts";
import { isChanged, planLines, problemLines, summaryOf } from "./queue-report.ts";
import { applyFile, exportFile, planFile, ServerError } from "./queue-service.ts";
import { HELP, parseQueuesCommand, type QueuesCommand } from "./queues-options.ts";

const command = parseQueuesCommand(process.argv.slice(2), process.env);
try {
  process.exitCode = await run(command);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** Does what was asked; answers the exit code. */
async function run(command: QueuesCommand): Promise<number> {
  switch (command.kind) {
    case "help":
      process.stdout.write(HELP);
      return 0;
    case "refuse":
      console.error(`${command.message}\nnpm run queues -- --help lists the commands.`);
      return 2;
    case "check":
      console.log(`${command.file}: ${await checkQueueFile(command.file, process.env)}`);
      return 0;
    case "export":
      process.stdout.write(await exportFile(command.server, command.format));
      return 0;
    case "apply":
      return apply(command);
    default:
      return command satisfies never;
  }
}

async function apply(command: Extract<QueuesCommand, { kind: "apply" }>): Promise<number> {
  const { file, server, dryRun, yes } = command;
  const text = await readQueueFile(file);
  try {
    const plan = await planFile(server, text);
    const whose = server.project === undefined ? "" : `, project ${server.project}`;
    console.log(`${file} → ${server.url}${whose}\n${planLines(plan)}`);
    if (!plan.some(isChanged)) {
      console.log("Nothing to change.");
      return 0;
    }
    if (dryRun) {
      console.log("A dry run: nothing was changed.");
      return 0;
    }
    if (!yes && !(await isWanted())) {
      console.log("Nothing was changed.");
      return 1;
    }
    await applyFile(server, text);
    console.log(`Done: ${summaryOf(plan)}.`);
    return 0;
  } catch (error) {
    if (!(error instanceof ServerError) || error.problems.length === 0) throw error;
    throw new Error(problemLines(file, error.problems));
  }
}

/** Asks where somebody can answer; a script has said what it wants. */
async function isWanted(): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return true;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question("Apply? [y/N] ");
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
