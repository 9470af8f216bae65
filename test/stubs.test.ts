/** Which object a name leads to, where it is put, and that finding it again is cheap. */
import { describe, expect, it } from "vitest";
import { MAX_CACHED_OBJECT_IDS } from "../src/core/limits.ts";
import type { Env } from "../src/env.ts";
import { keyStub, queueStub, registryStub } from "../src/stubs.ts";

/** Notes what is asked of it, and answers with a stub that says it all. */
class RecordingNamespace {
  readonly derived: string[] = [];
  readonly jurisdictions: string[] = [];
  readonly #place: string;

  constructor(place = "") {
    this.#place = place;
  }

  idFromName(name: string) {
    this.derived.push(name);
    return { id: `${this.#place}${name}` };
  }

  get({ id }: { id: string }, options?: { locationHint?: string }) {
    return { found: id, hint: options?.locationHint };
  }

  jurisdiction(jurisdiction: string) {
    this.jurisdictions.push(jurisdiction);
    return new RecordingNamespace(`${jurisdiction}:`);
  }
}

function setup(settings: Record<string, string> = {}) {
  const queues = new RecordingNamespace();
  const registries = new RecordingNamespace();
  const keys = new RecordingNamespace();
  const env = { QUEUE: queues, REGISTRY: registries, KEYS: keys, ...settings };
  return { env: env as unknown as Env, queues, registries, keys };
}

const queueIn = (location: string) => ({ project: "p", location, queue: "q" });

describe("stubs", () => {
  it.each([
    ["us-central1", "enam"],
    ["us-west2", "wnam"],
    ["europe-west1", "weur"],
    ["australia-southeast1", "oc"],
    ["nowhere", undefined],
  ])("of a queue in %s are placed there (%s)", (location, hint) => {
    const { env } = setup();
    expect(queueStub(env, queueIn(location))).toEqual({ found: `p/${location}/q`, hint });
    expect(registryStub(env, queueIn(location))).toEqual({ found: `p/${location}`, hint });
  });

  it.each([
    ["europe-west1", "eu:"],
    ["europe-west2", ""],
    ["us-central1", ""],
  ])("of a queue in %s keep to the EU jurisdiction where that is set (%j)", (location, place) => {
    const { env } = setup({ EU_JURISDICTION: "eu" });
    expect(queueStub(env, queueIn(location))).toMatchObject({ found: `${place}p/${location}/q` });
    expect(registryStub(env, queueIn(location))).toMatchObject({ found: `${place}p/${location}` });
    expect(keyStub(env)).toEqual({ found: "key", hint: undefined });
  });

  it("derive an id and a jurisdiction once", () => {
    const { env, queues, registries, keys } = setup({ EU_JURISDICTION: "eu" });
    for (let n = 0; n < 3; n++) {
      queueStub(env, queueIn("us-central1"));
      queueStub(env, queueIn("europe-west1"));
      registryStub(env, queueIn("us-central1"));
      keyStub(env);
    }
    expect(queues.derived).toEqual(["p/us-central1/q"]);
    expect(queues.jurisdictions).toEqual(["eu"]);
    expect(registries.derived).toEqual(["p/us-central1"]);
    expect(keys.derived).toEqual(["key"]);
  });

  it("remember so many ids and forget the oldest", () => {
    const { env, queues } = setup();
    const ask = (n: number) => queueStub(env, { project: "p", location: "l", queue: `q${n}` });
    for (let n = 0; n <= MAX_CACHED_OBJECT_IDS; n++) ask(n);
    queues.derived.length = 0;
    expect(ask(1)).toMatchObject({ found: "p/l/q1" });
    expect(queues.derived).toEqual([]);
    expect(ask(0)).toMatchObject({ found: "p/l/q0" });
    expect(queues.derived).toEqual(["p/l/q0"]);
  });
});
