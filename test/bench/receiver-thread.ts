/**
 * The target of the bench's tasks, in a thread of its own: a raw HTTP server that answers 200 after
 * a set delay and notes when each request came and how many it held at once.
 */
import { createServer, type Socket } from "node:net";
import { parentPort } from "node:worker_threads";
import { parseMessage } from "./load.ts";
import type { ReceiverCommand, ReceiverEvent } from "./receiver.ts";

let delayMs = 0;
let expected = 0;
let inFlight = 0;
let maxInFlight = 0;
let done = 0;
let arrivals: { atMs: number; path: string }[] = [];

const ANSWER = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

const server = createServer({ noDelay: true }, (socket) => {
  let pending: Buffer | undefined;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    let bytes: Buffer | undefined = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      const message = parseMessage(bytes);
      if (message === undefined) break;
      accept(message.head, socket);
      bytes = bytes.subarray(message.end);
    }
    pending = bytes.length > 0 ? bytes : undefined;
  });
});

function accept(head: string, socket: Socket): void {
  // Whole milliseconds of the same clock that the server's ETAs are kept in.
  arrivals.push({
    atMs: Date.now(),
    path: head.slice(head.indexOf(" ") + 1, head.indexOf(" HTTP/")),
  });
  inFlight++;
  if (inFlight > maxInFlight) maxInFlight = inFlight;
  if (delayMs === 0) answer(socket);
  else setTimeout(answer, delayMs, socket);
}

function answer(socket: Socket): void {
  inFlight--;
  done++;
  if (!socket.destroyed) socket.write(ANSWER);
  if (done === expected) {
    tell({ kind: "done", maxInFlight, lastDoneMs: Date.now(), arrivals });
  }
}

function tell(event: ReceiverEvent): void {
  parentPort?.postMessage(event);
}

parentPort?.on("message", (command: ReceiverCommand) => {
  if (command.kind === "stop") {
    server.close();
    parentPort?.close();
    return;
  }
  if (command.kind === "count") {
    tell({ kind: "count", done, inFlight });
    return;
  }
  delayMs = command.delayMs;
  expected = command.expected;
  maxInFlight = 0;
  done = 0;
  arrivals = [];
  tell({ kind: "ready" });
});

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") {
    tell({ kind: "listening", port: address.port });
  }
});
