/**
 * Filters of lists, in the language of the logging service that ListQueues names (limits.md §5):
 *
 *   state: PAUSED AND rateLimits.maxDispatchesPerSecond >= 10
 *   NOT (name:"mail" OR retry_config.min_backoff > 1s) -httpTarget:*
 *
 * NOT (or `-`) binds tightest, then OR, then AND; AND may be left out. A value may be a list in
 * parentheses: `state: (PAUSED OR DISABLED)`. Texts compare without regard to case.
 *
 * A filter is read against a table of the message's fields, and matched against its JSON form with
 * enums as names. A comparison with a field that is not set is false.
 */
import { ok, type Result } from "../../core/result.ts";
import { echo, type Failure, invalidField } from "../errors.ts";
import { camelCase, readDouble, readDuration, readTimestamp } from "../wire.ts";

/** What a field holds; an enum by its names in numeric order. */
export type FilterField =
  | "text"
  | "number"
  | "duration"
  | "timestamp"
  | "message"
  | { readonly names: readonly string[] };

/** Fields by dotted path of JSON names. */
export type FilterFields = Readonly<Record<string, FilterField>>;

export type Filter = (message: object) => boolean;

/** Longest filter, in characters; and how deep its parentheses may go. */
const MAX_LENGTH = 4096;
const MAX_DEPTH = 32;

/** Reads a filter; an empty one matches everything. INVALID_ARGUMENT says what is wrong with it. */
export function readFilter(text: string | undefined, fields: FilterFields): Result<Filter> {
  if (text === undefined || text.trim() === "") return ok(() => true);
  if (text.length > MAX_LENGTH) {
    return refusal(`It is longer than ${MAX_LENGTH} characters.`);
  }
  const parser = new Parser(text, fields);
  const filter = parser.parse();
  return filter === undefined ? refusal(parser.problem) : ok(filter);
}

function refusal(problem: string): Failure {
  return invalidField("filter", `Invalid filter. ${problem}`);
}

const OPERATORS = ["<=", ">=", "!=", "<", ">", "=", ":"] as const;
type Operator = (typeof OPERATORS)[number];
/** What AND, OR, NOT and parentheses join: comparisons, or the values of one comparison. */
type Leaf = () => Filter | undefined;

class Parser {
  problem = "";
  private at = 0;
  private depth = 0;
  private readonly text: string;
  private readonly fields: FilterFields;

  constructor(text: string, fields: FilterFields) {
    this.text = text;
    this.fields = fields;
  }

  parse(): Filter | undefined {
    const filter = this.conjunction(() => this.comparison());
    if (filter === undefined) return undefined;
    this.take(/\s+/y);
    return this.at === this.text.length ? filter : this.unexpected();
  }

  private conjunction(leaf: Leaf): Filter | undefined {
    const terms: Filter[] = [];
    do {
      const term = this.disjunction(leaf);
      if (term === undefined) return undefined;
      terms.push(term);
    } while (this.take(/\s*AND\b/y) !== undefined || this.hasMore());
    return (message) => terms.every((term) => term(message));
  }

  private disjunction(leaf: Leaf): Filter | undefined {
    const terms: Filter[] = [];
    do {
      const term = this.negation(leaf);
      if (term === undefined) return undefined;
      terms.push(term);
    } while (this.take(/\s*OR\b/y) !== undefined);
    return (message) => terms.some((term) => term(message));
  }

  private negation(leaf: Leaf): Filter | undefined {
    this.take(/\s+/y);
    if (this.take(/NOT\b\s*|-(?=[A-Za-z(])/y) === undefined) return this.group(leaf);
    const negated = this.nested(() => this.negation(leaf));
    return negated === undefined ? undefined : (message) => !negated(message);
  }

  private group(leaf: Leaf): Filter | undefined {
    if (this.take(/\(/y) === undefined) return leaf();
    const inner = this.nested(() => this.conjunction(leaf));
    if (inner === undefined) return undefined;
    return this.take(/\s*\)/y) === undefined ? this.unexpected() : inner;
  }

  private nested(parse: () => Filter | undefined): Filter | undefined {
    if (++this.depth > MAX_DEPTH) return this.fail("It is nested too deeply.");
    const filter = parse();
    this.depth--;
    return filter;
  }

  private comparison(): Filter | undefined {
    const name = this.take(/[A-Za-z_][\w.]*/y);
    if (name === undefined) return this.unexpected();
    const path = name.split(".").map(camelCase);
    const field = Object.hasOwn(this.fields, path.join("."))
      ? this.fields[path.join(".")]
      : undefined;
    if (field === undefined) return this.fail(`There is no field "${echo(name)}".`);
    const operator = this.take(/\s*(<=|>=|!=|<|>|=|:)/y) as Operator | undefined;
    if (operator === undefined || this.take(/~/y) !== undefined) {
      return this.fail(`After "${echo(name)}" one of ${OPERATORS.join(" ")} is needed.`);
    }
    this.take(/\s+/y);
    return this.group(() => this.value(path, field, operator));
  }

  private value(path: readonly string[], field: FilterField, operator: Operator) {
    this.take(/\s+/y);
    const quoted = this.take(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/y);
    const text = quoted?.replace(/\\(.)/g, "$1") ?? this.take(/[^\s()"']+/y);
    if (text === undefined) return this.unexpected();
    if (operator === ":" && quoted === undefined && text === "*") {
      return (message: object) => valuesAt(message, path, field).length > 0;
    }
    const test = valueTest(field, operator, text);
    if (test === undefined) {
      return this.fail(`"${echo(text)}" cannot be compared with ${path.join(".")}.`);
    }
    return (message: object) => valuesAt(message, path, field).some(test);
  }

  /** Whether another term follows without AND. */
  private hasMore(): boolean {
    return /\S/.test(this.text[this.skipSpace()] ?? "") && this.text[this.skipSpace()] !== ")";
  }

  private skipSpace(): number {
    let at = this.at;
    while (/\s/.test(this.text[at] ?? "")) at++;
    return at;
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) return undefined;
    this.at = pattern.lastIndex;
    return match[1] ?? match[2] ?? match[0];
  }

  private unexpected(): undefined {
    const rest = this.text.slice(this.at).trim();
    return this.fail(
      rest === "" ? "It ends too early." : `It cannot be read from "${echo(rest)}" on.`,
    );
  }

  private fail(problem: string): undefined {
    if (this.problem === "") this.problem = problem;
    return undefined;
  }
}

/**
 * The set values at a path; of a repeated field all of its entries'. A number unset in a set
 * message is 0.
 */
function valuesAt(message: object, path: readonly string[], field: FilterField): unknown[] {
  let values: unknown[] = [message];
  for (const [index, name] of path.entries()) {
    const isZero = field === "number" && index === path.length - 1;
    values = values
      .flatMap((value) => (value as Record<string, unknown>)[name] ?? (isZero ? 0 : []))
      .filter((value) => value !== undefined);
  }
  return values;
}

/** How a value is compared; undefined when `text` cannot be of the field's type. */
function valueTest(
  field: FilterField,
  operator: Operator,
  text: string,
): ((value: unknown) => boolean) | undefined {
  if (field === "message") return undefined;
  if (field === "text") {
    const wanted = text.toLowerCase();
    return (value) => compareText(String(value).toLowerCase(), operator, wanted);
  }
  const read = numberReader(field);
  const wanted = read(text);
  if (wanted === undefined) return undefined;
  return (value) => {
    const number = read(value);
    return number !== undefined && compare(number, operator, wanted);
  };
}

function numberReader(field: Exclude<FilterField, "text" | "message">) {
  if (field === "number") return readDouble;
  if (field === "duration") return readDuration;
  if (field === "timestamp") return readTimestamp;
  return (value: unknown): number | undefined => {
    const index = field.names.indexOf(String(value).toUpperCase());
    if (index !== -1) return index;
    return field.names[Number(value)] === undefined ? undefined : Number(value);
  };
}

function compareText(value: string, operator: Operator, wanted: string): boolean {
  return operator === ":" ? value.includes(wanted) : compare(value, operator, wanted);
}

function compare<T extends string | number>(value: T, operator: Operator, wanted: T): boolean {
  switch (operator) {
    case "<":
      return value < wanted;
    case "<=":
      return value <= wanted;
    case ">":
      return value > wanted;
    case ">=":
      return value >= wanted;
    case "!=":
      return value !== wanted;
    case "=":
    case ":":
      return value === wanted;
  }
}
