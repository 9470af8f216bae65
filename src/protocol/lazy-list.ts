/**
 * A list of an answer whose items are written one by one while it is sent. Leased payloads are up
 * to 23 MB, and an isolate has 128: as one text, and that once more in bytes, they would not fit
 * beside another such answer.
 */
export class LazyList<T> {
  readonly #items: readonly T[];
  readonly #write: (item: T) => object;

  constructor(items: readonly T[], write: (item: T) => object) {
    this.#items = items;
    this.#write = write;
  }

  /** All items at once, as JSON.stringify and the selection of fields want them. */
  toJSON(): object[] {
    return this.#items.map(this.#write);
  }

  /**
   * The JSON text of an object with these fields and, last, the list under `name`; in pieces of
   * about this many characters.
   */
  stream(name: string, pieceSize = 256 * 1024, fields: object = {}): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    const items = this.#items.values();
    const write = this.#write;
    const before = JSON.stringify(fields).slice(0, -1);
    let text = `${before}${before === "{" ? "" : ","}${JSON.stringify(name)}:[`;
    let separator = "";
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        for (const item of items) {
          text += separator + JSON.stringify(write(item));
          separator = ",";
          if (text.length >= pieceSize) break;
        }
        const isLast = text.length < pieceSize;
        controller.enqueue(encoder.encode(isLast ? `${text}]}` : text));
        text = "";
        if (isLast) controller.close();
      },
    });
  }
}
