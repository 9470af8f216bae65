"""The app that tasks are pushed to: records every request and answers as it is told."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Delivery:
    """A request as it came."""

    def __init__(self, method, url, headers, body):
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"{self.method} {self.url} {dict(self.headers.items())} {self.body!r}"


class Receiver:
    """Serves on a free port of loopback, in threads of its own."""

    def __init__(self):
        self._changed = threading.Condition()
        self._deliveries = []
        self._statuses = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments):
                pass

            def _receive(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status = receiver.note(Delivery(self.command, self.path, self.headers, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _receive

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def note(self, delivery):
        """Keeps a request; answers the status it is to get."""
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify_all()
            name = delivery.headers["X-AppEngine-TaskName"]
            statuses = self._statuses.get(name, [])
            return statuses.pop(0) if statuses else 200

    def answer(self, name, *statuses):
        """Has the next attempts of a task answered so; after that it is 200."""
        with self._changed:
            self._statuses[name] = list(statuses)

    def of(self, name):
        """What came of a task so far."""
        with self._changed:
            return self._of(name)

    def wait(self, name, count=1, timeout=10):
        """Waits until a task was delivered so often; answers its deliveries."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self._of(name)) >= count, timeout)
            assert came, f"{name} was delivered {len(self._of(name))} times, not {count}"
            return self._of(name)

    def _of(self, name):
        return [it for it in self._deliveries if it.headers["X-AppEngine-TaskName"] == name]


RECEIVER = Receiver()
