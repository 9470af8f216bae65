"""An App Engine app: adds tasks while it answers a request, and is called by them."""

import os
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server

import google.appengine.api
from google.appengine.api import taskqueue
from google.appengine.ext import deferred


def application(environ, start_response):
    """A WSGI app; a Flask app does the same."""
    path = environ["PATH_INFO"]
    if path == "/start":
        taskqueue.add(url="/update_counter", params={"amount": 10})
    elif path == "/start_deferred":
        deferred.defer(count, 32)
    elif path == "/update_counter":
        form = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        count(int(parse_qs(form.decode())["amount"][0]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def count(amount):
    """Leaves a result for a worker."""
    taskqueue.Queue("results").add(taskqueue.Task(payload=str(amount), method="PULL"))


# For Flask: app.wsgi_app = google.appengine.api.wrap_wsgi_app(app.wsgi_app)
application = google.appengine.api.wrap_wsgi_app(application, use_deferred=True)

if __name__ == "__main__":
    make_server("127.0.0.1", int(os.environ.get("PORT", "8080")), application).serve_forever()
