/**
 * The discovery documents of the interfaces served here, as client generators and discovery-built
 * clients ask for them. They are the originals' without prose, with the methods that are our own
 * (batches and operations of every version, batchAcknowledge and batchRenewLease of v2beta2) and
 * with those that answer UNIMPLEMENTED: each has its place in a generated client, and its answer.
 *
 * Each is a module of its own that is loaded when it is first asked for, so that starting an
 * isolate does not pay for what few isolates ever serve.
 */

/** What this service reads of a document; the rest is handed on as it is. */
interface Document {
  readonly name: string;
  readonly version: string;
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly documentationLink: string;
  readonly servicePath: string;
}

interface Entry {
  readonly name: string;
  readonly version: string;
  /** The version that a client without a wish is given. */
  readonly isPreferred: boolean;
  readonly load: () => Promise<{ readonly default: Document }>;
}

const ENTRIES: readonly Entry[] = [
  {
    name: "cloudtasks",
    version: "v2beta2",
    isPreferred: false,
    load: () => import("./cloudtasks.v2beta2.json"),
  },
  {
    name: "cloudtasks",
    version: "v2beta3",
    isPreferred: false,
    load: () => import("./cloudtasks.v2beta3.json"),
  },
  {
    name: "cloudtasks",
    version: "v2",
    isPreferred: true,
    load: () => import("./cloudtasks.v2.json"),
  },
  {
    name: "taskqueue",
    version: "v1beta2",
    isPreferred: true,
    load: () => import("./taskqueue.v1beta2.json"),
  },
];

/**
 * The document of a version, with every address pointing at `origin` (`https://host`). Without an
 * API's name, as on a host of its own, the version tells which it is; without a version the
 * preferred one is meant. Undefined: there is none.
 */
export async function readDocument(
  wanted: { readonly name?: string | undefined; readonly version?: string | undefined },
  origin: string,
): Promise<object | undefined> {
  const entry = ENTRIES.find(
    ({ name, version, isPreferred }) =>
      (wanted.name === undefined || wanted.name === name) &&
      (wanted.version === undefined ? isPreferred : wanted.version === version),
  );
  if (entry === undefined) return undefined;
  const { default: document } = await entry.load();
  const rootUrl = `${origin}/`;
  const { servicePath } = document;
  return {
    ...document,
    rootUrl,
    servicePath,
    basePath: servicePath === "" ? "" : `/${servicePath}`,
    baseUrl: rootUrl + servicePath,
  };
}

/** Which of the documents a list shows: by name, and only preferred versions. */
export interface DirectoryFilter {
  readonly name?: string | undefined;
  readonly preferred: boolean;
}

/** The list of documents, in the form of discovery v1 apis.list. */
export async function listDocuments(filter: DirectoryFilter, origin: string): Promise<object> {
  const chosen = ENTRIES.filter(
    ({ name, isPreferred }) =>
      (filter.name === undefined || filter.name === name) && (!filter.preferred || isPreferred),
  );
  const items = chosen.map(async ({ load, isPreferred }) => {
    const { default: document } = await load();
    const { name, version, id, title, description, documentationLink } = document;
    return {
      kind: "discovery#directoryItem",
      id,
      name,
      version,
      title,
      description,
      discoveryRestUrl: `${origin}/discovery/v1/apis/${name}/${version}/rest`,
      documentationLink,
      preferred: isPreferred,
    };
  });
  return {
    kind: "discovery#directoryList",
    discoveryVersion: "v1",
    items: await Promise.all(items),
  };
}
