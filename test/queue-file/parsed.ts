/** Queue files, and how they are read for comparison. */
/// <reference path="./raw.d.ts" />
import { readConfig } from "../../src/core/config.ts";
import { parseQueueFile, type QueueDescription } from "../../src/queue-file/queue-file.ts";

import queueXml from "./fixtures/queue.xml?raw";
import queueYaml from "./fixtures/queue.yaml?raw";

/** The same queues in both forms, with every element there is. */
export { queueXml, queueYaml };

const CONFIG = readConfig({});

/** The queues of a file that is well formed, wherever in it they are. */
export function descriptionsOf(text: string): readonly QueueDescription[] {
  const parsed = parseQueueFile(text, CONFIG);
  if (!parsed.ok) throw new Error(`${JSON.stringify(parsed.problems)}\n${text}`);
  return parsed.file.queues.map(({ line: _, path: __, ...queue }) => queue);
}

/** The same, in the order in which queues are listed. */
export function sortedDescriptionsOf(text: string): readonly QueueDescription[] {
  return descriptionsOf(text).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
