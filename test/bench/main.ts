/**
 * `npm run bench`: the figures of cost and speed, on raw workerd serving the built bundle, each next
 * to its goal and to the floor of the same run. Nothing is asserted; nothing is written outside
 * temporary folders. `npm run bench -- creates burst` runs some sections, `--json` prints data.
 */
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { buildBundle } from "../support/server.ts";
import { backlog } from "./backlog.ts";
import { batchCreates, singleCreates } from "./creates.ts";
import { dueAtOnce, lateness } from "./dispatch.ts";
import { measureFloor } from "./floor.ts";
import { leases, waitingLeases } from "./pull.ts";
import { Receiver } from "./receiver.ts";
import { billedRows } from "./rows.ts";
import type { Section } from "./section.ts";
import { signIn } from "./sign-in.ts";
import { renderSection, type SectionReport } from "./table.ts";

const SECTIONS: readonly Section[] = [
  singleCreates,
  batchCreates,
  signIn,
  dueAtOnce,
  lateness,
  backlog,
  leases,
  waitingLeases,
  billedRows,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !SECTIONS.some((section) => section.name === name));

if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`no such section: ${unknown.join(", ")}\n`);
  console.log("Usage: npm run bench -- [--json] [section ...]\n");
  console.log(`Sections: ${SECTIONS.map((section) => section.name).join(", ")} (default: all)`);
  process.exitCode = unknown.length > 0 ? 1 : 0;
} else {
  const chosen = SECTIONS.filter(
    ({ name }) => positionals.length === 0 || positionals.includes(name),
  );
  await run(chosen, values.json);
}

async function run(sections: readonly Section[], asJson: boolean): Promise<void> {
  const machine = describeMachine();
  if (!asJson) console.log(`${machine}\n`);
  await buildBundle();
  const reports: SectionReport[] = [];
  const tell = (report: SectionReport) => {
    reports.push(report);
    if (!asJson) console.log(`${renderSection(report)}\n`);
  };
  const floor = await measureFloor();
  tell(floor.report);
  const receiver = await Receiver.start();
  try {
    for (const section of sections) {
      tell(await section.run({ receiver, factor: floor.factor }));
    }
  } finally {
    await receiver.stop();
  }
  if (asJson) console.log(JSON.stringify({ machine, sections: reports }, null, 2));
  else summarise(reports);
}

function summarise(reports: readonly SectionReport[]): void {
  const goals = reports
    .flatMap(({ figures }) => figures)
    .filter(({ holds }) => holds !== undefined);
  const missed = goals.filter(({ holds }) => holds === false);
  console.log(`${goals.length - missed.length} of ${goals.length} goals hold.`);
  for (const { name, value, target } of missed)
    console.log(`  MISSED ${name}: ${value}, ${target}`);
}

function describeMachine(): string {
  const require = createRequire(import.meta.url);
  const workerd = (require("workerd/package.json") as { version: string }).version;
  const cores = cpus();
  const day = new Date().toISOString().slice(0, 10);
  return `${cores.length} × ${cores[0]?.model ?? "unknown CPU"}, Node ${process.versions.node}, workerd ${workerd}, ${day}`;
}
