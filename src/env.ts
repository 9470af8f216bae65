/** The bindings and settings this Worker runs with; wrangler.toml and src/local/ provide them. */
import type { AccessService } from "./access/service.ts";
import type { DispatchService } from "./core/attempt.ts";
import type { KeyService } from "./dispatch/key-service.ts";
import type { ParticipantService, PullService, QueueAdmin, QueueReports } from "./queue/service.ts";
import type { RegistryService } from "./registry/service.ts";
import type { CoordinatorService, TransactionService } from "./transaction/service.ts";

/** A stub of an object, typed by the methods that its room publishes. */
export type StubOf<S> = S & { readonly id: DurableObjectId };

/** The part of a Durable Object namespace that this project uses. */
export interface Namespace<S> {
  idFromName(name: string): DurableObjectId;
  get(id: DurableObjectId, options?: { locationHint?: DurableObjectLocationHint }): StubOf<S>;
  getByName(name: string, options?: { locationHint?: DurableObjectLocationHint }): StubOf<S>;
  jurisdiction(jurisdiction: DurableObjectJurisdiction): Namespace<S>;
}

export interface Env {
  readonly QUEUE: Namespace<QueueAdmin & QueueReports & PullService & ParticipantService>;
  readonly REGISTRY: Namespace<RegistryService>;
  readonly KEYS: Namespace<KeyService>;
  readonly TRANSACTIONS: Namespace<TransactionService & CoordinatorService>;
  readonly ACCESS: Namespace<AccessService>;
  /** Counts failed sign-ins by address; the local server has none. */
  readonly FAILED_SIGN_INS?: RateLimit;
  /** Settings are text; core/config.ts reads them. Service bindings are named APP_<SERVICE>. */
  readonly [binding: string]: unknown;
}

/** The entrypoints of this Worker as `ctx.exports` shows them. */
export interface Exports {
  readonly Dispatcher: DispatchService;
}
