"""Which class of error comes from where: the server, the SDK itself before it asks, or nowhere."""

from google.appengine.api.taskqueue import taskqueue as module

#: Classes that an answer of the server causes.
SERVER = frozenset(
    "DatastoreError DuplicateTaskNameError Error InvalidEtaError InvalidQueueModeError"
    " InvalidQueueNameError InvalidTagError InvalidTaskNameError InvalidUrlError QueuePausedError"
    " TaskAlreadyExistsError TaskLeaseExpiredError TaskTooLargeError TombstonedTaskError"
    " TooManyTasksError TransactionalRequestTooLargeError UnknownQueueError".split()
)

#: Classes that the SDK raises before it asks. Some of them a server may cause as well.
CLIENT = frozenset(
    "BadTaskStateError BadTransactionStateError DuplicateTaskNameError InvalidDeadlineError"
    " InvalidDispatchDeadlineError InvalidEtaError InvalidLeaseTimeError InvalidMaxTasksError"
    " InvalidQueueNameError InvalidTagError InvalidTaskError InvalidTaskNameError"
    " InvalidTaskRetryOptionsError InvalidUrlError TaskTooLargeError TooManyTasksError"
    " TransactionalRequestTooLargeError".split()
)

#: Classes that no case can have this server raise, and why.
NEVER = {
    "InternalError": "INTERNAL_ERROR is the answer to a fault of the server's own",
    "TransientError": "TRANSIENT_ERROR is the answer while the platform cannot reach a queue",
    "InvalidQueueError": "INVALID_QUEUE_RATE is UpdateQueue's, which the SDK does not call",
    "PermissionDeniedError": "a wrong ticket is SECURITY_VIOLATION of the envelope: RPCFailedError",
}


def present():
    """The names of all classes of error that the installed SDK publishes."""
    kinds = {getattr(module, name) for name in module.__all__}
    return {k.__name__ for k in kinds if isinstance(k, type) and issubclass(k, Exception)}
