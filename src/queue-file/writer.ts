/**
 * Writes queues as a queue.yaml or a queue.xml. Read again, either gives the same queues: the same
 * settings from the same defaults, where what comes back as a default is left out, rates and ages
 * come in the unit that makes them whole, and queues that stand still have a rate of 0.
 */
import type { DeploymentConfig } from "../core/config.ts";
import type { QueueRecord } from "../core/model.ts";
import { describeQueue, elementsOf, rateText, shorten, unwritable } from "./description.ts";
import { MAX_QUEUES } from "./forms.ts";
import type { FileFormat, QueueDescription } from "./queue-file.ts";

/** Writes the queues in their order; `title` says whose they are. */
export function writeQueueFile(
  queues: readonly QueueRecord[],
  format: FileFormat,
  title: string,
  config: DeploymentConfig,
): string {
  // Resuming is the default, and a pull queue has no rate to pause it by.
  const keepsPaused = queues.some(
    ({ settings, state }) => settings.type === "PULL" && state !== "RUNNING",
  );
  const notes = [
    title,
    ...(queues.length > MAX_QUEUES
      ? [`${queues.length} queues; a file that is applied may have ${MAX_QUEUES}.`]
      : []),
  ];
  const written = queues.map((record) => writeQueue(record, config));
  return format === "yaml" ? yamlFile(written, notes, keepsPaused) : xmlFile(written, notes);
}

interface WrittenQueue {
  readonly queue: QueueDescription;
  /** For whoever reads the file. */
  readonly notes: readonly string[];
}

function writeQueue(record: QueueRecord, config: DeploymentConfig): WrittenQueue {
  const whole = describeQueue(record);
  const isPaused = whole.mode === "push" && record.state !== "RUNNING";
  const leftOut = unwritable(record);
  return {
    queue: shorten(isPaused ? { ...whole, rate: 0 } : whole, config),
    notes: [
      ...(isPaused ? [`Paused; its rate when resumed: ${rateText(whole.rate ?? 0)}.`] : []),
      ...(leftOut.length > 0 ? [`Not for this file to say: ${leftOut.join(", ")}.`] : []),
    ],
  };
}

// ---- YAML ------------------------------------------------------------------------------------

function yamlFile(
  queues: readonly WrittenQueue[],
  notes: readonly string[],
  keepsPaused: boolean,
): string {
  const lines = [
    ...notes.map((note) => `# ${note}`),
    ...(keepsPaused ? ["resume_paused_queues: false"] : []),
    queues.length === 0 ? "queue: []" : "queue:",
    ...queues.flatMap(yamlQueue),
  ];
  return `${lines.join("\n")}\n`;
}

function yamlQueue({ queue, notes }: WrittenQueue): readonly string[] {
  const elements = elementsOf(queue);
  const parameters = elements.filter(([element]) => element.startsWith(RETRY));
  const { userEmails = [], writerEmails = [] } = queue.acl ?? {};
  return [
    `- name: ${yamlScalar(queue.name)}`,
    ...notes.map((note) => `  # ${note}`),
    ...elements
      .filter((element) => !parameters.includes(element))
      .map(([element, text]) => `  ${element}: ${text}`),
    ...(parameters.length > 0 ? ["  retry_parameters:"] : []),
    ...parameters.map(([element, text]) => `    ${element.slice(RETRY.length)}: ${text}`),
    ...(queue.acl === undefined ? [] : ["  acl:"]),
    ...userEmails.map((email) => `  - user_email: ${yamlScalar(email)}`),
    ...writerEmails.map((email) => `  - writer_email: ${yamlScalar(email)}`),
  ];
}

const RETRY = "retry_parameters.";

/** Quoted wherever any YAML reader might see more than a word in it. */
function yamlScalar(text: string): string {
  const isPlain = /^[A-Za-z][A-Za-z0-9.@+_-]*$/.test(text);
  const isWord = /^(?:y|n|yes|no|on|off|true|false|null)$/i.test(text);
  return isPlain && !isWord ? text : JSON.stringify(text);
}

// ---- XML -------------------------------------------------------------------------------------

function xmlFile(queues: readonly WrittenQueue[], notes: readonly string[]): string {
  const lines = [
    '<?xml version="1.0" encoding="utf-8"?>',
    ...notes.map(xmlComment),
    "<queue-entries>",
    ...queues.flatMap(xmlQueue).map((line) => `  ${line}`),
    "</queue-entries>",
  ];
  return `${lines.join("\n")}\n`;
}

function xmlQueue({ queue, notes }: WrittenQueue): readonly string[] {
  const elements = elementsOf(queue);
  const parameters = elements.filter(([element]) => element.startsWith(RETRY));
  const { userEmails = [], writerEmails = [] } = queue.acl ?? {};
  return [
    "<queue>",
    ...notes.map((note) => `  ${xmlComment(note)}`),
    `  ${xmlElement("name", queue.name)}`,
    ...elements
      .filter((element) => !parameters.includes(element))
      .map(([element, text]) => `  ${xmlElement(element, text)}`),
    ...xmlGroup(
      "retry-parameters",
      parameters.map(([element, text]) => xmlElement(element.slice(RETRY.length), text)),
    ),
    ...xmlGroup("acl", [
      ...userEmails.map((email) => xmlElement("user_email", email)),
      ...writerEmails.map((email) => xmlElement("writer_email", email)),
    ]),
    "</queue>",
  ];
}

function xmlGroup(name: string, lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return [];
  return [`  <${name}>`, ...lines.map((line) => `    ${line}`), `  </${name}>`];
}

function xmlElement(element: string, text: string): string {
  const name = element.replaceAll("_", "-");
  return `<${name}>${escapeXml(text)}</${name}>`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Two hyphens would end it. */
function xmlComment(text: string): string {
  return `<!-- ${text.replaceAll(/-(?=-)/g, "- ")} -->`;
}
