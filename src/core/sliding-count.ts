/** How often something happened in the last while, to the length of a bucket. Times in microseconds. */

/** Buckets in order of time: index of the bucket, and how often it happened within it. */
export type CountedBuckets = readonly (readonly [index: number, count: number])[];

export class SlidingCount {
  readonly #buckets: number;
  readonly #bucketUs: number;
  #counted: [number, number][];

  /** Counts over `buckets` buckets of `bucketUs`; goes on from what an earlier one had `counted`. */
  constructor(buckets: number, bucketUs: number, counted: CountedBuckets = []) {
    this.#buckets = buckets;
    this.#bucketUs = bucketUs;
    this.#counted = counted.map(([index, count]) => [index, count]);
  }

  add(count: number, nowUs: number): void {
    if (count === 0) return;
    this.#forget(nowUs);
    const index = this.#indexAt(nowUs);
    const last = this.#counted.at(-1);
    if (last?.[0] === index) last[1] += count;
    else this.#counted.push([index, count]);
  }

  total(nowUs: number): number {
    this.#forget(nowUs);
    return this.#counted.reduce((sum, [, count]) => sum + count, 0);
  }

  /** What there is to keep, as plain data. */
  counted(nowUs: number): CountedBuckets {
    this.#forget(nowUs);
    return this.#counted;
  }

  #indexAt(nowUs: number): number {
    return Math.floor(nowUs / this.#bucketUs);
  }

  /** Drops what is too old, and what lies ahead because the clock stepped back. */
  #forget(nowUs: number): void {
    const index = this.#indexAt(nowUs);
    const oldest = index - this.#buckets;
    const first = this.#counted[0];
    const last = this.#counted.at(-1);
    if (first === undefined || last === undefined) return;
    if (first[0] > oldest && last[0] <= index) return;
    this.#counted = this.#counted.filter(([at]) => at > oldest && at <= index);
  }
}
