/** The Task class: each sentence of its description (App Engine's Task; rpc.md §5), by its words. */
import { describe, expect, test } from "vitest";
import {
  InvalidDispatchDeadlineError,
  InvalidEtaError,
  InvalidTagError,
  InvalidTaskError,
  InvalidTaskNameError,
  InvalidTaskRetryOptionsError,
  InvalidUrlError,
  Task,
  type TaskOptions,
  TaskRetryOptions,
  TaskTooLargeError,
  ValueError,
} from "../../src/client/index.ts";
import { madeQueue, pushQueue } from "./harness.ts";

const NOW = Date.UTC(2026, 10, 21, 12);
const at = () => NOW;
const bytes = (text: string) => new TextEncoder().encode(text);

/** Options that do not compile, as JavaScript may still pass them. */
function make(options: object): Task {
  return new Task(options as TaskOptions, at);
}

describe("payload", () => {
  test("is only allowed for POST and PUT methods and pull tasks", () => {
    for (const method of ["POST", "PUT", "PULL"]) {
      expect(make({ method, payload: "x" }).payload).toEqual(bytes("x"));
    }
    for (const method of ["GET", "HEAD", "DELETE"]) {
      expect(() => make({ method, payload: "x" })).toThrow(InvalidTaskError);
    }
  });

  test("may be text, bytes, a form or JSON, each with its Content-Type", () => {
    const type = (payload: TaskOptions["payload"]) => {
      const task = make({ payload });
      return [task.text(), task.headers["content-type"]];
    };
    expect(type("größe")).toEqual(["größe", "text/plain; charset=utf-8"]);
    expect(type(bytes("abc"))).toEqual(["abc", undefined]);
    expect(type(bytes("abc").buffer as ArrayBuffer)).toEqual(["abc", undefined]);
    expect(type(new DataView(bytes("xabc").buffer as ArrayBuffer, 1))).toEqual(["abc", undefined]);
    expect(type(new URLSearchParams({ a: "1" }))).toEqual([
      "a=1",
      "application/x-www-form-urlencoded",
    ]);
    expect(type({ order: 17 })).toEqual(['{"order":17}', "application/json"]);
    expect(type([1, "two"])).toEqual(['[1,"two"]', "application/json"]);
  });

  test("that is a form is sent as browsers send it", async () => {
    const form = new FormData();
    form.append("a b", "1\n2");
    form.append('say "hi"', "ü");
    const task = make({ payload: form });
    const headers = { "content-type": String(task.headers["content-type"]) };
    const read = await new Response(task.payload as BodyInit, { headers }).formData();
    expect([...read]).toEqual([
      ["a b", "1\r\n2"],
      // As the HTML standard has it; receivers leave it so.
      ["say %22hi%22", "ü"],
    ]);
  });

  test("that has files in it, or is a stream, is read first", async () => {
    const form = new FormData();
    form.append("file", new File(["a,b"], "x.csv", { type: "text/csv" }));
    expect(() => make({ payload: form })).toThrow(InvalidTaskError);
    const fromForm = await Task.from({ payload: form });
    expect(fromForm.text()).toContain("a,b");
    expect(fromForm.headers["content-type"]).toMatch(/^multipart\/form-data; boundary=/);
    const fromBlob = await Task.from({ payload: new Blob(["x"], { type: "text/csv" }) });
    expect([fromBlob.text(), fromBlob.headers["content-type"]]).toEqual(["x", "text/csv"]);
    const fromStream = await Task.from({ method: "PULL", payload: new Response("s").body! });
    expect([fromStream.text(), fromStream.headers]).toEqual(["s", {}]);
    expect((await Task.from({ payload: "plain" })).text()).toBe("plain");
  });

  test("is refused where it is none", () => {
    for (const payload of [5, true, new Map(), new Blob(["x"]), () => "x"]) {
      expect(() => make({ payload }), String(payload)).toThrow(InvalidTaskError);
    }
  });

  test("is a copy: what is changed after the task was made is not in it", () => {
    const given = bytes("abc");
    const task = make({ payload: given });
    given.fill(0);
    expect(task.text()).toBe("abc");
  });
});

describe("name", () => {
  test("must match the pattern of task names", () => {
    for (const name of ["a", "A-b_9", "x".repeat(500)]) expect(make({ name }).name).toBe(name);
    for (const name of ["", "a b", "a/b", "ä", "x".repeat(501), "a\n", 7]) {
      expect(() => make({ name }), String(name)).toThrow(InvalidTaskNameError);
    }
  });

  test("is generated when the task is added, where none is given", async () => {
    const queue = await madeQueue();
    const task = new Task({ method: "PULL", payload: "x" });
    expect(task.name).toBeUndefined();
    await queue.add(task);
    expect(task.name).toMatch(/^\d+$/);
  });
});

describe("method", () => {
  test("is POST by default", () => {
    expect(make({}).method).toBe("POST");
    expect(make({ method: "put" }).method).toBe("PUT");
    expect(() => make({ method: "TRACE" })).toThrow(InvalidTaskError);
  });

  test("of App Engine's tasks is not PATCH or OPTIONS, which absolute URLs may have", () => {
    expect(() => make({ method: "PATCH", url: "/x" })).toThrow(InvalidTaskError);
    expect(make({ method: "PATCH", url: "https://example.com/x", payload: "x" }).text()).toBe("x");
  });
});

describe("url", () => {
  test("may have a query unless it is used in a POST method", () => {
    expect(make({ method: "GET", url: "/x?a=1" }).url).toBe("/x?a=1");
    expect(() => make({ url: "/x?a=1" })).toThrow(InvalidTaskError);
  });

  test("cannot be specified for pull tasks", () => {
    expect(() => make({ method: "PULL", payload: "x", url: "/x" })).toThrow(InvalidTaskError);
  });

  test("is invalid with another scheme, a host, a fragment, spaces, or without a slash", () => {
    for (const url of ["x", "//host/x", "ftp://host/x", "/x#y", "/x y", "", "https://", 7]) {
      expect(() => make({ url }), String(url)).toThrow(InvalidUrlError);
    }
  });

  test("is too long beyond 2083 characters, its parameters included", () => {
    expect(make({ url: `/${"x".repeat(2082)}` }).url).toHaveLength(2083);
    expect(() => make({ url: `/${"x".repeat(2083)}` })).toThrow(InvalidUrlError);
    const params = { a: "x".repeat(2080) };
    expect(() => make({ method: "GET", url: "/x", params })).toThrow(InvalidUrlError);
  });

  test("may be an absolute one, and then have a query with POST", () => {
    expect(make({ url: "https://example.com/x?a=1" }).url).toBe("https://example.com/x?a=1");
  });
});

describe("headers", () => {
  test("may have lists of values for repeated header fields", async () => {
    const task = make({ url: "/x", headers: { "X-A": ["1", "2"], "x-b": 3 } });
    expect(task.headers).toEqual({ "X-A": ["1", "2"], "x-b": "3" });
    const queue = await pushQueue();
    await queue.add(task);
    for await (const { headers } of queue.list()) {
      expect(headers).toMatchObject({ "X-A": "1, 2", "x-b": "3" });
    }
  });

  test("cannot be specified for pull tasks", () => {
    const options = { method: "PULL", payload: "x", headers: { a: "b" } };
    expect(() => make(options)).toThrow(InvalidTaskError);
  });

  test("have text/plain as default Content-Type, for a payload of text", () => {
    expect(make({ payload: "x" }).headers["content-type"]).toMatch(/^text\/plain/);
    const headers = { "Content-Type": "text/csv" };
    expect(make({ payload: "x", headers }).headers).toEqual(headers);
    expect(make({}).headers).toEqual({});
  });

  test("lose what begins with X-AppEngine", () => {
    const headers = { "X-AppEngine-QueueName": "a", "x-appengine-fake": "b", own: "c" };
    expect(make({ headers }).headers).toEqual({ own: "c" });
  });

  test("must be names and values that HTTP can carry", () => {
    for (const headers of [{ "a b": "c" }, { a: "b\r\nc: d" }, { "": "x" }]) {
      expect(() => make({ headers })).toThrow(InvalidTaskError);
    }
  });

  test("may be a Headers object", () => {
    expect(make({ headers: new Headers({ a: "b" }) }).headers).toEqual({ a: "b" });
  });
});

describe("params", () => {
  test("are encoded as a form and set to the payload for POST and PULL", () => {
    const params = { id: 17, tag: ["a b", "c&d"], yes: true };
    const encoded = "id=17&tag=a+b&tag=c%26d&yes=true";
    expect(make({ params }).text()).toBe(encoded);
    expect(make({ params }).headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect(make({ method: "PULL", params }).text()).toBe(encoded);
    expect(make({ params: new URLSearchParams(encoded) }).text()).toBe(encoded);
  });

  test("cannot be specified with a payload for POST and PULL", () => {
    for (const method of ["POST", "PULL"]) {
      const options = { method, params: { a: 1 }, payload: "x" };
      expect(() => make(options)).toThrow(InvalidTaskError);
    }
  });

  test("are a query string in PUT, also where the URL has one or there is a payload", () => {
    const put = { method: "PUT", params: { a: 1 } };
    expect(make({ ...put, url: "/x" }).url).toBe("/x?a=1");
    expect(make({ ...put, url: "/x?b=2" }).url).toBe("/x?b=2&a=1");
    const both = make({ ...put, url: "/x", payload: "body" });
    expect([both.url, both.text()]).toEqual(["/x?a=1", "body"]);
  });

  test("cannot be specified where the URL has a query and the method is GET", () => {
    const get = { method: "GET", params: { a: 1 } };
    expect(make({ ...get, url: "/x" }).url).toBe("/x?a=1");
    for (const method of ["GET", "HEAD", "DELETE"]) {
      expect(() => make({ ...get, method, url: "/x?b=2" })).toThrow(InvalidTaskError);
    }
  });
});

describe("countdown and eta", () => {
  test("countdown is seconds into the future", () => {
    expect(make({ countdown: 1.5 }).etaPosix).toBe(NOW / 1000 + 1.5);
    expect(() => make({ countdown: "soon" })).toThrow(InvalidTaskError);
    expect(() => make({ countdown: Number.NaN })).toThrow(InvalidTaskError);
  });

  test("countdown is zero by default, and eta now", () => {
    expect(make({}).etaPosix).toBe(NOW / 1000);
    expect(make({ eta: null }).eta).toEqual(new Date(NOW));
  });

  test("eta must not be specified if countdown is", () => {
    expect(() => make({ eta: new Date(NOW), countdown: 0 })).toThrow(InvalidTaskError);
  });

  test("eta may be aware of its time zone or not", () => {
    for (const eta of [
      "2026-11-21T13:00:00Z",
      "2026-11-21T13:00:00",
      "2026-11-21 13:00",
      "2026-11-21T14:00:00+01:00",
      "2026-11-21T14:00:00+0100",
      "2026-11-21T08:30:00-04:30",
      new Date(NOW + 3_600_000),
      NOW + 3_600_000,
      { epochNanoseconds: BigInt(NOW + 3_600_000) * 1_000_000n },
    ]) {
      expect(make({ eta }).eta.toISOString(), String(eta)).toBe("2026-11-21T13:00:00.000Z");
    }
  });

  test("eta keeps its microseconds", () => {
    const eta = "2026-11-21T13:00:00.123456Z";
    expect(make({ eta }).etaPosix).toBe(NOW / 1000 + 3600.123456);
    const instant = { epochNanoseconds: BigInt(NOW) * 1_000_000n + 1_234_999n };
    expect(make({ eta: instant }).etaPosix * 1e6).toBeCloseTo(NOW * 1000 + 1234, 0);
  });

  test("eta that is no time is an InvalidTaskError", () => {
    for (const eta of ["tomorrow", new Date(Number.NaN), "2026-13-45", {}, true]) {
      expect(() => make({ eta }), String(eta)).toThrow(InvalidTaskError);
    }
  });

  test("eta too far into the future is an InvalidEtaError", () => {
    const DAYS_30 = 30 * 86_400;
    expect(make({ countdown: DAYS_30 }).etaPosix).toBe(NOW / 1000 + DAYS_30);
    expect(() => make({ countdown: DAYS_30 + 1 })).toThrow(InvalidEtaError);
    expect(() => make({ eta: NOW + DAYS_30 * 1000 + 1 })).toThrow(InvalidEtaError);
    expect(() => make({ eta: -1 })).toThrow(InvalidEtaError);
  });

  test("no worker can lease a pull task before its eta", async () => {
    const queue = await madeQueue();
    await queue.add(new Task({ method: "PULL", payload: "later", countdown: 3600 }));
    await queue.add(new Task({ method: "PULL", payload: "now" }));
    const leased = await queue.leaseTasks(60, 10);
    expect(leased.map((task) => task.text())).toEqual(["now"]);
  });
});

describe("retryOptions", () => {
  const all = {
    taskRetryLimit: 1,
    taskAgeLimit: 2,
    minBackoffSeconds: 3,
    maxBackoffSeconds: 4,
    maxDoublings: 5,
  };

  test("of a push task may have all options", () => {
    expect({ ...make({ retryOptions: all }).retryOptions }).toEqual(all);
    expect(make({ retryOptions: new TaskRetryOptions(all) }).retryOptions).toMatchObject(all);
  });

  test("of a pull task may have taskRetryLimit only", () => {
    const pull = { method: "PULL", payload: "x" };
    expect(make({ ...pull, retryOptions: { taskRetryLimit: 1 } }).retryOptions).toMatchObject({
      taskRetryLimit: 1,
    });
    for (const [name, value] of Object.entries(all).slice(1)) {
      expect(() => make({ ...pull, retryOptions: { [name]: value } })).toThrow(InvalidTaskError);
    }
  });

  test("that are negative or inconsistent are an InvalidTaskRetryOptionsError", () => {
    for (const name of Object.keys(all)) {
      for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => new TaskRetryOptions({ [name]: wrong })).toThrow(InvalidTaskRetryOptionsError);
      }
    }
    const inverted = { minBackoffSeconds: 2, maxBackoffSeconds: 1 };
    expect(() => make({ retryOptions: inverted })).toThrow(InvalidTaskRetryOptionsError);
    expect(() => new TaskRetryOptions({ maxDoublings: 1.5 })).toThrow(InvalidTaskRetryOptionsError);
  });

  test("a pull task leased more often than its limit is gone", async () => {
    const queue = await madeQueue();
    const retryOptions = { taskRetryLimit: 1 };
    await queue.add(new Task({ method: "PULL", payload: "x", retryOptions }));
    const [task] = await queue.leaseTasks(60, 1);
    await queue.modifyTaskLease(task!, 0);
    expect(await queue.leaseTasks(60, 1)).toEqual([]);
    expect((await queue.fetchStatistics()).tasks).toBe(0);
  });
});

describe("target", () => {
  test("names a service, a version of it, or an instance", async () => {
    for (const target of ["worker", "v2.worker", "0.v2.worker"]) {
      const queue = await pushQueue();
      await queue.add(new Task({ url: "/x", target }));
      for await (const task of queue.list()) expect(task.target).toBe(target);
    }
    for (const target of ["a.b.c.d", "-a", "a b", ""]) {
      expect(() => make({ target }), target).toThrow(InvalidTaskError);
    }
  });

  test("cannot be used with a Host header", () => {
    const headers = { Host: "worker.my-app.appspot.com" };
    expect(() => make({ target: "worker", headers })).toThrow(InvalidTaskError);
    expect(make({ headers }).headers).toEqual(headers);
  });

  test("is what a Host header of the app says", async () => {
    const queue = await pushQueue();
    const { project } = queue.connection;
    const headers = { Host: `v2.worker.${project}.appspot.com` };
    await queue.add(new Task({ url: "/x", headers }));
    for await (const task of queue.list()) expect(task.target).toBe("v2.worker");
  });

  test("cannot be specified for pull tasks, nor with an absolute URL", () => {
    expect(() => make({ method: "PULL", payload: "x", target: "a" })).toThrow(InvalidTaskError);
    expect(() => make({ url: "https://example.com", target: "a" })).toThrow(InvalidTaskError);
  });
});

describe("tag", () => {
  test("is for pull tasks only", () => {
    expect(make({ method: "PULL", payload: "x", tag: "a" }).tag).toBe("a");
    expect(() => make({ tag: "a" })).toThrow(InvalidTaskError);
  });

  test("that is too long is an InvalidTagError", () => {
    const pull = { method: "PULL", payload: "x" };
    expect(make({ ...pull, tag: "🎉".repeat(500) }).tag).toHaveLength(1000);
    expect(() => make({ ...pull, tag: "x".repeat(501) })).toThrow(InvalidTagError);
  });
});

describe("dispatchDeadline", () => {
  test("that is not within valid limits is an InvalidDispatchDeadlineError", () => {
    expect(make({ dispatchDeadline: 15 }).dispatchDeadlineUsec).toBe(15e6);
    expect(make({ dispatchDeadline: 86_400 }).dispatchDeadline).toBe(86_400);
    for (const dispatchDeadline of [14.9, 86_401, -1]) {
      expect(() => make({ dispatchDeadline })).toThrow(InvalidDispatchDeadlineError);
    }
    const url = "https://example.com/";
    expect(make({ url, dispatchDeadline: 1800 }).dispatchDeadline).toBe(1800);
    expect(() => make({ url, dispatchDeadline: 1801 })).toThrow(InvalidDispatchDeadlineError);
  });

  test("that is no number is a TypeError, and pull tasks have none", () => {
    expect(() => make({ dispatchDeadline: "20s" })).toThrow(TypeError);
    const pull = { method: "PULL", payload: "x" };
    expect(() => make({ ...pull, dispatchDeadline: 20 })).toThrow(InvalidTaskError);
  });
});

describe("a task with its payload that is too large", () => {
  test("is a TaskTooLargeError: 100 KiB for push, 1 MiB for pull, about that for absolute URLs", () => {
    const sized = (size: number) => new Uint8Array(size);
    expect(make({ url: "/x", payload: sized(102_400 - 6) }).size).toBe(102_400);
    expect(() => make({ url: "/x", payload: sized(102_401 - 6) })).toThrow(TaskTooLargeError);
    expect(make({ method: "PULL", payload: sized(1_048_576) }).payload).toHaveLength(1_048_576);
    expect(() => make({ method: "PULL", payload: sized(1_048_577) })).toThrow(TaskTooLargeError);
    const url = "https://example.com/";
    expect(make({ url, payload: sized(1_000_000) }).payload).toHaveLength(1_000_000);
    expect(() => make({ url, payload: sized(1_048_569) })).toThrow(TaskTooLargeError);
  });
});

describe("a pull task", () => {
  test("needs a payload, which may be empty", () => {
    expect(() => make({ method: "PULL" })).toThrow(InvalidTaskError);
    expect(() => make({ method: "PULL", params: {} })).toThrow(InvalidTaskError);
    expect(make({ method: "PULL", payload: "" }).payload).toEqual(new Uint8Array());
  });
});

describe("tokens", () => {
  const oidcToken = { serviceAccountEmail: "queue@p.iam.gserviceaccount.com" };

  test("are for absolute URLs, one of the two", () => {
    const url = "https://example.com/";
    expect(make({ url, oidcToken }).url).toBe(url);
    expect(() => make({ url: "/x", oidcToken })).toThrow(InvalidTaskError);
    expect(() => make({ url, oidcToken, oauthToken: oidcToken })).toThrow(InvalidTaskError);
  });
});

describe("properties", () => {
  test("eta and etaPosix say when the task runs or is leased", () => {
    const task = make({ eta: new Date(NOW + 1500) });
    expect([task.eta, task.etaPosix]).toEqual([new Date(NOW + 1500), NOW / 1000 + 1.5]);
  });

  test("headers is a copy", () => {
    const task = make({ headers: { a: ["1", "2"] } });
    (task.headers["a"] as string[]).push("3");
    task.headers["b"] = "4";
    expect(task.headers).toEqual({ a: ["1", "2"] });
  });

  test("onQueueUrl is true if the task runs on the queue's default URL", async () => {
    const [own, other] = [new Task(), new Task({ url: "/x" })];
    expect([own.onQueueUrl, other.onQueueUrl]).toEqual([true, false]);
    expect(make({ method: "PULL", payload: "x" }).onQueueUrl).toBe(false);
    const queue = await pushQueue();
    await queue.add([own, other]);
    expect([own.url, other.url]).toEqual([`/_ah/queue/${queue.name}`, "/x"]);
    const read = [];
    for await (const task of queue.list()) read.push([task.onQueueUrl, task.url]);
    expect(read).toEqual([
      [true, own.url],
      [false, "/x"],
    ]);
  });

  test("onQueueUrl holds for a query of the default URL too", async () => {
    const queue = await pushQueue();
    const task = await queue.add(new Task({ method: "GET", params: { a: 1 } }));
    expect(task.onQueueUrl).toBe(true);
    for await (const { url } of queue.list()) expect(url).toBe(`/_ah/queue/${queue.name}?a=1`);
  });

  test("payload can be none", () => {
    expect(make({}).payload).toBeUndefined();
  });

  test("queueName is the queue with which the task is associated", async () => {
    const queue = await madeQueue();
    const task = new Task({ method: "PULL", payload: "x" });
    expect(task.queueName).toBeUndefined();
    await queue.add(task);
    const [leased] = await queue.leaseTasks(60, 1);
    expect([task.queueName, leased?.queueName]).toEqual([queue.name, queue.name]);
  });

  test("retryCount is the number of leases attempted on the task", async () => {
    const queue = await madeQueue();
    const added = await queue.add(new Task({ method: "PULL", payload: "x" }));
    expect(added.retryCount).toBe(0);
    for (const count of [1, 2, 3]) {
      const [task] = await queue.leaseTasks(60, 1);
      expect(task?.retryCount).toBe(count);
      await queue.modifyTaskLease(task!, 0);
    }
  });

  test("size is bytes of method, payload, URL and headers", () => {
    const task = make({ url: "/xy", payload: bytes("12345"), headers: { ab: "cde" } });
    expect(task.size).toBe("POST".length + 5 + "/xy".length + (2 + 3 + 4));
  });

  test("wasEnqueued is true if the task has been inserted into a queue", async () => {
    const queue = await madeQueue();
    const task = new Task({ method: "PULL", payload: "x" });
    expect(task.wasEnqueued).toBe(false);
    await queue.add(task);
    expect(task.wasEnqueued).toBe(true);
  });

  test("wasDeleted is true if the task was successfully deleted", async () => {
    const queue = await madeQueue();
    const task = await queue.add(new Task({ method: "PULL", payload: "x" }));
    expect(task.wasDeleted).toBe(false);
    await queue.deleteTasks(task);
    expect(task.wasDeleted).toBe(true);
  });

  test("text and json read the payload", () => {
    expect(make({ payload: { a: [1] } }).json()).toEqual({ a: [1] });
    expect(() => make({ payload: new Uint8Array([255]) }).text()).toThrow(ValueError);
    expect(() => make({ payload: "no" }).json()).toThrow(SyntaxError);
  });
});

describe("add", () => {
  test("adds this task to a queue", async () => {
    const queue = await madeQueue();
    const task = new Task({ method: "PULL", payload: "x" });
    expect(await task.add(queue)).toBe(task);
    expect((await queue.fetchStatistics()).tasks).toBe(1);
  });
});

describe("extractParams", () => {
  test("takes a name with several values as a list", () => {
    const params = { a: ["1", "2"], b: "3", __proto__x: "4" };
    expect(make({ params }).extractParams()).toEqual(params);
  });

  test("reads the payload for POST and pull tasks, else the URL's query", () => {
    const params = { a: "1 & 2", b: ["ü", "=", ""] };
    for (const method of ["POST", "PULL", "PUT", "GET", "DELETE"]) {
      const address = method === "PULL" ? {} : { url: "/x" };
      expect(make({ method, params, ...address }).extractParams(), method).toEqual(params);
    }
    expect(make({ method: "PUT", url: "/x?a=1", payload: "b=2" }).extractParams()).toEqual({
      a: "1",
    });
  });

  test("is empty for an empty payload or query", () => {
    for (const options of [{}, { method: "GET", url: "/x" }, { method: "PULL", payload: "" }]) {
      expect(make(options).extractParams()).toEqual({});
    }
  });

  test("throws a ValueError for what are no parameters", () => {
    for (const payload of ["hello", "a=1&b", "a=%zz", "a=%ff", new Uint8Array([255])]) {
      expect(() => make({ payload }).extractParams(), String(payload)).toThrow(ValueError);
    }
    expect(() => make({ method: "GET", url: "/x?nope" }).extractParams()).toThrow(ValueError);
  });
});
