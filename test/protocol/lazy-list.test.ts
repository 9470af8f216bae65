/** Lists that are written while they are sent. */
import { describe, expect, it } from "vitest";
import { LazyList } from "../../src/protocol/lazy-list.ts";

describe("a lazy list", () => {
  const items = [1, 2, 3, 4, 5];
  const whole = { items: items.map((number) => ({ number })) };

  it.each([1, 14, 15, 29, 1000])("is the same text in pieces of %i characters", async (size) => {
    const list = new LazyList(items, (number) => ({ number }));
    expect(await new Response(list.stream("items", size)).text()).toBe(JSON.stringify(whole));
  });

  it("writes an item only when it is its turn", async () => {
    const written: number[] = [];
    const list = new LazyList(items, (number) => {
      written.push(number);
      return { number };
    });
    const reader = list.stream("items", 1).getReader();
    await reader.read();
    expect(written.length).toBeLessThan(items.length);
    await reader.cancel();
  });

  it("is a list to JSON.stringify", () => {
    const list = new LazyList(items, (number) => ({ number }));
    expect(JSON.parse(JSON.stringify({ items: list }))).toEqual(whole);
  });

  it("may follow other fields", async () => {
    const list = new LazyList([1], (number) => ({ number }));
    const text = await new Response(list.stream("items", 100, { kind: "k" })).text();
    expect(text).toBe('{"kind":"k","items":[{"number":1}]}');
  });

  it("may be empty", async () => {
    const list = new LazyList([], () => ({}));
    expect(await new Response(list.stream("items")).text()).toBe('{"items":[]}');
  });
});
