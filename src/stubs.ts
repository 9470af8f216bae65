/** Finds the objects of this deployment: the one place that turns names into stubs. */
import type { AccessService } from "./access/service.ts";
import { BoundedMap } from "./core/bounded-map.ts";
import { readConfig } from "./core/config.ts";
import { MAX_CACHED_OBJECT_IDS } from "./core/limits.ts";
import { findLocation, LOCATIONS } from "./core/locations.ts";
import type { QueueName } from "./core/model.ts";
import { queueObjectName, registryObjectName, transactionObjectName } from "./core/names.ts";
import type { KeyService } from "./dispatch/key-service.ts";
import type { Env, Namespace, StubOf } from "./env.ts";
import type { ParticipantService, PullService, QueueAdmin, QueueReports } from "./queue/service.ts";
import type { RegistryService } from "./registry/service.ts";
import type {
  CoordinatorService,
  TransactionName,
  TransactionService,
} from "./transaction/service.ts";

/** The name of the one object that holds the signing key. */
const KEY_OBJECT_NAME = "key";

/** Placement options by location id, built once: a stub is asked for on every call. */
const PLACEMENTS: ReadonlyMap<string, { readonly locationHint: DurableObjectLocationHint }> =
  new Map(LOCATIONS.map(({ id, placement }) => [id, { locationHint: placement }]));

/**
 * The object of a queue, placed by its location. The name must be valid; the queue need not exist.
 */
export function queueStub(
  env: Env,
  name: QueueName,
): StubOf<QueueAdmin & QueueReports & PullService & ParticipantService> {
  return placedStub(env, env.QUEUE, name.location, queueObjectName(name));
}

/** The catalogue of a project's queues in one location, placed by that location. */
export function registryStub(
  env: Env,
  name: Pick<QueueName, "project" | "location">,
): StubOf<RegistryService> {
  return placedStub(env, env.REGISTRY, name.location, registryObjectName(name));
}

/** The object of a transaction, placed by its location. The id must be valid. */
export function transactionStub(
  env: Env,
  name: TransactionName,
): StubOf<TransactionService & CoordinatorService> {
  return placedStub(env, env.TRANSACTIONS, name.location, transactionObjectName(name));
}

/** The object that signs identity tokens; one for the deployment. */
export function keyStub(env: Env): StubOf<KeyService> {
  return env.KEYS.get(objectId(env.KEYS, KEY_OBJECT_NAME));
}

/** The object of a project's accounts, tokens and policies. The project need not exist. */
export function accessStub(env: Env, project: string): StubOf<AccessService> {
  return env.ACCESS.get(objectId(env.ACCESS, project));
}

function placedStub<S>(
  env: Env,
  namespace: Namespace<S>,
  location: string,
  objectName: string,
): StubOf<S> {
  const home =
    readConfig(env).euJurisdiction && findLocation(location)?.eu === true
      ? euNamespace(namespace)
      : namespace;
  return home.get(objectId(home, objectName), PLACEMENTS.get(location));
}

// What follows is remembered per isolate because deriving it costs: an id is a hash of the name,
// and taking it from memory made calls about a fifth faster. All of it can be lost at any time.

const ids = new WeakMap<object, BoundedMap<DurableObjectId>>();
const euNamespaces = new WeakMap<object, unknown>();

function objectId<S>(namespace: Namespace<S>, name: string): DurableObjectId {
  let known = ids.get(namespace);
  if (known === undefined) {
    known = new BoundedMap(MAX_CACHED_OBJECT_IDS);
    ids.set(namespace, known);
  }
  let id = known.get(name);
  if (id === undefined) {
    id = namespace.idFromName(name);
    known.set(name, id);
  }
  return id;
}

function euNamespace<S>(namespace: Namespace<S>): Namespace<S> {
  let eu = euNamespaces.get(namespace) as Namespace<S> | undefined;
  if (eu === undefined) {
    eu = namespace.jurisdiction("eu");
    euNamespaces.set(namespace, eu);
  }
  return eu;
}
