/** queue.xml read: the same file in the other form, and what is refused with its line. */
import { describe, expect, it, test } from "vitest";
import { readConfig } from "../../src/core/config.ts";
import { formatOf, parseQueueFile } from "../../src/queue-file/queue-file.ts";
import { descriptionsOf, queueXml, queueYaml } from "./parsed.ts";

const CONFIG = readConfig({});

/** A file of one queue with these lines, which begin in line 4. */
function file(...lines: string[]): string {
  return [
    "<queue-entries>",
    "<queue>",
    "<name>q</name>",
    ...lines,
    "</queue>",
    "</queue-entries>",
  ].join("\n");
}

/** `line element message` of every problem. */
function problemsOf(text: string): readonly string[] {
  const parsed = parseQueueFile(text, CONFIG);
  if (parsed.ok) return [];
  return parsed.problems.map(({ line, element, message }) => `${line} ${element} ${message}`);
}

describe("a file", () => {
  it("says the same as its queue.yaml", () => {
    expect(descriptionsOf(queueXml)).toEqual(descriptionsOf(queueYaml));
    expect(descriptionsOf(queueXml)).toHaveLength(7);
  });

  it.each([
    ["<queue-entries/>", "xml"],
    ["\uFEFF<queue-entries/>", "xml"],
    ["\n  <!-- nothing --><queue-entries/>", "xml"],
    ["queue: []", "yaml"],
    ["# <queue-entries/>", "yaml"],
    ["", "yaml"],
  ])("%j is known by its first character", (text, format) => {
    expect(formatOf(text)).toBe(format);
    if (format === "xml") expect(descriptionsOf(text)).toEqual([]);
  });

  it("may have blanks, CDATA and references within values", () => {
    const [queue] = descriptionsOf(
      file("<mode>\n pull </mode>", "<acl><user-email><![CDATA[a]]>&amp;b@c.d</user-email></acl>"),
    );
    expect(queue).toMatchObject({ mode: "pull", acl: { userEmails: ["a&b@c.d"] } });
  });

  it("names the line in which an element begins", () => {
    const parsed = parseQueueFile(
      "<queue-entries\n>\n<queue\n>\n<name>a</name>\n<rate>1/s</rate></queue></queue-entries>",
      CONFIG,
    );
    expect(parsed).toMatchObject({ ok: true, file: { queues: [{ line: 3, path: "queue[0]" }] } });
  });
});

describe("problems", () => {
  const RATE = "<rate>1/s</rate>";
  test.each([
    ["<queues/>", ["1  The root must be <queue-entries>, not <queues>."]],
    ["<queue-entries>", ["1  unclosed tag: queue-entries."]],
    ["<queue-entries>\n</queues>", ["2  unexpected close tag."]],
    ["<queue-entries/><queue-entries/>", ["1  documents may contain only one root."]],
    ["<queue-entries>\nhello</queue-entries>", ["1  must hold elements, not text."]],
    [
      '<!DOCTYPE q [\n<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<queue-entries>&b;</queue-entries>',
      ["2  A document type is not allowed."],
    ],
    [
      '<!DOCTYPE q SYSTEM "file:///etc/passwd"><queue-entries/>',
      ["1  A document type is not allowed."],
    ],
    [
      "<queue-entries>\n<queue><name>&other;</name></queue></queue-entries>",
      ["2  undefined entity."],
    ],
    [
      '<queue-entries>\n<queue name="q"/></queue-entries>',
      ["2  <queue> cannot have the attribute name."],
    ],
    [
      "<queue-entries>\n<resume-paused-queues>false</resume-paused-queues></queue-entries>",
      ["2 resume-paused-queues is unknown here. Known elements: queue, total-storage-limit."],
    ],
    [
      "<queue-entries>\n<total-storage-limit>1X</total-storage-limit></queue-entries>",
      ['2 total-storage-limit must be a number with B, K, M, G or T, not "1X".'],
    ],
    ["<queue-entries>\n<queue/></queue-entries>", ["2 queue[0] must have a name."]],
    [file(), ["2 queue[0] must have a rate: every push queue but the default one does."]],
    [file(RATE, RATE), ["5 queue[0].rate is already given in line 4."]],
    [file("<rate></rate>"), ["4 queue[0].rate has no value."]],
    [file("<rate><s>5</s></rate>"), ["4 queue[0].rate must be a single value."]],
    [
      file("<rate>5/w</rate>"),
      [
        '4 queue[0].rate must be 0, or a number of tasks per s, m, h or d (such as 5/s), not "5/w".',
      ],
    ],
    [file("<rate>501/s</rate>"), ["4 queue[0].rate must be at most 500 per second."]],
    [file(RATE, "<bucket-size>501</bucket-size>"), ["5 queue[0].bucket-size must be at most 500."]],
    [
      file(RATE, "<bucket_size>5</bucket_size>"),
      [expect.stringMatching(/^5 queue\[0\]\.bucket_size is unknown here\. .* bucket-size, /)],
    ],
    [
      file(RATE, "<max-concurrent-requests>x</max-concurrent-requests>"),
      ['5 queue[0].max-concurrent-requests must be a whole number of 0 or more, not "x".'],
    ],
    [file(RATE, "<mode>both</mode>"), ['5 queue[0].mode must be push or pull, not "both".']],
    [
      file(RATE, "<target>A B</target>"),
      [expect.stringMatching(/^5 queue\[0\]\.target must be a service/)],
    ],
    [
      file(
        "<mode>pull</mode>",
        RATE,
        "<retry-parameters>",
        "<max-doublings>1</max-doublings>",
        "</retry-parameters>",
      ),
      [
        "5 queue[0].rate cannot be set for a pull queue.",
        "7 queue[0].retry-parameters.max-doublings cannot be set for a pull queue.",
      ],
    ],
    [
      file(
        RATE,
        "<retry-parameters><min-backoff-seconds>2</min-backoff-seconds>",
        "<max-backoff-seconds>1</max-backoff-seconds></retry-parameters>",
      ),
      [
        "5 queue[0].retry-parameters.min-backoff-seconds must not be greater than max-backoff-seconds.",
      ],
    ],
    [
      file(RATE, "<retry-parameters><task-age-limit>0s</task-age-limit></retry-parameters>"),
      ["5 queue[0].retry-parameters.task-age-limit must be greater than 0."],
    ],
    [
      file(RATE, "<retry-parameters>5</retry-parameters>"),
      ["5 queue[0].retry-parameters must hold elements, not text."],
    ],
    [
      file(RATE, "<acl><user-email>a@b.c</user-email></acl>"),
      ["5 queue[0].acl cannot be set for a push queue."],
    ],
    [
      file("<mode>pull</mode>", "<acl>", "<owner>a@b.c</owner>", "</acl>"),
      [
        expect.stringMatching(/^6 queue\[0\]\.acl\.owner is unknown here/),
        "6 queue[0].acl must have a user-email or a writer-email.",
      ],
    ],
    [
      file("<mode>pull</mode>", "<acl><user-email>a b</user-email></acl>"),
      ['5 queue[0].acl.user-email must be the email of an account, not "a b".'],
    ],
    [
      "<queue-entries>\n<queue><name>a</name><mode>pull</mode></queue>\n<queue><name>a</name><mode>pull</mode></queue></queue-entries>",
      ['3 queue[1].name "a" is already the name of the queue in line 2.'],
    ],
    [
      `<queue-entries>${"<queue/>".repeat(101)}</queue-entries>`,
      ["1 queue has 101 queues; at most 100 are allowed."],
    ],
    [`<queue-entries>${"<a>".repeat(50_000)}`, ["1  unclosed tag: a."]],
  ])("%j", (text, expected) => {
    expect(problemsOf(text)).toEqual(expected);
  });
});
