/** Signed webhooks, checked by the reference implementation the way a handler would. */
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { BoundedMap } from "../../src/core/bounded-map.ts";
import type { QueueName, WebhookSigning } from "../../src/core/model.ts";
import {
  type WebhookCache,
  webhookHeaders,
  webhookSecret,
} from "../../src/dispatch/webhook-signature.ts";

const ROOT = btoa("0123456789abcdef0123456789abcdef");
const QUEUE = { project: "example.com:p", location: "us-central1", queue: "q" };
const NOW_MS = Date.now();

interface Changes {
  readonly root?: string;
  readonly queue?: QueueName;
  readonly signing?: Omit<WebhookSigning, "enabled">;
  readonly sequence?: number;
  readonly body?: Uint8Array;
  readonly nowMs?: number;
  readonly cache?: WebhookCache;
}

function newCache(): WebhookCache {
  return { keys: new BoundedMap(10), hashes: new BoundedMap(10) };
}

async function signed(changes: Changes = {}): Promise<Record<string, string>> {
  const headers = await webhookHeaders(
    changes.root ?? ROOT,
    {
      queue: changes.queue ?? QUEUE,
      signing: changes.signing ?? { generation: 7 },
      sequence: changes.sequence ?? 1_790_000_000_000_001,
      body: changes.body,
    },
    changes.nowMs ?? NOW_MS,
    changes.cache ?? newCache(),
  );
  return Object.fromEntries(headers);
}

async function verify(headers: Record<string, string>, body: string, generation = 7) {
  new Webhook(await webhookSecret(ROOT, QUEUE, generation)).verify(body, headers, {
    jsonParse: false,
  });
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe("a signature", () => {
  it.each([
    ["a body", "hello"],
    ["a body beyond ASCII", '{"name":"Grüße, 世界"}'],
    ["a big body", "x".repeat(1_000_000)],
    ["no body", ""],
  ])("over %s is what the reference implementation expects", async (_, body) => {
    const headers = await signed(body === "" ? {} : { body: bytes(body) });
    await verify(headers, body);
    await expect(verify(headers, `${body} `)).rejects.toThrow("No matching signature found");
  });

  it("covers bytes that are no text", async () => {
    const body = new Uint8Array([0, 255, 254, 10, 13]);
    const headers = await signed({ body });
    const secret = (await webhookSecret(ROOT, QUEUE, 7)).slice("whsec_".length);
    const raw = Uint8Array.from(atob(secret), (char) => char.charCodeAt(0));
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", raw, hmac, false, ["verify"]);
    const head = bytes(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`);
    const signature = Uint8Array.from(
      atob((headers["webhook-signature"] ?? "").replace("v1,", "")),
      (char) => char.charCodeAt(0),
    );
    const content = new Uint8Array([...head, ...body]);
    expect(await crypto.subtle.verify("HMAC", key, signature, content)).toBe(true);
  });

  it.each([
    ["id", "webhook-id", "msg_other"],
    ["time", "webhook-timestamp", String(Math.floor(NOW_MS / 1000) + 1)],
  ])("covers the %s", async (_, name, value) => {
    const headers = await signed({ body: bytes("hello") });
    await expect(verify({ ...headers, [name]: value }, "hello")).rejects.toThrow("No matching");
  });

  it("is too old after five minutes for whoever checks", async () => {
    const headers = await signed({ nowMs: NOW_MS - 301_000 });
    await expect(verify(headers, "")).rejects.toThrow("too old");
  });

  it("is made again on every attempt, under the same id", async () => {
    const first = await signed();
    const second = await signed({ nowMs: NOW_MS + 5000 });
    expect(second["webhook-id"]).toBe(first["webhook-id"]);
    expect(second["webhook-timestamp"]).not.toBe(first["webhook-timestamp"]);
    expect(second["webhook-signature"]).not.toBe(first["webhook-signature"]);
  });

  it("names the task by an id without a full stop, and no two tasks by the same", async () => {
    const ids = await Promise.all([
      signed(),
      signed({ sequence: 1_790_000_000_000_002 }),
      signed({ queue: { ...QUEUE, queue: "q2" } }),
      signed({ queue: { ...QUEUE, project: "p" } }),
    ]);
    for (const headers of ids) expect(headers["webhook-id"]).toMatch(/^msg_[\w-]{16}_[0-9a-z]+$/);
    expect(new Set(ids.map((headers) => headers["webhook-id"])).size).toBe(4);
  });
});

describe("secrets", () => {
  it("are 32 bytes each, as handlers are given them, and found again from the root", async () => {
    const secret = await webhookSecret(ROOT, QUEUE, 7);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(await webhookSecret(ROOT, QUEUE, 7)).toBe(secret);
  });

  it("differ by root, queue and generation", async () => {
    const secrets = await Promise.all([
      webhookSecret(ROOT, QUEUE, 7),
      webhookSecret(btoa("another root"), QUEUE, 7),
      webhookSecret(ROOT, QUEUE, 8),
      webhookSecret(ROOT, { ...QUEUE, queue: "q2" }, 7),
      webhookSecret(ROOT, { ...QUEUE, location: "europe-west1" }, 7),
      webhookSecret(ROOT, { ...QUEUE, project: "p" }, 7),
    ]);
    expect(new Set(secrets).size).toBe(6);
  });

  it("sign along until their time is over", async () => {
    const untilUs = NOW_MS * 1000 + 1_000_000;
    const signing = { generation: 8, previous: { generation: 7, untilUs } };
    const during = await signed({ signing, body: bytes("a") });
    expect(during["webhook-signature"]?.split(" ")).toHaveLength(2);
    await verify(during, "a", 8);
    await verify(during, "a", 7);
    const after = await signed({ signing, body: bytes("a"), nowMs: NOW_MS + 1000 });
    await verify(after, "a", 8);
    await expect(verify(after, "a", 7)).rejects.toThrow("No matching signature found");
  });

  it("are derived once, and never used for another queue, generation or root", async () => {
    const cache = newCache();
    const others: Changes[] = [
      { queue: { ...QUEUE, queue: "q2" } },
      { signing: { generation: 8 } },
      { root: btoa("another root") },
    ];
    const first = await signed({ cache });
    for (const change of others) {
      expect(await signed({ ...change, cache })).toEqual(await signed(change));
    }
    expect(await signed({ cache })).toEqual(first);
    expect(cache.keys.size).toBe(4);
  });
});
