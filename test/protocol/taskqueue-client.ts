/** Speaks taskqueue/v1beta2 to the Worker, and arranges what it cannot do: queues and time. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { QueueName, QueueSettings } from "../../src/core/model.ts";
import type { Env } from "../../src/env.ts";
import type { QueueObject } from "../../src/queue/queue-object.ts";
import { queueStub, registryStub } from "../../src/stubs.ts";
import { settings, uniqueQueue } from "../support/factory.ts";
import { type Reply, send } from "./rest.ts";

const bindings = env as unknown as Env;

export const BASE = "/taskqueue/v1beta2/projects";

/** A task as answers show it. */
export interface Task {
  readonly kind: string;
  readonly id: string;
  readonly queueName: string;
  readonly payloadBase64: string;
  readonly enqueueTimestamp: string;
  readonly leaseTimestamp: string;
  readonly retry_count: number;
  readonly tag?: string;
}

/** A queue of its own for a test. Paths begin at the queue: "", "/tasks", "/tasks/lease?…". */
export interface TestQueue {
  readonly name: QueueName;
  readonly path: string;
  readonly fullName: string;
  send(method: string, path: string, body?: unknown, headers?: HeadersOf): Promise<Reply>;
  /** Sends, expects 200, and gives the answer's body. */
  ok<T = Task>(method: string, path: string, body?: unknown, headers?: HeadersOf): Promise<T>;
  insert(task?: object): Promise<Task>;
  /** Leases with one task at a time and a minute where `query` does not say. */
  lease(query?: Readonly<Record<string, string | number | boolean>>): Promise<readonly Task[]>;
  /** The queue's clock stands still at this time, microseconds. */
  setClock(nowUs: number): Promise<void>;
  /** Everything that a refused request could have changed. */
  snapshot(): Promise<object>;
}

type HeadersOf = Readonly<Record<string, string>>;

/** Makes a queue, as an administrator would, without this face. */
export async function pullQueue(changes: Partial<QueueSettings> = {}): Promise<TestQueue> {
  const name = uniqueQueue();
  const { retryConfig } = settings();
  const created = await registryStub(bindings, name).createQueue(
    name.queue,
    settings({ type: "PULL", retryConfig: { ...retryConfig, maxAttempts: -1 }, ...changes }),
  );
  expect(created.ok).toBe(true);
  return testQueue(name);
}

/** Speaks of a queue, whether it exists or not. */
export function testQueue(name: QueueName): TestQueue {
  const fullName = `projects/s~${name.project}/taskqueues/${name.queue}`;
  const path = `/taskqueue/v1beta2/${fullName}`;
  const stub = () => queueStub(bindings, name);
  const queue: TestQueue = {
    name,
    path,
    fullName,
    send: (method, rest, body, headers) => send(method, `${path}${rest}`, body, headers),
    async ok(method, rest, body, headers) {
      const reply = await queue.send(method, rest, body, headers);
      expect(reply, `${method} ${rest}`).toMatchObject({ status: 200 });
      return reply.body;
    },
    insert: (task) =>
      queue.ok("POST", "/tasks", { queueName: name.queue, payloadBase64: "aGk=", ...task }),
    async lease(query = {}) {
      const all = new URLSearchParams({ numTasks: "1", leaseSecs: "60" });
      for (const [parameter, value] of Object.entries(query)) all.set(parameter, String(value));
      const { items } = await queue.ok<{ items?: Task[] }>("POST", `/tasks/lease?${all}`);
      return items ?? [];
    },
    setClock: (nowUs) =>
      runInDurableObject(
        stub() as unknown as DurableObjectStub<QueueObject>,
        (object: QueueObject) => {
          object.clock = () => nowUs;
        },
      ),
    async snapshot() {
      const page = await stub().listTasks({ pageSize: 100, withBody: true });
      return { queue: await stub().getQueue(), page, stats: await stub().getStats() };
    },
  };
  return queue;
}

/** What an error answer must be: the legacy shape, exactly. */
export function refusal(
  code: number,
  reason: string,
  message: unknown,
  place: {
    readonly location?: string;
    readonly locationType?: string;
    readonly domain?: string;
  } = {},
) {
  const { domain = "global", ...rest } = place;
  return {
    status: code,
    body: { error: { errors: [{ domain, reason, message, ...rest }], code, message } },
  };
}
