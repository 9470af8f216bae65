/** The story of conformance.ts, told over every face in its own words. */
import {
  type Answer,
  conformance,
  type Face,
  type Lease,
  leasingConformance,
  type NewTask,
  type Queue,
  type SeenTask,
} from "./conformance.ts";
import { ok, type Reply, send, uniqueLocation } from "./rest.ts";

function toBase64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function fromBase64(text: string | undefined): string {
  return new TextDecoder().decode(Uint8Array.from(atob(text ?? ""), (c) => c.charCodeAt(0)));
}

/** The answer, read where there is one; else the code of the refusal. */
function read<T>(reply: Reply, translate: (body: Reply["body"]) => T): Answer<T> {
  if (reply.status < 300) return translate(reply.body);
  const byStatus: Record<number, string> = { 404: "NOT_FOUND", 409: "ALREADY_EXISTS" };
  return reply.body.error.status ?? byStatus[reply.status] ?? "FAILED_PRECONDITION";
}

function shortId(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

// ---- Cloud Tasks -----------------------------------------------------------------------------

/** How a version of Cloud Tasks writes a task's payload, and where it reads it. */
interface Words {
  readonly version: string;
  readonly settings: object;
  write(task: NewTask): object;
  bodyOf(task: Reply["body"]): string | undefined;
}

const HTTP: Pick<Words, "write" | "bodyOf"> = {
  write: ({ body }) => ({ httpRequest: { url: "https://example.com/", body: toBase64(body) } }),
  bodyOf: ({ httpRequest }) => httpRequest.body,
};
const PULL: Pick<Words, "write" | "bodyOf"> = {
  write: ({ body, tag }) => ({
    pullMessage: { payload: toBase64(body), ...(tag === undefined ? {} : { tag }) },
  }),
  bodyOf: ({ pullMessage }) => pullMessage.payload,
};

function cloudTasks(name: string, words: Words): Face {
  const { version, settings } = words;
  return {
    name,
    showsBodies: true,
    async createQueue() {
      const location = uniqueLocation();
      const queue = `${location}/queues/story`;
      await ok("POST", `/${version}/${location}/queues`, { name: queue, ...settings });
      // What is pushed would be gone before the story has told of it.
      if (words.write === HTTP.write) await ok("POST", `/${version}/${queue}:pause`, {});
      return cloudTasksQueue(queue, words);
    },
    missingQueue: () => cloudTasksQueue(`${uniqueLocation()}/queues/none`, words),
  };
}

function cloudTasksQueue(queue: string, words: Words): Queue {
  const path = `/${words.version}/${queue}/tasks`;
  const seen = (task: Reply["body"]): SeenTask => ({
    id: shortId(task.name),
    body: fromBase64(words.bodyOf(task)),
    availableMs: Date.parse(task.scheduleTime),
  });
  return {
    async put(task) {
      const { id, delayS } = task;
      const wire = {
        ...words.write(task),
        ...(id === undefined ? {} : { name: `${queue}/tasks/${id}` }),
        ...(delayS === undefined
          ? {}
          : { scheduleTime: new Date(Date.now() + delayS * 1000).toISOString() }),
      };
      return read(await send("POST", path, { task: wire, responseView: "FULL" }), seen);
    },
    read: async (id) => read(await send("GET", `${path}/${id}?responseView=FULL`), seen),
    list: async () => ((await ok("GET", `${path}?responseView=FULL`)).tasks ?? []).map(seen),
    remove: async (id) => read(await send("DELETE", `${path}/${id}`), () => "done" as const),
    ...(words.version === "v2beta2" ? { leasing: cloudTasksLeasing(path) } : {}),
  };
}

function cloudTasksLeasing(path: string): NonNullable<Queue["leasing"]> {
  // The schedule time that was answered is the proof of a lease, to the microsecond.
  const proofs = new Map<string, string>();
  const leased = (task: Reply["body"]): Lease => {
    proofs.set(shortId(task.name), task.scheduleTime);
    return {
      id: shortId(task.name),
      body: fromBase64(task.pullMessage.payload),
      availableMs: Date.parse(task.scheduleTime),
      count: task.status.attemptDispatchCount,
    };
  };
  return {
    async lease({ count, seconds, tag, oldestTag }) {
      const filter = oldestTag
        ? "tag_function=oldest_tag()"
        : tag === undefined
          ? ""
          : `tag=${tag}`;
      const body = {
        maxTasks: count,
        leaseDuration: `${seconds}s`,
        responseView: "FULL",
        filter,
      };
      return read(await send("POST", `${path}:lease`, body), ({ tasks = [] }) => tasks.map(leased));
    },
    async renew({ id }, seconds) {
      const body = { scheduleTime: proofs.get(id), leaseDuration: `${seconds}s` };
      return read(await send("POST", `${path}/${id}:renewLease`, body), leased);
    },
    async finish({ id }) {
      const body = { scheduleTime: proofs.get(id) };
      return read(await send("POST", `${path}/${id}:acknowledge`, body), () => "done" as const);
    },
  };
}

// ---- taskqueue/v1beta2 -----------------------------------------------------------------------

const taskQueue: Face = {
  name: "taskqueue/v1beta2",
  showsBodies: true,
  async createQueue() {
    // It has no method for that: its queues come from elsewhere.
    const location = uniqueLocation();
    const name = `${location}/queues/story`;
    await ok("POST", `/v2beta2/${location}/queues`, { name, pullTarget: {} });
    return taskQueueOf(name);
  },
  missingQueue: () => taskQueueOf(`${uniqueLocation()}/queues/none`),
};

function taskQueueOf(name: string): Queue {
  const [, project, , , , queueName] = name.split("/");
  const path = `/taskqueue/v1beta2/projects/s~${project}/taskqueues/${queueName}/tasks`;
  const seen = (task: Reply["body"]): SeenTask => ({
    id: task.id,
    body: fromBase64(task.payloadBase64),
    ...(task.leaseTimestamp === "0" ? {} : { availableMs: Number(task.leaseTimestamp) / 1000 }),
  });
  const leased = (task: Reply["body"]): Lease => ({
    id: task.id,
    body: fromBase64(task.payloadBase64),
    availableMs: Number(task.leaseTimestamp) / 1000,
    count: task.retry_count,
  });
  return {
    async put({ id, body, delayS, tag }) {
      const task = {
        queueName,
        payloadBase64: toBase64(body),
        ...(id === undefined ? {} : { id }),
        ...(tag === undefined ? {} : { tag }),
        ...(delayS === undefined
          ? {}
          : { leaseTimestamp: String((Date.now() + delayS * 1000) * 1000) }),
      };
      return read(await send("POST", path, task), seen);
    },
    read: async (id) => read(await send("GET", `${path}/${id}`), seen),
    list: async () => ((await ok("GET", path)).items ?? []).map(seen),
    remove: async (id) => read(await send("DELETE", `${path}/${id}`), () => "done" as const),
    leasing: {
      async lease({ count, seconds, tag, oldestTag }) {
        const query = new URLSearchParams({ numTasks: String(count), leaseSecs: String(seconds) });
        if (oldestTag || tag !== undefined) query.set("groupByTag", "true");
        if (tag !== undefined) query.set("tag", tag);
        const reply = await send("POST", `${path}/lease?${query}`);
        return read(reply, ({ items = [] }) => items.map(leased));
      },
      async renew({ id }, seconds) {
        const body = { queueName };
        return read(await send("PATCH", `${path}/${id}?newLeaseSeconds=${seconds}`, body), leased);
      },
      finish: async ({ id }) => read(await send("DELETE", `${path}/${id}`), () => "done" as const),
    },
  };
}

// ---- The story -------------------------------------------------------------------------------

const v2beta2Pull = cloudTasks("v2beta2, a pull queue", {
  version: "v2beta2",
  settings: { pullTarget: {} },
  ...PULL,
});

conformance(cloudTasks("v2", { version: "v2", settings: {}, ...HTTP }));
conformance(cloudTasks("v2beta3", { version: "v2beta3", settings: {}, ...HTTP }));
conformance(
  cloudTasks("v2beta3, a pull queue", { version: "v2beta3", settings: { type: "PULL" }, ...PULL }),
);
conformance(
  cloudTasks("v2beta2", { version: "v2beta2", settings: { appEngineHttpTarget: {} }, ...HTTP }),
);
conformance(v2beta2Pull);
conformance(taskQueue);

leasingConformance(v2beta2Pull);
leasingConformance(taskQueue);
