/** What the two forms of a queue file have in common for whoever reads its elements. */

/** Something wrong with a file, and where. */
export interface Problem {
  /** From 1. */
  readonly line: number;
  /** The element, as a path: `queue[2].rate`; empty for the file itself. */
  readonly element: string;
  readonly message: string;
}

/** A part of the file and where it is; `node` is the reader's own. */
export interface Place {
  readonly node: unknown;
  readonly line: number;
  readonly path: string;
}

/**
 * Goes through a file and gathers what is wrong with it. Elements are asked for by their names in
 * queue.yaml; places and problems have them as the file writes them.
 */
export abstract class Reader {
  readonly problems: Problem[] = [];
  abstract readonly root: Place;

  /** An element of queue.yaml under its name in this form. */
  abstract word(element: string): string;

  /** The fields of a mapping; one that is not `known` is a problem. Undefined: not a mapping. */
  abstract fields(place: Place, known: readonly string[]): ReadonlyMap<string, Place> | undefined;

  /** The items of a list; nothing is an empty list. Undefined: not a list. */
  abstract items(place: Place): readonly Place[] | undefined;

  /** A single value as it is written. Undefined: no single value, or an empty one. */
  abstract text(place: Place | undefined): string | undefined;

  complain({ line, path }: Pick<Place, "line" | "path">, message: string): undefined {
    this.problems.push({ line, element: path, message });
  }

  /** A single value of a form; `form` says which, for the problem. */
  match(place: Place | undefined, pattern: RegExp, form: string): RegExpExecArray | undefined {
    const text = this.text(place);
    if (place === undefined || text === undefined) return undefined;
    return pattern.exec(text) ?? this.complain(place, `must be ${form}, not "${cut(text)}".`);
  }

  protected unknown(place: Place, known: readonly string[]): void {
    const words = known.map((element) => this.word(element)).join(", ");
    this.complain(place, `is unknown here. Known elements: ${words}.`);
  }
}

/** Longest piece of the file that a problem repeats. */
const MAX_ECHO = 100;

export function cut(text: string): string {
  return text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO)}…`;
}

export function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
