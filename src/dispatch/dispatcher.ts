/**
 * The dispatcher's entrypoint: one call is one lane, an invocation with connections of its own.
 * The shell around lane.ts and sender.ts: clock, timers, network and stubs are given to them here.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { projectOfEmail } from "../core/account-names.ts";
import type { AttemptOrder, DispatchService, LaneContext } from "../core/attempt.ts";
import { readConfig } from "../core/config.ts";
import type { Env } from "../env.ts";
import type { LaneReport } from "../queue/service.ts";
import { accessStub, keyStub, queueStub } from "../stubs.ts";
import { TokenSource } from "./identity-token.ts";
import { runLane } from "./lane.ts";
import type { RequestSettings } from "./request.ts";
import { makeAttempt, type Send, type SenderPorts } from "./sender.ts";
import { SigningSource } from "./signing-source.ts";
import { webhookHeaders } from "./webhook-signature.ts";

export class Dispatcher extends WorkerEntrypoint<Env> implements DispatchService {
  async run(context: LaneContext, orders: readonly AttemptOrder[]): Promise<void> {
    const { lane, incarnation } = context;
    const config = readConfig(this.env);
    const settings: RequestSettings = {
      context,
      config,
      hasBinding: (name) => serviceBinding(this.env, name) !== undefined,
    };
    const senderPorts = this.#senderPorts(config.issuer);
    const work = runLane(
      {
        attempt: (order) => makeAttempt(order, settings, senderPorts),
        report: this.#reporter(context),
        nowMs: Date.now,
        after,
      },
      { lane, incarnation, width: config.dispatchFetches },
      orders,
    );
    // A deploy may stop the calling object at any time: its attempts go on while they can.
    this.ctx.waitUntil(work);
    await work;
  }

  #senderPorts(issuer: string): SenderPorts {
    const signing = new SigningSource(() => keyStub(this.env).signingMaterial(), Date.now);
    return {
      tokens: new TokenSource({
        signToken: (...call) => keyStub(this.env).signToken(...call),
        epoch: async () => (await signing.material()).epoch,
        findAccount: (project, email) => findAccount(this.env, project, email),
        issuer,
        nowMs: Date.now,
      }),
      webhookHeaders: async (parts, nowMs) =>
        webhookHeaders((await signing.material()).webhookRoot, parts, nowMs),
      senderTo: (binding) =>
        binding === undefined ? (url, init) => fetch(url, init) : bindingSender(this.env, binding),
      nowMs: Date.now,
    };
  }

  /** One stub keeps its calls in order; after a failure it may be broken for good: a new one. */
  #reporter(context: LaneContext): (report: LaneReport) => Promise<readonly AttemptOrder[]> {
    let stub: ReturnType<typeof queueStub> | undefined;
    return async (report) => {
      stub ??= queueStub(this.env, context.queue);
      try {
        return await stub.report(report);
      } catch (error) {
        stub = undefined;
        throw error;
      }
    };
  }
}

/**
 * The account of a token, in the project that its address names, else in the queue's. One that is not
 * known there is known by its address alone: a deployment may have no accounts.
 */
async function findAccount(
  env: Env,
  project: string,
  email: string,
): Promise<{ readonly uniqueId: string; readonly disabled: boolean } | undefined> {
  const home = projectOfEmail(email) ?? project;
  const found = await accessStub(env, home).getAccount(email);
  if (found.ok) return { uniqueId: found.value.uniqueId, disabled: found.value.disabled };
  if (found.error.code === "NOT_FOUND") return undefined;
  throw new Error(found.error.message);
}

function after(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

function bindingSender(env: Env, name: string): Send {
  const service = serviceBinding(env, name);
  if (service === undefined) throw new Error(`edgetasks bug: no service binding ${name}`);
  return (url, init) => service.fetch(url, init);
}

/** Settings may have such names too, but they are text. */
function serviceBinding(env: Env, name: string): { readonly fetch: Send } | undefined {
  const binding = env[name];
  if (typeof binding !== "object" || binding === null) return undefined;
  const service = binding as { fetch?: unknown };
  return typeof service.fetch === "function" ? (binding as { fetch: Send }) : undefined;
}
