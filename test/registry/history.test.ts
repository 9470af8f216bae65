/**
 * Random histories against a model: calls whose way to the queue's object fails before or after its
 * work, evictions, alarms, days going by. Whenever a list is answered, it is what the objects hold
 * and what the model says; an answer to a call is never other than the model's.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { QueueState } from "../../src/core/model.ts";
import type { Result } from "../../src/core/result.ts";
import type { RegistryObject } from "../../src/registry/registry-object.ts";
import { Store } from "../../src/registry/store.ts";
import { type Fate, SETTINGS, TestRegistry } from "./fake-queues.ts";

const QUEUES = ["a", "b", "c"] as const;
type QueueId = (typeof QUEUES)[number];
const WEEK_US = 7 * 86_400e6;

type Method = "create" | "patch" | "pause" | "resume" | "purge" | "delete";
type Command =
  | {
      readonly kind: Method;
      readonly queue: QueueId;
      readonly attempts: number;
      readonly fates: readonly Fate[];
    }
  | { readonly kind: "list" | "ring"; readonly fate: Fate }
  | { readonly kind: "evict" }
  | { readonly kind: "advance"; readonly hours: number };

const fate = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Fate>("works") },
  { weight: 1, arbitrary: fc.constantFrom<Fate>("before", "after") },
);
const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constantFrom<Method>("create", "patch", "pause", "resume", "purge", "delete"),
      queue: fc.constantFrom(...QUEUES),
      attempts: fc.integer({ min: 1, max: 50 }),
      fates: fc.array(fate, { minLength: 2, maxLength: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("list", "ring"), fate }) },
  { weight: 1, arbitrary: fc.constant<Command>({ kind: "evict" }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("advance"), hours: fc.integer({ min: 0, max: 200 }) }),
  },
);

/** What the catalogue should think of one name. */
interface Known {
  /** Absent: no such queue. */
  readonly queue?: { readonly attempts: number; readonly state: QueueState };
  /** The last step is not known to be done. */
  readonly isPending: boolean;
  /** Until when a deleted name is taken; 0: free. */
  readonly takenUntilUs: number;
}

const FREE: Known = { isPending: false, takenUntilUs: 0 };

/** The catalogue as it should be; fates are spent as the real one spends them. */
class Model {
  readonly names = new Map<QueueId, Known>();

  known(queue: QueueId): Known {
    return this.names.get(queue) ?? FREE;
  }

  /** The code a call answers, and what is known afterwards. */
  call(command: Extract<Command, { queue: QueueId }>, nowUs: number): string {
    const fates = [...command.fates];
    const before = this.known(command.queue);
    if (before.isPending) {
      if (fates.shift() !== "works") return "UNAVAILABLE";
      this.settle(command.queue, nowUs);
      // A delete that is called again only finishes the first.
      if (before.queue === undefined && command.kind === "delete") return "OK";
    }
    const next = this.#next(command, nowUs);
    if (typeof next === "string") return next;
    const isPending = fates.shift() !== "works";
    this.names.set(command.queue, { ...next, isPending });
    if (!isPending) this.settle(command.queue, nowUs);
    return isPending ? "UNAVAILABLE" : "OK";
  }

  /** The pending step of a name is done now. */
  settle(queue: QueueId, nowUs: number): void {
    const known = this.known(queue);
    const takenUntilUs = known.queue === undefined ? nowUs + WEEK_US : 0;
    this.names.set(queue, { ...known, isPending: false, takenUntilUs });
  }

  #next(
    command: Extract<Command, { queue: QueueId }>,
    nowUs: number,
  ): Omit<Known, "isPending"> | string {
    const { queue, takenUntilUs } = this.known(command.queue);
    const { kind, attempts } = command;
    if (queue === undefined) {
      if (kind === "create" || kind === "patch") {
        if (takenUntilUs > nowUs) return "FAILED_PRECONDITION";
        return { queue: { attempts, state: "RUNNING" }, takenUntilUs: 0 };
      }
      return "NOT_FOUND";
    }
    if (kind === "create") return "ALREADY_EXISTS";
    if (kind === "delete") return { takenUntilUs: 0 };
    const change = {
      patch: { attempts },
      pause: { state: "PAUSED" },
      resume: { state: "RUNNING" },
      purge: {},
    } as const;
    return { queue: { ...queue, ...change[kind] }, takenUntilUs: 0 };
  }
}

function call(
  object: RegistryObject,
  command: Extract<Command, { queue: QueueId }>,
): Promise<Result<unknown>> {
  const retryConfig = { ...SETTINGS.retryConfig, maxAttempts: command.attempts };
  switch (command.kind) {
    case "create":
      return object.createQueue(command.queue, { ...SETTINGS, retryConfig });
    case "patch":
      return object.patchQueue(command.queue, {
        paths: ["retryConfig.maxAttempts"],
        input: { retryConfig },
      });
    case "delete":
      return object.deleteQueue(command.queue);
    default:
      return object[`${command.kind}Queue`](command.queue);
  }
}

/** One history; every list that is answered is compared. */
async function live(history: readonly Command[]): Promise<void> {
  const registry = new TestRegistry();
  const model = new Model();
  for (const command of history) await obey(registry, model, command);
  // Whatever happened: once the objects can be reached, all agree, and no step is left over.
  await obey(registry, model, { kind: "list", fate: "works" });
  expect(await pendingNames(registry)).toEqual([]);
}

async function obey(registry: TestRegistry, model: Model, command: Command): Promise<void> {
  switch (command.kind) {
    case "advance":
      registry.advance(command.hours * 3600);
      return;
    case "evict":
      return registry.evict();
    case "ring": {
      registry.queues.fate = () => command.fate;
      await registry.ring();
      return settleFinished(registry, model);
    }
    case "list":
      return compareList(registry, model, command.fate);
    default: {
      const fates = [...command.fates];
      registry.queues.fate = () => fates.shift() ?? "works";
      const expected = model.call(command, registry.nowUs);
      const result = await registry.run((object) => call(object, command));
      expect([command, result.ok ? "OK" : result.error.code]).toEqual([command, expected]);
    }
  }
}

async function compareList(registry: TestRegistry, model: Model, fate: Fate): Promise<void> {
  registry.queues.fate = () => fate;
  const isBlocked = fate !== "works" && (await pendingNames(registry)).length > 0;
  const list = registry.run((object) => object.listQueues("", 10));
  if (isBlocked) {
    await expect(list).rejects.toThrow("did not answer");
    return;
  }
  const { queues } = await list;
  await settleFinished(registry, model);
  const byName = [...registry.queues.existing].sort(([a], [b]) => (a < b ? -1 : 1));
  expect(queues).toEqual(byName.map(([, record]) => record));
  expect(
    queues.map(({ name, settings, state }) => [
      name.queue,
      settings.retryConfig.maxAttempts,
      state,
    ]),
  ).toEqual(
    QUEUES.flatMap((id) => {
      const { queue } = model.known(id);
      return queue === undefined ? [] : [[id, queue.attempts, queue.state]];
    }),
  );
}

/** Which steps a list or an alarm came to finish is the catalogue's affair; the model follows. */
async function settleFinished(registry: TestRegistry, model: Model): Promise<void> {
  const pending = await pendingNames(registry);
  for (const queue of QUEUES) {
    if (model.known(queue).isPending && !pending.includes(queue)) {
      model.settle(queue, registry.nowUs);
    }
  }
}

async function pendingNames(registry: TestRegistry): Promise<readonly string[]> {
  return registry.run((_, { storage }) => new Store(storage).readPending(""));
}

it("whatever happens, the list is what the objects hold and what was acknowledged", async () => {
  await fc.assert(fc.asyncProperty(fc.array(commands, { minLength: 5, maxLength: 40 }), live), {
    numRuns: 150,
  });
}, 60_000);
