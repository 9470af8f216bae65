/** What a deployment calls and what it does not, as tables. */
import { describe, expect, it } from "vitest";
import { checkTarget } from "../../src/core/target-policy.ts";

const OWN = "tasks.example.com";

function check(url: string, allow = "", ownHost: string | undefined = OWN): string | null {
  const targetAllow = allow === "" ? [] : allow.split(",");
  return checkTarget(new URL(url), { targetAllow }, ownHost);
}

describe("with nothing allowed", () => {
  it.each([
    "https://example.com/hook",
    "http://example.com/",
    "https://a-b.c.d.example.co.uk/x?y=z#f",
    "https://example.com./trailing-dot",
    "https://bücher.example/",
    "https://worker.example.test/",
    "https://localhost.example.com/",
    "https://local.example.com/",
    "https://10.0.0.1.example.com/",
    "https://tasks.example.com.evil.example/",
  ])("%s is called", (url) => {
    expect(check(url)).toBeNull();
  });

  it.each([80, 8080, 8880, 2052, 2082, 2086, 2095, 443, 2053, 2083, 2087, 2096, 8443])(
    "port %i is called, with either scheme",
    (port) => {
      expect(check(`http://example.com:${port}/`)).toBeNull();
      expect(check(`https://example.com:${port}/`)).toBeNull();
    },
  );

  it.each([0, 22, 25, 81, 3000, 3306, 5432, 6379, 9200, 65_535])("port %i is not", (port) => {
    expect(check(`http://example.com:${port}/`)).toBe(
      `The target's port ${port} is not a web port.`,
    );
  });

  it.each([
    ["http://127.0.0.1/", "127.0.0.1"],
    ["http://127.1/", "127.0.0.1"],
    ["http://2130706433/", "127.0.0.1"],
    ["http://0x7f000001/", "127.0.0.1"],
    ["http://0x7f.0.0.1/", "127.0.0.1"],
    ["http://0177.0.0.01/", "127.0.0.1"],
    ["http://127.0.0.1./", "127.0.0.1"],
    ["http://%31%32%37.0.0.1/", "127.0.0.1"],
    ["http://１２７.０.０.１/", "127.0.0.1"],
    ["http://0/", "0.0.0.0"],
    ["http://10.1.2.3/", "10.1.2.3"],
    ["http://169.254.169.254/latest/meta-data/", "169.254.169.254"],
    ["http://8.8.8.8/", "8.8.8.8"],
    ["http://[::1]/", "[::1]"],
    ["http://[::ffff:127.0.0.1]/", "[::ffff:7f00:1]"],
    ["http://[2606:4700::1111]/", "[2606:4700::1111]"],
  ])("%s is an IP address", (url, host) => {
    expect(check(url)).toBe(`The target's host ${host} is an IP address; a name is needed.`);
  });

  it.each(["localhost", "LOCALHOST", "localhost.", "metadata", "db", "com"])(
    "http://%s/ is no public name",
    (host) => {
      const name = host.toLowerCase().replace(/\.$/, "");
      expect(check(`http://${host}/`)).toBe(`The target's host "${name}" is not a public name.`);
    },
  );

  it.each([
    "app.localhost",
    "printer.local",
    "printer.local.",
    "metadata.google.internal",
    "x.intranet",
    "x.private",
    "x.corp",
    "x.home",
    "x.lan",
    "nas.home.arpa",
    "1.0.0.127.in-addr.arpa",
    "x.localdomain",
    "x.onion",
  ])("http://%s/ is a private name", (host) => {
    expect(check(`http://${host}/`)).toContain("is a private name.");
  });

  it.each(["ftp://example.com/", "file:///etc/passwd", "data:text/plain,x", "javascript:1"])(
    "%s is not http",
    (url) => {
      expect(check(url)).toBe("The target must be an http or https URL.");
    },
  );

  it.each(["https://u:p@example.com/", "https://u@example.com/", "https://:p@example.com/"])(
    "%s carries credentials",
    (url) => {
      expect(check(url)).toBe("The target's URL must not contain a user name or a password.");
    },
  );
});

describe("the own host", () => {
  const SELF = "The target is this service itself.";

  it.each([
    ["https://tasks.example.com/v2/x", OWN, SELF],
    ["https://TASKS.example.com./", OWN, SELF],
    ["http://tasks.example.com:8080/", OWN, SELF],
    ["https://tasks.example.com:8443/", "tasks.example.com:8443", SELF],
    ["https://tasks.example.com/", "tasks.example.com:8443", null],
    ["https://other.example.com/", OWN, null],
    ["https://tasks.example.com/", "", null],
  ])("%s, served at %s: %s", (url, own, expected) => {
    expect(check(url, "", own)).toBe(expected);
  });

  it.each([
    ["http://127.0.0.1:8787/", "127.0.0.1:8787", SELF],
    ["http://localhost:8787/", "127.0.0.1:8787", SELF],
    ["http://[::1]:8787/", "localhost:8787", SELF],
    ["http://127.0.0.1:3000/", "127.0.0.1:8787", null],
    ["http://localhost:3000/", "localhost", null],
    ["http://127.0.0.1/", "localhost", SELF],
  ])("%s, served at %s with loopback allowed: %s", (url, own, expected) => {
    expect(check(url, "loopback", own)).toBe(expected);
  });

  it.each([
    ["tasks.example.com", null],
    ["tasks.example.com:443", null],
    ["*", null],
    ["tasks.example.com:8443", SELF],
    ["*.example.com", SELF],
  ])("allowed as %s: %s", (allow, expected) => {
    expect(check("https://tasks.example.com/", allow)).toBe(expected);
  });
});

describe("allowed by setting", () => {
  it.each([
    ["*", "http://10.0.0.1:9/"],
    ["*", "http://localhost:1234/"],
    ["10.0.0.1", "http://10.0.0.1:9000/"],
    ["10.0.0.1", "http://0xa.0.0.1/"],
    ["10.0.0.1:9000", "http://10.0.0.1:9000/"],
    ["hooks", "https://hooks/"],
    ["hooks:443", "https://hooks/"],
    ["hooks:80", "http://hooks/"],
    ["[::1]:3000", "http://[::1]:3000/"],
    ["*.internal", "http://a.b.internal:3000/"],
    ["*.svc.internal", "http://a.svc.internal/"],
    ["other,*.internal", "http://a.internal/"],
    ["loopback", "http://127.0.0.1:3000/"],
    ["loopback", "http://127.9.9.9:3000/"],
    ["loopback", "http://[::1]:3000/"],
    ["loopback", "http://localhost:3000/"],
    ["loopback", "http://app.localhost:3000/"],
  ])("%s: %s is called", (allow, url) => {
    expect(check(url)).not.toBeNull();
    expect(check(url, allow)).toBeNull();
  });

  it.each([
    ["10.0.0.1:9000", "http://10.0.0.1/"],
    ["10.0.0.1:9000", "http://10.0.0.1:9001/"],
    ["hooks:443", "http://hooks/"],
    ["*.internal", "http://internal/"],
    ["*.internal", "http://xinternal/"],
    ["loopback", "http://128.0.0.1/"],
    ["loopback", "http://10.0.0.1/"],
    ["loopback", "http://0.0.0.0/"],
    ["localhost", "http://127.0.0.1/"],
    ["*", "ftp://example.com/"],
    ["*", "http://u:p@example.com/"],
    ["example.com", "http://u:p@example.com/"],
  ])("%s: %s is still not", (allow, url) => {
    expect(check(url, allow)).not.toBeNull();
  });
});
