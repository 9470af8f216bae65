/** Queue files uploaded, each test in a project of its own. */
import { send } from "./rest.ts";

/** A project of this test's own, and its queues' place: APP_LOCATION is not set here. */
export function project() {
  const id = `app-${crypto.randomUUID().slice(0, 8)}`;
  return { id, location: `projects/${id}/locations/us-central1` };
}

export function upload(id: string, body: string | object, contentType = "application/x-yaml") {
  return send("POST", `/api/queue/update?appId=${id}`, body, { "content-type": contentType });
}
