/** Creating tasks over HTTP: one by one, without any connection starving, and in batches. */
import { batchCreateRequest, createQueue, createTaskRequest, UNLIMITED } from "./api.ts";
import { type LoadReport, runLoad } from "./load.ts";
import { CONNECTIONS, loadBare, median, type Section, withServer } from "./section.ts";
import { amount, atLeast, atMost, told } from "./table.ts";

/** Far enough ahead that nothing is dispatched while creating is measured. */
const LATER_MS = 3600e3;
const ROUNDS = 3;
const BATCH = 100;

interface Round {
  readonly bare: LoadReport;
  readonly creates: LoadReport;
}

export const singleCreates: Section = {
  name: "creates",
  run: () =>
    withServer(async ({ port }) => {
      await createQueue(port, "single", UNLIMITED);
      const request = createTaskRequest("single", {
        url: "http://127.0.0.1:1/",
        scheduleTimeMs: Date.now() + LATER_MS,
      });
      const create = (durationMs: number) =>
        runLoad({ port, connections: CONNECTIONS, durationMs, request: () => request });
      await loadBare(port, 1500);
      await create(1500);
      const rounds: Round[] = [];
      for (let i = 0; i < ROUNDS; i++) {
        rounds.push({ bare: await loadBare(port, 2000), creates: await create(4000) });
      }
      const { bare, creates } = median(rounds, shareOfBare);
      const worstFirst = Math.max(...rounds.map((round) => round.creates.firstAnswer.max));
      const worstP99 = Math.max(...rounds.map((round) => round.creates.latency.p99));
      return {
        name: "creates",
        title: "Single creates over HTTP",
        method:
          `${CONNECTIONS} connections, tasks of 100 B due in an hour; ${ROUNDS} rounds of 2 s bare ` +
          "route and 4 s creates after a warm-up of 1.5 s each; the middle round by share.",
        figures: [
          told("bare route, same server", amount(bare.rate, "req/s")),
          told("creates", amount(creates.rate, "tasks/s")),
          atLeast("creates of bare rate", shareOfBare({ bare, creates }) * 100, 30, "%"),
          told("latency p50", amount(creates.latency.p50, "ms")),
          atMost("latency p99, worst round", worstP99, 100, "ms"),
          told("latency max", amount(creates.latency.max, "ms")),
          told("first answer of a connection, p50", amount(creates.firstAnswer.p50, "ms")),
          told("first answer of the slowest, worst round", amount(worstFirst, "ms")),
          told(
            "answers of a connection, fewest to most",
            `${creates.perConnection.min} to ${creates.perConnection.max}`,
          ),
        ],
      };
    }),
};

function shareOfBare({ bare, creates }: Round): number {
  return creates.rate / bare.rate;
}

export const batchCreates: Section = {
  name: "batches",
  run: ({ factor }) =>
    withServer(async ({ port }) => {
      await createQueue(port, "batch", UNLIMITED);
      const scheduleTimeMs = Date.now() + LATER_MS;
      const request = batchCreateRequest(
        "batch",
        Array.from({ length: BATCH }, () => ({ url: "http://127.0.0.1:1/", scheduleTimeMs })),
      );
      const create = (connections: number, durationMs: number) =>
        runLoad({ port, connections, durationMs, request: () => request, onBody: refuseErrors });
      await create(4, 2000);
      const runs: { connections: number; report: LoadReport }[] = [];
      for (const connections of [1, 4, 16, CONNECTIONS]) {
        runs.push({ connections, report: await create(connections, 3000) });
      }
      const best = Math.max(...runs.map(({ report }) => report.rate * BATCH));
      return {
        name: "batches",
        title: "batchCreate of 100",
        method: "3 s at each number of connections after a warm-up of 2 s at 4.",
        figures: [
          ...runs.map(({ connections, report }) =>
            told(
              `${connections} connections`,
              `${amount(report.rate * BATCH, "tasks/s")}, p99 ${amount(report.latency.p99, "ms")}`,
            ),
          ),
          atLeast("best", best, 12_000 * factor, "tasks/s"),
        ],
      };
    }),
};

/** Errors of single tasks stand in the operation that a batch answers with. */
export function refuseErrors(body: Buffer): void {
  if (body.includes('"code"')) throw new Error(`a batch failed: ${body.subarray(0, 500)}`);
}
