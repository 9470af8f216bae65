"""Cases, and what they may ask: which members were used, who raised an error, the REST API."""

import contextlib
import json
import os
import sys
import time
import traceback
import urllib.error
import urllib.request

from google.appengine.api import apiproxy_stub_map, taskqueue
from google.appengine.runtime import default_api_stub

import members

FOLDER = os.path.dirname(os.path.abspath(__file__))
LOCATION = "projects/my-project/locations/us-central1"

_cases = []


def case(function):
    """Registers a case. The first line of its docstring is its name."""
    _cases.append(function)
    return function


def run_cases(report):
    """Runs every case and tells `report(name, error)` of each; the error is None or a text."""
    for function in _cases:
        name = function.__doc__.strip().splitlines()[0]
        sys.setprofile(_note_members)
        try:
            function()
            error = None
        except Exception:  # pylint: disable=broad-except
            error = traceback.format_exc()
        finally:
            sys.setprofile(None)
        if error is not None:
            _purge_queues()
        report(name, error)


def _purge_queues():
    """Takes away what a case has left that did not come to its end: others use its queues."""
    for queue in rest("GET", "queues").get("queues", []):
        rest("POST", f"queues/{queue['name'].rsplit('/', 1)[1]}:purge", {})


# ---- Which members of the SDK the cases have used ------------------------------------------------

_code_of_member = members.codes()
used_members = set()


def _note_members(frame, event, _argument):
    """A profile function: notes members that a case itself calls, not those they call in turn."""
    if event != "call" or frame.f_code not in _code_of_member or frame.f_back is None:
        return
    if os.path.dirname(frame.f_back.f_code.co_filename) != FOLDER:
        return
    member = _code_of_member[frame.f_code]
    used_members.add(member)
    if member.endswith(".__init__"):
        given = dict(frame.f_locals.get("kwargs", {}))
        if frame.f_locals.get("payload") is not None:
            given["payload"] = True
        used_members.update(f"{member}({argument})" for argument in given)


# ---- Errors, and who raised them -----------------------------------------------------------------

calls = []
raised = {"server": set(), "client": set()}


def connect(server):
    """Turns the SDK to a server, as a script outside of any request does. No call has been made."""
    host, port = server.removeprefix("http://").split(":")
    os.environ.update(API_HOST=host, API_PORT=port)
    default_api_stub.Register(default_api_stub.DefaultApiStub())
    default_api_stub.DefaultApiStub.SetUseRequestSecurityTicketForThread(True)
    apiproxy_stub_map.apiproxy.GetPreCallHooks().Append(
        "proof", lambda service, method, request, response: calls.append((service, method))
    )


@contextlib.contextmanager
def raises(kind, by):
    """Expects exactly this class of error; `by` says whether the server was asked for it."""
    before = len(calls)
    try:
        yield
    except Exception as error:  # pylint: disable=broad-except
        # An error of the datastore comes as a class of the moment, of both services' classes.
        expected = type(error) is kind or isinstance(error, taskqueue.DatastoreError)
        assert expected and isinstance(error, kind), f"expected {kind.__name__}, not {error!r}"
        asked = "server" if len(calls) > before else "client"
        assert asked == by, f"{kind.__name__} was raised by the {asked}, not by the {by}"
        raised[by].add(kind.__name__)
    else:
        raise AssertionError(f"{kind.__name__} was not raised")


@contextlib.contextmanager
def without_guard(module, **values):
    """Lifts a limit that the SDK checks itself, so that the server is the one that says no."""
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


# ---- The REST API, for what the SDK has no words for ---------------------------------------------


def rest(method, path, body=None):
    """Asks the server's v2beta2, below the location; answers the parsed reply."""
    host, port = os.environ["API_HOST"], os.environ["API_PORT"]
    request = urllib.request.Request(
        f"http://{host}:{port}/v2beta2/{LOCATION}/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.read().decode()}") from error


def task_names(queue):
    """Names of all tasks in a queue."""
    tasks = rest("GET", f"queues/{queue}/tasks").get("tasks", [])
    return sorted(task["name"].rsplit("/", 1)[1] for task in tasks)


def eventually(answer, timeout=10):
    """Asks again until the answer is true, for what the server does in its own time."""
    end = time.monotonic() + timeout
    while True:
        found = answer()
        if found:
            return found
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
