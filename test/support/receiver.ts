/** An HTTP server that plays the target of tasks: records what arrives, answers as it is told. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as it arrived. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Names and values in turn, in the order and letter case of the wire. */
  readonly rawHeaders: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Milliseconds since the epoch. */
  readonly arrivedAt: number;
  /** When the answer was sent; absent until then. */
  readonly answeredAt?: number;
}

/** What to do with a request: answer it, leave it unanswered, or break the connection. */
export type Answer =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      /** How long the answer takes. */
      readonly delayMs?: number;
    }
  | "hang"
  | "reset";

export interface Receiver {
  /** e.g. http://127.0.0.1:41234, without a path. */
  readonly url: string;
  /** All requests so far, in the order they arrived whole. */
  readonly requests: readonly ReceivedRequest[];
  /** Answers the next requests from a list; after its end every request is answered with 200. */
  script(...answers: readonly Answer[]): void;
  /** Decides every answer from now on. */
  answerWith(decide: (request: ReceivedRequest) => Answer): void;
  /**
   * Waits until `enough` holds of the requests; rejects with what there is when it takes too long.
   */
  waitUntil(
    enough: (requests: readonly ReceivedRequest[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly ReceivedRequest[]>;
  /** Waits until so many requests arrived. */
  waitFor(count: number, timeoutMs?: number): Promise<readonly ReceivedRequest[]>;
  close(): Promise<void>;
}

/** Starts a receiver on a free port of loopback. */
export async function startReceiver(): Promise<Receiver> {
  const requests: ReceivedRequest[] = [];
  const watchers = new Set<() => void>();
  let decide: (request: ReceivedRequest) => Answer = () => ({ status: 200 });

  const server = createServer(async (incoming, response) => {
    const request = await receive(incoming).catch(() => undefined);
    if (request === undefined) return;
    requests.push(request);
    give(decide(request), incoming, response, () => {
      request.answeredAt = Date.now();
    });
    for (const watcher of [...watchers]) watcher();
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  const waitUntil: Receiver["waitUntil"] = (enough, timeoutMs = 30_000) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        watchers.delete(watcher);
        reject(new Error(`waited ${timeoutMs} ms; ${requests.length} requests arrived`));
      }, timeoutMs);
      const watcher = () => {
        if (!enough(requests)) return;
        clearTimeout(timer);
        watchers.delete(watcher);
        resolve([...requests]);
      };
      watchers.add(watcher);
      watcher();
    });

  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    script(...answers) {
      const rest = [...answers];
      decide = () => rest.shift() ?? { status: 200 };
    },
    answerWith(next) {
      decide = next;
    },
    waitUntil,
    waitFor: (count, timeoutMs) => waitUntil((all) => all.length >= count, timeoutMs),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function receive(
  incoming: IncomingMessage,
): Promise<ReceivedRequest & { answeredAt?: number }> {
  const arrivedAt = Date.now();
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return {
    method: incoming.method ?? "",
    url: incoming.url ?? "",
    rawHeaders: incoming.rawHeaders,
    headers: Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    ),
    body: Buffer.concat(chunks),
    arrivedAt,
  };
}

function give(
  answer: Answer,
  incoming: IncomingMessage,
  response: ServerResponse,
  onAnswered: () => void,
): void {
  if (answer === "hang") return;
  if (answer === "reset") {
    incoming.socket.resetAndDestroy();
    return;
  }
  const send = () => {
    response.writeHead(answer.status, answer.headers).end(answer.body ?? "");
    onAnswered();
  };
  if (answer.delayMs === undefined) send();
  else setTimeout(send, answer.delayMs);
}
