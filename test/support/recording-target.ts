/**
 * Stands for every target on the Internet: requests wait here until the test answers them.
 *
 * A promise of one Worker invocation cannot be settled by another, so both sides look at plain data
 * in between, each from its own invocation.
 */
import { vi } from "vitest";

type Answer = () => Response;

export class RecordedRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string;
  answer: Answer | null = null;

  constructor(request: Request, body: string) {
    this.url = request.url;
    this.method = request.method;
    this.headers = request.headers;
    this.body = body;
  }

  respond(status: number, headers: Record<string, string> = {}): void {
    this.answer = () => new Response(null, { status, headers });
  }

  fail(message: string): void {
    this.answer = () => {
      throw new TypeError(message);
    };
  }
}

export class RecordingTarget {
  readonly #received: RecordedRequest[] = [];
  #taken = 0;
  #released = false;

  constructor() {
    vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => this.#receive(input, init));
  }

  /** Requests received so far. */
  get count(): number {
    return this.#received.length;
  }

  /** The next request that no call has taken yet. */
  async next(): Promise<RecordedRequest> {
    const [request] = await this.take(1);
    if (request === undefined) throw new Error("no request");
    return request;
  }

  /** The next requests, once all of them have arrived. */
  async take(count: number): Promise<RecordedRequest[]> {
    const end = this.#taken + count;
    await vi.waitFor(
      () => {
        if (this.count < end) throw new Error(`${this.count} requests of ${end} arrived`);
      },
      { timeout: 20_000, interval: 2 },
    );
    const taken = this.#received.slice(this.#taken, end);
    this.#taken = end;
    return taken;
  }

  /** Answers whatever is still open, and all that follows, so that nothing outlives the test. */
  release(): void {
    this.#released = true;
  }

  async #receive(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new Request(input as RequestInfo, init);
    const recorded = new RecordedRequest(request, await textOf(request));
    this.#received.push(recorded);
    await vi.waitFor(
      () => {
        if (recorded.answer === null && !this.#released) throw new Error("not answered yet");
      },
      { timeout: 60_000, interval: 2 },
    );
    return recorded.answer === null ? new Response(null) : recorded.answer();
  }
}

/** Not text(): of a type that is no text the runtime warns. */
async function textOf(request: Request): Promise<string> {
  return new TextDecoder().decode(await request.arrayBuffer());
}
