/**
 * One server a data folder. Two would each run every alarm and write the same databases. The lock
 * is a file with the process ids of the server and of its workerd: either one alive holds the
 * folder.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Holder {
  readonly server: number;
  /** Absent until workerd runs. */
  readonly workerd?: number;
}

export interface FolderLock {
  /** Says which process holds the databases open from now on. */
  recordWorkerd(pid: number): void;
  release(): void;
}

/** Takes the lock of the folder, also a stale one; throws with the holder's id where one lives. */
export function lockFolder(folder: string): FolderLock {
  const file = join(folder, "server.lock");
  if (!tryCreate(file)) {
    const holder = livingHolder(file, folder);
    if (holder !== undefined) {
      throw new Error(`the data folder ${folder} is in use by another server (process ${holder})`);
    }
    rmSync(file, { force: true });
    if (!tryCreate(file)) {
      throw new Error(`the data folder ${folder} was just taken by another server`);
    }
  }
  return {
    recordWorkerd: (pid) => writeFileSync(file, encode({ server: process.pid, workerd: pid })),
    release: () => rmSync(file, { force: true }),
  };
}

function tryCreate(file: string): boolean {
  try {
    writeFileSync(file, encode({ server: process.pid }), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** A process id is used again sooner or later, so the process must also look like the holder. */
function livingHolder(file: string, folder: string): number | undefined {
  let holder: Holder;
  try {
    holder = JSON.parse(readFileSync(file, "utf8")) as Holder;
  } catch {
    return undefined;
  }
  if (holder.workerd !== undefined && commandLine(holder.workerd)?.includes(folder)) {
    return holder.workerd;
  }
  const isServer =
    holder.server !== process.pid && commandLine(holder.server)?.includes("start.ts");
  return isServer ? holder.server : undefined;
}

/** The command line of a process; undefined when there is no such process. */
function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    try {
      return execFileSync("ps", ["-p", String(pid), "-o", "args="], { encoding: "utf8" });
    } catch {
      return undefined;
    }
  }
}

function encode(holder: Holder): string {
  return `${JSON.stringify(holder)}\n`;
}
