/** Queue files of this machine, read without a server. */
import { readFile } from "node:fs/promises";
import { readConfig } from "../core/config.ts";
import { parseQueueFile } from "../queue-file/queue-file.ts";
import { problemLines } from "./queue-report.ts";

/** The text of a file; throws with the file's name and why it cannot be read. */
export async function readQueueFile(file: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isNoText = code === "ERR_ENCODING_INVALID_ENCODED_DATA";
    const missing = code === "ENOENT" ? "there is no such file" : message;
    const reason = isNoText ? "it is not UTF-8" : missing;
    throw new Error(`${file} cannot be read: ${reason}`);
  }
}

/**
 * Reads a file as a deployment with these settings would; what it has in it, as a phrase. Throws
 * with a line for everything that is wrong: `queue.yaml:3: queue[0].rate: must be ...`.
 */
export async function checkQueueFile(
  file: string,
  settings: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const parsed = parseQueueFile(await readQueueFile(file), readConfig(settings));
  if (!parsed.ok) throw new Error(problemLines(file, parsed.problems));
  const { length } = parsed.file.queues;
  return `${length} ${length === 1 ? "queue" : "queues"}, nothing wrong`;
}
