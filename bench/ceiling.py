"""The ceiling of reads: our HTTP server without an application, which sends the same response to every request.

As a program: reads a job as JSON from standard input, prints its port, and serves until it is stopped.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import uvloop
from msgspec import Struct

from bench.machine import SERVER_CORE, pin
from bench.programs import running
from nextbuy.kit.http.asgi import App, Receive, Scope, Send
from nextbuy.kit.http.server import listen, serving

_OF_THE_SERVER: Final = frozenset({"date", "server", "connection"})


class Job(Struct):
    """The response to send: headers and body (base64)."""

    headers: list[tuple[str, str]]
    body: str


def job_of(head: bytes, body: bytes) -> Job:
    """Return the job that repeats a response, without the headers that the server adds."""
    pairs = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line]
    headers = [(name, value.strip()) for name, _, value in pairs if name.lower() not in _OF_THE_SERVER]
    return Job(headers, base64.b64encode(body).decode())


def app_of(job: Job) -> App:
    """Return the application that sends the response of a job."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in job.headers]
    body = base64.b64decode(job.body)
    begin = {"type": "http.response.start", "status": 200, "headers": headers}
    rest = {"type": "http.response.body", "body": body}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(begin)
        await send(rest)

    return app


@asynccontextmanager
async def ceiling(head: bytes, body: bytes) -> AsyncIterator[tuple[int, int]]:
    """Serve a response on the core of the server while the context lasts; yield port and pid."""
    async with running([sys.executable, "-m", "bench.ceiling"]) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError
        process.stdin.write(msgspec.json.encode(job_of(head, body)))
        process.stdin.close()
        yield int(await asyncio.wait_for(process.stdout.readline(), 15)), process.pid


async def _main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    pin(0, SERVER_CORE)
    listener = listen("127.0.0.1", 0)
    async with serving(app_of(job), listener):
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())
