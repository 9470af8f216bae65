/** The worker of pull queues, at a real queue: what becomes of tasks, whatever happens to workers. */
import { describe, expect, test } from "vitest";
import {
  Connection,
  InvalidLeaseTimeError,
  InvalidMaxTasksError,
  type PullWorkerOptions,
  pullWorker,
  type Queue,
  Task,
  TaskLeaseExpiredError,
  TransientError,
  UnknownQueueError,
} from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { binding, connect, madeQueue } from "./harness.ts";

function pull(payload: string, tag?: string): Task {
  return new Task({ method: "PULL", payload, ...(tag === undefined ? {} : { tag }) });
}

/** Runs a worker; what it did, and how it is ended. */
function start(queue: Queue, options: Partial<PullWorkerOptions> = {}) {
  const stop = new AbortController();
  const handled: string[] = [];
  const errors: unknown[] = [];
  const done = pullWorker({
    queue,
    waitSeconds: 1,
    signal: stop.signal,
    onError: (error) => errors.push(error),
    ...options,
    handler: async (task, context) => {
      handled.push(task.text());
      await options.handler?.(task, context);
    },
  });
  const end = () => {
    stop.abort();
    return done;
  };
  return { handled, errors, done, end };
}

async function remaining(queue: Queue): Promise<number> {
  return (await queue.fetchStatistics()).tasks;
}

/** A promise, and what settles it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** A connection to the same place, whose calls may be lost. */
function flaky({ connection, name }: Queue, isLost: (url: string) => boolean): Queue {
  const { project, location } = connection;
  return new Connection({
    project,
    location,
    retry: { firstMs: 1 },
    binding: {
      fetch: async (url, init) => {
        if (isLost(url)) throw new TypeError("connection reset");
        return binding.fetch(url, init);
      },
    },
  }).queue(name);
}

/** A queue whose every call is answered so, and whose pauses are over at once. */
function answering(reply: (headers: Headers) => object, slept: (ms: number) => void = () => {}) {
  return new Connection({
    project: "p",
    location: "us-central1",
    binding: {
      fetch: async (_url, init) =>
        Response.json(reply(new Headers(init?.headers as Record<string, string>))),
    },
    platform: {
      sleep: async (ms) => {
        slept(ms);
      },
    },
  }).queue("q");
}

describe("a pull worker", () => {
  test("handles tasks and acknowledges them when the handler returns", async () => {
    const queue = await madeQueue();
    await queue.add(["a", "b", "c"].map((text) => pull(text)));
    const worker = start(queue);
    await eventually(() => expect(worker.handled).toHaveLength(3));
    await queue.add(pull("d"));
    await eventually(() => expect(worker.handled).toEqual(["a", "b", "c", "d"]));
    await worker.end();
    expect(await remaining(queue)).toBe(0);
    expect(worker.errors).toEqual([]);
  });

  test("takes tasks of its tag only", async () => {
    const queue = await madeQueue();
    await queue.add([pull("1", "a"), pull("2", "b"), pull("3", "a")]);
    const worker = start(queue, { tag: "a" });
    await eventually(() => expect(worker.handled).toEqual(["1", "3"]));
    await worker.end();
    expect(await remaining(queue)).toBe(1);
  });

  test("never holds more tasks than it has handlers for", async () => {
    const queue = await madeQueue();
    await queue.add(Array.from({ length: 9 }, (_, index) => pull(String(index))));
    const { open, opened } = gate();
    const worker = start(queue, { concurrency: 3, handler: () => opened });
    await eventually(() => expect(worker.handled).toHaveLength(3));
    expect((await queue.fetchStatistics()).leasedLastMinute).toBe(3);
    open();
    await eventually(() => expect(worker.handled).toHaveLength(9));
    await worker.end();
    expect(await remaining(queue)).toBe(0);
  });

  test("renews leases while slow handlers run: nobody else gets the tasks", async () => {
    const queue = await madeQueue();
    await queue.add([pull("slow"), pull("slower")]);
    const { open, opened } = gate();
    const worker = start(queue, { leaseSeconds: 0.6, handler: () => opened });
    await eventually(() => expect(worker.handled).toHaveLength(2));
    const ends: number[] = [];
    // Three times the lease's time, by waiting for a task that never comes.
    expect(await queue.leaseTasks(60, 10, { wait: 2 })).toEqual([]);
    for await (const task of queue.list()) ends.push(task.etaPosix);
    expect(Math.min(...ends)).toBeGreaterThan(Date.now() / 1000);
    open();
    await worker.end();
    expect(await remaining(queue)).toBe(0);
    expect(worker.errors).toEqual([]);
  });

  test("gives a task back when its handler throws, later each time", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    let failures = 0;
    const worker = start(queue, {
      backoff: { firstSeconds: 0.05, maxSeconds: 0.2 },
      handler: () => {
        failures += 1;
        if (failures < 4) throw new RangeError("no");
      },
    });
    await eventually(() => expect(worker.handled).toHaveLength(4));
    await worker.end();
    expect(await remaining(queue)).toBe(0);
    expect(worker.errors).toHaveLength(3);
    const slow = await madeQueue();
    await slow.add(pull("y"));
    const patient = start(slow, {
      backoff: { firstSeconds: 1000 },
      handler: () => {
        throw new RangeError("no");
      },
    });
    await eventually(async () => {
      const { oldestEtaUsec = 0 } = await slow.fetchStatistics();
      expect(oldestEtaUsec / 1e6 - Date.now() / 1000).toBeGreaterThan(400);
    });
    await patient.end();
  });

  test("finishes what it has when it is told to stop, and leases no more", async () => {
    const queue = await madeQueue();
    await queue.add(["a", "b"].map((text) => pull(text)));
    const { open, opened } = gate();
    const worker = start(queue, { concurrency: 1, handler: () => opened });
    await eventually(() => expect(worker.handled).toEqual(["a"]));
    const ended = worker.end();
    open();
    await ended;
    expect(worker.handled).toEqual(["a"]);
    expect(await remaining(queue)).toBe(1);
  });

  test("that is killed loses nothing: another gets its tasks when their leases are over", async () => {
    const queue = await madeQueue();
    await queue.add(Array.from({ length: 5 }, (_, index) => pull(String(index))));
    let isDead = false;
    const { opened } = gate();
    const victim = start(
      flaky(queue, () => isDead),
      { leaseSeconds: 1, handler: () => opened },
    );
    await eventually(() => expect(victim.handled).toHaveLength(5));
    isDead = true;
    const heir = start(queue);
    await eventually(() => expect(heir.handled).toHaveLength(5));
    await heir.end();
    expect([...heir.handled].sort()).toEqual(["0", "1", "2", "3", "4"]);
    expect(await remaining(queue)).toBe(0);
  });

  test("that cannot renew tells its handlers before another can have the task", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    let lostAt = 0;
    const { open, opened } = gate();
    const worker = start(
      flaky(queue, (url) => /modifyLease|acknowledge/.test(url)),
      {
        leaseSeconds: 1,
        concurrency: 1,
        handler: async (_task, { signal }) => {
          signal.addEventListener("abort", () => {
            lostAt = Date.now();
            expect(signal.reason).toBeInstanceOf(TaskLeaseExpiredError);
          });
          await opened;
        },
      },
    );
    await eventually(() => expect(worker.handled).toEqual(["x"]));
    const [again] = await queue.leaseTasks(60, 1, { wait: 20 });
    const leasedAgainAt = Date.now();
    expect(again?.retryCount).toBe(2);
    expect(lostAt).toBeGreaterThan(0);
    expect(lostAt).toBeLessThanOrEqual(leasedAgainAt);
    open();
    await worker.end();
    // What it did about the task after that counts for nothing.
    expect(await remaining(queue)).toBe(1);
    await queue.acknowledge(again!);
  });

  test("whose task is taken from it aborts the handler at the next renewal", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    const { open, opened } = gate();
    const worker = start(queue, {
      leaseSeconds: 0.6,
      handler: (_task, { signal }) => {
        signal.addEventListener("abort", open);
        return opened;
      },
    });
    await eventually(() => expect(worker.handled).toEqual(["x"]));
    for await (const task of queue.list()) await queue.deleteTasks(task);
    await opened;
    await worker.end();
    expect(await remaining(queue)).toBe(0);
  });

  test("acknowledges a task that is being renewed when the renewal is answered", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    const renewing = gate();
    const { project, location } = queue.connection;
    const slow = new Connection({
      project,
      location,
      binding: {
        // A renewal is made at once, and its answer takes long to arrive.
        fetch: async (url, init) => {
          const response = await binding.fetch(url, init);
          if (url.endsWith(":modifyLease")) {
            renewing.open();
            await new Promise((arrive) => setTimeout(arrive, 100));
          }
          return response;
        },
      },
    }).queue(queue.name);
    const worker = start(slow, { leaseSeconds: 1, handler: () => renewing.opened });
    await eventually(async () => expect(await remaining(queue)).toBe(0));
    await worker.end();
    expect([worker.handled, worker.errors]).toEqual([["x"], []]);
  });

  test("renews again when a renewal failed, while the lease still holds", async () => {
    const queue = await madeQueue();
    await queue.add(pull("x"));
    let renewals = 0;
    const { open, opened } = gate();
    const worker = start(
      flaky(queue, (url) => {
        if (!url.endsWith(":modifyLease")) return false;
        renewals += 1;
        if (renewals === 4) open();
        return renewals % 2 === 1;
      }),
      { leaseSeconds: 1, handler: () => opened },
    );
    await eventually(async () => expect(await remaining(queue)).toBe(0));
    await worker.end();
    expect(worker.handled).toEqual(["x"]);
    expect(worker.errors.every((error) => error instanceof TransientError)).toBe(true);
  });

  test("asks again in peace where it does not wait for tasks", async () => {
    const slept: number[] = [];
    let leases = 0;
    const stop = new AbortController();
    const worker = pullWorker({
      queue: answering(
        () => {
          leases += 1;
          if (leases === 20) stop.abort();
          return { tasks: [], requestTimeUs: "0", answerTimeUs: "0" };
        },
        (ms) => slept.push(ms),
      ),
      waitSeconds: 0,
      signal: stop.signal,
      handler: () => undefined,
    });
    await worker;
    expect(slept.length).toBeGreaterThanOrEqual(19);
    expect(Math.min(...slept)).toBeGreaterThanOrEqual(100);
  });

  test("waits no longer than the server does", async () => {
    const waits: (string | null)[] = [];
    const stop = new AbortController();
    await pullWorker({
      queue: answering((headers) => {
        waits.push(headers.get("prefer"));
        stop.abort();
        return { tasks: [], requestTimeUs: "0", answerTimeUs: "0" };
      }),
      waitSeconds: 600,
      signal: stop.signal,
      handler: () => undefined,
    });
    expect(waits).toEqual(["wait=60"]);
  });

  test("goes on where the one who is told of errors throws", async () => {
    const queue = await madeQueue();
    await queue.add(["a", "b", "c"].map((text) => pull(text)));
    let told = 0;
    let isLost = true;
    const worker = start(
      flaky(queue, (url) => isLost && /modifyLease|acknowledge/.test(url)),
      {
        leaseSeconds: 0.5,
        backoff: { firstSeconds: 0.01 },
        onError: () => {
          told += 1;
          throw new RangeError("nobody listens");
        },
        handler: ({ retryCount }) => {
          if (retryCount === 1) throw new Error("first time");
        },
      },
    );
    await eventually(() => expect(told).toBeGreaterThanOrEqual(9));
    isLost = false;
    await eventually(async () => expect(await remaining(queue)).toBe(0));
    await worker.end();
  });

  test("goes on where calls are lost now and then", async () => {
    const queue = await madeQueue();
    const names = Array.from({ length: 40 }, (_, index) => String(index));
    await queue.add(names.map((text) => pull(text)));
    let calls = 0;
    const worker = start(
      flaky(queue, () => {
        calls += 1;
        return calls % 3 === 0;
      }),
      { concurrency: 7, leaseSeconds: 1, backoff: { firstSeconds: 0.01 } },
    );
    await eventually(async () => expect(await remaining(queue)).toBe(0));
    await worker.end();
    expect(new Set(worker.handled)).toEqual(new Set(names));
  });

  test("goes on when a pause is over", async () => {
    const queue = await madeQueue();
    await queue.pause();
    await queue.add(pull("x"));
    const worker = start(queue);
    await eventually(() => expect(worker.errors.length).toBeGreaterThan(0));
    await queue.resume();
    await eventually(() => expect(worker.handled).toEqual(["x"]));
    await worker.end();
  });

  test("rejects where the queue cannot be worked off", async () => {
    await expect(start(connect().queue("missing")).done).rejects.toThrow(UnknownQueueError);
  });

  test("refuses numbers that are out of range", () => {
    const queue = connect().queue();
    const make = (options: object) => () => pullWorker({ queue, handler: () => 0, ...options });
    for (const concurrency of [0, 1001, 1.5]) {
      expect(make({ concurrency })).toThrow(InvalidMaxTasksError);
    }
    for (const waitSeconds of [-1, Number.NaN]) {
      expect(make({ waitSeconds })).toThrow(TypeError);
    }
    for (const leaseSeconds of [0, -1, 604_801]) {
      expect(make({ leaseSeconds })).toThrow(InvalidLeaseTimeError);
    }
  });
});

describe("several pull workers", () => {
  test("handle each task once while nothing goes wrong", async () => {
    const queue = await madeQueue();
    const names = Array.from({ length: 60 }, (_, index) => String(index));
    const workers = [start(queue), start(queue), start(queue)];
    await queue.add(names.map((text) => pull(text)));
    await eventually(async () => expect(await remaining(queue)).toBe(0));
    await Promise.all(workers.map((worker) => worker.end()));
    const handled = workers.flatMap((worker) => worker.handled);
    expect(handled.sort()).toEqual([...names].sort());
  });
});
