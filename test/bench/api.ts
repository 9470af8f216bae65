/** The few calls of the REST face that the bench makes to set the stage, and the bytes it sends under load. */
import { httpRequest } from "./load.ts";

const LOCATION = "projects/bench/locations/us-central1";

export interface TaskShape {
  readonly url: string;
  /** Epoch milliseconds; absent: now. */
  readonly scheduleTimeMs?: number;
  /** Short id. */
  readonly id?: string;
}

export interface QueueRates {
  readonly maxDispatchesPerSecond: number;
  readonly maxConcurrentDispatches: number;
}

/** Rates that never hold anything back; the server must be started with bounds as high. */
export const UNLIMITED: QueueRates = {
  maxDispatchesPerSecond: 1_000_000,
  maxConcurrentDispatches: 100_000,
};

/** The resource name of a bench queue. */
export function queueName(queue: string): string {
  return `${LOCATION}/queues/${queue}`;
}

function task(queue: string, shape: TaskShape): Record<string, unknown> {
  return {
    ...(shape.id === undefined ? {} : { name: `${queueName(queue)}/tasks/${shape.id}` }),
    ...(shape.scheduleTimeMs === undefined
      ? {}
      : { scheduleTime: new Date(shape.scheduleTimeMs).toISOString() }),
    httpRequest: {
      url: shape.url,
      httpMethod: "POST",
      headers: { "Content-Type": "application/json" },
      body: PAYLOAD,
    },
  };
}

/** A hundred bytes, as platform.md's measurements have them. */
const PAYLOAD = Buffer.from(JSON.stringify({ order: 123456, note: "x".repeat(70) })).toString(
  "base64",
);

export function createTaskRequest(queue: string, shape: TaskShape, token?: string): Buffer {
  return httpRequest(
    "POST",
    `/v2/${queueName(queue)}/tasks`,
    JSON.stringify({ task: task(queue, shape) }),
    token,
  );
}

export function batchCreateRequest(queue: string, shapes: readonly TaskShape[]): Buffer {
  const requests = shapes.map((shape) => ({ parent: queueName(queue), task: task(queue, shape) }));
  return httpRequest(
    "POST",
    `/v2/${queueName(queue)}/tasks:batchCreate`,
    JSON.stringify({ requests }),
  );
}

/** Calls one method of the face; throws the answer's text unless it is 2xx. */
export async function call(
  port: number,
  method: string,
  path: string,
  body?: unknown,
  token?: string,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${port}/v2/${path}`, {
    method,
    headers: {
      "Content-Type": "application/json",
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

export async function createQueue(
  port: number,
  queue: string,
  rates?: QueueRates,
  token?: string,
): Promise<void> {
  const body = { name: queueName(queue), ...(rates === undefined ? {} : { rateLimits: rates }) };
  await call(port, "POST", `${LOCATION}/queues`, body, token);
}
