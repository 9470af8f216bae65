/** The Worker: its routes and its classes, put together. */
import { WorkerEntrypoint } from "cloudflare:workers";
import { createApp } from "./app.ts";
import { markBound } from "./auth/bound.ts";
import type { Env } from "./env.ts";

export { AccessObject } from "./access/access-object.ts";
export { Dispatcher } from "./dispatch/dispatcher.ts";
export { KeyObject } from "./dispatch/key-object.ts";
export { QueueObject } from "./queue/queue-object.ts";
export { RegistryObject } from "./registry/registry-object.ts";
export { TransactionObject } from "./transaction/transaction-object.ts";

const app = createApp();

/**
 * The same interfaces for Workers of the account that name this entrypoint in a service binding. It
 * has no address, so whoever reaches it was let in by that binding, and needs no credential.
 */
export class BoundApi extends WorkerEntrypoint<Env> {
  override fetch(request: Request): Response | Promise<Response> {
    markBound(request);
    return app.fetch(request, this.env, this.ctx);
  }
}

export default { fetch: app.fetch };
