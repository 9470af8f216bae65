/**
 * What an isolate remembers of the objects that decide who may do what. It is believed for half a
 * minute, so that a change works everywhere within a minute.
 */
import { BoundedMap } from "../../core/bounded-map.ts";

/** How long it is believed, microseconds. */
export const BELIEVED_FOR_US = 30e6;
/** Things remembered of a kind. */
const MAX_REMEMBERED = 1000;

interface Entry<V> {
  readonly value: V;
  readonly sinceUs: number;
}

/** Remembers things apart for each deployment, told by one of its bindings. */
export class ShortMemory<V> {
  readonly #maps = new WeakMap<object, BoundedMap<Entry<V>>>();

  /** Undefined: not known, or not any more. A clock that was set back prolongs nothing. */
  get(deployment: object, key: string, nowUs: number): V | undefined {
    const entry = this.#maps.get(deployment)?.get(key);
    if (entry === undefined) return undefined;
    const age = nowUs - entry.sinceUs;
    return age >= 0 && age < BELIEVED_FOR_US ? entry.value : undefined;
  }

  /** `nowUs` is when it was asked for, not when the answer came. */
  set(deployment: object, key: string, value: V, nowUs: number): void {
    let map = this.#maps.get(deployment);
    if (map === undefined) {
      map = new BoundedMap(MAX_REMEMBERED);
      this.#maps.set(deployment, map);
    }
    map.set(key, { value, sinceUs: nowUs });
  }

  forget(deployment: object): void {
    this.#maps.delete(deployment);
  }
}
