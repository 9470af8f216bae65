/**
 * Stand-ins for the objects of queues that take part, with faults on demand, and a transaction's
 * object that uses them, under a clock that stands still.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { QueueName } from "../../src/core/model.ts";
import { fail, ok, type Result } from "../../src/core/result.ts";
import type { ParticipantService, TransactionOutcome } from "../../src/queue/service.ts";
import type { Send } from "../../src/transaction/confirmation.ts";
import type { TransactionName } from "../../src/transaction/service.ts";
import type { TransactionObject } from "../../src/transaction/transaction-object.ts";

/** What becomes of a call: it works, fails before its work is done or after it, or never ends. */
export type Fate = "works" | "before" | "after" | "hangs" | "refused" | "gone";

export class FakeParticipants {
  /** What each queue was told last. */
  readonly told = new Map<string, TransactionOutcome>();
  readonly calls: string[] = [];
  fate: (queue: string) => Fate = () => "works";

  participant({ queue }: QueueName): ParticipantService {
    const resolve = async (_id: string, outcome: TransactionOutcome): Promise<Result<null>> => {
      this.calls.push(`${queue} ${outcome}`);
      const fate = this.fate(queue);
      if (fate === "before") throw new Error("connection lost before the call");
      if (fate === "hangs") await new Promise<never>(() => {});
      if (fate === "refused") return fail("UNAVAILABLE", "not now");
      if (fate === "gone") return fail("NOT_FOUND", "no such queue");
      this.told.set(queue, outcome);
      if (fate === "after") throw new Error("connection lost after the call");
      return ok(null);
    };
    return { resolve } as ParticipantService;
  }
}

interface Bindings {
  readonly TRANSACTIONS: DurableObjectNamespace<TransactionObject>;
}

/** The parts of the object that tests replace. */
interface Replaceable {
  clock: () => number;
  patienceMs: number;
  tellMs: number;
  send: Send;
  participant: (name: QueueName) => ParticipantService;
  warn: (message: string) => void;
}

/** Far ahead of the real time, so that no alarm rings by itself. */
const START_MS = Date.UTC(2040, 0, 1);

export const CONFIRM_URL = "https://app.example.com/outcome";

let counter = 0;

export class TestTransaction {
  readonly queues = new FakeParticipants();
  readonly warnings: string[] = [];
  readonly name: TransactionName = {
    project: `p-${crypto.randomUUID()}`,
    location: "us-central1",
    id: String(++counter),
  };
  nowUs = START_MS * 1000;
  patienceMs = 1000;
  tellMs = 30;
  /** What the confirmUrl was sent. */
  readonly asked: Request[] = [];
  confirm: (request: Request) => Promise<Response> | Response = () => new Response(null);

  /** Calls the object with everything replaced that is replaced. */
  async run<T>(
    work: (object: TransactionObject, state: DurableObjectState) => Promise<T> | T,
  ): Promise<T> {
    return runInDurableObject(this.#stub(), (object: TransactionObject, state) => {
      this.#replace(object);
      return work(object, state);
    });
  }

  begin(request: { lifetimeUs?: number; confirmUrl?: string } = {}) {
    return this.run((object) => object.begin({ name: this.name, lifetimeUs: 60e6, ...request }));
  }

  /** Begins it and enlists queues. */
  async beginWith(queues: readonly string[], request: { confirmUrl?: string } = {}) {
    await this.begin(request);
    for (const queue of queues) await this.enlist(queue);
  }

  enlist(queue: string) {
    return this.run((object) => object.enlist(this.queue(queue)));
  }

  commit() {
    return this.run((object) => object.commit());
  }

  rollback() {
    return this.run((object) => object.rollback());
  }

  get() {
    return this.run((object) => object.get());
  }

  stateFor(queue: string) {
    return this.run((object) => object.stateFor(this.queue(queue)));
  }

  queue(queue: string): QueueName {
    return { project: this.name.project, location: this.name.location, queue };
  }

  advance(us: number): void {
    this.nowUs += us;
  }

  /** Drops what the object has in memory, as an idle time, a crash or a deployment does. */
  async evict(): Promise<void> {
    // Only an object that runs can be evicted.
    await this.run(() => undefined);
    await evictDurableObject(this.#stub());
  }

  /** Rings the alarm; false when none was set. */
  async ring(): Promise<boolean> {
    await this.run(() => undefined);
    return runDurableObjectAlarm(this.#stub());
  }

  /** Lets the time come for which the alarm is set, and rings it; answers how long that was. */
  async ringNext(): Promise<number> {
    const alarmMs = await this.alarmMs();
    if (alarmMs === null) throw new Error("no alarm is set");
    const waited = Math.max(0, alarmMs * 1000 - this.nowUs);
    this.nowUs += waited;
    await this.ring();
    return waited;
  }

  alarmMs(): Promise<number | null> {
    return this.run((_, state) => state.storage.getAlarm());
  }

  /** Whether anything is left of it. */
  isEmpty(): Promise<boolean> {
    return this.run((_, { storage }) => [...storage.kv.list()].length === 0);
  }

  #stub(): DurableObjectStub<TransactionObject> {
    const { TRANSACTIONS } = env as unknown as Bindings;
    const { project, location, id } = this.name;
    return TRANSACTIONS.getByName(`${project}/${location}/${id}`);
  }

  #replace(object: TransactionObject): void {
    const parts = object as unknown as Replaceable;
    parts.clock = () => this.nowUs;
    parts.patienceMs = this.patienceMs;
    parts.tellMs = this.tellMs;
    parts.participant = (name) => this.queues.participant(name);
    parts.warn = (message) => this.warnings.push(message);
    parts.send = async (url, init) => {
      const request = new Request(url, init);
      this.asked.push(request);
      return this.confirm(request);
    };
  }
}
