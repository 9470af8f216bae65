/**
 * Kills the server without warning in the middle of dispatch, again and again, and counts: every
 * task that was acknowledged must arrive, and only what was under way may arrive twice.
 */
import { expect, test } from "vitest";
import { type ReceivedRequest, type Receiver, startReceiver } from "../support/receiver.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const KILLS = 6;
const QUEUES = ["a", "b", "c", "d"];
const WRITERS_PER_QUEUE = 3;
const DELIVERIES_BETWEEN_KILLS = 250;
/** Long enough for a kill to find attempts under way. */
const HANDLER_MS = 50;
/** What became of an answer that was sent so shortly before a kill may not have been stored yet. */
const REPORTING_MS = 250;
/** Everything due runs again within this time of a start, for leases last no longer. */
const RECOVERY_MS = 30_000;

/** Milliseconds since the epoch. Requests sent before a kill still arrive until it is over. */
interface Kill {
  readonly at: number;
  readonly overAt: number;
}

const LOCATION = "projects/crash/locations/us-central1";

test("a killed server loses no acknowledged task and repeats only what was under way", async () => {
  const folder = await temporaryFolder();
  const target = await startReceiver();
  const delivered = new Set<string>();
  target.answerWith((request) => {
    delivered.add(taskOf(request));
    return { status: 200, delayMs: HANDLER_MS };
  });
  const acknowledged = new Set<string>();
  const kills: Kill[] = [];

  for (let round = 1; round <= KILLS; round++) {
    const server = await startServer({ dataFolder: folder.path });
    if (round === 1) await createQueues(server);
    const writers = startWriters(server, target, round, acknowledged);
    await target.waitFor(target.requests.length + DELIVERIES_BETWEEN_KILLS);
    const at = Date.now();
    await server.crash();
    await writers;
    kills.push({ at, overAt: Date.now() });
  }

  // From here on nobody asks the server for anything: it must remember by itself.
  const last = await startServer({ dataFolder: folder.path });
  const startedAt = Date.now();
  const isComplete = () => [...acknowledged].every((task) => delivered.has(task));
  await target.waitUntil(isComplete, RECOVERY_MS).catch(() => undefined);
  const recoveryMs = Date.now() - startedAt;
  if (isComplete()) await untilEmpty(last);
  await last.stop();
  await target.close();
  await folder.remove();

  const deliveries = Map.groupBy(target.requests, taskOf);
  const lost = [...acknowledged].filter((task) => !deliveries.has(task));
  const repeats = [...deliveries.values()].flatMap((requests) => requests.slice(0, -1));
  const needless = repeats.filter((request) => !wasUnderWay(request, kills));
  console.log(
    `crash test: ${KILLS} kills, acknowledged=${acknowledged.size}, lost=${lost.length}, ` +
      `repeated=${repeats.length} (not under way: ${needless.length}), ` +
      `all delivered ${recoveryMs} ms after the last start`,
  );
  expect(acknowledged.size).toBeGreaterThan(KILLS * 100);
  expect(lost).toEqual([]);
  expect(needless).toEqual([]);
});

async function createQueues(server: RunningServer): Promise<void> {
  for (const queue of QUEUES) {
    const response = await post(server, `${LOCATION}/queues`, {
      name: `${LOCATION}/queues/${queue}`,
    });
    if (response.status !== 200) throw new Error(`no queue: ${await response.text()}`);
  }
}

/** Asks until no queue holds a task, so that repeats that are still to come are counted too. */
async function untilEmpty(server: RunningServer): Promise<void> {
  for (const queue of QUEUES) {
    let page: { tasks?: unknown[] };
    do {
      const response = await fetch(`${server.url}/v2/${LOCATION}/queues/${queue}/tasks`);
      page = (await response.json()) as typeof page;
    } while ((page.tasks ?? []).length > 0);
  }
}

/** Creates tasks without pause until the server is gone; notes those that it acknowledged. */
async function startWriters(
  server: RunningServer,
  target: Receiver,
  round: number,
  acknowledged: Set<string>,
): Promise<void> {
  const writers = QUEUES.flatMap((queue) =>
    Array.from({ length: WRITERS_PER_QUEUE }, async (_, writer) => {
      for (let count = 0; ; count++) {
        const task = `/${round}/${queue}/${writer}/${count}`;
        const response = await post(
          server,
          `${LOCATION}/queues/${queue}/tasks`,
          taskBody(target.url + task, count),
        ).catch(() => undefined);
        if (response?.status !== 200) return;
        acknowledged.add(task);
      }
    }),
  );
  await Promise.all(writers);
}

/** Every kind that is stored in its own way: due at once, due later, with a payload kept apart. */
function taskBody(url: string, count: number): object {
  const kind = count % 4;
  const later = new Date(Date.now() + 300).toISOString();
  return {
    task: {
      ...(kind === 1 ? { scheduleTime: later } : {}),
      httpRequest: {
        url,
        ...(kind === 2 ? { body: Buffer.alloc(3000, "x").toString("base64") } : {}),
      },
    },
  };
}

function post(server: RunningServer, path: string, body: object): Promise<Response> {
  return fetch(`${server.url}/v2/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

function taskOf(request: ReceivedRequest): string {
  return request.url;
}

/** Whether a kill came before the outcome of this delivery could have been stored. */
function wasUnderWay(request: ReceivedRequest, kills: readonly Kill[]): boolean {
  const stored = (request.answeredAt ?? Number.POSITIVE_INFINITY) + REPORTING_MS;
  return kills.some(({ at, overAt }) => request.arrivedAt <= overAt && stored >= at);
}
