/** Multipart bodies as clients write them, well and badly. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { boundaryOf, readHeaders, splitMultipart, takeLine } from "../../src/protocol/multipart.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (part: Uint8Array) => new TextDecoder().decode(part);
const split = (body: string, max = 100) => splitMultipart(bytes(body), "b", max)?.map(text);

describe("the boundary of a content type", () => {
  test.each([
    ["multipart/mixed; boundary=abc", "abc"],
    ['multipart/mixed; boundary="===============73=="', "===============73=="],
    ["Multipart/Mixed;Boundary=a'b(c)+_,-./:=?", "a'b(c)+_,-./:=?"],
    ["multipart/mixed; charset=utf-8; boundary=x; type=y", "x"],
  ])("%s", (type, boundary) => expect(boundaryOf(type)).toBe(boundary));

  test.each([
    null,
    "",
    "multipart/mixed",
    "multipart/mixed; boundary=",
    'multipart/mixed; boundary=""',
    "multipart/form-data; boundary=a",
    "application/json; boundary=a",
    `multipart/mixed; boundary=${"a".repeat(71)}`,
  ])("%s has none", (type) => expect(boundaryOf(type)).toBeUndefined());
});

describe("the parts of a body", () => {
  test.each([
    ["CRLF", "--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", ["one", "two"]],
    ["bare LF", "--b\none\n--b\ntwo\n--b--\n", ["one", "two"]],
    ["no line break at the end", "--b\none\n--b--", ["one"]],
    ["text before and after", "hello\n--b\none\n--b--\nbye\n--b\nx", ["one"]],
    ["blanks after the boundary", "--b \t\r\none\r\n--b-- \r\n", ["one"]],
    ["empty parts", "--b\r\n\r\n--b\r\n--b--", ["", ""]],
    ["what looks like a boundary", "--b\n--bb\n --b\nx--b\n--b--", ["--bb\n --b\nx--b"]],
    ["line breaks within", "--b\n\none\n\n--b--", ["\none\n"]],
  ])("%s", (_, body, parts) => expect(split(body)).toEqual(parts));

  test.each([
    ["nothing", ""],
    ["no boundary", "one\ntwo"],
    ["another boundary", "--c\none\n--c--"],
    ["no end", "--b\none\n--b\ntwo"],
    ["an end without a beginning", "--b--\n"],
  ])("%s is malformed", (_, body) => expect(split(body)).toBeUndefined());

  it("are no further looked for than one past the limit", () =>
    expect(split("--b\n1\n--b\n2\n--b\n3\n--b\n4\n--b--", 2)).toEqual(["1", "2", "3"]));

  it("come out as they were put in, whatever their bytes", () => {
    const part = fc.uint8Array({ maxLength: 60 });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), fc.boolean(), (parts, crlf) => {
        const end = crlf ? "\r\n" : "\n";
        const body = [...parts.flatMap((each) => [bytes(`--edge${end}`), each, bytes(end)])];
        const whole = new Uint8Array([...body, bytes("--edge--")].flatMap((piece) => [...piece]));
        const found = splitMultipart(whole, "edge", 100);
        // Without its CR a break of bare LF takes a CR that ends the part along.
        const lost = (each: Uint8Array) =>
          !crlf && each.at(-1) === 13 ? each.subarray(0, -1) : each;
        expect(found?.map((each) => [...each])).toEqual(parts.map((each) => [...lost(each)]));
      }),
    );
  });
});

describe("a block of headers", () => {
  test.each([
    [
      "A: 1\r\nB:2\r\n\r\nrest",
      [
        ["a", "1"],
        ["b", "2"],
      ],
      "rest",
    ],
    [
      "A: 1\nB:\n\nrest",
      [
        ["a", "1"],
        ["b", ""],
      ],
      "rest",
    ],
    ["A: 1\n 2\n\t3\n\n", [["a", "1 2 3"]], ""],
    ["A: b:c", [["a", "b:c"]], ""],
    ["\r\nrest", [], "rest"],
    ["", [], ""],
  ])("%j", (block, headers, rest) => {
    const read = readHeaders(bytes(block));
    expect(read?.headers).toEqual(headers);
    expect(text(read?.rest ?? bytes("none"))).toBe(rest);
  });

  test.each([
    ["a line without a colon", "A 1\n\n"],
    ["a name with a blank", "A : 1\n\n"],
    ["a first line that goes on", " A: 1\n\n"],
    ["a line that is too long", `A: ${"x".repeat(20_000)}\n\n`],
    ["too many lines", `${"A: 1\n".repeat(4000)}\n`],
  ])("with %s is refused", (_, block) => expect(readHeaders(bytes(block))).toBeUndefined());
});

test("a first line is taken whole, unless it is too long", () => {
  expect(takeLine(bytes("GET /\r\nA: 1"))).toEqual({ line: "GET /", rest: bytes("A: 1") });
  expect(takeLine(bytes("GET /"))).toEqual({ line: "GET /", rest: bytes("") });
  expect(takeLine(bytes("x".repeat(20_000)))).toBeUndefined();
});
