/** What it costs that callers are known: single creates of nobody, the owner and a service account. */
import { createSign } from "node:crypto";
import { createQueue, createTaskRequest, UNLIMITED } from "./api.ts";
import { type LoadReport, runLoad } from "./load.ts";
import { CONNECTIONS, median, type Section, withServer } from "./section.ts";
import { amount, atLeast, told } from "./table.ts";

const OWNER = "owner-token-of-the-bench";
const LATER_MS = 3600e3;
const ROUNDS = 3;
const ROUND_MS = 3000;

type Load = (durationMs: number) => Promise<LoadReport>;

interface Round {
  readonly open: LoadReport;
  readonly owner: LoadReport;
  readonly account: LoadReport;
}

/** Rounds of all three in turn, on two servers that run side by side. */
export const signIn: Section = {
  name: "sign-in",
  run: () =>
    withServer((open) =>
      withServer(
        async (closed) => {
          await createQueue(open.port, "single", UNLIMITED);
          await createQueue(closed.port, "single", UNLIMITED, OWNER);
          const loads = {
            open: creates(open.port),
            owner: creates(closed.port, OWNER),
            account: creates(closed.port, await accountToken(closed.url)),
          };
          for (const load of Object.values(loads)) await load(1500);
          const rounds: Round[] = [];
          for (let i = 0; i < ROUNDS; i++) {
            const owner = await loads.owner(ROUND_MS);
            const account = await loads.account(ROUND_MS);
            rounds.push({ owner, account, open: await loads.open(ROUND_MS) });
          }
          const owner = median(rounds, (round) => round.owner.rate / round.open.rate);
          const account = median(rounds, (round) => round.account.rate / round.open.rate);
          return {
            name: "sign-in",
            title: "Single creates by callers who are known",
            method:
              `${CONNECTIONS} connections; ${ROUNDS} rounds of ${ROUND_MS / 1000} s each of nobody (open ` +
              "mode), the deployment's token and a service account's signed token; the middle share.",
            figures: [
              told("open mode", amount(account.open.rate, "tasks/s")),
              told("deployment's token", amount(owner.owner.rate, "tasks/s")),
              told("service account", amount(account.account.rate, "tasks/s")),
              atLeast(
                "deployment's token of open",
                (owner.owner.rate / owner.open.rate) * 100,
                90,
                "%",
              ),
              atLeast(
                "service account of open",
                (account.account.rate / account.open.rate) * 100,
                90,
                "%",
              ),
            ],
          };
        },
        { API_TOKEN: OWNER },
      ),
    ),
};

function creates(port: number, token?: string): Load {
  const shape = { url: "http://127.0.0.1:1/", scheduleTimeMs: Date.now() + LATER_MS };
  const request = createTaskRequest("single", shape, token);
  return (durationMs) =>
    runLoad({ port, connections: CONNECTIONS, durationMs, request: () => request });
}

/** A token that an account with the right to create tasks signed itself. */
async function accountToken(url: string): Promise<string> {
  const accounts = "/v1/projects/bench/serviceAccounts";
  await post(url, accounts, { accountId: "creator" });
  const email = "creator@bench.iam.gserviceaccount.com";
  const bindings = [{ role: "roles/cloudtasks.enqueuer", members: [`serviceAccount:${email}`] }];
  await post(url, "/v1/projects/bench:setIamPolicy", { policy: { bindings } });
  const { privateKeyData } = await post(url, `${accounts}/${email}/keys`, {});
  const file = JSON.parse(Buffer.from(String(privateKeyData), "base64").toString());
  const iat = Math.floor(Date.now() / 1000);
  const scope = "https://www.googleapis.com/auth/cloud-platform";
  const claims = { iss: email, sub: email, scope, iat, exp: iat + 3600 };
  const text = `${encode({ alg: "RS256", typ: "JWT", kid: file.private_key_id })}.${encode(claims)}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(file.private_key, "base64url")}`;
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}

async function post(url: string, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${OWNER}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}
