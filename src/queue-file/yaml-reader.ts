/**
 * Reads YAML by its nodes rather than by the values they would become: a queue.yaml gives rates and
 * names as plain text, which no rule of YAML (octal, base 60, yes and no) may turn into something
 * else, and every problem is told with its place.
 */
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  parseDocument,
  visit,
} from "yaml";
import { cut, type Place, Reader, sentence } from "./reader.ts";

interface YamlPlace extends Place {
  readonly node: Node | null;
}

export class YamlReader extends Reader {
  readonly root: YamlPlace;
  /** What each alias stands for. */
  readonly #targets = new Map<Node, Node>();
  readonly #lines = new LineCounter();

  constructor(text: string) {
    super();
    if (isTooDeep(text)) {
      this.root = { node: null, line: 1, path: "" };
      this.complain(this.root, "The file is nested too deeply.");
      return;
    }
    const document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      // It compares each key with each: fields() looks for second ones.
      uniqueKeys: false,
    });
    for (const { code, message, pos } of document.errors) {
      this.#fault(pos[0], code === "MULTIPLE_DOCS" ? "A file is one document only." : message);
    }
    this.root = { node: document.contents, line: 1, path: "" };
    this.#findAnchors(document);
  }

  word(element: string): string {
    return element;
  }

  fields(place: YamlPlace, known: readonly string[]): ReadonlyMap<string, YamlPlace> | undefined {
    const { node } = place;
    if (!isMap(node)) return this.complain(place, "must be a mapping of elements to values.");
    const fields = new Map<string, YamlPlace>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : "?";
      const at = this.#placeOf(isScalar(key) ? key : null, place, name);
      const before = fields.get(name);
      if (before !== undefined) this.complain(at, `is already given in line ${before.line}.`);
      else if (known.includes(name)) {
        fields.set(name, { ...at, node: this.#resolved(value as Node | null) });
      } else {
        this.unknown(at, known);
      }
    }
    return fields;
  }

  items(place: YamlPlace): readonly YamlPlace[] | undefined {
    const { node } = place;
    if (node === null || (isScalar(node) && node.value === null)) return [];
    if (!isSeq(node)) return this.complain(place, "must be a list.");
    return node.items.map((item, index) => {
      const resolved = this.#resolved(item as Node | null);
      return { ...this.#placeOf(item as Node | null, place, `[${index}]`), node: resolved };
    });
  }

  /** A scalar as it is written, without its quotes. */
  text(place: YamlPlace | undefined): string | undefined {
    if (place === undefined) return undefined;
    const { node } = place;
    if (!isScalar(node)) {
      return this.complain(place, node === null ? "has no value." : "must be a single value.");
    }
    const text = node.type === "PLAIN" ? (node.source ?? "") : String(node.value);
    return text === "" ? this.complain(place, "has no value.") : text;
  }

  /** In one walk: the library's own way from an alias to its anchor is one for each alias. */
  #findAnchors(document: ReturnType<typeof parseDocument>): void {
    const anchors = new Map<string, Node>();
    visit(document, (_key, node) => {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) this.#targets.set(node, target);
        else this.#fault(node.range?.[0] ?? 0, `The alias *${cut(node.source)} has no anchor.`);
      } else if (isNode(node) && node.anchor !== undefined) anchors.set(node.anchor, node);
    });
  }

  #fault(offset: number, message: string): void {
    this.complain({ line: this.#lineAt(offset), path: "" }, sentence(message));
  }

  #resolved(node: Node | null): Node | null {
    return node === null ? null : (this.#targets.get(node) ?? node);
  }

  #placeOf(node: Node | null, parent: YamlPlace, step: string): YamlPlace {
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

/** Levels of a document, several times what a queue file has. */
const MAX_DEPTH = 50;

/**
 * Whether a text has more levels than that. Asked before it is parsed: the library goes down them
 * by recursion, and one that is deep enough ends not with an error but with the whole process.
 */
function isTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH) return true;
  }
  return false;
}
