/**
 * One story for every face: what a queue does is the same, whichever wire it is spoken to over. A
 * face brings its own words (conformance.test.ts); the story knows none of them.
 */
import { beforeEach, describe, expect, test } from "vitest";

export interface NewTask {
  readonly id?: string;
  readonly body: string;
  /** From now; absent: at once. */
  readonly delayS?: number;
  readonly tag?: string;
}

/** A task as any face can tell of it. */
export interface SeenTask {
  readonly id: string;
  /** Absent where the face was not asked for it, or does not show it. */
  readonly body?: string;
  /** Absent where the face does not tell it. */
  readonly availableMs?: number;
}

/** What came of a call: the canonical code where it was refused. */
export type Answer<T> = T | "NOT_FOUND" | "ALREADY_EXISTS" | "FAILED_PRECONDITION";

export interface Lease extends SeenTask {
  readonly body: string;
  readonly availableMs: number;
  /** Leases so far, this one included. */
  readonly count: number;
}

/** The methods that a face has for tasks that are leased. */
export interface Leasing {
  lease(request: {
    count: number;
    seconds: number;
    tag?: string;
    oldestTag?: boolean;
  }): Promise<Answer<readonly Lease[]>>;
  /** Sets the lease's end to so many seconds from now. */
  renew(lease: Lease, seconds: number): Promise<Answer<Lease>>;
  /** Says that the work is done. */
  finish(lease: Lease): Promise<Answer<"done">>;
}

/** A queue of its own for each story, whose tasks stay where they are until they are leased. */
export interface Queue {
  put(task: NewTask): Promise<Answer<SeenTask>>;
  read(id: string): Promise<Answer<SeenTask>>;
  list(): Promise<readonly SeenTask[]>;
  remove(id: string): Promise<Answer<"done">>;
  readonly leasing?: Leasing;
}

export interface Face {
  readonly name: string;
  /** Whether reading one task shows its body. */
  readonly showsBodies: boolean;
  createQueue(): Promise<Queue>;
  /** A queue that nobody has created. */
  missingQueue(): Queue;
}

/** Tells the story over one face. */
export function conformance(face: Face): void {
  describe(face.name, () => {
    let queue: Queue;
    beforeEach(async () => {
      queue = await face.createQueue();
    });

    /** Puts a task, which is expected to be taken. */
    async function put(task: NewTask): Promise<SeenTask> {
      const stored = await queue.put(task);
      if (typeof stored === "string") throw new Error(`${face.name} refused a task: ${stored}`);
      return stored;
    }

    test("a task is there as it was put, until it is removed", async () => {
      const { id } = await put({ body: "a body with ünï✓ and \u0000" });
      expect(await queue.read(id)).toMatchObject({
        id,
        ...(face.showsBodies ? { body: "a body with ünï✓ and \u0000" } : {}),
      });
      expect(await queue.remove(id)).toBe("done");
      expect(await queue.read(id)).toBe("NOT_FOUND");
      expect(await queue.remove(id)).toBe("NOT_FOUND");
    });

    test("a name is taken once, and stays taken when its task is gone", async () => {
      await put({ id: "name-1", body: "" });
      expect(await queue.put({ id: "name-1", body: "other" })).toBe("ALREADY_EXISTS");
      await queue.remove("name-1");
      expect(await queue.put({ id: "name-1", body: "" })).toBe("ALREADY_EXISTS");
    });

    test("tasks are listed in the order of their times", async () => {
      await put({ id: "late", body: "", delayS: 7200 });
      await put({ id: "soon", body: "", delayS: 3600 });
      await put({ id: "now", body: "" });
      const listed = await queue.list();
      expect(listed.map(({ id }) => id)).toEqual(["now", "soon", "late"]);
      for (const [index, earliest] of [-60_000, 3590_000, 7190_000].entries()) {
        const { availableMs } = listed[index] ?? {};
        if (availableMs === undefined) continue;
        expect(availableMs - Date.now()).toBeGreaterThan(earliest);
        expect(availableMs - Date.now()).toBeLessThan(earliest + 60_001);
      }
    });

    test("a queue that does not exist has nothing and takes nothing", async () => {
      const missing = face.missingQueue();
      expect(await missing.put({ body: "" })).toBe("NOT_FOUND");
      expect(await missing.read("t")).toBe("NOT_FOUND");
      expect(await missing.remove("t")).toBe("NOT_FOUND");
    });
  });
}

/** The part of the story about leases, over a face that has them. */
export function leasingConformance(face: Face): void {
  describe(`${face.name}, leasing`, () => {
    let queue: Queue;
    let leasing: Leasing;
    beforeEach(async () => {
      queue = await face.createQueue();
      if (queue.leasing === undefined) throw new Error(`${face.name} leases nothing`);
      leasing = queue.leasing;
    });

    async function lease(request: Parameters<Leasing["lease"]>[0]): Promise<readonly Lease[]> {
      const leased = await leasing.lease(request);
      if (typeof leased === "string") throw new Error(`${face.name} refused a lease: ${leased}`);
      return leased;
    }

    test("a leased task is nobody else's, and still there", async () => {
      await queue.put({ id: "t", body: "work" });
      const [task] = await lease({ count: 10, seconds: 60 });
      expect(task).toMatchObject({ id: "t", body: "work", count: 1 });
      expect(await lease({ count: 10, seconds: 60 })).toEqual([]);
      expect(await queue.read("t")).toMatchObject({ availableMs: task?.availableMs });
    });

    test("tasks are leased in the order of their times, and not before", async () => {
      for (const id of ["a", "b", "c"]) await queue.put({ id, body: id });
      await queue.put({ id: "later", body: "", delayS: 3600 });
      const first = await lease({ count: 2, seconds: 60 });
      expect(first.map(({ id }) => id)).toEqual(["a", "b"]);
      expect((await lease({ count: 10, seconds: 60 })).map(({ id }) => id)).toEqual(["c"]);
    });

    test("a lease that is renewed by nothing ends at once, and is counted", async () => {
      await queue.put({ body: "work" });
      const [task] = await lease({ count: 1, seconds: 60 });
      const longer = await leasing.renew(task as Lease, 3600);
      if (typeof longer === "string") throw new Error(longer);
      expect(longer.availableMs - Date.now()).toBeGreaterThan(3500_000);
      expect(await leasing.renew({ ...longer, body: "work" }, 0)).toMatchObject({ id: longer.id });
      expect(await lease({ count: 1, seconds: 60 })).toMatchObject([{ id: longer.id, count: 2 }]);
    });

    test("finished work is gone", async () => {
      await queue.put({ id: "t", body: "work" });
      const [task] = await lease({ count: 1, seconds: 60 });
      expect(await leasing.finish(task as Lease)).toBe("done");
      expect(await queue.read("t")).toBe("NOT_FOUND");
      expect(await leasing.finish(task as Lease)).toBe("NOT_FOUND");
    });

    test("tags choose", async () => {
      for (const [index, tag] of ["x", "y", "x", "z"].entries()) {
        await queue.put({ id: `t${index}`, body: "", tag });
      }
      const ids = (leases: readonly Lease[]) => leases.map(({ id }) => id);
      expect(ids(await lease({ count: 10, seconds: 60, tag: "y" }))).toEqual(["t1"]);
      expect(ids(await lease({ count: 10, seconds: 60, oldestTag: true }))).toEqual(["t0", "t2"]);
      expect(ids(await lease({ count: 10, seconds: 60, tag: "none" }))).toEqual([]);
      expect(ids(await lease({ count: 10, seconds: 60 }))).toEqual(["t3"]);
    });
  });
}
