/**
 * Ids of unnamed tasks: decimal digits that say where the task's row was put, so that no index is
 * needed to find it, with four check digits so that an id of this queue can be told from any number.
 *
 *   1790000000123456 | 12000000 | 4821
 *   sequence (16)      schedule   check
 *                      offset
 */

/** Where the row of an unnamed task was first put. */
export interface TaskPlace {
  readonly scheduleTimeUs: number;
  readonly sequence: number;
}

const SEQUENCE_DIGITS = 16;
const CHECK_DIGITS = 4;

/** Builds an id. `salt` is the queue's own (see idSalt). */
export function encodeTaskId(place: TaskPlace, salt: number): string {
  const offset = zigzag(place.scheduleTimeUs - place.sequence);
  const sequence = String(place.sequence).padStart(SEQUENCE_DIGITS, "0");
  const check = String(checkOf(place.sequence, offset, salt)).padStart(CHECK_DIGITS, "0");
  return `${sequence}${offset}${check}`;
}

/** The place that an id tells, or null when it is no id this queue gives. */
export function decodeTaskId(id: string, salt: number): TaskPlace | null {
  if (id.length <= SEQUENCE_DIGITS + CHECK_DIGITS || id.length > 40 || !/^\d+$/.test(id))
    return null;
  const sequence = Number(id.slice(0, SEQUENCE_DIGITS));
  const offsetText = id.slice(SEQUENCE_DIGITS, -CHECK_DIGITS);
  const offset = Number(offsetText);
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(offset)) return null;
  if (String(offset) !== offsetText) return null;
  if (Number(id.slice(-CHECK_DIGITS)) !== checkOf(sequence, offset, salt)) return null;
  return { scheduleTimeUs: sequence + unzigzag(offset), sequence };
}

/** A queue's salt: a 32-bit hash of its full name (FNV-1a). */
export function idSalt(queueName: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < queueName.length; index++) {
    hash = Math.imul(hash ^ queueName.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function checkOf(sequence: number, offset: number, salt: number): number {
  let hash = salt;
  for (const part of [sequence, offset]) {
    hash = Math.imul(hash ^ (part % 0x7fffffff), 0x01000193);
    hash = Math.imul(hash ^ Math.floor(part / 0x7fffffff), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  return (hash >>> 0) % 10 ** CHECK_DIGITS;
}
