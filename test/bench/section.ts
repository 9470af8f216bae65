/** What the sections of the bench share: a server of their own, the target, the floor of the run. */
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { httpRequest, type LoadReport, runLoad } from "./load.ts";
import type { Receiver } from "./receiver.ts";
import type { SectionReport } from "./table.ts";

/** Connections of the goals that name none. */
export const CONNECTIONS = 64;
/** The bare route's rate on the machine that the goals were written for: those that scale scale by it. */
const REFERENCE_RATE = 6000;

export interface Bench {
  readonly receiver: Receiver;
  /** Requests per second of the bare route in this run, divided by the reference machine's. */
  readonly factor: number;
}

export interface Section {
  /** What to give on the command line to run it. */
  readonly name: string;
  run(bench: Bench): Promise<SectionReport>;
}

/** Runs something on a new server with an empty data folder, whose queues may be as fast as they like. */
export async function withServer<T>(
  use: (server: RunningServer) => Promise<T>,
  environment: Readonly<Record<string, string>> = {},
): Promise<T> {
  const folder = await temporaryFolder();
  try {
    const server = await startServer({
      dataFolder: folder.path,
      environment,
      args: [
        ...["--var", "MAX_DISPATCHES_PER_SECOND=1000000"],
        ...["--var", "MAX_CONCURRENT_DISPATCHES=100000"],
      ],
    });
    try {
      return await use(server);
    } finally {
      await server.stop();
    }
  } finally {
    await folder.remove();
  }
}

/** Loads the bare route for so long. */
export function loadBare(port: number, durationMs: number): Promise<LoadReport> {
  const request = httpRequest("GET", "/healthz");
  return runLoad({ port, connections: CONNECTIONS, durationMs, request: () => request });
}

/** How much faster than the reference machine this one is, by a rate of the bare route. */
export function factorOf(bareRate: number): number {
  return bareRate / REFERENCE_RATE;
}

/** The middle of some measurements, by a figure of each. */
export function median<T>(measurements: readonly T[], figure: (one: T) => number): T {
  const sorted = [...measurements].sort((a, b) => figure(a) - figure(b));
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error("a median of nothing");
  return middle;
}
