/** What the client's README claims: its table of members, and its weight. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { clientSize, MAX_CLIENT_SIZE } from "../../src/local/client-size.ts";
import { ROOT } from "../support/server.ts";

const README = readFileSync(join(ROOT, "src", "client", "README.md"), "utf8");
const TESTS = join(ROOT, "test", "client");

const rows = [...README.matchAll(/^\| (?!Member|---)(.+?) +\| (.+?) +\| (.+?) +\|$/gm)].map(
  ([, member = "", form = "", testName = ""]) => ({ member, form, testName }),
);
const names = new Set(
  readdirSync(TESTS)
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => readFileSync(join(TESTS, file), "utf8"))
    .flatMap((text) => [...text.matchAll(/\btest\(\s*"((?:[^"\\]|\\.)*)"/g)])
    .map(([, name]) => name),
);

/** The members of App Engine's Task and Queue, as their descriptions name them. */
const MEMBERS = {
  Task: [
    ..."payload name method url headers params countdown eta retry_options target tag".split(" "),
    "dispatch_deadline_usec",
    ..."eta_posix on_queue_url queue_name retry_count size was_deleted was_enqueued".split(" "),
    ..."add add_async extract_params".split(" "),
    ..."InvalidDispatchDeadlineError InvalidEtaError InvalidTagError InvalidTaskError".split(" "),
    ..."InvalidTaskNameError InvalidUrlError TaskTooLargeError ValueError".split(" "),
  ],
  Queue: [
    ..."name add delete_tasks lease_tasks lease_tasks_by_tag modify_task_lease purge".split(" "),
    ..."BadTaskStateError BadTransactionStateError TooManyTasksError".split(" "),
    ..."DuplicateTaskNameError InvalidQueueModeError InvalidLeaseTimeError".split(" "),
    ..."InvalidMaxTasksError TypeError".split(" "),
  ],
};

describe("the table of members", () => {
  test("has every member of both classes", () => {
    const start = rows.findIndex(({ member }) => member === "**Queue**");
    const named = (part: typeof rows) => part.map(({ member }) => member.split(/[ (]/)[0]);
    expect(MEMBERS.Task.filter((name) => !named(rows.slice(0, start)).includes(name))).toEqual([]);
    expect(MEMBERS.Queue.filter((name) => !named(rows.slice(start)).includes(name))).toEqual([]);
  });

  test("names a test for each that exists", () => {
    expect(rows.length).toBeGreaterThan(50);
    expect(rows.filter(({ testName }) => !names.has(testName))).toEqual([]);
  });
});

test("Task and Queue are under 15 KB gzipped, and about what the README says", async () => {
  const size = await clientSize(["Task", "Queue"]);
  expect(size).toBeLessThan(MAX_CLIENT_SIZE);
  const [, claimed] = /weigh (\d+) KB gzipped/.exec(README) ?? [];
  expect(Math.round(size / 1000)).toBe(Number(claimed));
});
