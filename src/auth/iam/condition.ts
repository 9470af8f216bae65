/**
 * Conditions of role bindings, in the part of the Common Expression Language that IAM takes. An
 * expression is checked against the types below before it is kept, so that a condition that could
 * never be true is refused and not found out in an emergency; what can still fail when it is
 * evaluated (a text that is no time) counts as false.
 *
 *   resource.name, resource.type, resource.service   string
 *   request.time                                     timestamp
 *   == != < <= > >= && || ! in + - ?:                on values of fitting types
 *   s.startsWith(t) s.endsWith(t) s.contains(t)      on strings
 *   s.extract("/queues/{name}")                      the part of s that a template shows, or ""
 *   timestamp("2030-01-01T00:00:00Z") duration("60s")
 *   t.getFullYear([zone]) getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours
 *   getMinutes getSeconds getMilliseconds
 *
 * There are no loops (all, exists, map, filter) and no patterns, so an evaluation costs no more than
 * the expression is long. Loaded when the first condition is met, see policies.ts.
 */
import { type CelEnv, CelScalar, celEnv, celMethod, isCelError, parse, plan } from "@bufbuild/cel";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { fail, ok, type Result } from "../../core/result.ts";
import type { Attributes } from "./evaluate.ts";

/** Whether a binding applies to a request on a resource. */
export type Condition = (attributes: Attributes) => boolean;

/** Longest expression, in characters. */
const MAX_EXPRESSION = 2048;
/** Deepest nesting of brackets: the parser goes down with them. */
const MAX_DEPTH = 20;
/** `&&`, `||` and `!` in an expression: IAM's own limit. */
const MAX_LOGICAL_OPERATORS = 12;

type Expr = ReturnType<typeof parse>["expr"];
type Type = "string" | "bool" | "int" | "timestamp" | "duration" | `list(${string})`;

const { STRING } = CelScalar;
const EXTRACT = celMethod("extract", STRING, [STRING], STRING, function (template) {
  return extract(this, template);
});

let environment: CelEnv | undefined;

/** Compiles an expression. INVALID_ARGUMENT says what is wrong, and where. */
export function compileCondition(expression: string): Result<Condition> {
  const problem = shapeProblem(expression);
  if (problem !== undefined) return fail("INVALID_ARGUMENT", problem);
  environment ??= celEnv({ funcs: [EXTRACT] });
  let parsed: ReturnType<typeof parse> | undefined;
  try {
    parsed = parse(expression);
    const checker = new Checker(environment);
    const type = checker.typeOf(parsed.expr);
    if (type !== "bool") throw new Misfit(parsed.expr, `it is a ${type}, not a bool.`);
    const evaluate = plan(environment, parsed);
    return ok((attributes) => evaluate(bindingsOf(attributes)) === true);
  } catch (error) {
    const offset =
      error instanceof Misfit
        ? parsed?.sourceInfo?.positions[String(error.expr.id)]
        : (error as { location?: { start?: { offset?: number } } }).location?.start?.offset;
    return fail("INVALID_ARGUMENT", describe(error, expression, offset ?? 0));
  }
}

function bindingsOf({ name, type, service, nowUs }: Attributes) {
  const time = timestampFromMs(nowUs / 1000);
  return { resource: { name, type, service }, request: { time } };
}

/** What can be said without reading it. */
function shapeProblem(expression: string): string | undefined {
  if (expression.trim() === "") return "The condition's expression is empty.";
  if (expression.length > MAX_EXPRESSION) {
    return `The condition's expression is longer than ${MAX_EXPRESSION} characters.`;
  }
  let depth = 0;
  for (const character of expression) {
    if ("([{".includes(character)) depth++;
    else if (")]}".includes(character)) depth--;
    if (depth > MAX_DEPTH) return `The condition's expression is nested deeper than ${MAX_DEPTH}.`;
  }
  return undefined;
}

function describe(error: unknown, expression: string, offset: number): string {
  const reason = error instanceof Error ? error.message.replace(/^<input>:\d+:\d+: /, "") : "";
  return `The condition's expression is wrong at ${position(expression, offset)}: ${reason.slice(0, 300)}`;
}

/** `1:15`: line and column, from 1. */
function position(expression: string, offset: number): string {
  const lines = expression.slice(0, offset).split("\n");
  return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}

/**
 * The part of a text that stands where a template has its `{name}`: between the first place of what
 * precedes it and the next of what follows it. Empty where the text does not fit.
 */
function extract(text: string, template: string): string {
  const [, before, after = ""] = /^([^{}]*)\{[^{}]+\}([^{}]*)$/s.exec(template) ?? [];
  if (before === undefined) return "";
  const found = text.indexOf(before);
  if (found === -1) return "";
  const start = found + before.length;
  if (after === "") return text.slice(start);
  const end = text.indexOf(after, start);
  return end === -1 ? "" : text.slice(start, end);
}

// ---- Types -----------------------------------------------------------------------------------

/** An expression that is well written and means nothing here. */
class Misfit extends Error {
  readonly expr: Expr;
  constructor(expr: Expr, message: string) {
    super(message);
    this.expr = expr;
  }
}

const FIELDS: Readonly<Record<string, Type>> = {
  "resource.name": "string",
  "resource.type": "string",
  "resource.service": "string",
  "request.time": "timestamp",
};

const LOGICAL = new Set(["_&&_", "_||_", "!_"]);

const TIME_METHODS = [
  "getFullYear",
  "getMonth",
  "getDate",
  "getDayOfMonth",
  "getDayOfWeek",
  "getDayOfYear",
  "getHours",
  "getMinutes",
  "getSeconds",
  "getMilliseconds",
];

/** Functions and operators: `name(types)` → type. A method's first type is what it is called on. */
const SIGNATURES: ReadonlyMap<string, Type> = new Map<string, Type>([
  ["_&&_(bool,bool)", "bool"],
  ["_||_(bool,bool)", "bool"],
  ["!_(bool)", "bool"],
  ["-_(int)", "int"],
  ["_+_(int,int)", "int"],
  ["_-_(int,int)", "int"],
  ["_+_(string,string)", "string"],
  ["_+_(timestamp,duration)", "timestamp"],
  ["_+_(duration,timestamp)", "timestamp"],
  ["_+_(duration,duration)", "duration"],
  ["_-_(timestamp,timestamp)", "duration"],
  ["_-_(timestamp,duration)", "timestamp"],
  ["_-_(duration,duration)", "duration"],
  ["timestamp(string)", "timestamp"],
  ["duration(string)", "duration"],
  [".startsWith(string,string)", "bool"],
  [".endsWith(string,string)", "bool"],
  [".contains(string,string)", "bool"],
  [".extract(string,string)", "string"],
  ...TIME_METHODS.flatMap((name): [string, Type][] => [
    [`.${name}(timestamp)`, "int"],
    [`.${name}(timestamp,string)`, "int"],
  ]),
  ...["_<_", "_<=_", "_>_", "_>=_"].flatMap((name) =>
    ["string", "int", "timestamp", "duration"].map((type): [string, Type] => [
      `${name}(${type},${type})`,
      "bool",
    ]),
  ),
]);

/** Says of which type an expression is; throws Misfit where it is of none. */
class Checker {
  private readonly environment: CelEnv;
  private logicalOperators = 0;

  constructor(environment: CelEnv) {
    this.environment = environment;
  }

  typeOf(expr: Expr): Type {
    const { exprKind } = expr;
    switch (exprKind.case) {
      case "constExpr":
        return this.constant(expr, exprKind.value.constantKind.case);
      case "selectExpr":
        return this.field(expr);
      case "listExpr":
        return this.list(expr, exprKind.value.elements);
      case "callExpr":
        return this.call(expr);
      case "identExpr":
        throw new Misfit(expr, `'${exprKind.value.name}' is unknown. ${KNOWN}`);
      default:
        throw new Misfit(expr, "it uses a part of the language that conditions do not have.");
    }
  }

  private constant(expr: Expr, kind: string | undefined): Type {
    if (kind === "stringValue") return "string";
    if (kind === "boolValue") return "bool";
    if (kind === "int64Value") return "int";
    throw new Misfit(expr, "values of this type have no use here.");
  }

  private field(expr: Expr): Type {
    if (expr.exprKind.case !== "selectExpr") throw new Misfit(expr, KNOWN);
    const { operand, field, testOnly } = expr.exprKind.value;
    const root = operand?.exprKind.case === "identExpr" ? operand.exprKind.value.name : "…";
    const type = FIELDS[`${root}.${field}`];
    if (type === undefined || testOnly) {
      throw new Misfit(expr, `'${root}.${field}' is unknown. ${KNOWN}`);
    }
    return type;
  }

  private list(expr: Expr, elements: readonly Expr[]): Type {
    const types = new Set(elements.map((element) => this.typeOf(element)));
    if (types.size !== 1) throw new Misfit(expr, "a list must have elements of one type.");
    return `list(${[...types][0]})`;
  }

  private call(expr: Expr): Type {
    if (expr.exprKind.case !== "callExpr") throw new Misfit(expr, KNOWN);
    const { function: name, target, args } = expr.exprKind.value;
    if (LOGICAL.has(name) && ++this.logicalOperators > MAX_LOGICAL_OPERATORS) {
      throw new Misfit(expr, `it has more than ${MAX_LOGICAL_OPERATORS} logical operators.`);
    }
    const types = [...(target === undefined ? [] : [target]), ...args].map((arg) =>
      this.typeOf(arg),
    );
    const signature = `${target === undefined ? "" : "."}${name}(${types.join(",")})`;
    const type = genericType(name, types) ?? SIGNATURES.get(signature);
    if (type === undefined) throw new Misfit(expr, `there is no ${plain(signature)}.`);
    this.checkLiterals(expr, name, args);
    return type;
  }

  /** Times, durations and zones that are written out are tried, for they are wrong or right for good. */
  private checkLiterals(expr: Expr, name: string, args: readonly Expr[]): void {
    const [arg] = args;
    const literal =
      arg?.exprKind.case === "constExpr" ? arg.exprKind.value.constantKind : undefined;
    if (literal?.case !== "stringValue") return;
    const isTime = name === "timestamp" || name === "duration";
    if (!isTime && !TIME_METHODS.includes(name)) return;
    const value = plan(
      this.environment,
      isTime
        ? expr
        : parse(`timestamp("2030-01-01T00:00:00Z").${name}(${JSON.stringify(literal.value)})`),
    )();
    if (isCelError(value)) {
      throw new Misfit(expr, `'${literal.value.slice(0, 100)}' is not what ${name}() takes.`);
    }
  }
}

const KNOWN =
  "A condition can use resource.name, resource.type, resource.service and request.time.";

/** The type of what works on values of any one type. */
function genericType(name: string, [first, second, third]: readonly Type[]): Type | undefined {
  if (name === "_==_" || name === "_!=_") return first === second ? "bool" : undefined;
  if (name === "@in") return second === `list(${first})` ? "bool" : undefined;
  if (name === "_?_:_") return first === "bool" && second === third ? second : undefined;
  return undefined;
}

/** `_<_(string,int)` → `string < int` */
function plain(signature: string): string {
  const [, operator, left, right] = /^_(\S+)_\(([^,]*),([^,]*)\)$/.exec(signature) ?? [];
  if (operator !== undefined) return `${left} ${operator} ${right}`;
  return signature.replace(/^@in\((.*?),(.*)\)$/, "$1 in $2").replace(/^([!-])_\(/, "$1(");
}
