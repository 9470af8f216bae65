/**
 * When a failed attempt is retried, and when a task is given up (push.md §4, discovery v2 RetryConfig).
 *
 *   10 s / 300 s / 3 doublings:  10 20 40 80 | 160 240 | 300 300 …
 *                                doublings     linear    capped
 */
import type { RetryConfig } from "./model.ts";

/** Past it every delay but 0 is capped; 2 ** n must stay finite, for 0 * Infinity is no delay. */
const MOST_DOUBLINGS = 60;

/**
 * The delay before retry number `retry` (1 for the first), in microseconds: doubles `maxDoublings`
 * times from `minBackoff`, then grows by the last step, never past `maxBackoff`.
 */
export function backoffUs(retry: number, config: RetryConfig): number {
  const doublings = Math.min(retry - 1, config.maxDoublings, MOST_DOUBLINGS);
  const steps = Math.max(1, retry - doublings);
  return Math.min(config.maxBackoffUs, config.minBackoffUs * 2 ** doublings * steps);
}

/**
 * Whether a task is given up after `attempts` attempts, the first dispatched `ageUs` ago. With both
 * limits set both must be passed; with one, that one decides; with none a task is retried for ever.
 */
export function isExhausted(attempts: number, ageUs: number, config: RetryConfig): boolean {
  const attemptsLimited = config.maxAttempts >= 0;
  const ageLimited = config.maxRetryDurationUs > 0;
  const attemptsPassed = attempts >= config.maxAttempts;
  const agePassed = ageUs > config.maxRetryDurationUs;
  if (attemptsLimited && ageLimited) return attemptsPassed && agePassed;
  if (attemptsLimited) return attemptsPassed;
  return ageLimited && agePassed;
}
