"""Transactions: the tasks of datastore transactions appear at the commit, or never."""

from google.appengine.api import apiproxy_stub_map, datastore, datastore_errors, taskqueue
from google.appengine.api import api_base_pb2
from google.appengine.api.taskqueue import taskqueue as module
from google.appengine.ext import db, ndb

from harness import case, eventually, raises, task_names, without_guard
from receiver import RECEIVER

QUEUE = "pull-transactions"


def _pull(payload=b"work", **arguments):
    return taskqueue.Task(payload=payload, method="PULL", **arguments)


def _add(count=1):
    """Adds transactional tasks to a push queue and a pull queue; nothing is to be seen of them."""
    before = task_names("held"), task_names(QUEUE)
    tasks = [taskqueue.Task(url="/w") for _ in range(count)]
    taskqueue.Queue("held").add(tasks, transactional=True)
    _pull().add(QUEUE, transactional=True)
    assert (task_names("held"), task_names(QUEUE)) == before
    assert taskqueue.Queue(QUEUE).lease_tasks(60, 10) == []


def _clear():
    for name in ("held", QUEUE):
        taskqueue.Queue(name).purge()
    assert task_names("held") == task_names(QUEUE) == []


def _assert_both_visible():
    eventually(lambda: len(task_names("held")) == 1 and len(task_names(QUEUE)) == 1)
    assert len(taskqueue.Queue(QUEUE).lease_tasks(60, 10)) == 1
    _clear()


class _Planned(Exception):
    """What a transaction's function raises."""


def _add_and_raise():
    _add()
    raise _Planned()


@case
def committed():
    """transactions: committed by datastore, db and ndb, tasks of both queues appear"""
    _clear()
    decorated = db.transactional(_add)
    xg = datastore.CreateTransactionOptions(xg=True)
    for run in (
        lambda: datastore.RunInTransaction(_add),
        lambda: datastore.RunInTransactionOptions(xg, _add),
        lambda: db.run_in_transaction(_add),
        decorated,
        lambda: ndb.transaction(_add),
        lambda: ndb.transaction(_add, xg=True),
        lambda: ndb.transaction_async(_add).get_result(),
    ):
        run()
        _assert_both_visible()


@case
def raised_in_transaction():
    """transactions: after an exception nothing appears"""
    _clear()
    for run in (
        lambda: datastore.RunInTransaction(_add_and_raise),
        lambda: db.run_in_transaction(_add_and_raise),
        lambda: ndb.transaction(_add_and_raise),
    ):
        try:
            run()
            raise AssertionError("it was committed")
        except _Planned:
            pass
    # A later transaction's tasks appear, and theirs alone.
    datastore.RunInTransaction(_add)
    _assert_both_visible()


@case
def rolled_back():
    """transactions: datastore_errors.Rollback ends it without an error and without tasks"""
    _clear()

    def add_and_roll_back():
        _add()
        raise datastore_errors.Rollback()

    assert datastore.RunInTransaction(add_and_roll_back) is None
    datastore.RunInTransaction(_add)
    _assert_both_visible()


@case
def pushed_after_commit():
    """transactions: a push task runs after the commit, and not without it"""
    names = []

    def add(then=None):
        task = taskqueue.add(url="/work", queue_name="push", transactional=True)
        names.append(task.name)
        assert task.was_enqueued and task.name and not RECEIVER.of(task.name)
        if then is not None:
            raise then

    datastore.RunInTransaction(add, datastore_errors.Rollback())
    datastore.RunInTransaction(add)
    dropped, kept = names
    RECEIVER.wait(kept)
    assert RECEIVER.of(dropped) == []


@case
def many_in_one():
    """transactions: several calls and five tasks become visible together"""
    _clear()
    datastore.RunInTransaction(_add, 4)
    eventually(lambda: len(task_names("held")) == 4 and len(task_names(QUEUE)) == 1)
    _clear()


@case
def asynchronous():
    """transactions: add_async() within a transaction"""
    _clear()

    @ndb.tasklet
    def add():
        yield _pull().add_async(QUEUE, transactional=True)

    ndb.transaction_async(add).get_result()
    eventually(lambda: len(task_names(QUEUE)) == 1)
    _clear()


@case
def nontransactional_within():
    """transactions: a task that is not transactional is there at once, and stays"""
    _clear()

    def add_and_roll_back():
        _pull(name="independent").add(QUEUE)
        assert task_names(QUEUE) == ["independent"]
        raise datastore_errors.Rollback()

    datastore.RunInTransaction(add_and_roll_back)
    assert task_names(QUEUE) == ["independent"]
    _clear()


@case
def one_within_another():
    """transactions: an independent one commits although the outer one does not"""
    _clear()

    def outer():
        taskqueue.Queue("held").add(taskqueue.Task(url="/w"), transactional=True)
        ndb.transaction(inner, propagation=ndb.TransactionOptions.INDEPENDENT)
        raise _Planned()

    def inner():
        _pull().add(QUEUE, transactional=True)

    try:
        ndb.transaction(outer)
    except _Planned:
        pass
    eventually(lambda: len(task_names(QUEUE)) == 1)
    assert task_names("held") == []
    _clear()


@case
def named():
    """transactions: a named task is InvalidTaskNameError, and nothing is added"""

    def add():
        _pull(b"before").add(QUEUE, transactional=True)
        with raises(taskqueue.InvalidTaskNameError, "client"):
            _pull(name="named").add(QUEUE, transactional=True)
        raise datastore_errors.Rollback()

    _clear()
    datastore.RunInTransaction(add)
    assert task_names(QUEUE) == []


@case
def refused_in_transaction():
    """transactions: a task that the server refuses is refused in the transaction"""

    def add():
        with raises(taskqueue.UnknownQueueError, "server"):
            _pull().add("nowhere", transactional=True)
        with raises(taskqueue.InvalidQueueModeError, "server"):
            _pull().add("held", transactional=True)
        raise datastore_errors.Rollback()

    datastore.RunInTransaction(add)


@case
def too_large_for_one():
    """transactions: more than 1 MiB in a call is TransactionalRequestTooLargeError"""
    half = b"x" * (taskqueue.MAX_TRANSACTIONAL_REQUEST_SIZE_BYTES // 2)

    def add():
        queue = taskqueue.Queue(QUEUE)
        with raises(taskqueue.TransactionalRequestTooLargeError, "client"):
            queue.add([_pull(half), _pull(half)], transactional=True)
        with without_guard(module, MAX_TRANSACTIONAL_REQUEST_SIZE_BYTES=10**9):
            with raises(taskqueue.TransactionalRequestTooLargeError, "server"):
                queue.add([_pull(half), _pull(half)], transactional=True)
        raise datastore_errors.Rollback()

    datastore.RunInTransaction(add)


@case
def over():
    """transactions: in one that is over, adding and committing are refused"""

    def add():
        _add()
        transaction = datastore._GetConnection().transaction
        nothing = api_base_pb2.VoidProto()
        apiproxy_stub_map.MakeSyncCall("datastore_v3", "Rollback", transaction, nothing)
        with raises(taskqueue.DatastoreError, "server"):
            _pull().add(QUEUE, transactional=True)

    _clear()
    try:
        datastore.RunInTransaction(add)
        raise AssertionError("it was committed")
    except datastore_errors.BadRequestError:
        pass
    assert task_names("held") == task_names(QUEUE) == []
