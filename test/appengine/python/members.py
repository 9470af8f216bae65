"""What is to be proved: every public member of the SDK's classes, by name."""

from google.appengine.api import taskqueue
from google.appengine.api.taskqueue import taskqueue as module

#: The documented arguments, properties and methods of Task.
TASK_ARGUMENTS = (
    "countdown dispatch_deadline_usec eta headers method name params payload retry_options tag"
    " target url"
)
TASK = (
    "add add_async dispatch_deadline_usec eta eta_posix extract_params headers method name"
    " on_queue_url payload queue_name retry_count retry_options size tag target url was_deleted"
    " was_enqueued"
)

#: The documented members of Queue, and those it has besides.
QUEUE = "add delete_tasks lease_tasks lease_tasks_by_tag modify_task_lease name purge"
QUEUE_MORE = (
    "add_async delete_tasks_async delete_tasks_by_name delete_tasks_by_name_async fetch_statistics"
    " fetch_statistics_async lease_tasks_async lease_tasks_by_tag_async"
)

#: What Task and Queue take and give.
RETRY_OPTIONS = (
    "max_backoff_seconds max_doublings min_backoff_seconds task_age_limit task_retry_limit"
)
STATISTICS = "fetch fetch_async"
STATISTICS_ATTRIBUTES = "enforced_rate executed_last_minute in_flight oldest_eta_usec queue tasks"
FUNCTIONS = "add create_rpc"

_CLASSES = {
    "Task": (taskqueue.Task, TASK),
    "Queue": (taskqueue.Queue, f"{QUEUE} {QUEUE_MORE}"),
    "TaskRetryOptions": (taskqueue.TaskRetryOptions, RETRY_OPTIONS),
    "QueueStatistics": (taskqueue.QueueStatistics, STATISTICS),
}


def listed():
    """Every member of the lists above."""
    names = {f"Task.__init__({argument})" for argument in TASK_ARGUMENTS.split()}
    for title, (_kind, listing) in _CLASSES.items():
        names.update(f"{title}.{name}" for name in f"{listing} __init__".split())
    names.update(FUNCTIONS.split())
    names.remove("QueueStatistics.__init__")
    names.update(f"TaskRetryOptions.__init__({argument})" for argument in RETRY_OPTIONS.split())
    return names


def present():
    """Every public member that the installed SDK has."""
    kwargs = [name for name in taskqueue.Task._Task__CONSTRUCTOR_KWARGS if name[0] != "_"]
    names = {f"Task.__init__({name})" for name in [*kwargs, "payload"]}
    kwargs = taskqueue.TaskRetryOptions._TaskRetryOptions__CONSTRUCTOR_KWARGS
    names.update(f"TaskRetryOptions.__init__({name})" for name in kwargs)
    for title, (kind, _listing) in _CLASSES.items():
        names.update(f"{title}.{name}" for name in vars(kind) if not name.startswith("_"))
        if title != "QueueStatistics":
            names.add(f"{title}.__init__")
    exported = (name for name in module.__all__ if callable(getattr(module, name)))
    names.update(name for name in exported if not isinstance(getattr(module, name), type))
    return names


def codes():
    """From the code of each member to its name."""
    found = {getattr(module, name).__code__: name for name in FUNCTIONS.split()}
    for title, (kind, listing) in _CLASSES.items():
        for name in f"{listing} __init__".split():
            member = vars(kind).get(name)
            if isinstance(member, property):
                member = member.fget
            function = getattr(member, "__func__", member)
            if function is not None:
                found[function.__code__] = f"{title}.{name}"
    return found
