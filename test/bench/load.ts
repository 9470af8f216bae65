/**
 * A small HTTP/1.1 load generator on raw sockets: keep-alive, one request at a time on each
 * connection, every latency and every connection's first answer kept. Cheap on purpose, for it
 * shares the machine with the server it measures.
 */
import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";

export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  /** Ends the run after this many milliseconds; a request that has begun is awaited. */
  readonly durationMs?: number;
  /** Ends the run after this many requests. */
  readonly requests?: number;
  /** The bytes of the n-th request of the run, from 0. */
  readonly request: (n: number) => Buffer;
  /** Told every answer's body; leave it out where only the status matters. */
  readonly onBody?: (body: Buffer, n: number) => void;
}

/** All times in milliseconds. */
export interface LoadReport {
  readonly requests: number;
  readonly seconds: number;
  readonly rate: number;
  readonly latency: Distribution;
  /** From the common start to the first answer, over the connections. */
  readonly firstAnswer: Distribution;
  /** Answers on the connections that got fewest and most. */
  readonly perConnection: { readonly min: number; readonly max: number };
  /** Answers by status. */
  readonly statuses: ReadonlyMap<number, number>;
}

export interface Distribution {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Builds the bytes of a request once, so that sending it again costs nothing. */
export function httpRequest(method: string, path: string, body?: string, token?: string): Buffer {
  const bearer = token === undefined ? "" : `Authorization: Bearer ${token}\r\n`;
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${bearer}`;
  if (body === undefined) return Buffer.from(`${head}\r\n`);
  const length = Buffer.byteLength(body);
  return Buffer.from(
    `${head}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`,
  );
}

/** Percentiles of samples, which it sorts in place. */
export function distribution(samples: Float64Array | number[]): Distribution {
  const sorted = samples.sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/**
 * Opens all connections, starts them together and keeps each busy until the end of the run. Throws
 * when a connection breaks or when any answer is not of status 2xx: a rate over errors means nothing.
 */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const run = new Run(options);
  await run.open();
  const report = await run.drive();
  for (const [status, count] of report.statuses) {
    if (status < 200 || status > 299) {
      throw new Error(`${count} of ${report.requests} answers were ${status}: ${run.firstFailure}`);
    }
  }
  return report;
}

class Run {
  readonly #options: LoadOptions;
  readonly #connections: Connection[] = [];
  readonly #statuses = new Map<number, number>();
  #latencies = new Float64Array(1 << 16);
  #answered = 0;
  #started = 0;
  #startTime = 0;
  firstFailure = "";

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    for (let i = 0; i < this.#options.connections; i++) {
      this.#connections.push(new Connection());
    }
    await Promise.all(this.#connections.map((c) => c.open(this.#options.port)));
  }

  async drive(): Promise<LoadReport> {
    this.#startTime = performance.now();
    try {
      await Promise.all(this.#connections.map((c) => this.#keepBusy(c)));
    } finally {
      for (const connection of this.#connections) connection.close();
    }
    const seconds = (performance.now() - this.#startTime) / 1000;
    const counts = this.#connections.map((c) => c.answers);
    return {
      requests: this.#answered,
      seconds,
      rate: this.#answered / seconds,
      latency: distribution(this.#latencies.subarray(0, this.#answered)),
      firstAnswer: distribution(this.#connections.map((c) => c.firstAnswer - this.#startTime)),
      perConnection: { min: Math.min(...counts), max: Math.max(...counts) },
      statuses: this.#statuses,
    };
  }

  #keepBusy(connection: Connection): Promise<void> {
    return new Promise((resolve, reject) => {
      let sent = 0;
      let current = 0;
      const next = () => {
        if (this.#isOver()) return resolve();
        current = this.#started++;
        sent = performance.now();
        connection.send(this.#options.request(current));
      };
      connection.onError = reject;
      connection.onAnswer = (status, body) => {
        this.#count(status, body, performance.now() - sent);
        if (body !== undefined) this.#options.onBody?.(body, current);
        next();
      };
      connection.wantsBody = this.#options.onBody !== undefined;
      next();
    });
  }

  #isOver(): boolean {
    const { requests, durationMs } = this.#options;
    if (requests !== undefined && this.#started >= requests) return true;
    return durationMs !== undefined && performance.now() - this.#startTime >= durationMs;
  }

  #count(status: number, body: Buffer | undefined, latency: number): void {
    if (this.#answered === this.#latencies.length) {
      const larger = new Float64Array(this.#latencies.length * 2);
      larger.set(this.#latencies);
      this.#latencies = larger;
    }
    this.#latencies[this.#answered++] = latency;
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    if (status > 299 && this.firstFailure === "") this.firstFailure = `${body ?? ""}`;
  }
}

/** One keep-alive connection: bytes in, answers out. */
class Connection {
  answers = 0;
  firstAnswer = Number.NaN;
  wantsBody = false;
  onAnswer: (status: number, body: Buffer | undefined) => void = () => {};
  onError: (error: Error) => void = () => {};
  #socket: Socket | undefined;
  #pending: Buffer | undefined;
  #closing = false;

  open(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true }, resolve);
      this.#socket = socket;
      socket.on("error", (error) => {
        reject(error);
        this.onError(error);
      });
      socket.on("close", () => {
        if (!this.#closing) this.onError(new Error("the server closed a connection under load"));
      });
      socket.on("data", (chunk) => this.#take(chunk));
    });
  }

  send(bytes: Buffer): void {
    this.#socket?.write(bytes);
  }

  close(): void {
    this.#closing = true;
    this.#socket?.destroy();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    const answer = parseMessage(bytes);
    if (answer === undefined) {
      this.#pending = bytes;
      return;
    }
    this.#pending = undefined;
    this.answers++;
    if (this.answers === 1) this.firstAnswer = performance.now();
    const status = Number(bytes.toString("latin1", 9, 12));
    const wanted = this.wantsBody || status > 299;
    this.onAnswer(status, wanted ? bytes.subarray(answer.bodyStart, answer.end) : undefined);
  }
}

const HEADER_END = Buffer.from("\r\n\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/**
 * Where the first HTTP message of some bytes has its body and its end; undefined while it is not
 * whole. Chunked bodies are recognised by their last chunk alone, enough for small JSON.
 */
export function parseMessage(
  bytes: Buffer,
): { readonly head: string; readonly bodyStart: number; readonly end: number } | undefined {
  const headEnd = bytes.indexOf(HEADER_END);
  if (headEnd < 0) return undefined;
  const bodyStart = headEnd + 4;
  const head = bytes.toString("latin1", 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head)) {
    const last = bytes.indexOf(LAST_CHUNK, bodyStart);
    return last < 0 ? undefined : { head, bodyStart, end: last + LAST_CHUNK.length };
  }
  const end = bodyStart + Number(length ?? 0);
  return bytes.length < end ? undefined : { head, bodyStart, end };
}
