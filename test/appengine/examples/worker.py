"""A worker outside of App Engine: adds a push task, and takes results from a pull queue."""

from google.appengine.api import taskqueue
from google.appengine.runtime import default_api_stub

# In a request wrap_wsgi_app does this; a script does it once in each of its threads.
default_api_stub.Register(default_api_stub.DefaultApiStub())
default_api_stub.DefaultApiStub.SetUseRequestSecurityTicketForThread(True)

taskqueue.add(url="/update_counter", params={"amount": 5})

queue = taskqueue.Queue("results")
found = []
while len(found) < 3:
    tasks = queue.lease_tasks(lease_seconds=60, max_tasks=100)
    found += [task.payload.decode() for task in tasks]
    queue.delete_tasks(tasks)
print(*sorted(found))
