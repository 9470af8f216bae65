/** Connections for tests: to the Worker through its entrypoint for bindings, and to an invented server. */
import { env, exports } from "cloudflare:workers";
import { expect } from "vitest";
import {
  type Binding,
  Connection,
  type ConnectionOptions,
  type Queue,
} from "../../src/client/index.ts";
import { partsOf, type QueueSettings, type TaskSpec } from "../../src/core/model.ts";
import type { Env } from "../../src/env.ts";
import { queueStub, registryStub } from "../../src/stubs.ts";
import { settings, uniqueQueue } from "../support/factory.ts";

const bindings = env as unknown as Env;
const { BoundApi } = exports as unknown as { readonly BoundApi: Fetcher };

/** The service binding itself. */
export const binding: Binding = BoundApi;

/** A connection through a service binding, with a project of its own. */
export function connect(changes: Partial<ConnectionOptions> = {}): Connection {
  const { project, location } = uniqueQueue();
  return new Connection({ binding: BoundApi, project, location, ...changes } as ConnectionOptions);
}

/** A queue that exists, pull where it is not said otherwise. */
export async function madeQueue(changes: Partial<QueueSettings> = {}): Promise<Queue> {
  const queue = connect().queue(`q-${crypto.randomUUID().slice(0, 8)}`);
  const { project, location } = queue.connection;
  const { retryConfig } = settings();
  const created = await registryStub(bindings, { project, location }).createQueue(
    queue.name,
    settings({ type: "PULL", retryConfig: { ...retryConfig, maxAttempts: -1 }, ...changes }),
  );
  expect(created.ok).toBe(true);
  return queue;
}

/** Puts a task into a queue without the client, which would refuse it there. */
export async function storeTask({ connection, name: queue }: Queue, spec: TaskSpec): Promise<void> {
  const { project, location } = connection;
  const stored = await queueStub(bindings, { project, location, queue }).createTask(
    ...partsOf(spec),
  );
  expect(stored.ok).toBe(true);
}

/** A push queue that stands still, so that its tasks stay where a test can look at them. */
export async function pushQueue(): Promise<Queue> {
  const queue = await madeQueue({ type: "PUSH" });
  await queue.pause();
  return queue;
}

export interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into what was sent field by field.
  readonly body: any;
}

export type Reply = {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: object;
};

/** A server that is invented: what was sent to it, and what it answers in turn. */
export function fakeServer(...replies: (Reply | Error | ((sent: SentRequest) => Reply))[]) {
  const sent: SentRequest[] = [];
  const slept: number[] = [];
  const rest = [...replies];
  const connection = new Connection({
    baseUrl: "https://tasks.example.com",
    project: "p",
    location: "us-central1",
    fetch: async (url, init) => {
      init?.signal?.throwIfAborted();
      const { method = "GET", headers, body } = init ?? {};
      const request = {
        method,
        url,
        headers: new Headers(headers as Record<string, string>),
        body: typeof body === "string" ? JSON.parse(body) : undefined,
      };
      sent.push(request);
      const reply = rest.length > 1 ? rest.shift() : rest[0];
      if (reply instanceof Error) throw reply;
      const given = typeof reply === "function" ? reply(request) : (reply ?? {});
      return new Response(JSON.stringify(given.body ?? {}), {
        status: given.status ?? 200,
        headers: { "content-type": "application/json", ...given.headers },
      });
    },
    platform: {
      random: () => 0.5,
      sleep: async (ms) => {
        slept.push(ms);
      },
    },
  });
  return { connection, sent, slept };
}

/** A refusal as the server writes it. */
export function refusal(status: number, code: string, reason: string): Reply {
  return {
    status,
    body: {
      error: {
        code: status,
        status: code,
        message: "refused",
        details: [
          { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "edgetasks" },
        ],
      },
    },
  };
}
