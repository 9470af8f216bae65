/** What the runtime gives: the clock, chance, timers. Everything else takes them as arguments. */

export interface Platform {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds since some moment; never goes back. */
  readonly uptime: () => number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Waits so many milliseconds, or until the signal aborts; never rejects. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export const platform: Platform = {
  now: () => Date.now(),
  uptime: () => performance.now(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal?.addEventListener("abort", wake);
    }),
};
