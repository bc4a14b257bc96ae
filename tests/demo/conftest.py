"""A web server with prepared responses."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest


class FakeServer:
    """The requests received, and the responses to send: status, body, headers. The last one is repeated."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.responses: list[tuple[int, object, dict[str, str]]] = [(200, {"fine": True}, {})]

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to one request and close the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("Content-Length", "0")))
        self.requests.append((method, path, body, headers))
        status, content, more = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        more = {"Content-Length": str(len(payload))} | more
        lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in more.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + payload)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """A running server."""
    fake = FakeServer()
    listener = await asyncio.start_server(fake.respond, "127.0.0.1", 0)
    async with listener:
        fake.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield fake
