/**
 * Reads queue.xml as the elements of queue.yaml: hyphens for underscores, one `queue` element for
 * each item of the list. Nothing is ever expanded or fetched: a document type is refused, and with
 * it every entity that is not XML's own.
 */
import { SaxesParser } from "saxes";
import { type Place, Reader, sentence } from "./reader.ts";

interface Element {
  readonly name: string;
  readonly line: number;
  readonly children: Element[];
  /** All text within it but its children's. */
  text: string;
}

interface XmlPlace extends Place {
  /** Several: the elements of one name where a list may be. */
  readonly node: Element | Element[];
}

const ROOT = "queue-entries";
/** What may come more than once in its parent; in the other form a list. */
const REPEATED: readonly string[] = ["queue"];
/** A namespace is how some editors find the schema; it changes nothing. */
const ROOT_ATTRIBUTES = /^(?:xmlns(?::\w+)?|xsi:\w+)$/;

export class XmlReader extends Reader {
  readonly root: XmlPlace;

  constructor(text: string) {
    super();
    const root = this.#parse(text);
    this.root = { node: root ?? newElement(ROOT, 1), line: root?.line ?? 1, path: "" };
    if (root !== undefined && root.name !== ROOT) {
      this.complain(this.root, `The root must be <${ROOT}>, not <${root.name}>.`);
    }
  }

  word(element: string): string {
    return element.replaceAll("_", "-");
  }

  fields(place: XmlPlace, known: readonly string[]): ReadonlyMap<string, XmlPlace> | undefined {
    const element = single(place);
    if (element.text.trim() !== "") return this.complain(place, "must hold elements, not text.");
    const fields = new Map<string, XmlPlace>();
    for (const child of element.children) {
      const name = known.find((name) => this.word(name) === child.name);
      const at = placeOf(child, place);
      const before = name === undefined ? undefined : fields.get(name);
      if (name === undefined) this.unknown(at, known);
      else if (before === undefined) {
        fields.set(name, REPEATED.includes(name) ? { ...at, node: [child] } : at);
      } else if (isList(before.node)) before.node.push(child);
      else this.complain(at, `is already given in line ${before.line}.`);
    }
    return fields;
  }

  /** Of repeated elements, each; of any other, each of its children as a mapping of its own. */
  items(place: XmlPlace): readonly XmlPlace[] {
    if (isList(place.node)) {
      return place.node.map((node, index) => {
        return { node, line: node.line, path: `${place.path}[${index}]` };
      });
    }
    const { children, text, line, name } = place.node;
    if (text.trim() !== "") this.complain(place, "must hold elements, not text.");
    return children.map((child) => {
      const node: Element = { name, line, children: [child], text: "" };
      return { node, line: child.line, path: place.path };
    });
  }

  text(place: XmlPlace | undefined): string | undefined {
    if (place === undefined) return undefined;
    const { children, text } = single(place);
    if (children.length > 0) return this.complain(place, "must be a single value.");
    const value = text.trim();
    return value === "" ? this.complain(place, "has no value.") : value;
  }

  /** The tree of elements, as far as the first fault. */
  #parse(text: string): Element | undefined {
    const parser = new SaxesParser();
    const open: Element[] = [];
    let root: Element | undefined;
    let failed = false;
    const stop = (line: number, message: string) => {
      if (!failed) this.complain({ line, path: "" }, sentence(message));
      failed = true;
    };
    /** The parser has read one character past a name; if that broke the line, it is in the next. */
    const line = () => (parser.columnIndex === 0 ? parser.line - 1 : parser.line);

    // Its messages begin with a place of their own.
    parser.on("error", ({ message }) => stop(parser.line, message.replace(/^\d+:\d+: /, "")));
    parser.on("doctype", () => stop(parser.line, "A document type is not allowed."));
    parser.on("opentagstart", ({ name }) => {
      const element = newElement(name, line());
      open.at(-1)?.children.push(element);
      root ??= element;
      open.push(element);
    });
    parser.on("attribute", ({ name }) => {
      const element = open.at(-1);
      if (open.length === 1 && ROOT_ATTRIBUTES.test(name)) return;
      stop(parser.line, `<${element?.name}> cannot have the attribute ${name}.`);
    });
    const addText = (part: string) => {
      const element = open.at(-1);
      if (element !== undefined) element.text += part;
    };
    parser.on("text", addText);
    parser.on("cdata", addText);
    parser.on("closetag", () => open.pop());
    parser.write(text).close();
    return failed ? undefined : root;
  }
}

function newElement(name: string, line: number): Element {
  return { name, line, children: [], text: "" };
}

function placeOf(element: Element, parent: Place): XmlPlace {
  const path = parent.path === "" ? element.name : `${parent.path}.${element.name}`;
  return { node: element, line: element.line, path };
}

function isList(node: XmlPlace["node"]): node is Element[] {
  return Array.isArray(node);
}

function single({ node }: XmlPlace): Element {
  return isList(node) ? (node[0] ?? newElement("", 1)) : node;
}
