/** What a map remembers that may not grow. */
import { expect, test } from "vitest";
import { BoundedMap } from "../../src/core/bounded-map.ts";

test("a full map forgets what was put in first; what is put in again is new", () => {
  const map = new BoundedMap<number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  expect(["a", "b", "c"].map((key) => map.get(key))).toEqual([3, undefined, 4]);
  map.delete("a");
  map.set("d", 5);
  expect(["a", "c", "d"].map((key) => map.get(key))).toEqual([undefined, 4, 5]);
  map.clear();
  expect(map.get("c")).toBeUndefined();
});
