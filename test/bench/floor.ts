/** The floor: what the server does on a route that does nothing. */

import { CONNECTIONS, factorOf, loadBare, withServer } from "./section.ts";
import { amount, type Figure, type SectionReport, told } from "./table.ts";

export interface Floor {
  readonly report: SectionReport;
  readonly factor: number;
}

export function measureFloor(): Promise<Floor> {
  return withServer(async ({ port }) => {
    await loadBare(port, 2000);
    const bare = await loadBare(port, 4000);
    const factor = factorOf(bare.rate);
    const figures: Figure[] = [
      told("GET /healthz", amount(bare.rate, "req/s")),
      told(
        "latency p50 / p99",
        `${amount(bare.latency.p50, "ms")} / ${amount(bare.latency.p99, "ms")}`,
      ),
      told("factor for goals that scale", `${factor.toFixed(2)} (rate / 6,000)`),
    ];
    return {
      factor,
      report: {
        name: "floor",
        title: "Floor: a bare route",
        method: `${CONNECTIONS} keep-alive connections, 4 s after a warm-up of 2 s.`,
        figures,
      },
    };
  });
}
