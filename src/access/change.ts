/** What a decision on the tables needs to know, and what it answers. */
import { fail } from "../core/result.ts";

/** A change that was decided upon: what to answer, and what the record says of it. */
export interface Change<T> {
  readonly value: T;
  /** Absent: nothing was changed, so nothing is recorded. */
  readonly audit?: { readonly method: string; readonly resource: string };
}

/** The moment of a change, and its number among the changes of the project. */
export interface Moment {
  readonly nowUs: number;
  readonly number: number;
}

/** Base64 of the number of a change: differs from every other one's in the project. */
export function etagOf(number: number): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return btoa(String.fromCharCode(...bytes));
}

export function notFound(what: string, name: string): ReturnType<typeof fail> {
  return fail("NOT_FOUND", `${what} ${name} does not exist.`);
}
