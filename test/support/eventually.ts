/** Waits for an event that comes by itself, for as long as a slow machine may need. */
import { vi } from "vitest";

/** Repeats a check until it no longer throws. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 20_000, interval: 5 });
}
