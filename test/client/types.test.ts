/**
 * Wrong uses that do not compile. Each line below an expected error is one the compiler refuses (tsc
 * fails where it does not), and is refused when it runs all the same.
 */
import { describe, expect, test } from "vitest";
import {
  BadTransactionStateError,
  Connection,
  InvalidTaskError,
  Queue,
  Task,
  type TaskOptions,
  type Transaction,
  taskHandler,
} from "../../src/client/index.ts";

const BASE = { project: "p", location: "us-central1" };
const baseUrl = "https://tasks.example.com";
const queue = new Queue("mail", { ...BASE, baseUrl });

describe("tasks that do not compile", () => {
  const refused = (make: () => unknown) => expect(make).toThrow(InvalidTaskError);

  test("a pull task with what pull tasks may not have", () => {
    // @ts-expect-error: a URL
    refused(() => new Task({ method: "PULL", payload: "x", url: "/x" }));
    // @ts-expect-error: headers
    refused(() => new Task({ method: "PULL", payload: "x", headers: { a: "b" } }));
    // @ts-expect-error: a target
    refused(() => new Task({ method: "PULL", payload: "x", target: "worker" }));
    // @ts-expect-error: a deadline
    refused(() => new Task({ method: "PULL", payload: "x", dispatchDeadline: 20 }));
    // @ts-expect-error: retry options of push tasks
    refused(() => new Task({ method: "PULL", payload: "x", retryOptions: { maxDoublings: 1 } }));
    // @ts-expect-error: no payload
    refused(() => new Task({ method: "PULL" }));
  });

  test("a push task with a tag", () => {
    // @ts-expect-error: a tag
    refused(() => new Task({ payload: "x", tag: "a" }));
  });

  test("a payload and params, for POST and PULL", () => {
    // @ts-expect-error: both
    refused(() => new Task({ payload: "x", params: { a: 1 } }));
    // @ts-expect-error: both
    refused(() => new Task({ method: "PULL", payload: "x", params: { a: 1 } }));
    expect(new Task({ method: "PUT", payload: "x", params: { a: 1 }, url: "/x" }).url).toBe(
      "/x?a=1",
    );
  });

  test("a payload with GET", () => {
    // @ts-expect-error: a payload
    refused(() => new Task({ method: "GET", payload: "x" }));
  });

  test("an eta and a countdown", () => {
    // @ts-expect-error: both
    refused(() => new Task({ eta: new Date(), countdown: 1 }));
  });

  test("a method that there is not, and a payload that is none", () => {
    // @ts-expect-error: not a method
    refused(() => new Task({ method: "TRACE" }));
    // @ts-expect-error: a number
    refused(() => new Task({ payload: 17 }));
  });
});

describe("what else does not compile", () => {
  test("a connection without a place, or with two", () => {
    // @ts-expect-error: neither baseUrl nor binding
    expect(() => new Connection(BASE)).toThrow(TypeError);
    // @ts-expect-error: both
    expect(() => new Connection({ ...BASE, baseUrl, binding: { fetch } })).toThrow(TypeError);
    const credentials = { client_email: "a", private_key: "b" };
    // @ts-expect-error: two credentials
    expect(() => new Connection({ ...BASE, baseUrl, token: "a", credentials })).toThrow(TypeError);
  });

  test("transactional: false with a transaction", async () => {
    const transaction = { addTo: async () => undefined } as unknown as Transaction;
    // @ts-expect-error: they contradict each other
    await queue.add(new Task(), { transaction, transactional: false });
    await expect(queue.add(new Task(), { transactional: true })).rejects.toThrow(
      BadTransactionStateError,
    );
  });

  test("a handler that does not say whom it believes", () => {
    // @ts-expect-error: verify is missing
    expect(() => taskHandler(() => undefined, {})).toThrow(TypeError);
  });
});

test("options that are put together one by one do compile", () => {
  const options: TaskOptions = { url: "/x", payload: undefined, countdown: undefined, eta: null };
  expect(new Task(options).url).toBe("/x");
});
