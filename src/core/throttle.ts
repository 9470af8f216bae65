/**
 * System throttling (discovery v2 HttpRequest): answers of 429 and 503 lower the rate that is
 * enforced, the settings stay as they are, and the rate recovers by itself.
 */
import type { AttemptEnd } from "./attempt.ts";
import type { TaskTarget } from "./model.ts";

/** The share of the configured rate in force at a moment. */
export interface Throttle {
  readonly factor: number;
  readonly asOfUs: number;
}

/** The least share of the rate that throttling leaves. */
const FLOOR = 1 / 64;
/** The share doubles in this time once the slowing answers stop. */
const RECOVERY_US = 5e6;
/** One lowering in this time: answers that come together are one signal. */
const SIGNAL_US = 1e6;

export const UNTHROTTLED: Throttle = { factor: 1, asOfUs: 0 };

/** The share of the configured rate in force now, 0..1. */
export function throttleFactor(throttle: Throttle, nowUs: number): number {
  if (throttle.factor >= 1) return 1;
  const elapsedUs = Math.max(0, nowUs - throttle.asOfUs);
  return Math.min(1, throttle.factor * 2 ** (elapsedUs / RECOVERY_US));
}

/** Whether an attempt's end slows its queue: 429 and 503 for HTTP targets, 503 for App Engine (push.md §3). */
export function isSlowingEnd(end: AttemptEnd, kind: TaskTarget["kind"]): boolean {
  if (end.kind !== "response") return false;
  return end.status === 503 || (end.status === 429 && kind === "http");
}

/** The throttle after a slowing answer: half the share in force, once a second at most. */
export function slowDown(throttle: Throttle, nowUs: number): Throttle {
  if (throttle.factor < 1 && nowUs - throttle.asOfUs < SIGNAL_US) return throttle;
  return { factor: Math.max(FLOOR, throttleFactor(throttle, nowUs) / 2), asOfUs: nowUs };
}
