/**
 * Prints what the client weighs in somebody's bundle: minified and gzipped. Fails where Task and
 * Queue pass their bound.
 */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { ROOT } from "./build.ts";

/** Bytes of Task and Queue, gzipped, at most. */
export const MAX_CLIENT_SIZE = 15 * 1024;

/** Bytes of a bundle that uses these exports of the client, minified and gzipped. */
export async function clientSize(names: readonly string[]): Promise<number> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${names.join(", ")} } from "./index.ts";`,
      resolveDir: join(ROOT, "src", "client"),
    },
    bundle: true,
    format: "esm",
    minify: true,
    target: "es2022",
    write: false,
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

if (import.meta.main) {
  const bundles = [
    ["Task", "Queue"],
    ["Task", "Queue", "pullWorker"],
    ["taskHandler", "verifyOidc", "verifySignature"],
  ];
  for (const names of bundles) {
    const size = await clientSize(names);
    console.log(`${names.join(", ")}: ${size} bytes gzipped`);
    if (names.length === 2 && size > MAX_CLIENT_SIZE) {
      console.error(`more than the ${MAX_CLIENT_SIZE} bytes that they may have`);
      process.exitCode = 1;
    }
  }
}
