/**
 * When a signing key is published, signs and goes. Pure: the object around it has the clock.
 *
 *   made ──(lead)──► signs ──► its successor signs ──(lifetime of a token + margin)──► gone
 *   └──────────────────────── published ───────────────────────────────────────────────┘
 *
 * Receivers keep the published keys for some minutes, so a key signs only once every copy they may
 * hold has it, and stays until the last token it signed has expired.
 */
import {
  ACCESS_TOKEN_LIFETIME_S,
  KEY_MARGIN_MS,
  KEY_PERIOD_MS,
  TOKEN_LIFETIME_S,
} from "../core/limits.ts";

/** The longest that anything signed with a key is good for. */
const LONGEST_TOKEN_MS = Math.max(TOKEN_LIFETIME_S, ACCESS_TOKEN_LIFETIME_S) * 1000;

/** Milliseconds since the epoch. */
export interface KeyTimes {
  readonly createdMs: number;
  readonly signsFromMs: number;
}

/** The key that signs: of those whose time has come the last one, or the first of all. */
export function activeKey<K extends KeyTimes>(keys: readonly K[], nowMs: number): K | undefined {
  const inOrder = bySigning(keys);
  return inOrder.findLast(({ signsFromMs }) => signsFromMs <= nowMs) ?? inOrder[0];
}

/** When a key is no longer published; undefined while no other one follows it. */
export function retiresMs<K extends KeyTimes>(keys: readonly K[], key: K): number | undefined {
  const inOrder = bySigning(keys);
  const next = inOrder[inOrder.indexOf(key) + 1];
  return next && next.signsFromMs + LONGEST_TOKEN_MS + KEY_MARGIN_MS;
}

/** The keys whose time is over. */
export function retiredKeys<K extends KeyTimes>(keys: readonly K[], nowMs: number): readonly K[] {
  return keys.filter((key) => (retiresMs(keys, key) ?? Number.POSITIVE_INFINITY) <= nowMs);
}

/** When the next key is to be made: a period after the newest one. */
export function nextKeyMs(keys: readonly KeyTimes[]): number {
  return Math.max(...keys.map(({ createdMs }) => createdMs)) + KEY_PERIOD_MS;
}

/** When there is next something to do. */
export function nextWorkMs(keys: readonly KeyTimes[]): number {
  const ends = keys.map((key) => retiresMs(keys, key) ?? Number.POSITIVE_INFINITY);
  return Math.min(nextKeyMs(keys), ...ends);
}

function bySigning<K extends KeyTimes>(keys: readonly K[]): readonly K[] {
  return keys.toSorted((a, b) => a.signsFromMs - b.signsFromMs || a.createdMs - b.createdMs);
}
