"""Pull queues: tasks are leased, and a lease's end is the key to it."""

import datetime
import time

from google.appengine.api import taskqueue

from harness import case, eventually, rest, task_names

HOUR = 3600


def _pull(payload=b"work", **arguments):
    return taskqueue.Task(payload=payload, method="PULL", **arguments)


def _payloads(tasks):
    return [task.payload for task in tasks]


@case
def leased_and_deleted():
    """pull: tasks are added, leased in order of ETA, and deleted"""
    queue = taskqueue.Queue("pull")
    tasks = [_pull(b"%d" % n, countdown=wait) for n, wait in enumerate((0.3, 0.1, 0.2))]
    queue.add(tasks)
    assert all(task.was_enqueued and task.name for task in tasks)
    eventually(lambda: time.time() > tasks[0].eta_posix)
    before = time.time()
    leased = queue.lease_tasks(60, 10)
    assert _payloads(leased) == [b"1", b"2", b"0"], leased
    for task in leased:
        assert task.method == "PULL" and task.queue_name == "pull" and task.tag is None
        assert task.was_enqueued and not task.was_deleted
        assert before + 60 - 1 <= task.eta_posix <= time.time() + 60
    assert queue.lease_tasks(60, 10) == []
    assert queue.delete_tasks(leased) is not None
    assert all(task.was_deleted for task in leased) and task_names("pull") == []


@case
def payloads():
    """pull: text, bytes, params and an empty payload come back as they were"""
    queue = taskqueue.Queue("pull")
    form = taskqueue.Task(method="PULL", params={"a": "1", "b": ["2", "3"]})
    queue.add([_pull("grüße"), _pull(bytes(range(256))), _pull(b""), form])
    leased = queue.lease_tasks(60, 10)
    found = {task.payload for task in leased}
    assert {"grüße".encode(), bytes(range(256)), b"", form.payload} == found, found
    [same] = [task for task in leased if task.payload == form.payload]
    # The SDK leaves the names of a pull task's parameters as the bytes that they are.
    assert same.extract_params() == {b"a": b"1", b"b": [b"2", b"3"]}
    queue.delete_tasks(leased)


@case
def largest_payload():
    """pull: the largest task comes back whole"""
    queue = taskqueue.Queue("pull-large")
    payload = b"x" * (taskqueue.MAX_PULL_TASK_SIZE_BYTES - 200)
    queue.add(_pull(payload))
    [leased] = queue.lease_tasks(60, 1)
    assert leased.payload == payload and leased.size > len(payload)


@case
def retry_count_of_leases():
    """pull: retry_count counts the leases"""
    queue = taskqueue.Queue("pull-leases")
    queue.add(_pull(name="counted"))
    counts = []
    for _ in range(3):
        [task] = queue.lease_tasks(60, 1)
        counts.append(task.retry_count)
        queue.modify_task_lease(task, 0)
    assert counts == [1, 2, 3], counts
    queue.delete_tasks(task)


@case
def asynchronously():
    """pull: the asynchronous methods do the same"""
    queue = taskqueue.Queue("pull")
    queue.add_async([_pull(b"a", tag="t"), _pull(b"b")]).get_result()
    by_tag = queue.lease_tasks_by_tag_async(60, 10, "t")
    assert _payloads(by_tag.get_result()) == [b"a"]
    own = taskqueue.create_rpc(deadline=10)
    assert queue.lease_tasks_async(60, 10, own) is own
    assert _payloads(own.get_result()) == [b"b"]
    both = by_tag.get_result() + own.get_result()
    assert len(queue.delete_tasks_async(both).get_result()) == 2


@case
def by_tag():
    """pull: tasks are leased by their tag, or by the tag of the oldest"""
    queue = taskqueue.Queue("pull-tags")
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=60)
    etas = [past + datetime.timedelta(seconds=n) for n in range(6)]
    tags = ["blue", "red", "blue", None, "grün", None]
    tasks = [_pull(b"%d" % n, eta=etas[n], tag=tag) for n, tag in enumerate(tags)]
    assert tasks[0].tag == "blue" and tasks[3].tag is None
    queue.add(tasks)
    red = queue.lease_tasks_by_tag(60, 10, "red")
    assert _payloads(red) == [b"1"] and red[0].tag == "red"
    assert _payloads(queue.lease_tasks_by_tag(60, 10)) == [b"0", b"2"]
    untagged = queue.lease_tasks_by_tag(60, 10)
    assert _payloads(untagged) == [b"3", b"5"] and untagged[0].tag is None
    [last] = queue.lease_tasks_by_tag(60, 10, tag="grün", deadline=5)
    assert last.tag == "grün"
    assert queue.lease_tasks_by_tag(60, 10, "nobody") == []


@case
def modified():
    """pull: a lease is made longer, then given back; its end is its key to the microsecond"""
    queue = taskqueue.Queue("pull-leases")
    queue.add(_pull(name="modified"))
    [task] = queue.lease_tasks(lease_seconds=30.25, max_tasks=1)
    for seconds in (60, 90.123456, 604800, 30):
        before = time.time()
        queue.modify_task_lease(task, seconds)
        assert before + seconds - 1 <= task.eta_posix <= time.time() + seconds + 1
        assert abs(task.eta.timestamp() - task.eta_posix) < 1e-5
    queue.modify_task_lease(task, 0)
    [again] = queue.lease_tasks(60, 1)
    assert again.name == "modified"
    queue.delete_tasks(again)


@case
def float_round_trip():
    """pull: the key survives its way through a float, for 200 leases"""
    queue = taskqueue.Queue("pull-leases")
    for _ in range(2):
        queue.add([_pull(b"%d" % n) for n in range(100)])
    leased = queue.lease_tasks(333.333333, 1000)
    assert len(leased) == 200
    for task in leased[:100]:
        queue.modify_task_lease(task, 77.777777)
    queue.delete_tasks(leased[:100])
    queue.delete_tasks(leased[100:])
    assert task_names("pull-leases") == []


@case
def lease_that_ends():
    """pull: a task comes back when its lease has ended"""
    queue = taskqueue.Queue("pull-leases")
    queue.add(_pull(name="comes-back"))
    [first] = queue.lease_tasks(0.2, 1)
    [second] = eventually(lambda: queue.lease_tasks(60, 1))
    assert time.time() >= first.eta_posix and second.retry_count == 2
    queue.delete_tasks(second)


@case
def not_before_its_eta():
    """pull: no worker gets a task before its ETA"""
    queue = taskqueue.Queue("pull-leases")
    queue.add([_pull(name="later", countdown=0.3), _pull(name="much-later", countdown=HOUR)])
    assert queue.lease_tasks(60, 10) == []
    [task] = eventually(lambda: queue.lease_tasks(60, 10))
    assert task.name == "later"
    queue.delete_tasks_by_name(["later", "much-later"])


@case
def deleted_while_leased():
    """pull: a leased task can be deleted by its name, and then its lease is over"""
    queue = taskqueue.Queue("pull-leases")
    queue.add(_pull(name="deleted"))
    queue.lease_tasks(60, 1)
    assert queue.delete_tasks_by_name("deleted").was_deleted
    assert task_names("pull-leases") == []


@case
def retry_limit_of_queue():
    """pull: the queue's task_retry_limit is the number of leases"""
    queue = taskqueue.Queue("pull-limited")
    queue.add(_pull(name="twice"))
    for _ in range(2):
        [task] = queue.lease_tasks(60, 1)
        queue.modify_task_lease(task, 0)
    assert queue.lease_tasks(60, 1) == [] and task_names("pull-limited") == []


@case
def purged():
    """pull: purge() removes leased tasks and those that wait"""
    queue = taskqueue.Queue("pull-purged")
    queue.add([_pull() for _ in range(5)])
    queue.lease_tasks(60, 2)
    queue.purge()
    assert task_names("pull-purged") == []
    queue.add(_pull(b"new"))
    assert _payloads(queue.lease_tasks(60, 5)) == [b"new"]


@case
def statistics_of_pull():
    """pull: statistics count what is there, what was leased, and know the oldest ETA"""
    queue = taskqueue.Queue("pull-counted")
    empty = queue.fetch_statistics()
    assert (empty.queue, empty.tasks, empty.oldest_eta_usec) == (queue, 0, None), empty
    assert empty.executed_last_minute == 0
    before = time.time()
    queue.add([_pull(countdown=HOUR), _pull(), _pull()])
    full = queue.fetch_statistics_async().get_result()
    assert full.tasks == 3 and before <= full.oldest_eta_usec / 1e6 <= time.time(), full
    queue.lease_tasks(60, 2)
    assert eventually(lambda: queue.fetch_statistics(deadline=5).executed_last_minute == 2)


@case
def statistics_of_several():
    """push: statistics of several queues at once, with the rate that is in force"""
    taskqueue.Queue("held").add(taskqueue.Task(url="/w", name="statistics"))
    queues = [taskqueue.Queue("held"), taskqueue.Queue(), taskqueue.Queue("push")]
    held, default, push = taskqueue.QueueStatistics.fetch(queues)
    assert [held.queue, default.queue, push.queue] == queues
    assert held.tasks >= 1 and held.oldest_eta_usec > 0 and held.in_flight == 0
    # A queue whose tasks fail is slowed down: `push` may be below its rate.
    assert default.enforced_rate == 5 and 0 < push.enforced_rate <= 500, (default, push)
    assert push.executed_last_minute > 0, push
    own = taskqueue.create_rpc(deadline=5)
    taskqueue.QueueStatistics.fetch_async("push", own)
    assert own.get_result().queue == taskqueue.Queue("push")
    assert rest("GET", "queues/held")["state"] == "PAUSED"
