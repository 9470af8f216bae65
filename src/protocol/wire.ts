/**
 * Scalars of protobuf's JSON form, both ways. Readers answer undefined for what they cannot read;
 * writers give the canonical form. Times and durations are microseconds inside (P7 of the model).
 */
import { MAX_DURATION_US } from "../core/limits.ts";

// ---- Durations and timestamps ----------------------------------------------------------------

const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

/**
 * `"3.5s"` in microseconds, truncated; what passes the longest duration kept (some 285 years) is
 * cut to it, so that protobuf's own maximum of 10,000 years can be given.
 */
export function readDuration(value: unknown): number | undefined {
  const [, sign, seconds, fraction] = typeof value === "string" ? (DURATION.exec(value) ?? []) : [];
  if (seconds === undefined || Number(seconds) > 315_576_000_000) return undefined;
  const us = Math.min(Number(seconds) * 1e6 + fractionUs(fraction), MAX_DURATION_US);
  return sign === "-" && us !== 0 ? -us : us;
}

/** `"0.100s"`: no fraction, or one of 3 or 6 digits. */
export function writeDuration(us: number): string {
  const whole = Math.trunc(us / 1e6);
  const sign = us < 0 && whole === 0 ? "-" : "";
  return `${sign}${whole}${writeFraction(Math.abs(us % 1e6))}s`;
}

const TIMESTAMP =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** RFC 3339 with `Z` or an offset, in microseconds since the epoch, truncated. */
export function readTimestamp(value: unknown): number | undefined {
  const match = typeof value === "string" ? TIMESTAMP.exec(value) : null;
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHours, offsetMinutes] =
    match;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  const isReal =
    Number(year) > 0 &&
    date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCDate() === Number(day) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60 &&
    Number(offsetHours ?? 0) < 24 &&
    Number(offsetMinutes ?? 0) < 60;
  if (!isReal) return undefined;
  const offset = (Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * 60;
  const seconds =
    date.getTime() / 1000 +
    (Number(hour) * 60 + Number(minute)) * 60 +
    Number(second) +
    (sign === "-" ? offset : -offset);
  const us = seconds * 1e6;
  // Past the year 2255 whole seconds are still exact, microseconds no longer.
  return Number.isSafeInteger(us) ? us + fractionUs(fraction) : us;
}

/** `2030-03-17T17:46:40.000005Z`: no fraction, or one of 3 or 6 digits. */
export function writeTimestamp(us: number): string {
  const seconds = Math.floor(us / 1e6);
  return `${new Date(seconds * 1000).toISOString().slice(0, -5)}${writeFraction(us - seconds * 1e6)}Z`;
}

/** A creation time: truncated to the second (limits.md §3). */
export function writeSeconds(us: number): string {
  return writeTimestamp(Math.floor(us / 1e6) * 1e6);
}

let pacific: Intl.DateTimeFormat | undefined;

/**
 * `2099-12-31T16:00:00-08:00`: as the live service writes a time into an error text, in US Pacific
 * time.
 */
export function writePacificTime(us: number): string {
  pacific ??= new Intl.DateTimeFormat("en-US", {
    timeZone: "America/Los_Angeles",
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "longOffset",
  });
  const parts: Record<string, string> = {};
  for (const { type, value } of pacific.formatToParts(us / 1000)) parts[type] = value;
  const offset = parts["timeZoneName"]?.replace("GMT", "");
  return (
    `${parts["year"]?.padStart(4, "0")}-${parts["month"]}-${parts["day"]}` +
    `T${parts["hour"]}:${parts["minute"]}:${parts["second"]}${offset}`
  );
}

function fractionUs(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.padEnd(6, "0").slice(0, 6));
}

function writeFraction(us: number): string {
  if (us === 0) return "";
  const digits = String(us).padStart(6, "0");
  return digits.endsWith("000") ? `.${digits.slice(0, 3)}` : `.${digits}`;
}

// ---- Numbers ---------------------------------------------------------------------------------

const INTEGER = /^-?\d{1,19}$/;

/** An int32, as a number or as text. */
export function readInt32(value: unknown): number | undefined {
  const number = readInteger(value);
  return number !== undefined && number === (number | 0) ? number | 0 : undefined;
}

/** An int64 within what a JS number holds exactly, as text (canonical) or as a number. */
export function readInt64(value: unknown): number | undefined {
  const number = readInteger(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

function readInteger(value: unknown): number | undefined {
  if (typeof value === "string") return INTEGER.test(value) ? Number(value) : undefined;
  return typeof value === "number" && Number.isInteger(value) ? value : undefined;
}

const DECIMAL = /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** A finite double, as a number or as text. */
export function readDouble(value: unknown): number | undefined {
  const number = typeof value === "string" && DECIMAL.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

// ---- Enums -----------------------------------------------------------------------------------

/** A name of the enum from its name or number; `names` are in the enum's numeric order. */
export function readEnum<N extends string>(names: readonly N[], value: unknown): N | undefined {
  if (typeof value === "number") return names[value];
  if (typeof value !== "string") return undefined;
  return (
    names.find((name) => name === value) ?? (/^\d$/.test(value) ? names[Number(value)] : undefined)
  );
}

/** An enum's value as the client wants it: a number under `enum-encoding=int`, else the name. */
export function writeEnum(names: readonly string[], name: string, asInt: boolean): string | number {
  return asInt ? names.indexOf(name) : name;
}

// ---- Bytes -----------------------------------------------------------------------------------

export { readBytes, writeBytes } from "./base64.ts";

// ---- Field names -----------------------------------------------------------------------------

/** `max_attempts` → `maxAttempts`; camelCase stays. */
export function camelCase(name: string): string {
  return name.includes("_")
    ? name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    : name;
}

/** `maxAttempts` → `max_attempts` */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
