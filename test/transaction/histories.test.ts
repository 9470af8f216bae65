/**
 * Random histories of transactions over three queues, each from a seed: objects die at any moment,
 * calls are lost, queues are deleted and made again. Of every transaction all that was acknowledged
 * is there in the end, or nothing of it; and no task comes from nowhere.
 */
import { abortAllDurableObjects, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import type { QueueName } from "../../src/core/model.ts";
import type { Env } from "../../src/env.ts";
import {
  addInTransaction,
  beginTransaction,
  commitTransaction,
  getTransaction,
  rollbackTransaction,
} from "../../src/protocol/transactions.ts";
import type { ParticipantService } from "../../src/queue/service.ts";
import { queueStub, transactionStub } from "../../src/stubs.ts";
import type { TransactionName } from "../../src/transaction/service.ts";
import { pick, seededRandom } from "../simulation/random.ts";
import { value } from "../support/engine.ts";
import { eventually } from "../support/eventually.ts";
import { settings, taskSpec, uniqueQueue } from "../support/factory.ts";

const SEEDS = 12;
const STEPS = 40;
const bindings = env as unknown as Env;

interface Story {
  readonly name: TransactionName;
  /** Tasks that were acknowledged, by queue; those of a queue that was deleted since are not here. */
  readonly tasks: Map<string, string[]>;
  /** Whether no further tasks are given to it. */
  isEnding: boolean;
}

class History {
  readonly #random: () => number;
  readonly #queues: QueueName[];
  readonly #stories: Story[] = [];
  /** Tasks of queues that are no more. */
  readonly #gone = new Set<string>();
  /** Calls that were not waited for. */
  readonly #calls: Promise<unknown>[] = [];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const first = uniqueQueue();
    this.#queues = ["a", "b", "c"].map((queue) => ({ ...first, queue }));
  }

  async play(steps: number): Promise<void> {
    for (const queue of this.#queues) await this.#make(queue);
    for (let n = 0; n < steps; n++) await this.#step();
    await Promise.all(this.#calls);
    for (const story of this.#stories) if (!story.isEnding) await this.#end(story);
    await Promise.all(this.#calls);
  }

  /** What is visible is what was acknowledged of the transactions that are committed. */
  async check(): Promise<void> {
    await abortAllDurableObjects();
    await eventually(async () => {
      for (const queue of this.#queues) expect(await this.#doubts(queue)).toBe(0);
    });
    const expected = new Map(this.#queues.map(({ queue }) => [queue, new Set<string>()]));
    for (const { name, tasks } of this.#stories) {
      const { state } = value(await getTransaction(bindings, name));
      expect(state).not.toBe("OPEN");
      if (state !== "COMMITTED") continue;
      for (const [queue, ids] of tasks) for (const id of ids) expected.get(queue)?.add(id);
    }
    for (const name of this.#queues) {
      const visible = await this.#visible(name);
      expect(visible.filter((id) => this.#gone.has(id))).toEqual([]);
      expect(new Set(visible)).toEqual(expected.get(name.queue));
      expect(visible).toHaveLength(new Set(visible).size);
      const { tasksCount } = value(await queueStub(bindings, name).getStats());
      expect(tasksCount).toBe(visible.length);
    }
  }

  // --- steps ---------------------------------------------------------------------------------

  async #step(): Promise<void> {
    const chance = this.#random();
    const story = pick(
      this.#stories.filter(({ isEnding }) => !isEnding),
      this.#random(),
    );
    if (story === undefined || chance < 0.1) return this.#begin();
    if (chance < 0.55) return this.#add(story);
    if (chance < 0.75) return this.#end(story);
    if (chance < 0.82) return this.#deafen(story);
    if (chance < 0.88) return this.#evict();
    if (chance < 0.96) return abortAllDurableObjects();
    const queue = this.#queue();
    await queueStub(bindings, queue).destroy();
    for (const { tasks } of this.#stories) {
      for (const id of tasks.get(queue.queue) ?? []) this.#gone.add(id);
      tasks.delete(queue.queue);
    }
    await this.#make(queue);
  }

  async #begin(): Promise<void> {
    const random = Uint8Array.from({ length: 8 }, () => this.#random() * 256);
    const begun = await beginTransaction(bindings, this.#queue(), { lifetimeUs: 600e6 }, random);
    this.#stories.push({ name: value(begun).name, tasks: new Map(), isEnding: false });
  }

  async #add({ name, tasks }: Story): Promise<void> {
    const queue = this.#queue();
    const specs = Array.from({ length: 1 + Math.floor(this.#random() * 3) }, () =>
      taskSpec(this.#random() < 0.3 ? { body: new Uint8Array(2000) } : {}),
    );
    const added = value(await addInTransaction(bindings, name, queue, specs));
    const ids = added.map((task) => value(task).id);
    tasks.set(queue.queue, [...(tasks.get(queue.queue) ?? []), ...ids]);
  }

  /** Commits or rolls back, waits for it or not, and sometimes kills everything in the middle. */
  async #end(story: Story): Promise<void> {
    story.isEnding = true;
    const end = this.#random() < 0.7 ? commitTransaction : rollbackTransaction;
    const ended = end(bindings, story.name).catch(() => this.#endAfterDeath(story));
    this.#calls.push(ended);
    const chance = this.#random();
    if (chance < 0.4) return void (await ended);
    if (chance < 0.7) return;
    for (let turns = Math.floor(this.#random() * 30); turns > 0; turns--) await Promise.resolve();
    await abortAllDurableObjects();
  }

  /** A caller that got no answer asks again for the same, or gives up. */
  async #endAfterDeath({ name }: Story): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      const ended = await rollbackTransaction(bindings, name).catch(() => undefined);
      if (ended !== undefined) return;
    }
    throw new Error("no answer to a rollback");
  }

  /** The transaction's object loses its calls to queues, until it dies. */
  async #deafen({ name }: Story): Promise<void> {
    const stub = transactionStub(bindings, name) as unknown as DurableObjectStub;
    await runInDurableObject(stub, (object) => {
      const parts = object as unknown as { participant: () => ParticipantService };
      const resolve = () => Promise.reject(new Error("lost"));
      parts.participant = () => ({ resolve }) as unknown as ParticipantService;
    });
  }

  async #evict(): Promise<void> {
    const queue = this.#queue();
    await queueStub(bindings, queue).getQueue();
    await evictDurableObject(queueStub(bindings, queue) as unknown as DurableObjectStub);
  }

  // --- leaves --------------------------------------------------------------------------------

  #queue(): QueueName {
    return pick(this.#queues, this.#random())!;
  }

  async #make(name: QueueName): Promise<void> {
    value(await queueStub(bindings, name).configure({ name, settings: settings() }, true));
  }

  async #visible(name: QueueName): Promise<string[]> {
    const page = await queueStub(bindings, name).listTasks({ pageSize: 1000, withBody: false });
    return value(page).tasks.map(({ id }) => id);
  }

  #doubts(name: QueueName): Promise<number> {
    const stub = queueStub(bindings, name) as unknown as DurableObjectStub;
    return runInDurableObject(
      stub,
      (_, { storage }) => storage.sql.exec("SELECT tx FROM pending").toArray().length,
    );
  }
}

it.each(Array.from({ length: SEEDS }, (_, n) => n + 1))(
  "history %i shows every transaction whole or not at all",
  { timeout: 60_000 },
  async (seed) => {
    const history = new History(seed);
    await history.play(STEPS);
    await history.check();
  },
);
