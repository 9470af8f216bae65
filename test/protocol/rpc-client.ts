/** Speaks App Engine's RPC interface to the Worker: generated messages in its envelope. */

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { expect } from "vitest";
import { createApp } from "../../src/app.ts";
import type { QueueName } from "../../src/core/model.ts";
import type { Env } from "../../src/env.ts";
import * as v3 from "../../src/protocol/rpc/gen/datastore_v3_pb.js";
import * as remote from "../../src/protocol/rpc/gen/remote_api_pb.js";
import * as pb from "../../src/protocol/rpc/gen/taskqueue_service_pb.js";
import type { QueueObject } from "../../src/queue/queue-object.ts";
import { queueStub, registryStub } from "../../src/stubs.ts";
import { settings } from "../support/factory.ts";

export { pb, remote, v3 };
export const Code = pb.TaskQueueServiceError_ErrorCode;
export const Rpc = remote.RpcError_ErrorCode;

const bindings = env as unknown as Env;
const app = createApp();
let counter = 0;

/** What an answer came to. */
export type Answer<O> =
  | { readonly kind: "ok"; readonly value: O }
  | { readonly kind: "application"; readonly code: number; readonly detail: string }
  | { readonly kind: "rpc"; readonly code: number; readonly detail: string };

/** The request and response messages of each method. */
const METHODS = {
  Add: [pb.TaskQueueAddRequestSchema, pb.TaskQueueAddResponseSchema],
  BulkAdd: [pb.TaskQueueBulkAddRequestSchema, pb.TaskQueueBulkAddResponseSchema],
  Delete: [pb.TaskQueueDeleteRequestSchema, pb.TaskQueueDeleteResponseSchema],
  ForceRun: [pb.TaskQueueForceRunRequestSchema, pb.TaskQueueForceRunResponseSchema],
  FetchTask: [pb.TaskQueueFetchTaskRequestSchema, pb.TaskQueueFetchTaskResponseSchema],
  QueryTasks: [pb.TaskQueueQueryTasksRequestSchema, pb.TaskQueueQueryTasksResponseSchema],
  QueryAndOwnTasks: [
    pb.TaskQueueQueryAndOwnTasksRequestSchema,
    pb.TaskQueueQueryAndOwnTasksResponseSchema,
  ],
  ModifyTaskLease: [
    pb.TaskQueueModifyTaskLeaseRequestSchema,
    pb.TaskQueueModifyTaskLeaseResponseSchema,
  ],
  UpdateQueue: [pb.TaskQueueUpdateQueueRequestSchema, pb.TaskQueueUpdateQueueResponseSchema],
  FetchQueues: [pb.TaskQueueFetchQueuesRequestSchema, pb.TaskQueueFetchQueuesResponseSchema],
  FetchQueueStats: [
    pb.TaskQueueFetchQueueStatsRequestSchema,
    pb.TaskQueueFetchQueueStatsResponseSchema,
  ],
  PauseQueue: [pb.TaskQueuePauseQueueRequestSchema, pb.TaskQueuePauseQueueResponseSchema],
  PurgeQueue: [pb.TaskQueuePurgeQueueRequestSchema, pb.TaskQueuePurgeQueueResponseSchema],
  DeleteQueue: [pb.TaskQueueDeleteQueueRequestSchema, pb.TaskQueueDeleteQueueResponseSchema],
  DeleteGroup: [pb.TaskQueueDeleteGroupRequestSchema, pb.TaskQueueDeleteGroupResponseSchema],
  UpdateStorageLimit: [
    pb.TaskQueueUpdateStorageLimitRequestSchema,
    pb.TaskQueueUpdateStorageLimitResponseSchema,
  ],
  BeginTransaction: [v3.BeginTransactionRequestSchema, v3.TransactionSchema],
  Commit: [v3.TransactionSchema, v3.CommitResponseSchema],
  Rollback: [v3.TransactionSchema, v3.VoidProtoSchema],
} as const satisfies Record<string, readonly [DescMessage, DescMessage]>;

type Methods = typeof METHODS;
export type MethodName = keyof Methods;
export type Input<M extends MethodName> = MessageInitShape<Methods[M][0]>;
export type Output<M extends MethodName> = MessageShape<Methods[M][1]>;

export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];

export function serviceOf(name: MethodName): string {
  return ["BeginTransaction", "Commit", "Rollback"].includes(name) ? "datastore_v3" : "taskqueue";
}

export function inputOf(name: MethodName): DescMessage {
  return METHODS[name][0];
}

export const bytes = (text: string) => new TextEncoder().encode(text);
export const text = (value: Uint8Array) => new TextDecoder().decode(value);

/** Posts a body as it is and opens the envelope: always HTTP 200, always one of its cases. */
export async function post(
  body: BodyInit | Uint8Array | undefined,
  given: {
    readonly vars?: Readonly<Record<string, string | undefined>>;
    readonly headers?: Readonly<Record<string, string>>;
    readonly method?: string;
    readonly path?: string;
  } = {},
): Promise<Answer<Uint8Array>> {
  const { vars = {}, headers = {}, method = "POST", path = "/rpc_http" } = given;
  const request = new Request(`http://localhost${path}`, {
    method,
    headers: { "content-type": "application/octet-stream", ...headers },
    ...(body === undefined ? {} : { body: body as BodyInit }),
  });
  const response = await app.fetch(request, { ...bindings, ...vars });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/octet-stream");
  const answer = fromBinary(remote.ResponseSchema, new Uint8Array(await response.arrayBuffer()));
  const { rpcError, applicationError } = answer;
  if (rpcError !== undefined) return { kind: "rpc", code: rpcError.code, detail: rpcError.detail };
  if (applicationError !== undefined) {
    return { kind: "application", code: applicationError.code, detail: applicationError.detail };
  }
  return { kind: "ok", value: answer.response };
}

/** An envelope around a message. */
export function envelope(
  serviceName: string,
  method: string,
  request: Uint8Array,
  ticket?: string,
): Uint8Array {
  return toBinary(
    remote.RequestSchema,
    create(remote.RequestSchema, {
      serviceName,
      method,
      request,
      ...(ticket === undefined ? {} : { requestId: ticket }),
    }),
  );
}

/** An app of its own for a test: its project is the deployment's, as most calls name none. */
export class RpcApp {
  readonly project = `p-${crypto.randomUUID().slice(0, 8)}`;
  /** Settings of the deployment besides the project. */
  vars: Readonly<Record<string, string | undefined>> = {};
  headers: Readonly<Record<string, string>> = {};

  async call<M extends MethodName>(name: M, message: Input<M>): Promise<Answer<Output<M>>> {
    const [input, output] = METHODS[name];
    const request = toBinary<DescMessage>(input, create<DescMessage>(input, message));
    const body = envelope(serviceOf(name), name, request);
    const vars = { APP_PROJECT: this.project, ...this.vars };
    const answer = await post(body, { vars, headers: this.headers });
    if (answer.kind !== "ok") return answer;
    return { kind: "ok", value: fromBinary<DescMessage>(output, answer.value) as Output<M> };
  }

  /** Calls and expects success. */
  async ok<M extends MethodName>(name: M, message: Input<M>): Promise<Output<M>> {
    const answer = await this.call(name, message);
    if (answer.kind !== "ok")
      throw new Error(`${name}: ${answer.kind} ${answer.code} ${answer.detail}`);
    return answer.value;
  }

  /** Calls, expects a refusal of the service, and gives its code. */
  async refused<M extends MethodName>(name: M, message: Input<M>): Promise<string> {
    const answer = await this.call(name, message);
    if (answer.kind === "ok") throw new Error(`${name} was answered`);
    if (answer.kind === "rpc") throw new Error(`${name}: rpc ${answer.code} ${answer.detail}`);
    return Code[answer.code] ?? String(answer.code);
  }

  /** Adds tasks to a queue; the names of the results, and of unnamed tasks the chosen ones. */
  async add(
    ...tasks: readonly MessageInitShape<typeof pb.TaskQueueAddRequestSchema>[]
  ): Promise<{ results: string[]; names: string[] }> {
    const { taskresult } = await this.ok("BulkAdd", { addRequest: tasks.map(task) });
    return {
      results: taskresult.map(({ result }) => Code[result] ?? ""),
      names: taskresult.map(({ chosenTaskName }) => text(chosenTaskName)),
    };
  }

  /** Makes a pull queue, paused where it is said, as an administrator of another face would. */
  async queue(type: "PUSH" | "PULL", isPaused = false, changes: object = {}): Promise<QueueName> {
    const name = this.name(`q-${++counter}`);
    const { retryConfig } = settings();
    const made = await registryStub(bindings, name).createQueue(
      name.queue,
      settings({ type, retryConfig: { ...retryConfig, maxAttempts: -1 }, ...changes }),
    );
    expect(made.ok).toBe(true);
    if (isPaused) await registryStub(bindings, name).pauseQueue(name.queue);
    return name;
  }

  name(queue: string): QueueName {
    return { project: this.project, location: "us-central1", queue };
  }

  stub(queue: string) {
    return queueStub(bindings, this.name(queue));
  }

  /** The queue's clock stands still at this time, microseconds. */
  async setClock(queue: string, nowUs: number): Promise<void> {
    const stub = this.stub(queue) as unknown as DurableObjectStub<QueueObject>;
    await runInDurableObject(stub, (object: QueueObject) => {
      object.clock = () => nowUs;
    });
  }
}

/** A push task of the default queue that is due now, where a test does not say otherwise. */
export function task(
  changes: MessageInitShape<typeof pb.TaskQueueAddRequestSchema>,
): MessageInitShape<typeof pb.TaskQueueAddRequestSchema> {
  return { queueName: bytes("default"), taskName: bytes(""), etaUsec: 0n, ...changes };
}

/** Likewise of a pull queue. */
export function pullTask(
  queue: string,
  changes: MessageInitShape<typeof pb.TaskQueueAddRequestSchema> = {},
): MessageInitShape<typeof pb.TaskQueueAddRequestSchema> {
  return task({
    queueName: bytes(queue),
    mode: pb.TaskQueueMode_Mode.PULL,
    body: bytes("payload"),
    ...changes,
  });
}
