/** Roles, members, and what policies say: without an object or a clock. */
import { describe, expect, it, test } from "vitest";
import type { Binding } from "../../src/access/service.ts";
import type { Caller } from "../../src/auth/caller.ts";
import { grantsOf, isGranted } from "../../src/auth/iam/evaluate.ts";
import { identitiesOf, isMember, STRANGER } from "../../src/auth/iam/members.ts";
import { checkPolicy } from "../../src/auth/iam/policy-rules.ts";
import { grantsOfAcl } from "../../src/auth/iam/queue-acl.ts";
import { isQueueRole, PERMISSIONS, permissionsOf, ROLE_NAMES } from "../../src/auth/iam/roles.ts";
import { ShortMemory } from "../../src/auth/iam/short-memory.ts";

describe("roles of Cloud Tasks", () => {
  /** auth.md §4: permissions without `cloudtasks.`, and what only our own role has left out. */
  test.each([
    [
      "admin",
      "cmekConfig.get cmekConfig.update locations.get locations.list queues.create queues.delete " +
        "queues.get queues.getIamPolicy queues.list queues.pause queues.purge queues.resume " +
        "queues.setIamPolicy queues.update tasks.create tasks.delete tasks.fullView tasks.get " +
        "tasks.list tasks.run",
    ],
    ["enqueuer", "tasks.create tasks.fullView"],
    [
      "queueAdmin",
      "locations.get locations.list queues.create queues.delete queues.get queues.getIamPolicy " +
        "queues.list queues.pause queues.purge queues.resume queues.setIamPolicy queues.update",
    ],
    ["taskDeleter", "tasks.delete"],
    ["taskRunner", "tasks.fullView tasks.run"],
  ])("%s has the permissions of the reference", (role, expected) => {
    const held = [...(permissionsOf(`roles/cloudtasks.${role}`) ?? [])]
      .filter((permission) => permission.startsWith("cloudtasks."))
      .map((permission) => permission.slice("cloudtasks.".length));
    const ours = role === "admin" ? ["tasks.acknowledge", "tasks.lease"] : [];
    expect(held.sort()).toEqual([...expected.split(" "), ...ours].sort());
  });

  it("the viewer sees no payloads and no policies", () => {
    const held = permissionsOf("roles/cloudtasks.viewer");
    for (const permission of ["tasks.fullView", "queues.getIamPolicy", "tasks.lease"]) {
      expect(held?.has(`cloudtasks.${permission}`)).toBe(false);
    }
    expect(held?.has("cloudtasks.tasks.list")).toBe(true);
  });

  it("the owner has everything, the editor cannot give or take access", () => {
    expect([...(permissionsOf("roles/owner") ?? [])].sort()).toEqual([...PERMISSIONS].sort());
    const editor = [...(permissionsOf("roles/editor") ?? [])];
    expect(editor.filter((name) => /setIamPolicy|Keys\.create|apiTokens/.test(name))).toEqual([]);
  });

  it("every permission of a role is one that can be tested", () => {
    const all = ROLE_NAMES.flatMap((role) => [...(permissionsOf(role) ?? [])]);
    expect(all.filter((name) => !PERMISSIONS.some((known) => known === name))).toEqual([]);
    expect(new Set(PERMISSIONS).size).toBe(PERMISSIONS.length);
  });

  it("roles about accounts and projects are not for queues", () => {
    expect(ROLE_NAMES.filter((role) => !isQueueRole(role)).sort()).toEqual([
      "roles/cloudtasks.serviceAgent",
      "roles/iam.serviceAccountAdmin",
      "roles/iam.serviceAccountKeyAdmin",
      "roles/iam.serviceAccountTokenCreator",
      "roles/iam.serviceAccountUser",
      "roles/logging.viewer",
      "roles/resourcemanager.projectIamAdmin",
    ]);
    expect(isQueueRole("roles/cloudtasks.nothing")).toBe(false);
  });
});

describe("members", () => {
  test.each([
    "allUsers",
    "allAuthenticatedUsers",
    "user:a@example.com",
    "user:token-0123456789abcdef@p",
    "user:token-0123456789abcdef@example.com:p",
    "serviceAccount:a-b@p.iam.gserviceaccount.com",
    "domain:example.com",
  ])("%s is one", (member) => expect(isMember(member)).toBe(true));

  test.each([
    "",
    "a@example.com",
    "user:",
    "user:a",
    "user:a b@example.com",
    "group:g@example.com",
    "deleted:user:a@example.com?uid=1",
    "principal://iam.googleapis.com/x",
    "domain:Example.com",
    "domain:@example.com",
    "allusers",
  ])("%j is none", (member) => expect(isMember(member)).toBe(false));

  const token = (member: string): Caller => ({
    kind: "token",
    id: "0123456789abcdef",
    project: "p",
    member,
    roles: [],
  });
  const everyone = ["allAuthenticatedUsers", "allUsers"];

  it("a service account is itself everywhere, and of no domain", () => {
    const email = "a@p.iam.gserviceaccount.com";
    const caller: Caller = { kind: "serviceAccount", email, project: "p" };
    expect(identitiesOf(caller, "p")).toEqual([`serviceAccount:${email}`, ...everyone]);
    expect(identitiesOf(caller, "other")).toEqual([`serviceAccount:${email}`, ...everyone]);
  });

  it("a token made in a user's name is that user in its own project alone", () => {
    const caller = token("user:eve@example.com");
    expect(identitiesOf(caller, "p")).toEqual([
      "user:eve@example.com",
      "domain:example.com",
      ...everyone,
    ]);
    expect(identitiesOf(caller, "other")).toEqual(everyone);
  });

  it("a token in its own name is itself everywhere, and of no domain", () => {
    const member = "user:token-0123456789abcdef@p";
    expect(identitiesOf(token(member), "p")).toEqual([member, ...everyone]);
    expect(identitiesOf(token(member), "other")).toEqual([member, ...everyone]);
  });

  test.each(["user:token-0123456789abcdef@other", "user:token-ffff@p"])(
    "a token in the name of another token, %s, is nobody elsewhere",
    (member) => expect(identitiesOf(token(member), "other")).toEqual(everyone),
  );

  it("a token for an account of another project is nobody there", () => {
    const own = "serviceAccount:a@p.iam.gserviceaccount.com";
    expect(identitiesOf(token(own), "other")).toEqual([own, ...everyone]);
    const foreign = "serviceAccount:a@other.iam.gserviceaccount.com";
    expect(identitiesOf(token(foreign), "other")).toEqual(everyone);
  });

  it("a stranger is everyone, and not authenticated", () => expect(STRANGER).toEqual(["allUsers"]));
});

describe("a policy", () => {
  const attributes = () => ({ name: "n", type: "s/T", service: "s", nowUs: 0 });
  const ask = (bindings: readonly Binding[], identities: readonly string[], permission: string) =>
    isGranted(
      grantsOf({ version: 1, etag: "", bindings }, (text) => () => text === "yes"),
      identities,
      permission,
      attributes,
    );
  const binding: Binding = { role: "roles/cloudtasks.taskRunner", members: ["user:a@b.c"] };

  it("gives a role's permissions to the members of a binding", () => {
    expect(ask([binding], ["user:a@b.c"], "cloudtasks.tasks.run")).toBe(true);
    expect(ask([binding], ["user:a@b.c"], "cloudtasks.tasks.create")).toBe(false);
    expect(ask([binding], ["user:x@b.c"], "cloudtasks.tasks.run")).toBe(false);
    expect(ask([], ["user:a@b.c"], "cloudtasks.tasks.run")).toBe(false);
  });

  it("does not mix the members of one binding with the role of another", () => {
    const other: Binding = { role: "roles/cloudtasks.enqueuer", members: ["user:x@b.c"] };
    expect(ask([binding, other], ["user:a@b.c"], "cloudtasks.tasks.create")).toBe(false);
  });

  it("gives nothing by a role or a condition that is not understood", () => {
    expect(ask([{ ...binding, role: "roles/gone" }], ["user:a@b.c"], "cloudtasks.tasks.run")).toBe(
      false,
    );
    const grants = grantsOf(
      { version: 3, etag: "", bindings: [{ ...binding, condition: { expression: "?" } }] },
      () => undefined,
    );
    expect(isGranted(grants, ["user:a@b.c"], "cloudtasks.tasks.run", attributes)).toBe(false);
  });

  it("asks the condition of a binding, and goes on to the next one", () => {
    const no = { ...binding, condition: { expression: "no" } };
    const yes = { ...binding, condition: { expression: "yes" } };
    expect(ask([no], ["user:a@b.c"], "cloudtasks.tasks.run")).toBe(false);
    expect(ask([no, yes], ["user:a@b.c"], "cloudtasks.tasks.run")).toBe(true);
  });
});

describe("what may stand in a policy", () => {
  const members = ["user:a@b.c"];
  const role = "roles/cloudtasks.enqueuer";

  it("is kept with each member once, as version 1", async () => {
    const bindings = [{ role, members: ["user:a@b.c", "user:a@b.c", "allUsers"] }];
    expect(await checkPolicy("queue", { version: 0, bindings })).toEqual({
      ok: true,
      policy: { version: 1, bindings: [{ role, members: ["user:a@b.c", "allUsers"] }] },
    });
  });

  it("has version 3 with a condition", async () => {
    const bindings = [{ role, members, condition: { title: "t", expression: "true" } }];
    expect(await checkPolicy("queue", { version: 3, bindings })).toEqual({
      ok: true,
      policy: { version: 3, bindings },
    });
    expect(await checkPolicy("queue", { version: 3, bindings: [{ role, members }] })).toMatchObject(
      {
        policy: { version: 1 },
      },
    );
  });

  const condition = { expression: "true" };
  test.each<[string, string, number, readonly Binding[]]>([
    ["a version that there is not", "version", 2, []],
    ["a condition under version 1", "version", 1, [{ role, members, condition }]],
    ["an unknown role", "bindings[0].role", 1, [{ role: "roles/cloudtasks.boss", members }]],
    ["a custom role", "bindings[0].role", 1, [{ role: "projects/p/roles/mine", members }]],
    ["no role", "bindings[0].role", 1, [{ role: "", members }]],
    [
      "a role of accounts",
      "bindings[0].role",
      1,
      [{ role: "roles/iam.serviceAccountUser", members }],
    ],
    [
      "no members",
      "bindings[1].members",
      1,
      [
        { role, members },
        { role, members: [] },
      ],
    ],
    ["a group", "bindings[0].members[1]", 1, [{ role, members: [...members, "group:g@b.c"] }]],
    ["a member without a type", "bindings[0].members[0]", 1, [{ role, members: ["a@b.c"] }]],
    [
      "a condition on a basic role",
      "bindings[0].condition",
      3,
      [{ role: "roles/editor", members, condition }],
    ],
    [
      "a condition on everybody",
      "bindings[0].condition",
      3,
      [{ role, members: ["allUsers"], condition }],
    ],
    [
      "a condition that cannot be read",
      "bindings[0].condition.expression",
      3,
      [{ role, members, condition: { expression: "nonsense" } }],
    ],
    [
      "too many principals",
      "bindings",
      1,
      [{ role, members: Array.from({ length: 1501 }, (_, index) => `user:${index}@b.c`) }],
    ],
    [
      "too many conditions",
      "bindings",
      3,
      Array.from({ length: 101 }, () => ({ role, members, condition })),
    ],
    [
      "too much text",
      "bindings",
      1,
      [
        {
          role,
          members: Array.from({ length: 500 }, (_, index) => `user:${index}@${"b".repeat(200)}`),
        },
      ],
    ],
  ])("refuses %s", async (_what, field, version, bindings) => {
    expect(await checkPolicy("queue", { version, bindings })).toMatchObject({
      ok: false,
      problem: { field },
    });
  });

  it("takes roles of accounts on a project", async () => {
    const bindings = [{ role: "roles/iam.serviceAccountUser", members }];
    expect(await checkPolicy("project", { version: 1, bindings })).toMatchObject({ ok: true });
  });
});

describe("the acl of a queue.yaml", () => {
  const attributes = () => ({ name: "n", type: "s/T", service: "s", nowUs: 0 });
  const email = "w@p.iam.gserviceaccount.com";
  const acl = grantsOfAcl({ userEmails: ["u@b.c"], writerEmails: [email] });
  const may = (member: string, permission: string) =>
    isGranted(acl, [member, "allUsers"], `cloudtasks.${permission}`, attributes);

  test.each(["tasks.get", "tasks.list", "tasks.lease", "tasks.delete", "queues.get"])(
    "lets a user_email use %s, and a writer_email not",
    (permission) => {
      expect(may("user:u@b.c", permission)).toBe(true);
      expect(may("serviceAccount:u@b.c", permission)).toBe(true);
      expect(may(`serviceAccount:${email}`, permission)).toBe(false);
    },
  );

  it("lets a writer_email insert, and a user_email not", () => {
    expect(may(`serviceAccount:${email}`, "tasks.create")).toBe(true);
    expect(may("user:u@b.c", "tasks.create")).toBe(false);
  });

  it("gives nobody the queue itself", () => {
    for (const permission of ["queues.update", "queues.delete", "queues.setIamPolicy"]) {
      expect(may("user:u@b.c", permission)).toBe(false);
    }
    expect(may("user:other@b.c", "tasks.get")).toBe(false);
  });
});

describe("what is remembered", () => {
  const deployment = {};

  it("is believed for half a minute", () => {
    const memory = new ShortMemory<string>();
    memory.set(deployment, "k", "v", 1e6);
    expect(memory.get(deployment, "k", 1e6)).toBe("v");
    expect(memory.get(deployment, "k", 30_999_999)).toBe("v");
    expect(memory.get(deployment, "k", 31e6)).toBeUndefined();
  });

  it("is not prolonged by a clock that was set back, and is of one deployment", () => {
    const memory = new ShortMemory<string>();
    memory.set(deployment, "k", "v", 1e6);
    expect(memory.get(deployment, "k", 999_999)).toBeUndefined();
    expect(memory.get({}, "k", 1e6)).toBeUndefined();
    memory.forget(deployment);
    expect(memory.get(deployment, "k", 1e6)).toBeUndefined();
  });
});
