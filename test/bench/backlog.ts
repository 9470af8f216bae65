/** What a million waiting tasks change: the cost of a create, of dispatching, and the memory. */
import { execFileSync } from "node:child_process";
import { createQueue, createTaskRequest, UNLIMITED } from "./api.ts";
import { fillQueue, runBurst } from "./dispatch.ts";
import { runLoad } from "./load.ts";
import type { Receiver } from "./receiver.ts";
import { CONNECTIONS, median, type Section, withServer } from "./section.ts";
import { amount, atMost, told } from "./table.ts";

const BACKLOG = 1_000_000;
const LATER_MS = 20 * 86400e3;
const ROUNDS = 3;

interface Cost {
  /** Milliseconds of the server's time for one create. */
  readonly createMs: number;
  /** Seconds to dispatch 2,000 due tasks. */
  readonly burstSeconds: number;
}

export const backlog: Section = {
  name: "backlog",
  run: ({ receiver }) =>
    withServer(async ({ port, workerdPid }) => {
      // The same work on another queue first, so that growth is that of the backlog alone.
      await createQueue(port, "warm-up", UNLIMITED);
      await measureCost(port, "warm-up", receiver);
      await fillQueue(port, "warm-up", 50_000, later());
      await createQueue(port, "backlog", UNLIMITED);
      const empty = await measureCost(port, "backlog", receiver);
      const before = residentMegabytes(workerdPid);
      const startMs = Date.now();
      let peak = before;
      const sample = () => {
        peak = Math.max(peak, residentMegabytes(workerdPid));
      };
      const sampling = setInterval(sample, 1000);
      await fillQueue(port, "backlog", BACKLOG, later()).finally(() => clearInterval(sampling));
      const fillSeconds = (Date.now() - startMs) / 1000;
      sample();
      const full = await measureCost(port, "backlog", receiver);
      return {
        name: "backlog",
        title: `${amount(BACKLOG, "waiting tasks")} against an empty queue`,
        method:
          `Creates: ${CONNECTIONS} connections for 2 s; ticks: 2,000 tasks due at once; the middle of ` +
          `${ROUNDS} rounds each. The backlog is made by batchCreate and due in 20 days.`,
        figures: [
          told("filling it", amount(BACKLOG / fillSeconds, "tasks/s")),
          told("a create, empty", amount(empty.createMs, "ms")),
          told("a create, full", amount(full.createMs, "ms")),
          atMost("create cost, full to empty", full.createMs / empty.createMs, 1.5, "times"),
          told("2,000 due tasks, empty", amount(empty.burstSeconds, "s")),
          told("2,000 due tasks, full", amount(full.burstSeconds, "s")),
          atMost("tick cost, full to empty", full.burstSeconds / empty.burstSeconds, 1.5, "times"),
          told("resident before", amount(before, "MB")),
          atMost("growth over the backlog, at its peak", peak - before, 100, "MB"),
        ],
      };
    }),
};

function later(): { readonly url: string; readonly scheduleTimeMs: number } {
  return { url: "http://127.0.0.1:1/", scheduleTimeMs: Date.now() + LATER_MS };
}

async function measureCost(port: number, queue: string, receiver: Receiver): Promise<Cost> {
  const request = createTaskRequest(queue, later());
  const rates: number[] = [];
  const seconds: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const load = { port, connections: CONNECTIONS, durationMs: 2000, request: () => request };
    rates.push((await runLoad(load)).rate);
    seconds.push((await runBurst(port, queue, receiver)).seconds);
  }
  return {
    createMs: 1000 / median(rates, (rate) => rate),
    burstSeconds: median(seconds, (value) => value),
  };
}

function residentMegabytes(pid: number): number {
  return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1024;
}
