/**
 * The acl of a queue.yaml: who may use a pull queue besides those whom policies name. A `user_email`
 * may get, list, lease, update and delete its tasks, which is roles/cloudtasks.dequeuer; a
 * `writer_email` may insert. It is asked only when policies have said no, and believed for as long
 * as they are.
 */
import type { QueueAcl, QueueName, QueueSettings } from "../../core/model.ts";
import { queuePath } from "../../core/names.ts";
import type { Env } from "../../env.ts";
import { queueStub } from "../../stubs.ts";
import type { Grant } from "./evaluate.ts";
import { permissionsOf } from "./roles.ts";
import { ShortMemory } from "./short-memory.ts";

const USER: ReadonlySet<string> = permissionsOf("roles/cloudtasks.dequeuer") ?? new Set();
const WRITER: ReadonlySet<string> = new Set(["cloudtasks.tasks.create"]);

/** What an acl grants on its queue. */
export function grantsOfAcl({ userEmails, writerEmails }: QueueAcl): readonly Grant[] {
  return [
    { permissions: USER, members: membersOf(userEmails) },
    { permissions: WRITER, members: membersOf(writerEmails) },
  ];
}

/** An acl does not say of which kind an email is. */
function membersOf(emails: readonly string[]): ReadonlySet<string> {
  return new Set(emails.flatMap((email) => [`user:${email}`, `serviceAccount:${email}`]));
}

/** Whether an acl can give the permission at all. */
export function isAclPermission(permission: string): boolean {
  return USER.has(permission) || WRITER.has(permission);
}

const memory = new ShortMemory<readonly Grant[]>();

/** What the acl of a queue grants; nothing where there is no such queue, or it is no pull queue. */
export async function aclGrantsFor(
  env: Env,
  queue: QueueName,
  nowUs: number,
): Promise<readonly Grant[]> {
  const key = queuePath(queue);
  const known = memory.get(env.QUEUE, key, nowUs);
  if (known !== undefined) return known;
  const record = await queueStub(env, queue).getQueue();
  const grants = record.ok ? grantsOfSettings(record.value.settings) : [];
  memory.set(env.QUEUE, key, grants, nowUs);
  return grants;
}

function grantsOfSettings(settings: QueueSettings): readonly Grant[] {
  const { type, acl } = settings;
  return type === "PULL" && acl !== undefined ? grantsOfAcl(acl) : [];
}
