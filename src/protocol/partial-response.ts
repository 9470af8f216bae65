/** Parts of an answer: the system parameter `fields`, the same in every face. */

/** Longest selection, in characters: it bounds how deep it can be nested. */
const MAX_SELECTION = 2048;

/** The parts asked for at one level; an empty tree below a name means all of it. */
interface Selection {
  readonly [name: string]: Selection;
}

/**
 * The part of an answer that `fields` selects: `name,rateLimits/maxBurstSize`, `tasks(name,view)`,
 * with `.` for `/` and `*` for any name. `nameOf` turns a name as it is asked for into the one that
 * the answer has. Undefined when `fields` is not of that form.
 */
export function selectParts(
  answer: object,
  fields: string,
  nameOf: (name: string) => string,
): object | undefined {
  const parser: Parser = { text: fields, at: 0, nameOf };
  const selection = fields.length <= MAX_SELECTION ? parseSelection(parser) : undefined;
  if (selection === undefined || parser.at !== fields.length) return undefined;
  return pick(answer, selection) as object;
}

interface Parser {
  readonly text: string;
  readonly nameOf: (name: string) => string;
  at: number;
}

function parseSelection(parser: Parser): Selection | undefined {
  let selection: Selection = {};
  do {
    const item = parseItem(parser);
    if (item === undefined) return undefined;
    selection = merge(selection, item);
  } while (take(parser, /,/y) !== undefined);
  return selection;
}

function parseItem(parser: Parser): Selection | undefined {
  const name = take(parser, /\s*([\w@$*-]+)\s*/y);
  if (name === undefined) return undefined;
  let below: Selection | undefined = {};
  if (take(parser, /[/.]/y) !== undefined) {
    below = parseItem(parser);
  } else if (take(parser, /\(/y) !== undefined) {
    below = parseSelection(parser);
    if (take(parser, /\)\s*/y) === undefined) return undefined;
  }
  return below === undefined ? undefined : { [parser.nameOf(name)]: below };
}

function take(parser: Parser, pattern: RegExp): string | undefined {
  pattern.lastIndex = parser.at;
  const match = pattern.exec(parser.text);
  if (match === null) return undefined;
  parser.at = pattern.lastIndex;
  return match[1] ?? match[0];
}

function merge(one: Selection, other: Selection): Selection {
  const merged: Record<string, Selection> = { ...one };
  for (const [name, below] of Object.entries(other)) {
    const known = merged[name];
    const isWhole = known !== undefined && (isEmpty(known) || isEmpty(below));
    merged[name] = known === undefined ? below : isWhole ? {} : merge(known, below);
  }
  return merged;
}

function isEmpty(selection: Selection): boolean {
  return Object.keys(selection).length === 0;
}

function pick(value: unknown, selection: Selection): unknown {
  if (isEmpty(selection) || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => pick(item, selection));
  const picked: Record<string, unknown> = {};
  for (const [name, below] of Object.entries(value)) {
    const wanted = Object.hasOwn(selection, name) ? selection[name] : selection["*"];
    if (wanted !== undefined) picked[name] = pick(below, wanted);
  }
  return picked;
}
