/** The code checks itself: rooms, the clock, SQL, leftovers. A failure lists file and line. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

interface Source {
  /** Path from the root, with slashes. */
  readonly path: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
}

interface Import {
  readonly from: string;
  /** Path from the root for a file of this project, else the specifier itself. */
  readonly target: string;
  readonly isLocal: boolean;
  readonly typeOnly: boolean;
}

const sources = [...readSources("src"), ...readSources("test")];
const inSrc = sources.filter(({ path }) => path.startsWith("src/"));
const inTest = sources.filter(({ path }) => path.startsWith("test/"));

describe("rooms", () => {
  test("there is something to look at", () => {
    expect(inSrc.length).toBeGreaterThan(20);
    expect(inTest.length).toBeGreaterThan(10);
    expect(inSrc.flatMap(({ imports }) => imports).length).toBeGreaterThan(50);
  });

  test("core imports only core", () => {
    expect(turned("core", (found) => roomOf(found) === "core")).toEqual([]);
  });

  test("queue-file knows core and its parsers, and runs wherever they do", () => {
    expect(
      turned("queue-file", (found) =>
        found.isLocal
          ? ["core", "queue-file"].includes(roomOf(found))
          : ["yaml", "saxes"].includes(found.target),
      ),
    ).toEqual([]);
  });

  test.each(["queue", "registry", "dispatch", "transaction", "access"])(
    "%s knows no face and no other room's inside",
    (room) => {
      expect(turned(room, (found) => isPlatform(found) || isInward(found, room))).toEqual([]);
    },
  );

  test.each(["protocol", "auth"])("%s knows other rooms by their service types alone", (room) => {
    expect(
      turned(room, (found) => {
        if (!found.isLocal) return !found.target.startsWith("node:");
        return isInward(found, room) || ["protocol", "auth", "queue-file"].includes(roomOf(found));
      }),
    ).toEqual([]);
  });

  test("one face does not know another", () => {
    const face = (path: string) => /^src\/protocol\/(\w+)\//.exec(path)?.[1];
    const crossing = inSrc.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => face(path) && face(target) && face(path) !== face(target))
        .map(describeImport),
    );
    expect(crossing).toEqual([]);
  });

  test("local knows core and queue files alone, and the Worker does not know it", () => {
    const known = ["local", "core", "queue-file"];
    expect(turned("local", (found) => !found.isLocal || known.includes(roomOf(found)))).toEqual([]);
    const users = inSrc
      .filter(({ path }) => !path.startsWith("src/local/"))
      .flatMap(({ imports }) => imports)
      .filter((found) => roomOf(found) === "local");
    expect(users.map(describeImport)).toEqual([]);
  });

  test("the client knows nothing but itself: it runs anywhere, and ships alone", () => {
    expect(turned("client", (found) => found.isLocal && roomOf(found) === "client")).toEqual([]);
    const users = inSrc
      .filter(({ path }) => !path.startsWith("src/client/"))
      .flatMap(({ imports }) => imports)
      .filter((found) => roomOf(found) === "client");
    expect(users.map(describeImport)).toEqual([]);
  });

  test("every file is used", () => {
    const roots = new Set([
      "src/worker.ts",
      "src/client/index.ts",
      ...["accounts", "build", "client-size", "keys", "queues", "start"].map(
        (command) => `src/local/${command}.ts`,
      ),
    ]);
    const imported = new Set(sources.flatMap(({ imports }) => imports.map(({ target }) => target)));
    const usedBySrc = new Set(inSrc.flatMap(({ imports }) => imports.map(({ target }) => target)));
    const isRoot = (path: string) =>
      roots.has(path) || /\.(test|config)\.ts$|\/bench\/main\.ts$/.test(path);
    const unused = [
      ...inSrc.filter(({ path }) => !isRoot(path) && !usedBySrc.has(path)),
      ...inTest.filter(
        ({ path, lines }) =>
          !isRoot(path) && !imported.has(path) && !isNamedBySibling(path) && lines.length > 0,
      ),
    ];
    expect(unused.map(({ path }) => path)).toEqual([]);
  });
});

describe("time and chance", () => {
  /** Shells: where the platform's clock and dice are taken, to be passed on as arguments. */
  const SHELLS =
    /^src\/(worker|app|.*-object|.*\/routes|.*\/app|dispatch\/dispatcher|client\/platform)\.ts$/;

  test.each([["Date.now("], ["new Date()"], ["performance.now("], ["Math.random("]])(
    "%s is called in shells only",
    (call) => {
      const elsewhere = find(inSrc, (line) => line.includes(call)).filter(
        ({ path }) => !SHELLS.test(path) && !path.startsWith("src/local/"),
      );
      expect(elsewhere.map(describeLine)).toEqual([]);
    },
  );
});

describe("SQL", () => {
  const STATEMENT =
    /\b(SELECT\s.*\bFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+(UNIQUE\s+)?(TABLE|INDEX)|PRAGMA\s)/;

  test("is in schema.ts and store.ts alone", () => {
    const elsewhere = find(
      inSrc,
      (line) => STATEMENT.test(line) || line.includes("sql.exec("),
    ).filter(({ path }) => !/[/-](schema|store)\.ts$/.test(path));
    expect(elsewhere.map(describeLine)).toEqual([]);
  });

  test("is recognised", () => {
    expect(find(inSrc, (line) => STATEMENT.test(line)).length).toBeGreaterThan(5);
  });
});

describe("leftovers", () => {
  // Written in two halves, so that this file does not find itself.
  const MARKERS = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].map(
    (word) => `\\b${word}\\b`,
  );
  const SWITCHED_OFF = [
    "\\.sk" + "ip\\(",
    "\\.on" + "ly\\(",
    "\\.to" + "do\\(",
    "\\.fa" + "ils\\(",
  ];
  const SLEEPS = [
    "scheduler\\.wa" + "it",
    "timers/pro" + "mises",
    "setTimeout\\((resolve|done|r)\\b",
  ];
  const UNTYPED = ["@ts-" + "ignore", "@ts-" + "expect-error", "@ts-" + "nocheck"];
  // There each is a wrong use that the compiler must refuse.
  const typed = sources.filter(({ path }) => path !== "test/client/types.test.ts");

  test.each([
    ["marker of unfinished work", sources, MARKERS],
    ["test that is switched off", inTest, SWITCHED_OFF],
    ["sleep in a test", inTest.filter(({ path }) => !path.startsWith("test/bench/")), SLEEPS],
    ["hole in the types", typed, UNTYPED],
    ["forgotten debugging", sources, ["\\bdebug" + "ger\\b"]],
  ] as const)("no %s", (_what, where, patterns) => {
    const pattern = new RegExp(patterns.join("|"));
    expect(find(where, (line) => pattern.test(line)).map(describeLine)).toEqual([]);
  });

  test("no prose beyond 120 columns; code is the formatter's affair", () => {
    const isProse = (line: string) => /^\s*(\/\/|\/?\*)/.test(line) && !/-{9}$/.test(line);
    const long = find(sources, (line) => line.length > 120 && isProse(line));
    expect(long.map(describeLine)).toEqual([]);
  });
});

describe("README", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const config = readFileSync(join(ROOT, "src/core/config.ts"), "utf8");

  test("describes exactly the settings that are read", () => {
    const read = [...config.matchAll(/\(env, "([A-Z_]+)"/g)].map(([, name]) => name);
    const described = [...readme.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(([, name]) => name);
    expect(read.length).toBeGreaterThan(5);
    expect(described.sort()).toEqual(read.sort());
  });

  test("links to files that exist", () => {
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => path ?? "");
    expect(links.length).toBeGreaterThan(0);
    const missing = links.filter((path) => {
      try {
        readFileSync(join(ROOT, path));
        return false;
      } catch {
        return true;
      }
    });
    expect(missing).toEqual([]);
  });
});

/** Imports of a room that are not `allowed`. */
function turned(room: string, allowed: (found: Import) => boolean): string[] {
  return inSrc
    .filter(({ path }) => path.startsWith(`src/${room}/`))
    .flatMap(({ imports }) => imports.filter((found) => !allowed(found)))
    .map(describeImport);
}

/**
 * Towards core: core itself, the own room, the bindings, and what another room publishes as types.
 */
function isInward(found: Import, room: string): boolean {
  if (!found.isLocal) return false;
  const target = roomOf(found);
  if (target === "core" || target === room) return true;
  if (["src/env.ts", "src/object-schema.ts", "src/stubs.ts"].includes(found.target)) return true;
  return found.typeOnly && /\/[\w-]*service\.ts$/.test(found.target);
}

function isPlatform(found: Import): boolean {
  return !found.isLocal && found.target.startsWith("cloudflare:");
}

/** The folder below src, or "" for the files right in it. */
function roomOf(found: Import): string {
  return /^src\/([\w-]+)\//.exec(found.target)?.[1] ?? "";
}

function describeImport(found: Import): string {
  return `${found.from} imports ${found.target}`;
}

/** A file that a test starts by its name (a worker thread, an example) is mentioned beside it. */
function isNamedBySibling(path: string): boolean {
  const name = posix.basename(path);
  return inTest.some(
    (source) => source.path !== path && source.lines.some((line) => line.includes(name)),
  );
}

interface FoundLine {
  readonly path: string;
  readonly number: number;
  readonly text: string;
}

function find(where: readonly Source[], fits: (line: string) => boolean): FoundLine[] {
  return where.flatMap(({ path, lines }) =>
    lines
      .map((text, index) => ({ path, number: index + 1, text }))
      .filter(({ text }) => fits(text)),
  );
}

function describeLine({ path, number, text }: FoundLine): string {
  return `${path}:${number}: ${text.trim()}`;
}

function readSources(folder: string): Source[] {
  return (
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      // Generated code keeps the style of its generator.
      .filter((file) => file.endsWith(".ts") && !file.startsWith(join("protocol", "rpc", "gen")))
      .sort()
      .map((file) => {
        const path = posix.join(folder, ...file.split(sep));
        const text = readFileSync(join(ROOT, path), "utf8");
        return { path, lines: text.split("\n"), imports: readImports(path, text) };
      })
  );
}

function readImports(path: string, text: string): Import[] {
  const statements = text.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:([^;"']*?)\s+from\s+)?["']([^"']+)["']/gm,
  );
  const imported = (specifier: string, typeOnly: boolean): Import => {
    const isLocal = specifier.startsWith(".");
    const target = isLocal ? posix.join(posix.dirname(path), specifier) : specifier;
    return { from: path, target, isLocal, typeOnly };
  };
  return [
    ...[...statements].map(([, typeKeyword, names, specifier = ""]) =>
      imported(specifier, typeKeyword !== undefined || isTypeList(names)),
    ),
    ...[...text.matchAll(/\bimport\("(\.[^"]+)"\)/g)].map(([, specifier = ""]) =>
      imported(specifier, false),
    ),
  ];
}

/** `{ type A, type B }` */
function isTypeList(names: string | undefined): boolean {
  const list = /^\{(.*)\}$/s.exec(names?.trim() ?? "")?.[1];
  if (list === undefined) return false;
  const items = list.split(",").filter((item) => item.trim() !== "");
  return items.length > 0 && items.every((item) => /^\s*type\s/.test(item));
}
