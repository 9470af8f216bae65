/**
 * Bundles the Worker into dist/ with `wrangler deploy --dry-run`: the bundle that is deployed.
 * Beside it lies manifest.json, what the local server must know of wrangler.toml, so that a start
 * without changes needs neither the bundler nor a TOML reader.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The part of wrangler.toml that the bundle needs to run, and what it was made from. */
export interface Manifest {
  /** Hash of everything that goes into the bundle. */
  readonly sources: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly objects: readonly { readonly binding: string; readonly className: string }[];
  readonly vars: Readonly<Record<string, string>>;
  /** Names of service bindings; there is nothing to bind them to on one machine. */
  readonly services: readonly string[];
}

/** The part of what wrangler reads that counts here. */
interface WranglerConfig {
  readonly compatibility_date: string | undefined;
  readonly compatibility_flags: readonly string[];
  readonly durable_objects: {
    readonly bindings: readonly { readonly name: string; readonly class_name: string }[];
  };
  readonly vars: Readonly<Record<string, unknown>>;
  readonly services?: readonly { readonly binding: string }[] | undefined;
}

export interface Bundle {
  readonly manifest: Manifest;
  /** Path of the one module. */
  readonly module: string;
}

/** The root of the project. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const DIST = join(ROOT, "dist");
const MODULE = "worker.js";
/** Files besides src/ that change what the bundler makes. */
const INPUTS = ["wrangler.toml", "tsconfig.json", "package-lock.json"];

/** The bundle of the sources as they are now; built first where dist/ holds an older one. */
export async function currentBundle(onBuild: () => void): Promise<Bundle> {
  const sources = await hashSources();
  const kept = await readManifest();
  if (kept?.sources === sources) return { manifest: kept, module: join(DIST, MODULE) };
  onBuild();
  const manifest = await build(sources);
  return { manifest, module: join(DIST, MODULE) };
}

/**
 * Builds beside dist/ and swaps the folders, so that a server starting meanwhile sees a whole one.
 */
async function build(sources: string): Promise<Manifest> {
  const folder = join(ROOT, ".wrangler", `build-${process.pid}`);
  await rm(folder, { recursive: true, force: true });
  try {
    const [manifest] = await Promise.all([describe(sources), runBundler(folder)]);
    const extra = (await readdir(folder)).filter(
      (file) => !/^(worker\.js(\.map)?|README\.md)$/.test(file),
    );
    if (extra.length > 0) {
      throw new Error(`the bundle has modules that the local server does not know: ${extra}`);
    }
    await writeFile(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    await rm(DIST, { recursive: true, force: true });
    await rename(folder, DIST);
    return manifest;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function describe(sources: string): Promise<Manifest> {
  const { unstable_readConfig: readConfig } = await import("wrangler");
  const config: WranglerConfig = readConfig(
    { config: join(ROOT, "wrangler.toml") },
    { hideWarnings: true },
  );
  if (config.compatibility_date === undefined) {
    throw new Error("wrangler.toml has no compatibility_date");
  }
  const vars: Record<string, string> = {};
  for (const [name, value] of Object.entries(config.vars)) {
    if (typeof value !== "string") throw new Error(`wrangler.toml: setting ${name} must be text`);
    vars[name] = value;
  }
  return {
    sources,
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    objects: config.durable_objects.bindings.map((binding) => ({
      binding: binding.name,
      className: binding.class_name,
    })),
    vars,
    services: (config.services ?? []).map((service) => service.binding),
  };
}

/** Runs wrangler with its output held back; a failure carries that output. */
function runBundler(folder: string): Promise<void> {
  const wrangler = join(dirname(fileURLToPath(import.meta.resolve("wrangler"))), "..");
  const child = spawn(
    process.execPath,
    [join(wrangler, "bin", "wrangler.js"), "deploy", "--dry-run", "--outdir", folder],
    {
      cwd: ROOT,
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", FORCE_COLOR: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the Worker could not be bundled:\n${output.trim()}`));
    });
  });
}

/**
 * Hashes names and contents of all sources but the local server's own, which is not in the bundle.
 */
async function hashSources(): Promise<string> {
  const local = join(ROOT, "src", "local");
  const files = (await readdir(join(ROOT, "src"), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.parentPath.startsWith(local))
    .map((entry) => join(entry.parentPath, entry.name));
  files.push(...INPUTS.map((file) => join(ROOT, file)));
  const hash = createHash("sha256");
  for (const file of files.sort()) {
    const contents = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    hash.update(`${relative(ROOT, file)} ${contents}\n`);
  }
  return hash.digest("hex");
}

async function readManifest(): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(join(DIST, "manifest.json"), "utf8")) as Manifest;
  } catch {
    return undefined;
  }
}

/** Copies the bundle's module to where a server's configuration can name it. */
export async function copyModule(bundle: Bundle, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await cp(bundle.module, join(folder, MODULE));
  return MODULE;
}

if (import.meta.main) {
  try {
    const bundle = await currentBundle(() => console.log("building dist/ …"));
    console.log(`dist/ is up to date: ${relative(ROOT, bundle.module)}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
