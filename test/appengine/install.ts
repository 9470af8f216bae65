/**
 * Installs the App Engine SDKs that the proof runs: Python's in a virtual environment, Go's by
 * building the program that uses it. A language that this machine does not have is left out with a
 * line that says so; everything else that fails is a failure.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  buildGo,
  PYTHON,
  PYTHON_STAMP,
  REQUIREMENTS,
  requirementsDigest,
  SDK_FOLDER,
} from "./sdk.ts";

mkdirSync(SDK_FOLDER, { recursive: true });
if (isThere("python3", "--version")) installPython();
else console.warn("SKIPPED: App Engine's Python SDK: there is no python3 on this machine");
if (isThere("go", "version")) buildGo();
else console.warn("SKIPPED: App Engine's Go SDK: there is no go on this machine");

function installPython(): void {
  const digest = requirementsDigest();
  if (existsSync(PYTHON_STAMP) && readFileSync(PYTHON_STAMP, "utf8") === digest) return;
  const environment = join(SDK_FOLDER, "venv");
  rmSync(environment, { recursive: true, force: true });
  run("python3", "-m", "venv", environment);
  run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS);
  writeFileSync(PYTHON_STAMP, digest);
}

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: "inherit" });
}

function isThere(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
