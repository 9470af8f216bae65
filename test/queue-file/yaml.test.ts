/** queue.yaml read: every element, unit, default and rule between elements, with line numbers. */
import { describe, expect, it, test } from "vitest";
import { readConfig } from "../../src/core/config.ts";
import { parseQueueFile, type QueueEntry } from "../../src/queue-file/queue-file.ts";
import { creationOf, isExempt, isPausing, updateOf } from "../../src/queue-file/settings.ts";

const CONFIG = readConfig({});

/** The queues of a file that is well formed. */
function queuesOf(text: string): readonly QueueEntry[] {
  const parsed = parseQueueFile(text, CONFIG);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.file.queues;
}

/** A file of one queue with these lines. */
function file(...lines: string[]): string {
  return ["queue:", "- name: q", ...lines.map((line) => `  ${line}`)].join("\n");
}

/** `line element message` of every problem. */
function problemsOf(text: string): readonly string[] {
  const parsed = parseQueueFile(text, CONFIG);
  if (parsed.ok) return [];
  return parsed.problems.map(({ line, element, message }) => `${line} ${element} ${message}`);
}

describe("a file", () => {
  it("gives every element of a push queue", () => {
    const text = `
total_storage_limit: 120M
resume_paused_queues: False
application: s~my-app
queue:
# The busy one.
- name: mail-queue
  mode: push
  rate: 30/m
  bucket_size: 40
  max_concurrent_requests: 10
  target: v2.worker
  retry_parameters:
    task_retry_limit: 7
    task_age_limit: 2d
    min_backoff_seconds: 0.5
    max_backoff_seconds: 1e2
    max_doublings: 0
- name: pulled
  mode: pull
  retry_parameters:
    task_retry_limit: 3
  acl:
  - user_email: a@example.com
  - writer_email: b@example.com
`;
    const parsed = parseQueueFile(text, CONFIG);
    expect(parsed).toEqual({
      ok: true,
      file: {
        resumePausedQueues: false,
        queues: [
          {
            name: "mail-queue",
            line: 7,
            path: "queue[0]",
            mode: "push",
            rate: 0.5,
            bucketSize: 40,
            maxConcurrentRequests: 10,
            target: { service: "worker", version: "v2" },
            retry: {
              taskRetryLimit: 7,
              taskAgeLimitUs: 2 * 86_400e6,
              minBackoffUs: 0.5e6,
              maxBackoffUs: 100e6,
              maxDoublings: 0,
            },
          },
          {
            name: "pulled",
            line: 19,
            path: "queue[1]",
            mode: "pull",
            retry: { taskRetryLimit: 3 },
            acl: { userEmails: ["a@example.com"], writerEmails: ["b@example.com"] },
          },
        ],
      },
    });
  });

  it.each([
    ["rate: 5/s", 5],
    ["rate: 90/m", 1.5],
    ["rate: 1800/h", 0.5],
    ["rate: 43200/d", 0.5],
    ["rate: 2.5/s", 2.5],
    ["rate: 3./s", 3],
    ['rate: "5/s"', 5],
    ["rate: 0", 0],
    ["rate: 0/s", 0],
    ["rate: 500/s", 500],
  ])("%s is a rate", (line, rate) => {
    expect(queuesOf(file(line))[0]?.rate).toBe(rate);
  });

  it.each([
    ["30s", 30e6],
    ["1.5m", 90e6],
    ["2h", 7200e6],
    ["1d", 86_400e6],
    ["1e3s", 1000e6],
  ])("task_age_limit: %s is an age", (age, us) => {
    const [queue] = queuesOf(file("rate: 1/s", "retry_parameters:", `  task_age_limit: ${age}`));
    expect(queue?.retry.taskAgeLimitUs).toBe(us);
  });

  it.each([
    ["worker", { service: "worker" }],
    ["v1.worker", { service: "worker", version: "v1" }],
  ])("target: %s", (text, target) => {
    expect(queuesOf(file("rate: 1/s", `target: ${text}`))[0]?.target).toEqual(target);
  });

  it("may have no queues, and reads names as they are written", () => {
    expect(queuesOf("queue:\n")).toEqual([]);
    expect(queuesOf("queue: []\n")).toEqual([]);
    expect(queuesOf("total_storage_limit: 1G\n")).toEqual([]);
    expect(queuesOf("queue:\n- name: 010\n  rate: 1/s")[0]?.name).toBe("010");
    expect(queuesOf("queue:\n- {name: yes, rate: 1/s}")[0]?.name).toBe("yes");
  });

  it("lets the default queue do without a rate", () => {
    expect(queuesOf("queue:\n- name: default\n  target: web")[0]).toMatchObject({ mode: "push" });
  });

  it("follows aliases", () => {
    const text =
      "queue:\n- name: a\n  rate: 1/s\n  retry_parameters: &r\n    max_doublings: 2\n" +
      "- name: b\n  rate: 1/s\n  retry_parameters: *r\n";
    expect(queuesOf(text)[1]?.retry).toEqual({ maxDoublings: 2 });
  });
});

describe("problems", () => {
  const NUMBER = "a whole number of 0 or more";
  test.each([
    ["", ["1  The file is empty."]],
    ["- a", ["1  must be a mapping of elements to values."]],
    ["queue: x", ["1 queue must be a list."]],
    ["queue:\n- x", ["2 queue[0] must be a mapping of elements to values."]],
    [
      "queues: []",
      [
        "1 queues is unknown here. Known elements: queue, total_storage_limit, resume_paused_queues, application.",
      ],
    ],
    ["queue: [\n", [expect.stringMatching(/^2 {2}Flow sequence/)]],
    ["queue: []\n---\nqueue: []", ["2  A file is one document only."]],
    [
      "queue:\n- name: q\n  rate: 1/s\n  rate: 2/s",
      ["4 queue[0].rate is already given in line 3."],
    ],
    ["queue:\n\n- rate: 5/s", ["3 queue[0] must have a name."]],
    [
      "total_storage_limit: lots",
      ['1 total_storage_limit must be a number with B, K, M, G or T, not "lots".'],
    ],
    ["resume_paused_queues: maybe", [expect.stringContaining("must be true or false")]],
    ["application: a/b", ['1 application must be a project id, not "a/b".']],
    [
      "queue:\n- name: a b\n  rate: 1/s",
      [expect.stringMatching(/^2 queue\[0\]\.name must be 1 to/)],
    ],
    [
      `queue:\n- name: ${"x".repeat(101)}\n  rate: 1/s`,
      [expect.stringMatching(/^2 queue\[0\]\.name must be 1 to 100/)],
    ],
    [
      "queue:\n- name: q\n  rate: 1/s\n- name: q\n  rate: 1/s",
      ['4 queue[1].name "q" is already the name of the queue in line 2.'],
    ],
    [file("mode: push"), [expect.stringMatching(/^2 queue\[0\] must have a rate/)]],
    [file("mode: both", "rate: 1/s"), ['3 queue[0].mode must be push or pull, not "both".']],
    [file("rate:"), ["3 queue[0].rate has no value."]],
    [file("rate: [1]"), ["3 queue[0].rate must be a single value."]],
    [file("rate: 5"), [expect.stringMatching(/^3 queue\[0\]\.rate must be 0, or a number/)]],
    [file("rate: 5/w"), [expect.stringMatching(/^3 queue\[0\]\.rate must be 0, or/)]],
    [file("rate: -1/s"), [expect.stringMatching(/^3 queue\[0\]\.rate must be 0, or/)]],
    [file("rate: 501/s"), ["3 queue[0].rate must be at most 500 per second."]],
    [file("rate: 1/s", "bucket_size: 501"), ["4 queue[0].bucket_size must be at most 500."]],
    [
      file("rate: 1/s", "bucket_size: 1.5"),
      [`4 queue[0].bucket_size must be ${NUMBER}, not "1.5".`],
    ],
    [
      file("rate: 1/s", "max_concurrent_requests: 5001"),
      ["4 queue[0].max_concurrent_requests must be at most 5000."],
    ],
    [
      file("rate: 1/s", "max_concurrent_requests: many"),
      [`4 queue[0].max_concurrent_requests must be ${NUMBER}, not "many".`],
    ],
    [file("rate: 1/s", "target: -web"), [expect.stringMatching(/^4 queue\[0\]\.target must be/)]],
    [file("rate: 1/s", "target: a.b.c"), [expect.stringMatching(/^4 queue\[0\]\.target must be/)]],
    [
      file("rate: 1/s", "priority: high"),
      [expect.stringMatching(/^4 queue\[0\]\.priority is unknown here/)],
    ],
    [
      file("rate: 1/s", "retry_parameters:", "  retries: 1"),
      [expect.stringMatching(/^5 queue\[0\]\.retry_parameters\.retries is unknown here/)],
    ],
    [
      file("rate: 1/s", "retry_parameters: 5"),
      ["4 queue[0].retry_parameters must be a mapping of elements to values."],
    ],
    [
      file("rate: 1/s", "retry_parameters:", "  task_retry_limit: -1"),
      [`5 queue[0].retry_parameters.task_retry_limit must be ${NUMBER}, not "-1".`],
    ],
    [
      file("rate: 1/s", "retry_parameters:", "  task_age_limit: 0s"),
      ["5 queue[0].retry_parameters.task_age_limit must be greater than 0."],
    ],
    [
      file("rate: 1/s", "retry_parameters:", "  task_age_limit: 5"),
      [expect.stringMatching(/^5 .*task_age_limit must be a number with s, m, h or d/)],
    ],
    [
      file("rate: 1/s", "retry_parameters:", "  min_backoff_seconds: -1"),
      [expect.stringMatching(/^5 .*min_backoff_seconds must be a number of seconds/)],
    ],
    [
      file(
        "rate: 1/s",
        "retry_parameters:",
        "  max_backoff_seconds: 1",
        "  min_backoff_seconds: 2",
      ),
      [
        "6 queue[0].retry_parameters.min_backoff_seconds must not be greater than max_backoff_seconds.",
      ],
    ],
    [
      file("rate: 1/s", "retry_parameters:", "  max_doublings: 2.5"),
      [`5 queue[0].retry_parameters.max_doublings must be ${NUMBER}, not "2.5".`],
    ],
    [
      file(
        "mode: pull",
        "rate: 5/s",
        "bucket_size: 5",
        "max_concurrent_requests: 5",
        "target: web",
        "retry_parameters:",
        "  task_age_limit: 1d",
        "  max_doublings: 1",
      ),
      [
        "4 queue[0].rate cannot be set for a pull queue.",
        "5 queue[0].bucket_size cannot be set for a pull queue.",
        "6 queue[0].max_concurrent_requests cannot be set for a pull queue.",
        "7 queue[0].target cannot be set for a pull queue.",
        "9 queue[0].retry_parameters.task_age_limit cannot be set for a pull queue.",
        "10 queue[0].retry_parameters.max_doublings cannot be set for a pull queue.",
      ],
    ],
    [
      file("rate: 1/s", "acl:", "- user_email: a@b.c"),
      ["4 queue[0].acl cannot be set for a push queue."],
    ],
    [
      file("mode: pull", "acl:", "- {}"),
      ["5 queue[0].acl[0] must have a user_email or a writer_email."],
    ],
    [
      file("mode: pull", "acl:", "- user_email: a b"),
      ['5 queue[0].acl[0].user_email must be the email of an account, not "a b".'],
    ],
    [file("mode: pull", "acl: everybody"), ["4 queue[0].acl must be a list."]],
    [
      file("rate: 1/s", "retry_parameters:", "  min_backoff_seconds: 1e12"),
      ["5 queue[0].retry_parameters.min_backoff_seconds must be at most 9000000000 seconds."],
    ],
    [
      file("rate: 1/s", "retry_parameters:", "  task_age_limit: 999999d"),
      ["5 queue[0].retry_parameters.task_age_limit must be at most 9000000000 seconds."],
    ],
    [`queue: ${"[".repeat(100_000)}`, ["1  The file is nested too deeply."]],
    ["queue:\n\t- name: q", [expect.stringMatching(/^2 {2}Tabs/)]],
    ["queue:\n- *missing", ["2  The alias *missing has no anchor."]],
    [
      "queue:\n- &q {name: q, rate: 1/s}\n- <<: *q\n  name: r",
      [
        expect.stringMatching(/^3 queue\[1\]\.<< is unknown here/),
        expect.stringMatching(/^3 queue\[1\] must have a rate/),
      ],
    ],
    [
      file(
        "mode: pull",
        "acl:",
        ...Array.from({ length: 501 }, (_, n) => `- user_email: u${n}@b.c`),
      ),
      ["2 queue[0] is not possible: Queue.acl.userEmails must be no more than 500 emails."],
    ],
    [
      file("mode: pull", "acl:", "- owner: a@b.c"),
      [
        expect.stringMatching(/^5 queue\[0\]\.acl\[0\]\.owner is unknown here/),
        "5 queue[0].acl[0] must have a user_email or a writer_email.",
      ],
    ],
  ])("%j", (text, expected) => {
    expect(problemsOf(text)).toEqual(expected);
  });

  test("101 queues are one too many", () => {
    const names = Array.from({ length: 101 }, (_, index) => `- {name: q${index}, rate: 1/s}`);
    expect(problemsOf(`queue:\n${names.join("\n")}`)).toEqual([
      "1 queue has 101 queues; at most 100 are allowed.",
    ]);
  });

  test("all are told, in the order of their lines", () => {
    const text = "queue:\n- name: a\n  rate: x\n- name: b\n  mode: y\n  rate: 1/s\n- rate: 1/s";
    expect(problemsOf(text).map((problem) => problem.split(" ")[0])).toEqual(["3", "5", "7"]);
  });
});

describe("settings", () => {
  const entry = (...lines: string[]) => queuesOf(file(...lines))[0] as QueueEntry;

  test("defaults of a push queue", () => {
    expect(creationOf(entry("rate: 5/s")).input).toEqual({
      type: "PUSH",
      rateLimits: { maxDispatchesPerSecond: 5, maxBurstSize: 5 },
      retryConfig: { maxAttempts: -1, maxRetryDurationUs: 0 },
      taskTtlUs: 315_360_000e6,
      tombstoneTtlUs: 777_600e6,
    });
  });

  test("a retry limit leaves the first attempt out; a pull queue's counts leases", () => {
    const limit = (number: number) => ["retry_parameters:", `  task_retry_limit: ${number}`];
    const attempts = (queue: QueueEntry) => creationOf(queue).input.retryConfig?.maxAttempts;
    expect(attempts(entry("rate: 1/s", ...limit(0)))).toBe(1);
    expect(attempts(entry("rate: 1/s", ...limit(4)))).toBe(5);
    expect(attempts(entry("mode: pull", ...limit(4)))).toBe(4);
    expect(attempts(entry("mode: pull", ...limit(0)))).toBe(1);
    expect(attempts(entry("mode: pull"))).toBe(-1);
  });

  test("a rate of 0 pauses, and an update leaves the rate as it was", () => {
    const paused = entry("rate: 0", "bucket_size: 0");
    expect(isPausing(paused)).toBe(true);
    expect(updateOf(paused).paths).not.toContain("rateLimits.maxDispatchesPerSecond");
    expect(creationOf(paused).input.rateLimits).toEqual({
      maxDispatchesPerSecond: 5,
      maxBurstSize: 5,
    });
    expect(isPausing(entry("rate: 1/d"))).toBe(false);
    expect(isPausing(entry("mode: pull"))).toBe(false);
  });

  test("an update sets neither lifetimes nor what no file names", () => {
    const paths = updateOf(entry("rate: 1/s")).paths;
    expect(paths).toContain("retryConfig.maxDoublings");
    expect(paths).not.toContain("taskTtlUs");
    expect(paths).not.toContain("httpTarget");
    expect(updateOf(entry("mode: pull")).paths).toEqual(["type", "retryConfig.maxAttempts", "acl"]);
  });

  test("only the default queue is left alone by files that do not name it", () => {
    expect(isExempt("default")).toBe(true);
    expect(isExempt("mail")).toBe(false);
  });
});
