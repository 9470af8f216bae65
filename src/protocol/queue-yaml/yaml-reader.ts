/**
 * Reads YAML by its nodes rather than by the values they would become: a queue.yaml gives rates and
 * names as plain text, which no rule of YAML (octal, base 60, yes and no) may turn into something
 * else, and every problem is told with its place.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";

/** Something wrong with a file, and where. */
export interface Problem {
  /** From 1. */
  readonly line: number;
  /** The element, as a path: `queue[2].rate`; empty for the file itself. */
  readonly element: string;
  readonly message: string;
}

/** A node and where it is. */
export interface Place {
  readonly node: Node | null;
  readonly line: number;
  readonly path: string;
}

/** Goes through a document and gathers what is wrong with it. */
export class YamlReader {
  readonly problems: Problem[] = [];
  readonly root: Place;
  readonly #document: Document;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    for (const { message, pos } of this.#document.errors) {
      this.problems.push({ line: this.#lineAt(pos[0]), element: "", message: sentence(message) });
    }
    this.root = { node: this.#document.contents as Node | null, line: 1, path: "" };
  }

  complain({ line, path }: Place, message: string): undefined {
    this.problems.push({ line, element: path, message });
  }

  /** The fields of a mapping; one that is not `known` is a problem. Undefined: not a mapping. */
  fields(place: Place, known: readonly string[]): ReadonlyMap<string, Place> | undefined {
    const { node } = place;
    if (!isMap(node)) return this.complain(place, "must be a mapping of elements to values.");
    const fields = new Map<string, Place>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : "?";
      const at = this.#placeOf(isScalar(key) ? key : null, place, name);
      if (known.includes(name)) {
        fields.set(name, { ...at, node: this.#resolved(value as Node | null) });
      } else {
        this.complain(at, `is unknown here. Known elements: ${known.join(", ")}.`);
      }
    }
    return fields;
  }

  /** The items of a list; nothing is an empty list. Undefined: not a list. */
  items(place: Place): readonly Place[] | undefined {
    const { node } = place;
    if (node === null || (isScalar(node) && node.value === null)) return [];
    if (!isSeq(node)) return this.complain(place, "must be a list.");
    return node.items.map((item, index) => {
      const resolved = this.#resolved(item as Node | null);
      return { ...this.#placeOf(item as Node | null, place, `[${index}]`), node: resolved };
    });
  }

  /** A scalar as it is written, without its quotes. Undefined: no scalar, or an empty one. */
  text(place: Place | undefined): string | undefined {
    if (place === undefined) return undefined;
    const { node } = place;
    if (!isScalar(node)) {
      return this.complain(place, node === null ? "has no value." : "must be a single value.");
    }
    const text = node.type === "PLAIN" ? (node.source ?? "") : String(node.value);
    return text === "" ? this.complain(place, "has no value.") : text;
  }

  /** A scalar of a form; `form` says which, for the problem. */
  match(place: Place | undefined, pattern: RegExp, form: string): RegExpExecArray | undefined {
    const text = this.text(place);
    if (place === undefined || text === undefined) return undefined;
    return pattern.exec(text) ?? this.complain(place, `must be ${form}, not "${cut(text)}".`);
  }

  #resolved(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }

  #placeOf(node: Node | null, parent: Place, step: string): Place {
    const start = node?.range?.[0];
    const separator = parent.path === "" || step.startsWith("[") ? "" : ".";
    return {
      node,
      line: start === undefined ? parent.line : this.#lineAt(start),
      path: parent.path + separator + step,
    };
  }

  #lineAt(offset: number): number {
    return this.#lines.linePos(offset).line || 1;
  }
}

/** Longest piece of the file that a problem repeats. */
const MAX_ECHO = 100;

function cut(text: string): string {
  return text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO)}…`;
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
