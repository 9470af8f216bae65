/**
 * The client of a call that waits. That it has gone is noticed when something is written to it, and
 * a task must not be leased for a client that has gone. So a call that waits is answered in two
 * parts: the head of the answer at the latest when a task is there or a second has passed, with
 * blank lines that ask whether anybody still listens, and the answer itself, JSON, to which blank
 * lines before it mean nothing.
 *
 * The price is that a refusal which comes after the head can't have a status any more: it is then
 * answered as a lease of nothing, and told to the next call.
 */

/** How often a client that is made to wait is asked whether it is there. */
const ASK_EVERY_MS = 1000;
/** How long a blank line has to come back as undeliverable, once it is on its way. */
const ECHO_MS = 3;

/** What a method may ask of the client it answers. */
export interface WaitingClient {
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Whether the client is there. Sends the head of the answer. */
  isThere(): Promise<boolean>;
}

const clients = new WeakMap<Request, WaitingClient>();

/** The client of a request that answerWaiting answers; undefined for any other request. */
export function clientOf(request: Request): WaitingClient | undefined {
  return clients.get(request);
}

/** What surrounds an answer. */
export interface AnswerContext {
  /** Headers of the answer, should it begin before it is known. */
  readonly headers: Readonly<Record<string, string>>;
  /** Keeps the call alive after its client has gone, to tidy up. */
  waitUntil(work: Promise<unknown>): void;
}

/** Answers a request whose method waits; the method finds its client with clientOf. */
export function answerWaiting(
  request: Request,
  answer: () => Promise<Response>,
  context: AnswerContext,
): Promise<Response> {
  const line = new Line(context.headers);
  clients.set(request, line);
  context.waitUntil(line.run(answer));
  return line.response;
}

/** The connection to a client: nothing at first, then an answer under way. */
class Line implements WaitingClient {
  readonly response: Promise<Response>;
  readonly #gone = new AbortController();
  readonly #headers: Readonly<Record<string, string>>;
  #respond!: (response: Response) => void;
  #fail!: (error: unknown) => void;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;

  constructor(headers: Readonly<Record<string, string>>) {
    this.#headers = headers;
    this.response = new Promise((resolve, reject) => {
      this.#respond = resolve;
      this.#fail = reject;
    });
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  async isThere(): Promise<boolean> {
    await this.#ask();
    await new Promise((resolve) => setTimeout(resolve, ECHO_MS));
    await this.#ask();
    return !this.signal.aborted;
  }

  /** Waits for the answer, asking after the client meanwhile, and sends it. */
  async run(answer: () => Promise<Response>): Promise<void> {
    const asking = setInterval(() => void this.#ask(), ASK_EVERY_MS);
    try {
      await this.#send(await answer());
    } catch (error) {
      if (this.#writer === undefined) this.#fail(error);
      else await this.#send(new Response(null, { status: 500 }));
    } finally {
      clearInterval(asking);
    }
  }

  /** Writes a blank line, after the head where that is not sent yet. */
  async #ask(): Promise<void> {
    if (this.signal.aborted) return;
    try {
      await this.#open().write(BLANK_LINE);
    } catch {
      this.#gone.abort();
    }
  }

  #open(): WritableStreamDefaultWriter<Uint8Array> {
    if (this.#writer === undefined) {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      this.#writer = writable.getWriter();
      this.#respond(new Response(readable, { headers: this.#headers }));
    }
    return this.#writer;
  }

  async #send(response: Response): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) {
      this.#respond(response);
      return;
    }
    try {
      if (response.ok && response.body !== null) {
        for await (const piece of response.body) await writer.write(piece);
      } else {
        await writer.write(NOTHING);
      }
      await writer.close();
    } catch {
      this.#gone.abort();
    }
  }
}

const BLANK_LINE = new TextEncoder().encode("\n");
const NOTHING = new TextEncoder().encode("{}");
