"""An S3-compatible server for tests, which can refuse a photo and keep callers waiting."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Storage:
    """A WSGI application: the one of moto, and what goes wrong in front of it.

    refusing : names of objects with the number of times that reading each is still refused
    refused : the number of refusals so far
    """

    def __init__(self, application):
        self._application = application
        self.address = ""
        self.refusing, self.refused = {}, 0
        self._held, self.reached, self._released = None, threading.Event(), threading.Event()

    def hold(self, name=""):
        """Answer nobody who reads this object, or any with '' as its name, until `release`."""
        self._held, self.reached, self._released = name, threading.Event(), threading.Event()

    def release(self):
        self._held = None
        self._released.set()

    @property
    def environment(self):
        """What a client needs to find the server."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "of-the-test",
            "AWS_SECRET_ACCESS_KEY": "of-the-test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }

    def client(self):
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="of-the-test",
            aws_secret_access_key="of-the-test",
        )

    def __call__(self, environ, start_response):
        name = environ["PATH_INFO"].rsplit("/", 1)[-1]
        if self._held is not None and environ["REQUEST_METHOD"] == "GET" and self._held in ("", name):
            released = self._released
            self.reached.set()
            released.wait(240)
        if environ["REQUEST_METHOD"] == "GET" and self.refusing.get(name, 0) > 0:
            self.refusing[name] -= 1
            self.refused += 1
            start_response("503 Slow Down", [("Content-Length", "0")])
            return [b""]
        return self._application(environ, start_response)


@contextmanager
def running() -> Iterator[Storage]:
    """The server, on a free port of this machine."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log_request(self, *words):
            pass

    storage = Storage(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, storage, threaded=True, request_handler=Silent)
    # Callers that are still held must not keep the tests from ending.
    server.daemon_threads = True
    storage.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield storage
    finally:
        storage.release()
        server.shutdown()
        thread.join()
