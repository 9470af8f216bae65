/** Pull queues over HTTP: leasing from a great backlog, by tag, big payloads, and waiting for a task. */
import { performance } from "node:perf_hooks";
import { queueName } from "./api.ts";
import { refuseErrors } from "./creates.ts";
import { distribution, httpRequest, type LoadReport, runLoad } from "./load.ts";
import { median, type Section, withServer } from "./section.ts";
import { amount, atLeast, atMost, told } from "./table.ts";

const BACKLOG = 1_000_000;
const TAGS = 10_000;
const TAGGED_BACKLOG = 500_000;
const TAG_TASKS = TAGGED_BACKLOG / TAGS;
const BATCH = 100;
const ROUNDS = 3;
const LEASES = 60;
const CALLS = 200;
const WAITS = 200;
const LARGE_PAYLOAD = 10_000;

/** A hundred bytes. */
const PAYLOAD = Buffer.alloc(100, "x");

export const leases: Section = {
  name: "pull",
  run: () =>
    withServer(async ({ port }) => {
      await createPullQueue(port, "pull");
      await lease(port, "pull", { maxTasks: 1 }, 5);
      await fill(port, "pull", BACKLOG);
      const thousands = await rounds(async () => {
        const { seconds, tasks } = await lease(port, "pull", { maxTasks: 1000 }, LEASES, 2);
        return tasks / seconds;
      });
      const some = { maxTasks: TAG_TASKS };
      const untagged = await rounds(() => timeOf(lease(port, "pull", some, CALLS)));

      await createPullQueue(port, "tagged");
      await fill(port, "tagged", TAGGED_BACKLOG, (n) => `tag-${n % TAGS}`);
      let tag = 0;
      const byTag = await rounds(() =>
        timeOf(lease(port, "tagged", () => ({ ...some, filter: `tag="tag-${tag++}"` }), CALLS)),
      );
      const oldest = { ...some, filter: "tag_function=oldest_tag()" };
      const byOldest = await rounds(() => timeOf(lease(port, "tagged", oldest, CALLS)));

      const [small, large] = await comparePayloads(port);
      return {
        name: "pull",
        title: "Leases over HTTP (v2beta2, payloads included where nothing else is said)",
        method:
          `${amount(BACKLOG, "tasks")} of 100 B waiting; 1000 a lease on 2 connections, the middle of ` +
          `${ROUNDS} rounds of ${LEASES}. By tag: ${amount(TAGGED_BACKLOG, "tasks")} of ${amount(TAGS, "tags")}, ` +
          `${TAG_TASKS} a lease, one at a time, against the same number without tags. The bytes moved are ` +
          "left out of the comparison of payloads by leasing without them (BASIC).",
        figures: [
          atLeast("1000 a lease from 1,000,000", thousands, 40_000, "tasks/s"),
          told(`${TAG_TASKS} a lease, untagged`, amount(untagged, "ms")),
          atMost("by tag, to untagged", byTag / untagged, 2, "times"),
          atMost("by oldest tag, to untagged", byOldest / untagged, 2, "times"),
          told("100 a lease of 100 B, with payloads", amount(small.full, "ms")),
          told("100 a lease of 10 KB, with payloads", amount(large.full, "ms")),
          atMost("10 KB to 100 B, bytes moved aside", large.basic / small.basic, 2.5, "times"),
        ],
      };
    }),
};

export const waitingLeases: Section = {
  name: "waiting",
  run: () =>
    withServer(async ({ port }) => {
      await createPullQueue(port, "waiting");
      await waitOnce(port);
      const late: number[] = [];
      for (let i = 0; i < WAITS; i++) late.push(await waitOnce(port));
      const { p50, p99, max } = distribution(late);
      return {
        name: "waiting",
        title: "A waiting lease: from the create's answer to the lease's",
        method: `One worker that waits and one create at a time, ${WAITS} times, the server at rest.`,
        figures: [
          told("p50", amount(p50, "ms")),
          atMost("p99", p99, 30, "ms"),
          told("max", amount(max, "ms")),
        ],
      };
    }),
};

// --- payloads ----------------------------------------------------------------------------------

/** Milliseconds of a lease of 100 tasks, with payloads and without. */
interface PayloadCost {
  readonly full: number;
  readonly basic: number;
}

async function comparePayloads(port: number): Promise<[PayloadCost, PayloadCost]> {
  const costs: PayloadCost[] = [];
  for (const size of [PAYLOAD.length, LARGE_PAYLOAD]) {
    const queue = `payload-${size}`;
    await createPullQueue(port, queue);
    await fill(port, queue, 2 * ROUNDS * 20 * 100, undefined, Buffer.alloc(size, "x"));
    const hundred = { maxTasks: 100 };
    const basic = { ...hundred, responseView: "BASIC" };
    costs.push({
      full: await rounds(() => timeOf(lease(port, queue, hundred, 20))),
      basic: await rounds(() => timeOf(lease(port, queue, basic, 20))),
    });
  }
  return costs as [PayloadCost, PayloadCost];
}

// --- waiting -----------------------------------------------------------------------------------

/** Milliseconds between the two answers; less than none where the lease's came first. */
async function waitOnce(port: number): Promise<number> {
  const url = `http://127.0.0.1:${port}/v2beta2/${queueName("waiting")}/tasks`;
  const answered = fetch(`${url}:lease`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Prefer: "wait=30" },
    body: JSON.stringify({ maxTasks: 1, leaseDuration: "600s" }),
  }).then(async (response) => {
    const body = (await response.json()) as { tasks?: { name: string; scheduleTime: string }[] };
    return { task: body.tasks?.[0], at: performance.now() };
  });
  // Until the lease waits, which nothing tells.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const created = await post(url, {
    task: { pullMessage: { payload: PAYLOAD.toString("base64") } },
  });
  const createdAt = performance.now();
  const { task, at } = await answered;
  if (task === undefined) throw new Error(`nothing leased of ${JSON.stringify(created)}`);
  await post(`http://127.0.0.1:${port}/v2beta2/${task.name}:acknowledge`, {
    scheduleTime: task.scheduleTime,
  });
  return at - createdAt;
}

// --- calls -------------------------------------------------------------------------------------

async function createPullQueue(port: number, queue: string): Promise<void> {
  const parent = queueName(queue).replace(/\/[^/]+$/, "");
  await post(`http://127.0.0.1:${port}/v2beta2/${parent}`, {
    name: queueName(queue),
    pullTarget: {},
  });
}

/** Creates tasks in batches, which v2beta3 takes. */
async function fill(
  port: number,
  queue: string,
  count: number,
  tagOf?: (n: number) => string,
  payload = PAYLOAD,
): Promise<void> {
  const parent = queueName(queue);
  const encoded = payload.toString("base64");
  const batch = (first: number) => {
    const requests = Array.from({ length: BATCH }, (_, n) => {
      const tag = tagOf === undefined ? {} : { tag: tagOf(first + n) };
      return { parent, task: { pullMessage: { payload: encoded, ...tag } } };
    });
    const path = `/v2beta3/${parent}/tasks:batchCreate`;
    return httpRequest("POST", path, JSON.stringify({ requests }));
  };
  const same = tagOf === undefined ? batch(0) : null;
  await runLoad({
    port,
    connections: 4,
    requests: Math.ceil(count / BATCH),
    request: (n) => same ?? batch(n * BATCH),
    onBody: refuseErrors,
  });
}

interface LeaseFields {
  readonly maxTasks: number;
  readonly filter?: string;
  readonly responseView?: string;
}

/** Leases so many times, each as many tasks as were asked for. */
async function lease(
  port: number,
  queue: string,
  fields: LeaseFields | (() => LeaseFields),
  calls: number,
  connections = 1,
): Promise<LoadReport & { readonly tasks: number }> {
  let tasks = 0;
  const path = `/v2beta2/${queueName(queue)}/tasks:lease`;
  const report = await runLoad({
    port,
    connections,
    requests: calls,
    request: () => {
      const { responseView = "FULL", ...rest } = typeof fields === "function" ? fields() : fields;
      const message = { leaseDuration: "86400s", responseView, ...rest };
      return httpRequest("POST", path, JSON.stringify(message));
    },
    onBody: (body) => {
      for (let at = body.indexOf(NAME); at >= 0; at = body.indexOf(NAME, at + 1)) tasks++;
    },
  });
  return { ...report, tasks };
}

/** Stands once in every task of an answer. */
const NAME = Buffer.from('"name"');

async function timeOf(run: Promise<LoadReport & { readonly tasks: number }>): Promise<number> {
  const report = await run;
  if (report.tasks === 0) throw new Error("nothing was leased");
  return (report.seconds / report.requests) * 1000;
}

async function rounds(run: () => Promise<number>): Promise<number> {
  const figures: number[] = [];
  for (let i = 0; i < ROUNDS; i++) figures.push(await run());
  return median(figures, (figure) => figure);
}

async function post(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
