/** The command line of `npm run accounts`. */
import { describe, expect, test } from "vitest";
import { HELP, parseAccountsCommand } from "../../src/local/accounts-options.ts";

const EMAIL = "worker@my-project.iam.gserviceaccount.com";
const OF = { email: EMAIL, project: "my-project" };
const KEY = "ab".repeat(20);

function parse(line: string, environment: Record<string, string> = {}) {
  return parseAccountsCommand(
    line.split(" ").filter((word) => word !== ""),
    environment,
  );
}

describe("a command", () => {
  test.each<[string, object]>([
    [
      "create worker --project my-project",
      {
        kind: "createAccount",
        id: "worker",
        ...OF,
        displayName: "",
        roles: [],
        out: "worker.key.json",
      },
    ],
    [
      "create worker --project my-project --roles roles/a,roles/b --out k.json --display-name W",
      {
        kind: "createAccount",
        id: "worker",
        ...OF,
        displayName: "W",
        roles: ["roles/a", "roles/b"],
        out: "k.json",
      },
    ],
    ["list --project my-project", { kind: "listAccounts", project: "my-project" }],
    ["audit --project my-project", { kind: "listAudit", project: "my-project" }],
    [`disable ${EMAIL}`, { kind: "changeAccount", change: "disable", ...OF }],
    [`delete ${EMAIL}`, { kind: "changeAccount", change: "delete", ...OF }],
    [`keys create ${EMAIL}`, { kind: "createKey", ...OF, out: "worker.key.json" }],
    [`keys list ${EMAIL}`, { kind: "listKeys", ...OF }],
    [`keys delete ${EMAIL} ${KEY}`, { kind: "changeKey", change: "delete", ...OF, key: KEY }],
    [
      "tokens create --project my-project --ttl 90d --roles roles/a --member user:a@b",
      {
        kind: "createToken",
        project: "my-project",
        displayName: "",
        roles: ["roles/a"],
        member: "user:a@b",
        ttlS: 90 * 86_400,
      },
    ],
    ["tokens list --project my-project", { kind: "listTokens", project: "my-project" }],
    [
      "tokens revoke 0123456789abcdef --project my-project",
      { kind: "revokeToken", project: "my-project", id: "0123456789abcdef" },
    ],
  ])("%s", (line, task) => {
    const token = "the-token";
    const url = "http://127.0.0.1:8787";
    expect(parse(line, { API_TOKEN: token })).toEqual({ kind: "run", task, url, token });
  });

  test("goes to the deployment that --url names", () => {
    const parsed = parse("list --project p --url https://tasks.example.com/");
    expect(parsed).toMatchObject({ url: "https://tasks.example.com", token: "" });
  });

  test.each([
    ["", /say what to do/],
    ["explode", /no command "explode"/],
    ["create worker", /--project/],
    ["create worker --project a_b", /"a_b"/],
    ["create short --project my-project", /NAME must be/],
    ["create worker --project my.project", /cannot have service accounts/],
    ["create worker twice --project my-project", /"twice"/],
    ["disable worker", /EMAIL must be/],
    [`keys burn ${EMAIL}`, /keys: create/],
    [`keys delete ${EMAIL} short`, /KEY must be/],
    ["tokens create --project p --ttl soon", /--ttl/],
    ["tokens create --project p --ttl 0d", /--ttl/],
    ["tokens revoke x --project p", /ID must be/],
    ["list --project p --url ftp://x", /--url/],
    ["list --project p --url https://user@example.com", /--url/],
    ["list --project p --url https://example.com/path", /--url/],
    ["list --project p --token secret", /--token/],
  ])("%j is refused", (line, reason) => {
    const parsed = parse(line);
    expect(parsed).toMatchObject({ kind: "refuse", message: expect.stringMatching(reason) });
  });

  test("help is given, and names every command", () => {
    expect(parse("create --help")).toEqual({ kind: "help" });
    for (const word of ["create", "list", "disable", "keys", "tokens", "audit", "API_TOKEN"]) {
      expect(HELP).toContain(word);
    }
  });
});
