"""A web server that answers as it is told to, for the demo's client to speak to."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest


class Shop:
    """What was asked of the server, and what it answers: status, body, headers; the last one for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.answers: list[tuple[int, object, dict[str, str]]] = [(200, {"fine": True}, {})]

    def next(self) -> tuple[int, object, dict[str, str]]:
        """Return the answer to the next request."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Gives a server, and ends it."""
    script = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            script.asked.append((self.command, self.path, body, dict(self.headers.items())))
            status, said, headers = script.next()
            payload = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST  # noqa: N815 (the library's way of naming)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Tell nobody."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    server.shutdown()
    server.server_close()
    thread.join()
