/**
 * Kills the server without warning in the middle of transactions over three queues, again and again,
 * and counts: of no transaction may a part be visible, and what was acknowledged counts.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";

const KILLS = 22;
const QUEUES = ["a", "b", "c"];
const WRITERS = 6;
/** Every so many transactions one is rolled back, and one is left to expire. */
const ROLLED_BACK_EVERY = 4;
const LEFT_EVERY = 9;
const LIFETIME = "10s";
/** No transaction stays in doubt longer than this once all objects are up. */
const SETTLED_WITHIN_MS = 60_000;

const LOCATION = "projects/crash/locations/us-central1";

interface Story {
  /** Its name as the server gave it. */
  readonly name: string;
  /** The tasks whose creation was acknowledged, by queue. */
  readonly tasks: string[];
  /** What was acknowledged of its end, if anything. */
  ended?: "COMMITTED" | "ROLLED_BACK";
}

test("a killed server shows a transaction whole or not at all", async () => {
  const folder = await temporaryFolder();
  const stories: Story[] = [];
  for (let round = 0; round < KILLS; round++) {
    const server = await startServer({ dataFolder: folder.path });
    if (round === 0) await createQueues(server);
    const enough = 3 + ((round * 7) % 20);
    let count = 0;
    let kill = () => {};
    const due = new Promise<void>((resolve) => {
      kill = resolve;
    });
    const writers = Array.from({ length: WRITERS }, () =>
      write(server, stories, () => {
        if (++count === enough) kill();
      }),
    );
    await due;
    await server.crash();
    await Promise.all(writers);
  }

  // From here on nobody asks the server for anything: it must settle by itself.
  const last = await startServer({ dataFolder: folder.path });
  const startedAt = Date.now();
  const doubts = await countDoubts(folder.path);
  await expect
    .poll(() => countDoubts(folder.path), { timeout: SETTLED_WITHIN_MS, interval: 250 })
    .toBe(0);
  const settledMs = Date.now() - startedAt;
  const visible = await visibleTasks(last);
  const states = new Map<string, string>();
  for (const { name } of stories) states.set(name, await stateOf(last, name));
  await last.stop();
  await folder.remove();

  const of = (state: string) => stories.filter(({ name }) => states.get(name) === state);
  const shown = ({ name }: Story) => visible.get(name) ?? [];
  const unacknowledged = stories.filter(({ ended }) => ended === undefined);
  console.log(
    `transaction crash test: ${KILLS} kills, transactions=${stories.length}, ` +
      `committed=${of("COMMITTED").length}, rolled back=${of("ROLLED_BACK").length}, ` +
      `end not acknowledged=${unacknowledged.length}, in doubt after the last start=${doubts}, ` +
      `settled ${settledMs} ms after it`,
  );
  expect(stories.length).toBeGreaterThan(KILLS * 5);
  expect(unacknowledged.length).toBeGreaterThan(KILLS);
  expect(new Set(states.values())).toEqual(new Set(["COMMITTED", "ROLLED_BACK"]));
  // Acknowledged ends are the ends.
  const changed = stories.filter(({ name, ended }) => ended && ended !== states.get(name));
  expect(changed).toEqual([]);
  // Committed: each task that was acknowledged, and where all were added one in each queue.
  const missing = of("COMMITTED").filter((story) => {
    const ids = new Set(shown(story));
    return ids.size < story.tasks.length || story.tasks.some((task) => !ids.has(task));
  });
  expect(missing).toEqual([]);
  expect(of("COMMITTED").filter(({ tasks }) => tasks.length < QUEUES.length)).toEqual([]);
  // Rolled back: nothing anywhere.
  expect(of("ROLLED_BACK").filter((story) => shown(story).length > 0)).toEqual([]);
});

async function createQueues(server: RunningServer): Promise<void> {
  for (const queue of QUEUES) {
    const name = `${LOCATION}/queues/${queue}`;
    await post(server, `/v2/${LOCATION}/queues`, { name });
    // Paused, so that what is visible stays to be looked at.
    await post(server, `/v2/${name}:pause`, {});
  }
}

/** Makes one transaction after the other until the server is gone. */
async function write(server: RunningServer, stories: Story[], ended: () => void): Promise<void> {
  try {
    for (;;) {
      const begun = await post(server, `/edgetasks/v1/${LOCATION}/transactions`, {
        lifetime: LIFETIME,
      });
      const story: Story = { name: begun.name, tasks: [] };
      const number = stories.push(story);
      await Promise.all(QUEUES.map((queue) => addTask(server, queue, story)));
      if (number % LEFT_EVERY === 0) continue;
      const end = number % ROLLED_BACK_EVERY === 0 ? "rollback" : "commit";
      const answer = await post(server, `/edgetasks/v1/${story.name}:${end}`, {});
      story.ended = answer.state;
      ended();
    }
  } catch (error) {
    // The server is gone in the middle of a call: only its refusals are worth a failure.
    if (error instanceof Refused) throw error;
  }
}

async function addTask(server: RunningServer, queue: string, story: Story): Promise<void> {
  const large = queue === "b" ? { body: Buffer.alloc(3000, "x").toString("base64") } : {};
  const url = `https://example.com/?${story.name}`;
  const task = { httpRequest: { url, ...large } };
  const headers = { "x-edgetasks-transaction": story.name };
  const created = await post(server, `/v2/${LOCATION}/queues/${queue}/tasks`, { task }, headers);
  story.tasks.push(created.name);
}

class Refused extends Error {}

interface Reply {
  readonly name: string;
  readonly state: "COMMITTED" | "ROLLED_BACK";
}

async function post(
  server: RunningServer,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const response = await fetch(server.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Refused(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Reply;
}

/** The names of the tasks that are visible, by their transaction. */
async function visibleTasks(server: RunningServer): Promise<ReadonlyMap<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const queue of QUEUES) {
    let pageToken = "";
    do {
      const path = `/v2/${LOCATION}/queues/${queue}/tasks?pageToken=${pageToken}`;
      const page = (await (await fetch(server.url + path)).json()) as {
        tasks?: { name: string; httpRequest: { url: string } }[];
        nextPageToken?: string;
      };
      for (const { name, httpRequest } of page.tasks ?? []) {
        const transaction = httpRequest.url.slice(httpRequest.url.indexOf("?") + 1);
        found.set(transaction, [...(found.get(transaction) ?? []), name]);
      }
      pageToken = page.nextPageToken ?? "";
    } while (pageToken !== "");
  }
  return found;
}

async function stateOf(server: RunningServer, name: string): Promise<string> {
  const response = await fetch(`${server.url}/edgetasks/v1/${name}`);
  return ((await response.json()) as { state: string }).state;
}

/** Tasks that are in doubt, counted in the queues' databases, so that no object is woken by it. */
async function countDoubts(dataFolder: string): Promise<number> {
  const files = await readdir(dataFolder, { recursive: true });
  const databases = files.filter((file) => /QueueObject.*\.sqlite$/.test(file));
  let count = 0;
  for (const file of databases.filter((name) => !name.endsWith("metadata.sqlite"))) {
    const database = new DatabaseSync(join(dataFolder, file), { readOnly: true });
    try {
      const row = database.prepare("SELECT count(*) AS n FROM pending").get();
      count += Number(row?.["n"]);
    } finally {
      database.close();
    }
  }
  if (databases.length < QUEUES.length) throw new Error(`no databases: ${files.join(" ")}`);
  return count;
}
