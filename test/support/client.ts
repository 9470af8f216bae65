/** Google's official Node client, pointed at a server of ours in its REST mode. */
import { CloudTasksClient } from "@google-cloud/tasks";
import { OAuth2Client } from "google-auth-library";

/** The canonical codes that the client's errors carry. */
export const CODE = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  FAILED_PRECONDITION: 9,
};

/** A client as README shows it. */
export function connectClient(port: number, token = "anything"): CloudTasksClient {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: token });
  return new CloudTasksClient({
    authClient,
    fallback: true,
    apiEndpoint: "127.0.0.1",
    port,
    protocol: "http",
  });
}
