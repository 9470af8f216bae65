/** The Worker: its routes and its classes, put together. */
import { createApp } from "./app.ts";

export { AccessObject } from "./access/access-object.ts";
export { Dispatcher } from "./dispatch/dispatcher.ts";
export { KeyObject } from "./dispatch/key-object.ts";
export { QueueObject } from "./queue/queue-object.ts";
export { RegistryObject } from "./registry/registry-object.ts";
export { TransactionObject } from "./transaction/transaction-object.ts";

const app = createApp();

export default { fetch: app.fetch };
