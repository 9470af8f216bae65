"""Signs in with the key file of GOOGLE_APPLICATION_CREDENTIALS, in each way that Google's library knows.

Arguments: the deployment's URL, a queue's parent (projects/P/locations/L), a queue's id. Prints one line
for each way that worked; any refusal ends it with a traceback.
"""

import json
import os
import sys

from google.auth.transport.requests import AuthorizedSession, Request
from google.cloud import tasks_v2
from google.oauth2 import service_account

CLOUD_TASKS = "https://cloudtasks.googleapis.com/"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]

url, location, queue_id = sys.argv[1:]
key_file = os.environ["GOOGLE_APPLICATION_CREDENTIALS"]


def default_credentials():
    """The client as everyone makes it, pointed elsewhere."""
    client = tasks_v2.CloudTasksClient(transport="rest", client_options={"api_endpoint": url})
    queue = client.create_queue(parent=location, queue={"name": f"{location}/queues/{queue_id}"})
    target = {"url": "https://example.com/", "http_method": "POST", "body": b"hello"}
    task = client.create_task(parent=queue.name, task={"http_request": target})
    client.delete_task(name=task.name)
    return [found.name for found in client.list_queues(parent=location)]


def session(credentials):
    answer = AuthorizedSession(credentials).get(f"{url}/v2/{location}/queues")
    assert answer.status_code == 200, answer.text
    return credentials.token


def claims_of(token):
    import base64

    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def self_signed_for_an_audience():
    credentials = service_account.Credentials.from_service_account_file(
        key_file, always_use_jwt_access=True
    )
    credentials._create_self_signed_jwt(CLOUD_TASKS)
    assert claims_of(session(credentials))["aud"] == CLOUD_TASKS


def self_signed_for_scopes():
    credentials = service_account.Credentials.from_service_account_file(
        key_file, scopes=SCOPES, always_use_jwt_access=True
    )
    credentials._create_self_signed_jwt(None)
    assert "aud" not in claims_of(session(credentials))


def exchanged():
    """The key file names the token endpoint."""
    credentials = service_account.Credentials.from_service_account_file(key_file, scopes=SCOPES)
    credentials.refresh(Request())
    assert claims_of(session(credentials))["client_id"] == credentials.service_account_email


def identity_token():
    credentials = service_account.IDTokenCredentials.from_service_account_file(
        key_file, target_audience="https://example.com"
    )
    credentials.refresh(Request())
    assert claims_of(credentials.token)["aud"] == "https://example.com"


print("default credentials", *default_credentials())
for way in (self_signed_for_an_audience, self_signed_for_scopes, exchanged, identity_token):
    way()
    print(way.__name__.replace("_", " "))
