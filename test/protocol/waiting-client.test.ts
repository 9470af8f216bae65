/** Calls that wait: how their answers begin, and how a client that has gone is noticed. */
import { describe, expect, it } from "vitest";
import { answerWaiting, clientOf, type WaitingClient } from "../../src/protocol/waiting-client.ts";

const HEADERS = { "content-type": "application/json", "preference-applied": "wait=30" };

/** Answers a request by what `method` does with its client. */
function answered(method: (client: WaitingClient) => Promise<Response>) {
  const request = new Request("http://localhost/", { method: "POST" });
  const tidied: Promise<unknown>[] = [];
  const response = answerWaiting(
    request,
    async () => {
      const client = clientOf(request);
      if (client === undefined) throw new Error("the request has no client");
      return method(client);
    },
    { headers: HEADERS, waitUntil: (work) => tidied.push(work) },
  );
  return { response, end: () => Promise.all(tidied) };
}

describe("an answer", () => {
  it("is handed on as it is where nobody had to wait", async () => {
    const refusal = new Response("{}", { status: 400, headers: { "x-own": "1" } });
    const { response, end } = answered(async () => refusal);
    expect(await response).toBe(refusal);
    await end();
  });

  it("begins with blank lines once the client was asked for", async () => {
    const { response, end } = answered(async (client) => {
      expect(await client.isThere()).toBe(true);
      return new Response('{"a":1}');
    });
    const reply = await response;
    expect([reply.status, Object.fromEntries(reply.headers)]).toEqual([
      200,
      expect.objectContaining(HEADERS),
    ]);
    const text = await reply.text();
    expect(text).toMatch(/^\n+\{"a":1\}$/);
    expect(JSON.parse(text)).toEqual({ a: 1 });
    await end();
  });

  it("has nothing in it where it is refused too late", async () => {
    const { response } = answered(async (client) => {
      await client.isThere();
      return new Response('{"error":{}}', { status: 400 });
    });
    expect(JSON.parse(await (await response).text())).toEqual({});
  });

  it("fails as the method does, or has nothing in it where that is too late", async () => {
    const early = answered(async () => {
      throw new Error("overloaded");
    });
    await expect(early.response).rejects.toThrow("overloaded");
    const late = answered(async (client) => {
      await client.isThere();
      throw new Error("overloaded");
    });
    expect(JSON.parse(await (await late.response).text())).toEqual({});
  });
});

describe("a client that has gone", () => {
  it("is noticed when it is asked for", async () => {
    const seen: boolean[] = [];
    let goOn = () => {};
    const left = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const { response, end } = answered(async (client) => {
      seen.push(await client.isThere());
      await left;
      seen.push(await client.isThere(), client.signal.aborted);
      return new Response('{"a":1}');
    });
    const reader = (await response).body?.getReader();
    await reader?.read();
    await reader?.read();
    await reader?.cancel();
    goOn();
    await end();
    expect(seen).toEqual([true, false, true]);
  });
});

it("is nobody for a request that does not wait", () => {
  expect(clientOf(new Request("http://localhost/"))).toBeUndefined();
});
