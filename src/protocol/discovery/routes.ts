/**
 * The discovery service: where clients look for the documents from which they are made.
 *
 *   GET /$discovery/rest?version=v2beta2                    as on a host of the API's own
 *   GET /discovery/v1/apis/{api}/{version}/rest             as on www.googleapis.com
 *   GET /discovery/v1/apis                                  the list of them (name, preferred)
 *
 * Open to anyone, as the originals are: a client needs its document before it has credentials, and
 * what these tell is the same for every deployment.
 *
 * Gaps: documents carry no prose, and `labels`, `fields` and other system parameters change
 * nothing.
 */
import type { Hono } from "hono";
import type { Env } from "../../env.ts";
import { listDocuments, readDocument } from "./documents.ts";

const HEADERS = { "cache-control": "public, max-age=300" };

/** Mounts the discovery service; what it does not have is the app's to answer. */
export function mountDiscovery(app: Hono<{ Bindings: Env }>): void {
  app.get("/$discovery/rest", async (context) => {
    const document = await readDocument(
      { version: context.req.query("version") },
      originOf(context.req.url),
    );
    return document === undefined ? context.notFound() : context.json(document, 200, HEADERS);
  });
  app.get("/discovery/v1/apis", async (context) => {
    const { name, preferred } = context.req.query();
    const filter = { name, preferred: preferred === "true" };
    return context.json(await listDocuments(filter, originOf(context.req.url)), 200, HEADERS);
  });
  app.get("/discovery/v1/apis/:name/:version/rest", async (context) => {
    const document = await readDocument(context.req.param(), originOf(context.req.url));
    return document === undefined ? context.notFound() : context.json(document, 200, HEADERS);
  });
}

function originOf(url: string): string {
  return new URL(url).origin;
}
