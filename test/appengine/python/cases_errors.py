"""Errors: every class, from the server where it can cause it, else from the SDK."""

import datetime

from google.appengine.api import apiproxy_stub_map, memcache, taskqueue
from google.appengine.api.taskqueue import taskqueue as module
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb
from google.appengine.runtime import apiproxy_errors, default_api_stub

from harness import LOCATION, case, eventually, raises, rest, task_names, without_guard
from receiver import RECEIVER

HOUR = 3600


def _pull(payload=b"work", **arguments):
    return taskqueue.Task(payload=payload, method="PULL", **arguments)


def _held(**arguments):
    return taskqueue.Task(url="/w", **arguments)


def _results(*requests):
    """The codes of a BulkAdd made by hand, for what the SDK would not send."""
    message = pb.TaskQueueBulkAddRequest(add_request=requests)
    response = pb.TaskQueueBulkAddResponse()
    apiproxy_stub_map.MakeSyncCall("taskqueue", "BulkAdd", message, response)
    return [result.result for result in response.taskresult]


@case
def unknown_queue():
    """errors: UnknownQueueError from every method"""
    queue = taskqueue.Queue("nowhere")
    kind = taskqueue.UnknownQueueError
    with raises(kind, "server"):
        queue.add(_held())
    with raises(kind, "server"):
        queue.add(_pull())
    with raises(kind, "server"):
        queue.delete_tasks_by_name("a")
    with raises(kind, "server"):
        queue.lease_tasks(60, 1)
    with raises(kind, "server"):
        queue.lease_tasks_by_tag(60, 1, "t")
    with raises(kind, "server"):
        queue.modify_task_lease(_pull(name="a"), 60)
    with raises(kind, "server"):
        queue.purge()
    with raises(kind, "server"):
        queue.fetch_statistics()
    with raises(kind, "server"):
        taskqueue.add(queue_name="nowhere", url="/w")


@case
def deleted_queue():
    """errors: a queue that was deleted is the base class Error, with the reason"""
    rest("POST", "queues", {"name": f"{LOCATION}/queues/deleted", "pullTarget": {}})
    queue = taskqueue.Queue("deleted")
    queue.add(_pull())
    rest("DELETE", "queues/deleted")
    with raises(taskqueue.Error, "server"):
        eventually(lambda: queue.add(_pull()) is None)


@case
def names_that_are_taken():
    """errors: TaskAlreadyExistsError while it is there, TombstonedTaskError after"""
    queue = taskqueue.Queue("held")
    queue.add(_held(name="taken"))
    with raises(taskqueue.TaskAlreadyExistsError, "server"):
        queue.add(_held(name="taken"))
    queue.delete_tasks_by_name("taken")
    with raises(taskqueue.TombstonedTaskError, "server"):
        queue.add(_held(name="taken"))
    taskqueue.Queue("push").add(_held(name="has-run"))
    RECEIVER.wait("has-run")
    eventually(lambda: "has-run" not in task_names("push"))
    with raises(taskqueue.TombstonedTaskError, "server"):
        taskqueue.Queue("push").add(_held(name="has-run"))


@case
def one_taken_name_among_many():
    """errors: of many tasks those are added whose names are free"""
    queue = taskqueue.Queue("held")
    queue.add(_held(name="many-1"))
    tasks = [_held(name=f"many-{n}") for n in range(3)] + [_held()]
    with raises(taskqueue.TaskAlreadyExistsError, "server"):
        queue.add(tasks)
    assert [task.was_enqueued for task in tasks] == [True, False, True, True]
    assert {"many-0", "many-1", "many-2", tasks[3].name} <= set(task_names("held"))


@case
def wrong_mode():
    """errors: InvalidQueueModeError both ways"""
    kind = taskqueue.InvalidQueueModeError
    push, pull = taskqueue.Queue("held"), taskqueue.Queue("pull-errors")
    with raises(kind, "server"):
        push.add(_pull())
    with raises(kind, "server"):
        pull.add(_held())
    with raises(kind, "server"):
        push.lease_tasks(60, 1)
    with raises(kind, "server"):
        push.lease_tasks_by_tag_async(60, 1).get_result()
    with raises(kind, "server"):
        push.modify_task_lease(_pull(name="a"), 60)


@case
def lease_is_over():
    """errors: TaskLeaseExpiredError for a key of an earlier lease, and one whose time is over"""
    queue = taskqueue.Queue("pull-errors")
    queue.add(_pull(name="over"))
    [first] = queue.lease_tasks(60, 1)
    queue.modify_task_lease(first, 0)
    [second] = queue.lease_tasks(0.1, 1)
    with raises(taskqueue.TaskLeaseExpiredError, "server"):
        queue.modify_task_lease(first, 60)
    [third] = eventually(lambda: queue.lease_tasks(60, 1))
    with raises(taskqueue.TaskLeaseExpiredError, "server"):
        queue.modify_task_lease(second, 60)
    queue.modify_task_lease(third, 30)
    queue.delete_tasks(third)
    with raises(taskqueue.TombstonedTaskError, "server"):
        queue.modify_task_lease(third, 30)
    with raises(taskqueue.Error, "server"):
        queue.modify_task_lease(_pull(name="never-was"), 30)


@case
def paused_queue():
    """errors: QueuePausedError for leases of a queue that is paused"""
    queue = taskqueue.Queue("pull-paused")
    queue.add([_pull(), _pull()])
    [task] = queue.lease_tasks(60, 1)
    rest("POST", "queues/pull-paused:pause", {})
    with raises(taskqueue.QueuePausedError, "server"):
        eventually(lambda: queue.modify_task_lease(task, 60))
    with raises(taskqueue.QueuePausedError, "server"):
        queue.lease_tasks(60, 1)
    rest("POST", "queues/pull-paused:resume", {})
    eventually(lambda: queue.lease_tasks(60, 1))
    queue.modify_task_lease(task, 60)


@case
def too_large():
    """errors: TaskTooLargeError of both modes; nothing of the call is added"""
    for queue, task, most in (
        ("held", _held, taskqueue.MAX_PUSH_TASK_SIZE_BYTES),
        ("pull-errors", _pull, taskqueue.MAX_PULL_TASK_SIZE_BYTES),
    ):
        with raises(taskqueue.TaskTooLargeError, "client"):
            task(payload=b"x" * most)
        tasks = [task(name="beside-too-large"), task(payload=b"x" * (most + 1), _size_check=False)]
        with raises(taskqueue.TaskTooLargeError, "server"):
            taskqueue.Queue(queue).add(tasks)
        assert not any(task.was_enqueued for task in tasks)
        assert "beside-too-large" not in task_names(queue)


@case
def invalid_names():
    """errors: InvalidTaskNameError and InvalidQueueNameError"""
    with raises(taskqueue.InvalidTaskNameError, "client"):
        _held(name="not a name")
    with raises(taskqueue.InvalidTaskNameError, "client"):
        _held(name="x" * (taskqueue.MAX_TASK_NAME_LENGTH + 1))
    with raises(taskqueue.InvalidQueueNameError, "client"):
        taskqueue.Queue("not_a_name")
    with without_guard(module, _TASK_NAME_RE=module.re.compile(".*")):
        with raises(taskqueue.InvalidTaskNameError, "server"):
            taskqueue.Queue("held").add(_held(name="not a name"))
        with raises(taskqueue.InvalidTaskNameError, "server"):
            taskqueue.Queue("held").delete_tasks_by_name("not a name")
    with without_guard(module, _QUEUE_NAME_RE=module.re.compile(".*")):
        with raises(taskqueue.InvalidQueueNameError, "server"):
            taskqueue.Queue("not_a_name").add(_held())
    taskqueue.Queue("held").add(_held(name="x" * taskqueue.MAX_TASK_NAME_LENGTH))


@case
def invalid_urls():
    """errors: InvalidUrlError"""
    for url in ("work", "http://host/work", "/work#part", "/" + "x" * taskqueue.MAX_URL_LENGTH):
        with raises(taskqueue.InvalidUrlError, "client"):
            taskqueue.Task(url=url)
    with without_guard(module, MAX_URL_LENGTH=10_000):
        with raises(taskqueue.InvalidUrlError, "server"):
            taskqueue.Queue("held").add(taskqueue.Task(url="/" + "x" * taskqueue.MAX_URL_LENGTH))
    longest = "/" + "x" * (taskqueue.MAX_URL_LENGTH - 1)
    taskqueue.Queue("held").add(taskqueue.Task(url=longest))


@case
def invalid_etas():
    """errors: InvalidEtaError beyond 30 days"""
    days = datetime.timedelta(days=1)
    late = datetime.datetime.now(datetime.timezone.utc) + 30 * days
    with raises(taskqueue.InvalidEtaError, "client"):
        _held(eta=late + days)
    with without_guard(module, _MAX_COUNTDOWN_SECONDS=10**9):
        with raises(taskqueue.InvalidEtaError, "server"):
            taskqueue.Queue("held").add(_held(eta=late + days))
    taskqueue.Queue("held").add(_held(eta=late - days))


@case
def invalid_tags():
    """errors: InvalidTagError beyond 500"""
    longest = "x" * taskqueue.MAX_TAG_LENGTH
    with raises(taskqueue.InvalidTagError, "client"):
        _pull(tag=longest + "x")
    queue = taskqueue.Queue("pull-errors")
    with raises(taskqueue.InvalidTagError, "server"):
        queue.add(_pull(tag=longest + "x", _size_check=False))
    queue.add(_pull(tag=longest))
    [task] = queue.lease_tasks_by_tag(60, 1, longest)
    queue.delete_tasks(task)


@case
def too_many():
    """errors: TooManyTasksError beyond 100"""
    queue = taskqueue.Queue("gone")
    with raises(taskqueue.TooManyTasksError, "client"):
        queue.add([_held() for _ in range(101)])
    with without_guard(module, MAX_TASKS_PER_ADD=1000):
        with raises(taskqueue.TooManyTasksError, "server"):
            queue.add([_held(countdown=HOUR) for _ in range(101)])
    assert task_names("gone") == []


@case
def a_name_twice():
    """errors: DuplicateTaskNameError within a call"""
    queue = taskqueue.Queue("held")
    with raises(taskqueue.DuplicateTaskNameError, "client"):
        queue.add([_held(name="twice"), _held(name="twice")])
    with raises(taskqueue.DuplicateTaskNameError, "client"):
        queue.delete_tasks_by_name(["twice", "twice"])

    # To the SDK's own check a text and its bytes are two names.
    tasks = [_held(name="twice"), _held(name="twice")]
    tasks[1]._Task__name = b"twice"
    with raises(taskqueue.DuplicateTaskNameError, "server"):
        queue.add(tasks)


@case
def skipped():
    """errors: where one task is wrong the others are SKIPPED and nothing is added"""
    right = pb.TaskQueueAddRequest(queue_name=b"held", task_name=b"right", eta_usec=0, url=b"/w")
    wrong = pb.TaskQueueAddRequest(queue_name=b"held", task_name=b"wr ng", eta_usec=0, url=b"/w")
    codes = pb.TaskQueueServiceError
    assert _results(right, wrong) == [codes.SKIPPED, codes.INVALID_TASK_NAME]
    assert "right" not in task_names("held")


@case
def bad_states():
    """errors: BadTaskStateError"""
    queue = taskqueue.Queue("held")
    task = queue.add(_held())
    with raises(taskqueue.BadTaskStateError, "client"):
        queue.add(task)
    queue.delete_tasks(task)
    with raises(taskqueue.BadTaskStateError, "client"):
        queue.delete_tasks(task)
    with raises(taskqueue.BadTaskStateError, "client"):
        queue.delete_tasks(_held())


@case
def invalid_arguments():
    """errors: what the SDK refuses to send"""
    kind = taskqueue.InvalidTaskError
    for arguments in (
        {"method": "PATCH"},
        {"url": "/w?a=1"},
        {"url": "/w", "method": "GET", "payload": b"x"},
        {"url": "/w", "payload": b"x", "params": {"a": "1"}},
        {"url": "/w", "tag": "t"},
        {"url": "/w", "countdown": 1, "eta": datetime.datetime.now()},
        {"url": "/w", "target": "a", "headers": {"Host": "b"}},
        {"url": "/w", "method": "PULL", "payload": b"x"},
        {"method": "PULL"},
    ):
        with raises(kind, "client"):
            taskqueue.Task(**arguments)
    with raises(kind, "client"):
        taskqueue.Queue("held").add([_held(), _pull()])
    with raises(taskqueue.InvalidDispatchDeadlineError, "client"):
        _held(dispatch_deadline_usec=14_999_999)
    with raises(taskqueue.InvalidTaskRetryOptionsError, "client"):
        taskqueue.TaskRetryOptions(min_backoff_seconds=2, max_backoff_seconds=1)
    queue = taskqueue.Queue("pull-errors")
    with raises(taskqueue.InvalidLeaseTimeError, "client"):
        queue.lease_tasks(taskqueue.MAX_LEASE_SECONDS + 1, 1)
    with raises(taskqueue.InvalidLeaseTimeError, "client"):
        queue.modify_task_lease(_pull(name="a"), -1)
    with raises(taskqueue.InvalidMaxTasksError, "client"):
        queue.lease_tasks(60, taskqueue.MAX_TASKS_PER_LEASE + 1)
    with raises(taskqueue.InvalidMaxTasksError, "client"):
        queue.lease_tasks_by_tag(60, 0)
    with raises(taskqueue.InvalidDeadlineError, "client"):
        queue.lease_tasks(60, 1, deadline=0)
    with raises(TypeError, "client"):
        queue.lease_tasks("60", 1)


@case
def limits_behind_the_guards():
    """errors: what the SDK would refuse, the server refuses as well, with the base class Error"""
    queue = taskqueue.Queue("pull-errors")
    with without_guard(module, MAX_LEASE_SECONDS=10**9, MAX_TASKS_PER_LEASE=10**9):
        with raises(taskqueue.Error, "server"):
            queue.lease_tasks(604_801, 1)
        with raises(taskqueue.Error, "server"):
            queue.lease_tasks(60, 1001)
    day = datetime.timedelta(days=1)
    with without_guard(module, MAX_DISPATCH_DEADLINE=2 * day, MIN_DISPATCH_DEADLINE=0 * day):
        for microseconds in (14_999_999, 86_400_000_001):
            with raises(taskqueue.Error, "server"):
                taskqueue.Queue("held").add(_held(dispatch_deadline_usec=microseconds))


@case
def other_services():
    """errors: another service of App Engine is CallNotFoundError"""
    request = pb.TaskQueuePurgeQueueRequest(queue_name=b"held")
    response = pb.TaskQueuePurgeQueueResponse()
    for service, method in (("memcache", "Get"), ("taskqueue", "Nothing")):
        try:
            apiproxy_stub_map.MakeSyncCall(service, method, request, response)
            raise AssertionError("it was answered")
        except apiproxy_errors.CallNotFoundError:
            pass
    assert memcache.get("anything") is None


@case
def without_a_ticket():
    """errors: without a ticket the SDK does not ask: RPCFailedError"""
    stub = default_api_stub.DefaultApiStub
    stub.SetUseRequestSecurityTicketForThread(False)
    try:
        taskqueue.Queue("held").fetch_statistics()
        raise AssertionError("it was answered")
    except apiproxy_errors.RPCFailedError:
        pass
    finally:
        stub.SetUseRequestSecurityTicketForThread(True)


@case
def outside_of_transactions():
    """transactions: outside of one it is BadTransactionStateError"""
    with raises(taskqueue.BadTransactionStateError, "client"):
        taskqueue.add(url="/w", transactional=True)
    assert taskqueue.BadTransactionState is taskqueue.BadTransactionStateError
