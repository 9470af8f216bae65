/** Ids of unnamed tasks: they lead back to their row, and other numbers lead nowhere. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeTaskId, encodeTaskId, idSalt } from "../../src/core/task-id.ts";

const DAY_US = 86_400e6;
const SALT = idSalt("my-project/us-central1/my-queue");
/** Times of creation from 2020 to 2286, when microseconds get a digit more. */
const anySequence = fc.integer({ min: 1_577_836_800_000_000, max: 9_007_199_254_740_991 });
const anyOffset = fc.integer({ min: -DAY_US, max: 31 * DAY_US });
const anySalt = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe("the id of an unnamed task", () => {
  it("is made of the sequence, the schedule's offset and four check digits", () => {
    const sequence = 1_790_000_000_123_456;
    const id = encodeTaskId({ sequence, scheduleTimeUs: sequence + 6_000_000 }, SALT);
    expect(id).toMatch(/^1790000000123456(12000000)\d{4}$/);
  });

  it("leads back to the place of its row", () => {
    fc.assert(
      fc.property(anySequence, anyOffset, anySalt, (sequence, offset, salt) => {
        fc.pre(Number.isSafeInteger(sequence + offset));
        const place = { sequence, scheduleTimeUs: sequence + offset };
        expect(decodeTaskId(encodeTaskId(place, salt), salt)).toEqual(place);
      }),
    );
  });

  it("is one that a caller might have chosen: digits, and far fewer than 500", () => {
    fc.assert(
      fc.property(anySequence, anyOffset, (sequence, offset) => {
        const id = encodeTaskId({ sequence, scheduleTimeUs: sequence + offset }, SALT);
        expect(id).toMatch(/^\d{21,40}$/);
      }),
    );
  });

  it("differs for different places", () => {
    const place = fc.tuple(anySequence, anyOffset);
    fc.assert(
      fc.property(place, place, ([s1, o1], [s2, o2]) => {
        fc.pre(s1 !== s2 || o1 !== o2);
        expect(encodeTaskId({ sequence: s1, scheduleTimeUs: s1 + o1 }, SALT)).not.toBe(
          encodeTaskId({ sequence: s2, scheduleTimeUs: s2 + o2 }, SALT),
        );
      }),
    );
  });
});

describe("what is no id of the queue", () => {
  it.each([
    "",
    "1",
    "12345678901234567890",
    "my-task",
    "179000000012345612000000482x",
    "-79000000012345612000000482",
    "1".repeat(41),
    "9".repeat(500),
  ])("%j", (id) => {
    expect(decodeTaskId(id, SALT)).toBeNull();
  });

  it("has one spelling: a padded offset is refused", () => {
    fc.assert(
      fc.property(anySequence, anyOffset, (sequence, offset) => {
        const id = encodeTaskId({ sequence, scheduleTimeUs: sequence + offset }, SALT);
        expect(decodeTaskId(`${id.slice(0, 16)}0${id.slice(16)}`, SALT)).toBeNull();
      }),
    );
  });

  it("reads back as it was written, whatever it decodes to", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 10n ** 20n, max: 10n ** 40n - 1n }), anySalt, (number, salt) => {
        const id = String(number);
        const place = decodeTaskId(id, salt);
        if (place !== null) expect(encodeTaskId(place, salt)).toBe(id);
      }),
    );
  });

  // Four check digits let one number in 10,000 through; the share is measured over fixed samples.
  const SAMPLES = 50_000;
  const share = (isTaken: (random: () => number) => boolean) => {
    const random = seededRandom(42);
    let taken = 0;
    for (let i = 0; i < SAMPLES; i++) if (isTaken(random)) taken++;
    return taken / SAMPLES;
  };
  const randomPlace = (random: () => number) => {
    const sequence = 1_790_000_000_000_000 + Math.floor(random() * 1e12);
    return { sequence, scheduleTimeUs: sequence + Math.floor(random() * 30 * DAY_US) };
  };

  it("is nearly every row of random digits", () => {
    const taken = share((random) => {
      const length = 21 + Math.floor(random() * 15);
      const id = Array.from({ length }, () => Math.floor(random() * 10)).join("");
      return decodeTaskId(id, SALT) !== null;
    });
    expect(taken).toBeLessThan(3e-4);
  });

  it("is nearly every id with one digit changed", () => {
    const taken = share((random) => {
      const id = encodeTaskId(randomPlace(random), SALT);
      const at = Math.floor(random() * id.length);
      const digit = (Number(id[at]) + 1 + Math.floor(random() * 9)) % 10;
      return decodeTaskId(`${id.slice(0, at)}${digit}${id.slice(at + 1)}`, SALT) !== null;
    });
    expect(taken).toBeLessThan(3e-4);
  });

  it("is nearly every id of another queue", () => {
    const other = idSalt("my-project/us-central1/my-other-queue");
    const taken = share(
      (random) => decodeTaskId(encodeTaskId(randomPlace(random), other), SALT) !== null,
    );
    expect(taken).toBeLessThan(3e-4);
  });
});

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
