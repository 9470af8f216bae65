/** App Engine's interface: every method × every role, with the credential as ticket or header. */
import { describe, expect, it, test } from "vitest";
import { permissionsOf, ROLE_NAMES } from "../../src/auth/iam/roles.ts";
import { SERVICES } from "../../src/protocol/rpc/methods.ts";
import { type Answer, bytes, Code, pb, pullTask, RpcApp } from "../protocol/rpc-client.ts";
import { newProject, owner, tokenFor } from "./iam-world.ts";

const NAMED = { queueName: bytes("missing") };
/** Calls that change nothing, whoever gets through: the queue is not there. */
const CALLS = {
  Add: pullTask("missing"),
  BulkAdd: { addRequest: [pullTask("missing")] },
  Delete: { ...NAMED, taskName: [bytes("t")] },
  ForceRun: { ...NAMED, taskName: bytes("t") },
  FetchTask: { ...NAMED, taskName: bytes("t") },
  QueryTasks: { ...NAMED, startEtaUsec: 0n },
  QueryAndOwnTasks: { ...NAMED, leaseSeconds: 1, maxTasks: 1n },
  ModifyTaskLease: { ...NAMED, taskName: bytes("t"), etaUsec: 1n, leaseSeconds: 1 },
  UpdateQueue: {
    queueName: bytes("made"),
    bucketRefillPerSecond: 1,
    bucketCapacity: 1,
    mode: pb.TaskQueueMode_Mode.PUSH,
  },
  FetchQueues: { maxRows: 1 },
  FetchQueueStats: { queueName: [bytes("missing")] },
  PauseQueue: { ...NAMED, pause: true },
  PurgeQueue: NAMED,
  DeleteQueue: NAMED,
  DeleteGroup: {},
  BeginTransaction: {},
  Commit: { handle: 5n },
  Rollback: { handle: 5n },
} as const;

const NEEDS: Readonly<Record<string, readonly string[]>> = {
  Add: ["tasks.create"],
  BulkAdd: ["tasks.create"],
  Delete: ["tasks.delete"],
  ForceRun: ["tasks.run"],
  FetchTask: ["tasks.get", "tasks.fullView"],
  QueryTasks: ["tasks.list", "tasks.fullView"],
  QueryAndOwnTasks: ["tasks.lease", "tasks.fullView"],
  ModifyTaskLease: ["tasks.lease"],
  UpdateQueue: ["queues.create", "queues.update", "queues.pause", "queues.resume"],
  FetchQueues: ["queues.list"],
  FetchQueueStats: ["queues.get"],
  PauseQueue: ["queues.pause", "queues.resume"],
  PurgeQueue: ["queues.purge"],
  DeleteQueue: ["queues.delete"],
  DeleteGroup: ["queues.delete"],
  UpdateStorageLimit: ["queues.update"],
  BeginTransaction: ["tasks.create"],
  Commit: ["tasks.create"],
  Rollback: ["tasks.create"],
};

/** An app whose calls name no project: it is the caller's own. */
async function callerWith(project: string, roles: readonly string[]): Promise<RpcApp> {
  const app = new RpcApp();
  app.vars = { OPEN_MODE: undefined, API_TOKEN: "the-owners-token", APP_PROJECT: "elsewhere" };
  app.headers = { authorization: `Bearer ${await tokenFor(project, { roles })}` };
  return app;
}

describe("every method", () => {
  it("names what it needs", () => {
    const found = [...SERVICES.values()].flatMap((methods) =>
      [...methods].map(([name, { needs }]) => [
        name,
        needs.map((permission) => permission.replace("cloudtasks.", "")),
      ]),
    );
    expect(Object.fromEntries(found)).toEqual(NEEDS);
  });

  test.each(ROLE_NAMES)("does for %s what the role says, and nothing else", async (role) => {
    const project = newProject();
    const app = await callerWith(project, [role]);
    const held = permissionsOf(role) ?? new Set();
    for (const [name, message] of Object.entries(CALLS)) {
      const ofProject = ["PauseQueue", "DeleteQueue", "DeleteGroup"].includes(name)
        ? { appId: bytes(project) }
        : ["BeginTransaction", "Commit", "Rollback"].includes(name)
          ? { app: project }
          : {};
      const answer = await app.call(name as "Add", { ...message, ...ofProject } as never);
      const mayCall = NEEDS[name]?.every((one) => held.has(`cloudtasks.${one}` as never));
      expect(isDenied(name, answer), `${role} at ${name}`).toBe(!mayCall);
    }
  });

  it("is closed to callers of other projects, whatever their roles there", async () => {
    const app = await callerWith(newProject(), ["roles/owner"]);
    const appId = bytes(`s~${newProject()}`);
    const answer = await app.call("FetchQueueStats", { queueName: [bytes("q")], appId });
    expect(answer).toMatchObject({
      kind: "application",
      code: Code.PERMISSION_DENIED,
      detail: expect.stringContaining('lacks IAM permission "cloudtasks.queues.get"'),
    });
  });
});

it("a call that names no project is about the project of the ticket's account", async () => {
  const project = newProject();
  const app = await callerWith(project, ["roles/cloudtasks.enqueuer"]);
  const etaUsec = BigInt(Date.now() + 60_000) * 1000n;
  const { results } = await app.add({ queueName: bytes("default"), taskName: bytes("n"), etaUsec });
  expect(results).toEqual(["OK"]);
  const path = `/v2/projects/${project}/locations/us-central1/queues/default/tasks/n`;
  expect(await owner("GET", path)).toMatchObject({ name: path.slice(4) });
});

/** PERMISSION_DENIED, wherever the method tells it; datastore_v3 has its own number for it. */
function isDenied(name: string, answer: Answer<unknown>): boolean {
  const isDatastore = ["BeginTransaction", "Commit", "Rollback"].includes(name);
  if (answer.kind === "application") {
    return answer.code === (isDatastore ? 6 : Code.PERMISSION_DENIED);
  }
  if (answer.kind === "rpc") throw new Error(`${name}: rpc ${answer.code} ${answer.detail}`);
  const { taskresult, result } = answer.value as {
    readonly taskresult?: readonly { readonly result: number }[];
    readonly result?: number | readonly number[];
  };
  const results = taskresult?.map((one) => one.result) ?? [result ?? Code.OK].flat();
  return results.includes(Code.PERMISSION_DENIED);
}
