"""Runs all cases against a server, with the unmodified SDK.

Says on stdout the port at which tasks are to arrive, as {"receiver": PORT}; reads from stdin the
server that was told so, as {"server": URL}; then tells of every case {"case": NAME, "error": TEXT}.
"""

import json
import logging
import os
import sys

# What App Engine sets for its apps: the name of the app, its host, and the ticket of the request.
os.environ.update(
    GAE_APPLICATION="s~my-project",
    HTTP_HOST="my-project.appspot.com",
    DEFAULT_VERSION_HOSTNAME="my-project.appspot.com",
    HTTP_X_APPENGINE_DEFAULT_VERSION_HOSTNAME="my-project.appspot.com",
    HTTP_X_APPENGINE_API_TICKET="ticket",
)
# What the SDK says for tests that set none of the above, and when a call is refused on purpose.
logging.disable(logging.CRITICAL)

# pylint: disable=wrong-import-position
import harness  # noqa: E402
from receiver import RECEIVER  # noqa: E402


def say(line):
    """Tells the caller."""
    print(json.dumps(line), flush=True)


say({"receiver": RECEIVER.port})
told = json.loads(sys.stdin.readline())
harness.connect(told["server"])

# Each registers its cases; the order is theirs.
import cases_push  # noqa: E402, F401
import cases_pull  # noqa: E402, F401
import cases_errors  # noqa: E402, F401
import cases_transactions  # noqa: E402, F401
import cases_coverage  # noqa: E402, F401

harness.run_cases(lambda name, error: say({"case": name, "error": error}))
# Threads of the SDK's pool would be waited for.
sys.stdout.flush()
os._exit(0)
