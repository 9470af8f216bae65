/** Points in time as callers may write them. Inside they are microseconds since the epoch. */
import { InvalidTaskError } from "./errors.ts";

/**
 * A point in time: a Date, a Temporal.Instant or Temporal.ZonedDateTime, an ISO 8601 text (UTC where
 * it names no zone), or milliseconds since the epoch.
 */
export type TimeInput = Date | { readonly epochNanoseconds: bigint } | string | number;

const ISO_TIME =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** Microseconds since the epoch. InvalidTaskError when it is no time. */
export function microsecondsOf(time: TimeInput): number {
  const us = read(time);
  if (Number.isFinite(us)) return us;
  throw new InvalidTaskError(
    "eta must be a Date, a Temporal.Instant, an ISO 8601 text or milliseconds since the epoch.",
  );
}

function read(time: TimeInput): number {
  if (typeof time === "number") return Math.round(time * 1000);
  if (typeof time === "string") return readIso(time.trim());
  if (time instanceof Date) return time.getTime() * 1000;
  const nanoseconds = (time as { readonly epochNanoseconds?: unknown } | null)?.epochNanoseconds;
  return typeof nanoseconds === "bigint" ? Number(nanoseconds / 1000n) : Number.NaN;
}

/** Date.parse would drop what is finer than milliseconds, and take a missing zone for the local one. */
function readIso(text: string): number {
  const [, date, time = "00:00", fraction = "", zone = "Z"] = ISO_TIME.exec(text) ?? [];
  if (date === undefined) return Number.NaN;
  const seconds = time.length === 5 ? `${time}:00` : time;
  const hours = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone.replace(/^(...)(\d\d)$/, "$1:$2");
  const ms = Date.parse(`${date}T${seconds}${hours.toUpperCase()}`);
  return ms * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}
