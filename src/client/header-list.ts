/** The headers of a task: names in any letter case, values that may be repeated. */
import { InvalidTaskError } from "./errors.ts";

type HeaderValue = string | number | boolean;

/** Headers by name; a list is a header that is repeated. */
export type HeadersInput =
  | Headers
  | { readonly [name: string]: HeaderValue | readonly HeaderValue[] };

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LINE_BREAK = /[\0\r\n]/;

export class HeaderList {
  readonly #fields = new Map<string, { readonly name: string; readonly values: string[] }>();

  /** Takes headers; those that begin with X-AppEngine are dropped. InvalidTaskError. */
  constructor(input: HeadersInput = {}) {
    const entries = input instanceof Headers ? [...input] : Object.entries(input);
    for (const [name, value] of entries) {
      const values = (Array.isArray(value) ? value : [value]).map(String);
      if (!NAME.test(name) || values.some((text) => LINE_BREAK.test(text))) {
        throw new InvalidTaskError(`Invalid header ${JSON.stringify(name)}.`);
      }
      if (!name.toLowerCase().startsWith("x-appengine")) this.#add(name, values);
    }
  }

  #add(name: string, values: readonly string[]): void {
    const field = this.#fields.get(name.toLowerCase());
    if (field === undefined) this.#fields.set(name.toLowerCase(), { name, values: [...values] });
    else field.values.push(...values);
  }

  get isEmpty(): boolean {
    return this.#fields.size === 0;
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  /** The value of a header, by its name in lower case; repeated ones joined. */
  get(name: string): string | undefined {
    return this.#fields.get(name)?.values.join(", ");
  }

  setDefault(name: string, value: string): void {
    if (!this.has(name)) this.#add(name, [value]);
  }

  /** A copy, by the names as they were given. */
  toObject(): Record<string, string | string[]> {
    return this.#map((values) => (values.length === 1 ? (values[0] ?? "") : [...values]));
  }

  /** One value a name: repeated ones are joined by commas (push.md §2). */
  toWire(): Record<string, string> {
    return this.#map((values) => values.join(", "));
  }

  #map<T>(write: (values: readonly string[]) => T): Record<string, T> {
    return Object.fromEntries(
      [...this.#fields.values()].map(({ name, values }) => [name, write(values)]),
    );
  }

  /** Name and value with four characters between, as a task's size counts a header (rpc.md §6). */
  get size(): number {
    let size = 0;
    for (const { name, values } of this.#fields.values()) {
      for (const value of values) size += name.length + value.length + 4;
    }
    return size;
  }
}
