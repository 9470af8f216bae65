/**
 * Requests that came through a service binding. Such a binding is made by who deploys the Worker and
 * has no address, so it is itself the credential.
 */
const bound = new WeakSet<Request>();

/** Remembers that a request came through the entrypoint for bindings. */
export function markBound(request: Request): void {
  bound.add(request);
}

export function isBound(request: Request): boolean {
  return bound.has(request);
}
