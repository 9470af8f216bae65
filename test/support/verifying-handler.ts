/**
 * The example of a handler that believes nobody but its queue: a Hono app, for a Worker, Node or any
 * other runtime of the web's standards. README shows what stands between the two lines.
 */
import { Hono } from "hono";
import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  jwtVerify,
  type RemoteJWKSetOptions,
} from "jose";
import { Webhook } from "standardwebhooks";

export interface HandlerSettings {
  /** The deployment's setting ISSUER. */
  readonly issuer: string;
  /** `<deployment>/.well-known/jwks.json` */
  readonly keys: string;
  /** The account whose tokens are taken. */
  readonly account: string;
  /** The queue's secrets, `whsec_…`: one, and two while it is rotated. Read for each request. */
  readonly secrets: () => readonly string[];
  readonly keyOptions?: RemoteJWKSetOptions;
}

/** A request that was taken, as a test looks at it. */
export interface Verified {
  readonly id: string;
  readonly body: string;
  /** `kid` of the token's key; absent: the task carries no token. */
  readonly kid?: string;
  readonly signatures: number;
  /** Index of the secret that fitted. */
  readonly secret: number;
}

/** Answers 401 to what is not proven to come from the queue; `take` does the work of the rest. */
export function verifyingHandler(
  settings: HandlerSettings,
  take: (verified: Verified) => number,
  refused: (reason: string) => void,
): Hono {
  const keys = createRemoteJWKSet(new URL(settings.keys), settings.keyOptions);
  const app = new Hono();
  app.all("*", async (context) => {
    const { req } = context;
    const body = await req.text();
    try {
      // ---- the signature: nobody else knows the queue's secret, and a copy is stale in 5 minutes
      const secret = fitting(settings.secrets(), body, req.header());
      // ---- the ID token, where the task asks for one: signed by the deployment, for this URL
      const [, token] = /^Bearer (.+)$/.exec(req.header("authorization") ?? "") ?? [];
      if (token !== undefined) {
        const { payload } = await jwtVerify(token, keys, {
          issuer: settings.issuer,
          audience: req.url,
          algorithms: ["RS256"],
        });
        if (payload["email"] !== settings.account) throw new Error("another account");
      }
      // ---- proven: webhook-id is the same on every attempt, so it tells repeats
      const kid = token === undefined ? undefined : decodeProtectedHeader(token).kid;
      const status = take({
        id: req.header("webhook-id") ?? "",
        body,
        ...(kid === undefined ? {} : { kid }),
        signatures: (req.header("webhook-signature") ?? "").split(" ").length,
        secret,
      });
      return new Response(null, { status });
    } catch (error) {
      refused(error instanceof Error ? error.message : String(error));
      return context.text("Who are you?", 401);
    }
  });
  return app;
}

/** The index of the first secret that the signature was made with; throws where there is none. */
function fitting(
  secrets: readonly string[],
  body: string,
  headers: Readonly<Record<string, string>>,
): number {
  for (const [index, secret] of secrets.entries()) {
    try {
      new Webhook(secret).verify(body, { ...headers }, { jsonParse: false });
      return index;
    } catch (error) {
      if (index === secrets.length - 1) throw error;
    }
  }
  throw new Error("no secret to verify with");
}
