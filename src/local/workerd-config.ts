/** The configuration of workerd, as Cap'n Proto text. */
import type { Manifest } from "./build.ts";

/** Prefix of the environment variables that carry settings: a secret never lies in a file. */
const SETTING_PREFIX = "EDGETASKS_SETTING_";

export interface WorkerdLayout {
  readonly manifest: Manifest;
  /** File name of the module, beside the configuration. */
  readonly module: string;
  /** Absolute path of the folder that holds the objects' databases. */
  readonly objectFolder: string;
  /** host:port, an IPv6 host in brackets. */
  readonly address: string;
  /** Names of the settings to be bound. */
  readonly settings: readonly string[];
}

/** Name of the socket in what workerd reports about itself. */
export const SOCKET = "http";

/** Writes the configuration. The outgoing network reaches loopback too: targets are local here. */
export function workerdConfig(layout: WorkerdLayout): string {
  const { manifest } = layout;
  const bindings = [
    ...manifest.objects.map(
      ({ binding, className }) =>
        `(name = ${text(binding)}, durableObjectNamespace = ${text(className)})`,
    ),
    ...layout.settings.map(
      (name) => `(name = ${text(name)}, fromEnvironment = ${text(SETTING_PREFIX + name)})`,
    ),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "disk", disk = (path = ${text(layout.objectFolder)}, writable = true)),
    (name = "internet", network = (
      allow = ["public", "private", "local"],
      tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [
    (name = ${text(SOCKET)}, address = ${text(layout.address)}, http = (), service = "main"),
  ],
);

const worker :Workerd.Worker = (
  modules = [(name = ${text(layout.module)}, esModule = embed ${text(layout.module)})],
  compatibilityDate = ${text(manifest.compatibilityDate)},
  compatibilityFlags = ${list(manifest.compatibilityFlags.map(text))},
  durableObjectNamespaces = ${list(manifest.objects.map(namespace))},
  durableObjectStorage = (localDisk = "disk"),
  bindings = ${list(bindings)},
);
`;
}

/** The environment that carries the values of the settings to workerd. */
export function settingsEnvironment(
  settings: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [SETTING_PREFIX + name, value]),
  );
}

/** The unique key names the folder of a class's databases: another key is another, empty, world. */
function namespace({ className }: Manifest["objects"][number]): string {
  return `(className = ${text(className)}, uniqueKey = ${text(`edgetasks-${className}`)}, enableSql = true)`;
}

function list(items: readonly string[]): string {
  return items.length === 0 ? "[]" : `[\n    ${items.join(",\n    ")}]`;
}

/** A Cap'n Proto text literal; control characters as \xNN, for it has no \uNNNN. */
function text(value: string): string {
  const escaped = value
    .replace(/["\\]/g, "\\$&")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those are to be escaped
    .replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return `"${escaped}"`;
}
