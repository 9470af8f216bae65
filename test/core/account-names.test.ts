/** Emails of service accounts, and the projects they name. */
import { describe, expect, it, test } from "vitest";
import { accountEmail, isAccountId, projectOfEmail } from "../../src/core/account-names.ts";

describe("an email", () => {
  test.each([
    ["my-project", "worker@my-project.iam.gserviceaccount.com"],
    ["My-Project9", "worker@My-Project9.iam.gserviceaccount.com"],
    ["example.com:app", "worker@app.example.com.iam.gserviceaccount.com"],
    ["a.b.example.com:app", "worker@app.a.b.example.com.iam.gserviceaccount.com"],
  ])("names the project %s and is read as it", (project, email) => {
    expect(accountEmail("worker", project)).toBe(email);
    expect(projectOfEmail(email)).toBe(project);
  });

  test.each(["my.project", "a:b:c", "", "example.com:my.app", ":app", "app:"])(
    "cannot name the project %j",
    (project) => expect(accountEmail("worker", project)).toBeNull(),
  );

  test.each([
    "worker@my-project.iam.gserviceaccount.com.example.com",
    "worker@example.com",
    "worker@.iam.gserviceaccount.com",
    "@my-project.iam.gserviceaccount.com",
    "a b@my-project.iam.gserviceaccount.com",
    "worker@my/project.iam.gserviceaccount.com",
    "worker@my-project.iam.gserviceaccount.com\n",
    "worker@my-projectXiam.gserviceaccount.com",
    "",
  ])("is not %j", (text) => expect(projectOfEmail(text)).toBeNull());
});

describe("an id", () => {
  it("has 6 to 30 characters, a letter first and no hyphen last", () => {
    const good = ["abcdef", "a-b-c1", `a${"b".repeat(29)}`];
    const bad = [
      "abcde",
      `a${"b".repeat(30)}`,
      "1bcdef",
      "abcde-",
      "Abcdef",
      "abc_def",
      "abcdef\n",
    ];
    expect(good.filter((id) => !isAccountId(id))).toEqual([]);
    expect(bad.filter(isAccountId)).toEqual([]);
  });
});
