"""A web server that answers as it is told to, for the demo's client to speak to."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest


class Shop:
    """What was asked of the server, and what it answers: status, body, headers; the last one for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.answers: list[tuple[int, object, dict[str, str]]] = [(200, {"fine": True}, {})]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("Content-Length", "0")))
        self.asked.append((method, path, body, headers))
        status, said, more = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        payload = said if isinstance(said, bytes) else json.dumps(said).encode()
        more = {"Content-Length": str(len(payload))} | more
        lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in more.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + payload)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """Gives a server, and ends it."""
    script = Shop()
    server = await asyncio.start_server(script.answer, "127.0.0.1", 0)
    async with server:
        script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield script
