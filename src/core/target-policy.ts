/**
 * Which targets this deployment calls. A task's URL comes from whoever may create tasks, so it is
 * kept to what any client on the Internet could reach; TARGET_ALLOW opens more.
 *
 * What this cannot see is where a public name resolves to. There the platform stands guard: Workers
 * reach the public Internet only, and so does workerd unless its network is opened.
 */
import type { DeploymentConfig } from "./config.ts";

/** 80, 443 and the other ports Cloudflare proxies HTTP and HTTPS on. */
const WEB_PORTS: ReadonlySet<number> = new Set([
  80, 8080, 8880, 2052, 2082, 2086, 2095, 443, 2053, 2083, 2087, 2096, 8443,
]);

/**
 * Names that mean something only inside some network. The names reserved for tests and documents
 * (.test, .example, .invalid) are not here: they resolve nowhere, an attempt ends as unreachable.
 */
const PRIVATE_SUFFIXES = [
  "localhost",
  "localdomain",
  "local",
  "internal",
  "intranet",
  "private",
  "corp",
  "home",
  "lan",
  "home.arpa",
  "in-addr.arpa",
  "ip6.arpa",
  "onion",
];

/**
 * Says why a target may not be called, or null when it may. `ownHost` is this server's own host
 * with its port if it has one, as callers reach it.
 *
 * Entries of TARGET_ALLOW: `host` and `*.suffix` (any port), `host:port`, `loopback` (127.0.0.0/8,
 * ::1 and localhost on any port) and `*` (everything). The own host needs to be named itself, or
 * `*`: a task that calls the API that made it is more likely a loop than a wish.
 */
export function checkTarget(
  url: URL,
  config: Pick<DeploymentConfig, "targetAllow">,
  ownHost: string | undefined,
): string | null {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return "The target must be an http or https URL.";
  }
  if (url.username !== "" || url.password !== "") {
    return "The target's URL must not contain a user name or a password.";
  }
  const host = url.hostname.replace(/\.$/, "");
  const port = effectivePort(url);
  if (config.targetAllow.some((entry) => entry === "*" || isNamedBy(entry, host, port)))
    return null;
  if (ownHost !== undefined && isOwnHost(host, port, ownHost)) {
    return "The target is this service itself.";
  }
  if (config.targetAllow.some((entry) => isCoveredBy(entry, host))) return null;
  return checkHost(host) ?? checkPort(port);
}

function checkHost(host: string): string | null {
  if (isIpLiteral(host)) return `The target's host ${host} is an IP address; a name is needed.`;
  if (!host.includes(".")) return `The target's host "${host}" is not a public name.`;
  if (PRIVATE_SUFFIXES.some((suffix) => host.endsWith(`.${suffix}`))) {
    return `The target's host ${host} is a private name.`;
  }
  return null;
}

function checkPort(port: number): string | null {
  return WEB_PORTS.has(port) ? null : `The target's port ${port} is not a web port.`;
}

/** An entry for exactly this host, on any port or on this one. */
function isNamedBy(entry: string, host: string, port: number): boolean {
  return entry === host || entry === `${host}:${port}`;
}

/** An entry for a group of hosts. */
function isCoveredBy(entry: string, host: string): boolean {
  if (entry === "loopback") return isLoopback(host);
  return entry.startsWith("*.") && host.endsWith(entry.slice(1)) && host.length >= entry.length;
}

function isOwnHost(host: string, port: number, ownHost: string): boolean {
  const own = URL.parse(`http://${ownHost}`);
  if (own === null) return false;
  const ownName = own.hostname.replace(/\.$/, "");
  const isSameMachine = isLoopback(host) && isLoopback(ownName);
  // Without a port the server is on 80 or 443, and every port of that name is its own machine.
  const isSamePort =
    own.port === "" ? !isSameMachine || isDefaultPort(port) : own.port === `${port}`;
  return (host === ownName || isSameMachine) && isSamePort;
}

/** URL parsing has turned every spelling of an IPv4 address into four decimal parts. */
function isIpLiteral(host: string): boolean {
  return host.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

function isLoopback(host: string): boolean {
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    host === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(host)
  );
}

function effectivePort(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "http:" ? 80 : 443;
}

function isDefaultPort(port: number): boolean {
  return port === 80 || port === 443;
}
