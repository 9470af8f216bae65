import { describe, expect, test } from "vitest";
import { parseCommand, type ServerOptions } from "../../src/local/options.ts";

const LOCAL = { TARGET_ALLOW: "*", MAX_ATTEMPT_SECONDS: "1800", APP_PROJECT: "my-project" };
const OPEN = { ...LOCAL, OPEN_MODE: "loopback", ISSUER: "http://127.0.0.1:8787" };

function options(args: string[], environment = {}): ServerOptions {
  const command = parseCommand(args, environment);
  if (command.kind !== "serve") throw new Error(`refused: ${JSON.stringify(command)}`);
  return command.options;
}

describe("accepted", () => {
  test("nothing: loopback, port 8787, ./data, open", () => {
    expect(options([])).toEqual({
      host: "127.0.0.1",
      port: 8787,
      dataFolder: "data",
      open: true,
      settings: OPEN,
    });
  });

  test.each([
    [["--port", "0"], { port: 0 }],
    [["--port=65535"], { port: 65535 }],
    [["--host", "localhost"], { host: "localhost" }],
    [["--host", "127.1.2.3"], { host: "127.1.2.3" }],
    [["--host", "::1"], { host: "::1" }],
    [["--host", "[::1]"], { host: "::1" }],
    [["--data", "some/where"], { dataFolder: "some/where" }],
    [["--queues", "queue.yaml"], { queueFile: "queue.yaml" }],
  ])("%j", (args, expected) => {
    expect(options(args)).toMatchObject(expected);
  });

  test.each([
    [["--queue-tombstone", "0"], { QUEUE_TOMBSTONE_SECONDS: "0" }],
    [["--app-engine-url", "http://localhost:8080"], { APP_ENGINE_URL: "http://localhost:8080" }],
    [["--project", "shop"], { APP_PROJECT: "shop" }],
    [["--var", "TASK_TOMBSTONE_SECONDS=5"], { TASK_TOMBSTONE_SECONDS: "5" }],
    [["--var", "A=", "--var", "B=x=y"], { A: "", B: "x=y" }],
    [["--var", "TARGET_ALLOW=example.com"], { TARGET_ALLOW: "example.com" }],
  ])("settings of %j", (args, expected) => {
    expect(options(args).settings).toEqual({ ...OPEN, ...expected });
  });

  test.each([
    ["in the environment", [], { API_TOKEN: "secret" }],
    ["as a setting", ["--var", "API_TOKEN=secret"], {}],
  ])("a token %s closes the server, and lets it listen anywhere", (_where, args, environment) => {
    expect(options(["--host", "0.0.0.0", ...args], environment)).toMatchObject({
      host: "0.0.0.0",
      open: false,
      settings: { ...LOCAL, API_TOKEN: "secret" },
    });
  });
});

describe("the issuer of tokens", () => {
  test.each([
    [["--port", "1234"], "http://127.0.0.1:1234"],
    [["--host", "::1"], "http://[::1]:8787"],
    [["--host", "0.0.0.0", "--var", "API_TOKEN=x"], "http://localhost:8787"],
    [["--var", "ISSUER=https://tasks.example.com"], "https://tasks.example.com"],
    [["--port", "0"], undefined],
  ])("of %j is where the server is reached: %s", (args, issuer) => {
    expect(options(args).settings["ISSUER"]).toBe(issuer);
  });
});

describe("refused", () => {
  test.each([
    [["--prot", "1"], "Unknown option '--prot'"],
    [["serve"], "Unexpected argument 'serve'"],
    [["--port"], "Option '--port <value>' argument missing"],
    [["--port", "http"], '--port must be a number from 0 to 65535, not "http"'],
    [["--port", "65536"], '--port must be a number from 0 to 65535, not "65536"'],
    [["--port", "1.5"], '--port must be a number from 0 to 65535, not "1.5"'],
    [["--host", ""], '--host must be a host name or an address, not ""'],
    [["--host", "a b"], '--host must be a host name or an address, not "a b"'],
    [["--data", ""], "--data must name a folder"],
    [["--queues", ""], "--queues must name a file"],
    [["--project", "a/b"], '--project must be a project\'s id, not "a/b"'],
    [["--queue-tombstone", "7d"], '--queue-tombstone must be a whole number of seconds, not "7d"'],
    [
      ["--app-engine-url", "localhost:8080"],
      '--app-engine-url must begin with http:// or https://, not "localhost:8080"',
    ],
    [["--var", "NAME"], '--var must have the form NAME=VALUE, not "NAME"'],
    [["--var", "1A=2"], '--var must have the form NAME=VALUE, not "1A=2"'],
    [
      ["--var", "OPEN_MODE=loopback"],
      "--var OPEN_MODE cannot be set: it follows from --host and API_TOKEN",
    ],
    [
      ["--host", "0.0.0.0"],
      "without a token the server is open to everyone who reaches it, so --host 0.0.0.0 needs " +
        "API_TOKEN in the environment or as --var API_TOKEN=...",
    ],
    [
      ["--host", "::", "--var", "API_TOKEN="],
      "without a token the server is open to everyone who reaches it, so --host :: needs " +
        "API_TOKEN in the environment or as --var API_TOKEN=...",
    ],
  ])("%j", (args, message) => {
    expect(parseCommand(args, {})).toEqual({ kind: "refuse", message });
  });
});

test("--help wins over everything else that is well formed", () => {
  expect(parseCommand(["--help", "--port", "x"], {})).toEqual({ kind: "help" });
});
