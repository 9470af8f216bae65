"""Push queues: what is added is what the app is called with."""

import datetime
import time
import urllib.parse

from google.appengine.api import apiproxy_stub_map, taskqueue
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb

from harness import case, eventually, task_names
from receiver import RECEIVER

HOUR = 3600


def _added(**arguments):
    """Adds a task to the queue `push`; answers it and its first delivery."""
    task = taskqueue.Task(**arguments)
    assert task.add("push") is task
    return task, RECEIVER.wait(task.name)[0]


def _fetched(queue, name):
    """A task as the method FetchTask shows it, which the SDK has no function for."""
    request = pb.TaskQueueFetchTaskRequest(queue_name=queue.encode(), task_name=name.encode())
    response = pb.TaskQueueFetchTaskResponse()
    apiproxy_stub_map.MakeSyncCall("taskqueue", "FetchTask", request, response)
    return response.task.task[0]


@case
def added_to_default_queue():
    """push: add() without a queue uses the default one, which is there by itself"""
    task = taskqueue.add(url="/work", payload="hello")
    assert task.was_enqueued is True and task.was_deleted is False
    assert task.queue_name == "default" and task.name
    [delivery] = RECEIVER.wait(task.name)
    assert (delivery.method, delivery.url) == ("POST", "/default/work"), delivery
    assert delivery.body == b"hello" and task.payload == b"hello"
    assert task.method == "POST" and task.url == "/work" and task.on_queue_url is False


@case
def task_before_it_is_added():
    """push: a task that is not added yet has neither queue nor name"""
    task = taskqueue.Task(url="/work")
    assert task.name is None and task.queue_name is None and task.payload is None
    assert task.was_enqueued is False and task.was_deleted is False
    assert task.retry_count == 0 and task.retry_options is None and task.tag is None
    assert task.dispatch_deadline_usec is None


@case
def queue_url():
    """push: a task without a url goes to /_ah/queue/<queue>"""
    task, delivery = _added(payload=b"x")
    assert task.on_queue_url is True
    assert delivery.url == "/default/_ah/queue/push", delivery


@case
def service_headers():
    """push: the X-AppEngine headers tell queue, name, counts and ETA"""
    before = time.time()
    task, delivery = _added(url="/work", name="headers-1")
    headers = delivery.headers
    assert headers["X-AppEngine-QueueName"] == "push"
    assert headers["X-AppEngine-TaskName"] == "headers-1" == task.name
    assert headers["X-AppEngine-TaskRetryCount"] == "0"
    assert headers["X-AppEngine-TaskExecutionCount"] == "0"
    # The task was due when it was made, a moment before it was added.
    assert task.eta_posix - 1e-5 <= float(headers["X-AppEngine-TaskETA"]) <= time.time()
    assert before - 1e-5 <= task.eta_posix <= time.time()
    assert headers["User-Agent"].startswith("AppEngine-Google"), headers["User-Agent"]
    for absent in ("TaskPreviousResponse", "TaskRetryReason", "FailFast"):
        assert headers[f"X-AppEngine-{absent}"] is None, absent


@case
def own_headers():
    """push: own headers arrive, repeated ones too, and the service's own cannot be forged"""
    given = {
        "X-Note": "one",
        "X-List": ["a", "b"],
        "X-AppEngine-QueueName": "forged",
        "X-AppEngine-TaskRetryCount": "77",
    }
    task, delivery = _added(url="/work", payload=b"{}", headers=given)
    assert task.headers["X-Note"] == "one" and task.headers is not task.headers
    assert delivery.headers["X-Note"] == "one"
    assert ", ".join(delivery.headers.get_all("X-List")) == "a, b"
    assert delivery.headers.get_all("X-AppEngine-QueueName") == ["push"]
    assert delivery.headers.get_all("X-AppEngine-TaskRetryCount") == ["0"]


@case
def fail_fast():
    """push: X-AppEngine-FailFast comes through"""
    _, delivery = _added(url="/work", headers={"X-AppEngine-FailFast": "true"})
    assert delivery.headers["X-AppEngine-FailFast"] == "true"


@case
def content_types():
    """push: the content type of text, of a form, of what was named"""
    _, text = _added(url="/work", payload="grüße")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.body == "grüße".encode()
    _, form = _added(url="/work", params={"a": "1"})
    assert form.headers["Content-Type"] == "application/x-www-form-urlencoded"
    _, named = _added(url="/work", payload="{}", headers={"Content-Type": "application/json"})
    assert named.headers.get_all("Content-Type") == ["application/json"]


@case
def parameters():
    """push: params are the body of a POST and the query of the others"""
    params = {"name": "Ödön & co", "many": ["1", "2"]}
    expected = {"name": ["Ödön & co"], "many": ["1", "2"]}
    task, delivery = _added(url="/work", params=params)
    assert urllib.parse.parse_qs(delivery.body.decode()) == expected
    assert task.extract_params() == {"name": "Ödön & co".encode(), "many": [b"1", b"2"]}
    task, delivery = _added(url="/work", params=params, method="GET")
    query = urllib.parse.urlsplit(delivery.url).query
    assert urllib.parse.parse_qs(query) == expected and delivery.body == b""
    assert task.extract_params()["many"] == [b"1", b"2"]
    assert taskqueue.Task(url="/work").extract_params() == {}


@case
def methods():
    """push: GET, POST, HEAD, PUT and DELETE arrive as themselves"""
    for method in ("GET", "POST", "HEAD", "PUT", "DELETE"):
        payload = b"body" if method in ("POST", "PUT") else None
        task, delivery = _added(url="/work", method=method, payload=payload)
        assert delivery.method == method == task.method
        assert delivery.body == (payload or b""), delivery


@case
def binary_payload():
    """push: every byte arrives as it was, up to the largest task"""
    payload = bytes(range(256)) * 390
    task, delivery = _added(url="/work", payload=payload)
    assert delivery.body == payload
    assert len(payload) < task.size < taskqueue.MAX_PUSH_TASK_SIZE_BYTES


@case
def target():
    """push: target names the service and version that is called"""
    task, delivery = _added(url="/work", target="worker")
    assert task.target == "worker" and delivery.url == "/worker/work", delivery
    task, delivery = _added(url="/work", target="v7.worker")
    assert task.target == "v7.worker" and delivery.url == "/v7.worker/work", delivery
    task, delivery = _added(url="/work", headers={"Host": "other.my-project.appspot.com"})
    assert task.target == "other" and delivery.url == "/other/work", delivery
    task, delivery = _added(url="/work", target=taskqueue.DEFAULT_APP_VERSION)
    assert task.target is taskqueue.DEFAULT_APP_VERSION and delivery.url == "/default/work"


@case
def eta_and_countdown():
    """push: a task comes at its ETA, not before"""
    eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=0.4)
    aware = taskqueue.Task(url="/work", name="eta-aware", eta=eta)
    naive = taskqueue.Task(url="/work", name="eta-naive", eta=eta.replace(tzinfo=None))
    later = taskqueue.Task(url="/work", name="countdown", countdown=0.4)
    taskqueue.Queue("push").add([aware, naive, later])
    assert aware.eta == eta == naive.eta and abs(aware.eta_posix - eta.timestamp()) < 1e-5
    assert later.eta.utcoffset() == datetime.timedelta(0)
    for task in (aware, naive, later):
        [delivery] = RECEIVER.wait(task.name)
        assert time.time() >= task.eta_posix
        assert abs(float(delivery.headers["X-AppEngine-TaskETA"]) - task.eta_posix) < 1e-5


@case
def not_before_its_time():
    """push: a task of the future stays in its queue with its ETA to the microsecond"""
    task = taskqueue.Task(url="/work", name="in-an-hour", countdown=HOUR)
    task.add("push")
    assert _fetched("push", "in-an-hour").eta_usec == round(task.eta_posix * 1e6)
    assert not RECEIVER.of("in-an-hour")
    taskqueue.Queue("push").delete_tasks(task)


@case
def retries():
    """push: a task that fails is tried again, and is told about it"""
    RECEIVER.answer("retried-1", 503, 404)
    task = taskqueue.Task(url="/work", name="retried-1")
    task.add("retried")
    first, second, third = RECEIVER.wait("retried-1", 3)
    counts = [d.headers["X-AppEngine-TaskRetryCount"] for d in (first, second, third)]
    assert counts == ["0", "1", "2"], counts
    executions = [d.headers["X-AppEngine-TaskExecutionCount"] for d in (first, second, third)]
    assert executions == ["0", "1", "2"], executions
    assert second.headers["X-AppEngine-TaskPreviousResponse"] == "503"
    assert third.headers["X-AppEngine-TaskPreviousResponse"] == "404"
    assert third.headers["X-AppEngine-TaskRetryReason"]


@case
def retry_limit():
    """push: task_retry_limit counts the retries, and replaces the queue's settings"""
    options = taskqueue.TaskRetryOptions(
        task_retry_limit=2, min_backoff_seconds=0.05, max_backoff_seconds=0.1, max_doublings=1
    )
    assert options.task_retry_limit == 2 and options.max_doublings == 1
    assert options.min_backoff_seconds == 0.05 and options.max_backoff_seconds == 0.1
    assert options.task_age_limit is None
    RECEIVER.answer("limited-1", 500, 500, 500, 500)
    task = taskqueue.Task(url="/work", name="limited-1", retry_options=options)
    assert task.retry_options is options
    task.add("push")
    RECEIVER.wait("limited-1", 3)
    eventually(lambda: "limited-1" not in task_names("push"))
    assert len(RECEIVER.of("limited-1")) == 3


@case
def retry_options_are_kept():
    """push: all retry options arrive in the queue"""
    options = taskqueue.TaskRetryOptions(
        task_retry_limit=7,
        task_age_limit=HOUR,
        min_backoff_seconds=2,
        max_backoff_seconds=30,
        max_doublings=3,
    )
    taskqueue.Queue("held").add(taskqueue.Task(url="/w", name="options", retry_options=options))
    found = _fetched("held", "options").retry_parameters
    assert found.retry_limit == 7 and found.age_limit_sec == HOUR and found.max_doublings == 3
    assert found.min_backoff_sec == 2 and found.max_backoff_sec == 30


@case
def dispatch_deadline():
    """push: dispatch_deadline_usec arrives in the queue"""
    task = taskqueue.Task(url="/w", name="deadline", dispatch_deadline_usec=20_500_000)
    assert task.dispatch_deadline_usec == 20_500_000
    taskqueue.Queue("held").add(task)
    assert _fetched("held", "deadline").dispatch_deadline_usec == 20_500_000


@case
def many_at_once():
    """push: a list is added in one call, each task with a name of its own"""
    tasks = [taskqueue.Task(url="/work", params={"n": str(n)}) for n in range(100)]
    queue = taskqueue.Queue("push")
    assert queue.name == "push"
    assert queue.add(tasks) is not None and queue.add([]) == []
    assert len({task.name for task in tasks}) == 100
    assert all(task.was_enqueued and task.queue_name == "push" for task in tasks)
    for number, task in enumerate(tasks):
        assert RECEIVER.wait(task.name)[0].body == b"n=%d" % number


@case
def added_asynchronously():
    """push: add_async() of queue and task, with an rpc of its own"""
    called = []
    own = taskqueue.create_rpc(deadline=10, callback=lambda: called.append(True))
    one = taskqueue.Task(url="/work")
    assert taskqueue.Queue("push").add_async(one, rpc=own) is own
    two = taskqueue.Task(url="/work")
    other = two.add_async("push")
    many = taskqueue.Queue("push").add_async([taskqueue.Task(url="/work") for _ in range(3)])
    assert own.get_result() is one and called == [True]
    assert other.get_result() is two and len(many.get_result()) == 3
    for task in (one, two, *many.get_result()):
        RECEIVER.wait(task.name)


@case
def deleted_before_they_run():
    """push: deleted tasks do not run; delete says of each whether it was there"""
    queue = taskqueue.Queue("push")
    tasks = [taskqueue.Task(url="/w", name=f"delete-{n}", countdown=HOUR) for n in range(4)]
    queue.add(tasks)
    assert queue.delete_tasks(tasks[0]) is tasks[0] and tasks[0].was_deleted
    assert queue.delete_tasks_async([tasks[1]]).get_result() == [tasks[1]]
    assert queue.delete_tasks_by_name("delete-2").was_deleted
    [last] = queue.delete_tasks_by_name_async(["delete-3"]).get_result()
    assert last.was_deleted and tasks[1].was_deleted
    assert not any(name.startswith("delete-") for name in task_names("push"))
    assert queue.delete_tasks_by_name("never-was").was_deleted is False
    assert queue.delete_tasks_by_name("delete-0").was_deleted is False


@case
def purged():
    """push: purge() removes what waits"""
    queue = taskqueue.Queue("gone")
    queue.add([taskqueue.Task(url="/w", countdown=HOUR) for _ in range(3)])
    assert len(task_names("gone")) == 3
    queue.purge()
    assert task_names("gone") == []


@case
def queues_of_a_name_are_equal():
    """push: queues are equal by name"""
    assert taskqueue.Queue() == taskqueue.Queue("default") != taskqueue.Queue("push")
    assert taskqueue.Queue().name == "default"
