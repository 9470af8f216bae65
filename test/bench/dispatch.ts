/** Dispatching: many tasks due at once, and how late single ones and many of one instant come. */
import {
  batchCreateRequest,
  call,
  createQueue,
  createTaskRequest,
  queueName,
  UNLIMITED,
} from "./api.ts";
import { refuseErrors } from "./creates.ts";
import { distribution, runLoad } from "./load.ts";
import type { Receiver } from "./receiver.ts";
import { median, type Section, withServer } from "./section.ts";
import { amount, atLeast, atMost, told } from "./table.ts";

const BURST = 2000;
const BATCH = 100;
const ROUNDS = 3;
const HANDLER_MS = 10;
const WITHIN_MS = 60_000;

/** One round of tasks that became due together. */
export interface BurstRound {
  readonly maxInFlight: number;
  /** From the call that made them due to the last answer of the target. */
  readonly seconds: number;
}

/** Fills a paused queue, resumes it, and waits for all to be done. */
export async function runBurst(
  port: number,
  queue: string,
  receiver: Receiver,
): Promise<BurstRound> {
  await call(port, "POST", `${queueName(queue)}:pause`, {});
  await fillQueue(port, queue, BURST, { url: receiver.url("/burst") });
  const { all } = await receiver.expect(BURST, HANDLER_MS, WITHIN_MS);
  const startMs = Date.now();
  await call(port, "POST", `${queueName(queue)}:resume`, {});
  const { maxInFlight, lastDoneMs } = await all;
  return { maxInFlight, seconds: (lastDoneMs - startMs) / 1000 };
}

/** Creates many like tasks in batches. */
export async function fillQueue(
  port: number,
  queue: string,
  count: number,
  task: { readonly url: string; readonly scheduleTimeMs?: number },
): Promise<void> {
  const request = batchCreateRequest(
    queue,
    Array.from({ length: BATCH }, () => task),
  );
  await runLoad({
    port,
    connections: 4,
    requests: Math.ceil(count / BATCH),
    request: () => request,
    onBody: refuseErrors,
  });
}

export const dueAtOnce: Section = {
  name: "burst",
  run: ({ receiver, factor }) =>
    withServer(async ({ port }) => {
      await createQueue(port, "burst", UNLIMITED);
      await runBurst(port, "burst", receiver);
      const rounds: BurstRound[] = [];
      for (let i = 0; i < ROUNDS; i++) rounds.push(await runBurst(port, "burst", receiver));
      const { seconds, maxInFlight } = median(rounds, (round) => round.seconds);
      return {
        name: "burst",
        title: `${amount(BURST, "tasks")} due at once`,
        method:
          `A paused queue without limits, filled and resumed; the target answers after ${HANDLER_MS} ms. ` +
          `The middle of ${ROUNDS} rounds after one to warm up.`,
        figures: [
          atLeast("in flight at the target, at most", maxInFlight, 190, "attempts"),
          atMost("from resume to the last answer", seconds, 1.2 / factor, "s"),
          told("rate", amount(BURST / seconds, "tasks/s")),
        ],
      };
    }),
};

const REST_QUEUES = 6;
const REST_TASKS_EACH = 40;

export const lateness: Section = {
  name: "lateness",
  run: ({ receiver }) =>
    withServer(async ({ port }) => {
      const rest = await latenessAtRest(port, receiver);
      const rounds: number[][] = [];
      for (let i = 0; i <= ROUNDS; i++) {
        rounds.push(await latenessOfInstant(port, `instant-${i}`, receiver));
      }
      const instant = median(
        rounds
          .slice(1)
          .map((late) => ({ early: late.filter((ms) => ms < 0).length, ...distribution(late) })),
        (round) => round.p99,
      );
      const early = rounds.flat().filter((ms) => ms < 0).length + rest.early;
      return {
        name: "lateness",
        title: "Lateness: from schedule time to arrival at the target",
        method:
          `At rest: ${REST_QUEUES} queues, ${REST_TASKS_EACH} tasks each, one at a time, 300 to 800 ms ` +
          `ahead. One instant: ${amount(BURST, "tasks")} of one queue without limits; the middle of ` +
          `${ROUNDS} rounds after one to warm up.`,
        figures: [
          atMost("come early, of all", early, 0, "tasks"),
          told("at rest, p50", amount(rest.p50, "ms")),
          atMost("at rest, p99", rest.p99, 50, "ms"),
          told("at rest, max", amount(rest.max, "ms")),
          told("one instant, p50", amount(instant.p50, "ms")),
          atMost("one instant, p99", instant.p99, 600, "ms"),
          told("one instant, max", amount(instant.max, "ms")),
        ],
      };
    }),
};

/** Tasks one at a time in each of a few queues, so that each finds its queue asleep. */
async function latenessAtRest(port: number, receiver: Receiver) {
  const late: number[] = [];
  for (let i = 0; i < REST_QUEUES; i++) await createQueue(port, `rest-${i}`, UNLIMITED);
  for (let i = 0; i < REST_TASKS_EACH; i++) {
    const { all } = await receiver.expect(REST_QUEUES, 0, WITHIN_MS);
    await Promise.all(
      Array.from({ length: REST_QUEUES }, (_, queue) => {
        // Spread evenly, each queue at another time.
        const aheadMs = 300 + ((i * 13 + queue * 83) % 500);
        const scheduleTimeMs = Date.now() + aheadMs;
        return runLoad({
          port,
          connections: 1,
          requests: 1,
          request: () =>
            createTaskRequest(`rest-${queue}`, {
              url: receiver.url(`/eta/${scheduleTimeMs}`),
              scheduleTimeMs,
            }),
        });
      }),
    );
    for (const { atMs, path } of (await all).arrivals) {
      late.push(atMs - Number(path.split("/")[2]));
    }
  }
  return { early: late.filter((ms) => ms < 0).length, ...distribution(late) };
}

async function latenessOfInstant(
  port: number,
  queue: string,
  receiver: Receiver,
): Promise<number[]> {
  await createQueue(port, queue, UNLIMITED);
  const { all } = await receiver.expect(BURST, HANDLER_MS, WITHIN_MS);
  const scheduleTimeMs = Date.now() + 2500;
  await fillQueue(port, queue, BURST, { url: receiver.url("/instant"), scheduleTimeMs });
  if (Date.now() > scheduleTimeMs - 300) {
    throw new Error("this machine is too slow to create the tasks before they are due");
  }
  return (await all).arrivals.map(({ atMs }) => atMs - scheduleTimeMs);
}
