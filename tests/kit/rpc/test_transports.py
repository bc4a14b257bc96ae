"""One suite for all transports: they behave the same."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar

import pytest

from nextbuy.contracts.errors import BadGateway, DeadlinePassed, ServiceUnavailable, Unavailable
from nextbuy.kit.http.asgi import service_app
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.rpc import transports
from nextbuy.kit.rpc.transports import HttpTransport, LocalTransport, Transport
from nextbuy.kit.wire import Handler, Request, Response, StreamedResponse

Carry = Callable[[Handler], Awaitable[Transport]]
_marker: ContextVar[str] = ContextVar("marker", default="untouched")


@pytest.fixture(params=["local", "http", "streaming"])
async def carry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Carry]:
    """Create a transport to a handler; a busy machine may need long to connect."""
    monkeypatch.setattr(transports, "_CONNECT_TIMEOUT", 20.0)
    async with AsyncExitStack() as stack:

        async def make(handler: Handler) -> Transport:
            transport: Transport
            if request.param == "local":
                transport = LocalTransport("callee", lambda: handler)
            else:
                listener = listen("127.0.0.1", 0)
                port = listener.getsockname()[1]
                await stack.enter_async_context(serving(service_app(handler, body_limit=1_000_000), listener))
                transport = HttpTransport("callee", f"http://127.0.0.1:{port}", streaming=request.param == "streaming")
            stack.push_async_callback(transport.close)
            return transport

        yield make


def asked(body: bytes = b"", path: str = "/callee/internal/echo", query: str = "") -> Request:
    return Request("POST", path, query, {"content-type": "application/json", "x-word": "kept"}, body)


async def whole_body(response: Response) -> bytes:
    if isinstance(response, StreamedResponse) and response.chunks is not None:
        return b"".join([chunk async for chunk in response.chunks])
    return response.body


async def test_request_and_response_bytes_are_unchanged(carry: Carry) -> None:
    seen: list[Request] = []

    async def echo(request: Request) -> Response:
        seen.append(request)
        return Response(201, request.body[::-1], "application/x-odd", [("x-more", "1")])

    answer = await (await carry(echo)).deliver(asked(b'{"a": "\xc3\xa9"}', query="q=a%20b"), 2)
    assert (answer.status, answer.body) == (201, b'{"a": "\xc3\xa9"}'[::-1])
    assert answer.content_type == "application/x-odd"
    assert ("x-more", "1") in answer.headers
    [request] = seen
    assert (request.method, request.path, request.query) == ("POST", "/callee/internal/echo", "q=a%20b")
    assert (request.headers["x-word"], request.body) == ("kept", b'{"a": "\xc3\xa9"}')


@pytest.mark.parametrize("value", ["\xe9", "a=\xff; b=\x80", "\xc3\xa9", "\N{GRINNING FACE}"])
async def test_header_value_is_unchanged(carry: Carry, value: str) -> None:
    async def echo(request: Request) -> Response:
        return Response(200, request.headers["x-word"].encode())

    sent = Request("POST", "/callee/internal/echo", "", {"x-word": value})

    assert (await (await carry(echo)).deliver(sent, 2)).body.decode() == value


async def test_error_of_callee_is_response(carry: Carry) -> None:
    async def refuse(_request: Request) -> Response:
        return Response(409, b"{}", "application/problem+json")

    answer = await (await carry(refuse)).deliver(asked(), 2)
    assert (answer.status, answer.content_type) == (409, "application/problem+json")


async def test_slow_callee_times_out(carry: Carry) -> None:
    never = asyncio.Event()

    async def sleepy(_request: Request) -> Response:
        await never.wait()
        return Response(200)

    with pytest.raises(DeadlinePassed):
        await (await carry(sleepy)).deliver(asked(), 0.05)
    never.set()


async def test_context_of_callee_does_not_leak(carry: Carry) -> None:
    async def writes(_request: Request) -> Response:
        found = _marker.get()
        _marker.set("the callee's")
        return Response(200, found.encode())

    transport = await carry(writes)
    token = _marker.set("the caller's")
    answer = await transport.deliver(asked(), 2)
    assert (answer.body, _marker.get()) == (b"untouched", "the caller's")
    _marker.reset(token)


async def test_concurrent_calls_get_their_own_responses(carry: Carry) -> None:
    async def echo(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200, request.body)

    transport = await carry(echo)
    answers = await asyncio.gather(*(transport.deliver(asked(str(n).encode()), 20) for n in range(200)))
    assert [answer.body for answer in answers] == [str(n).encode() for n in range(200)]


async def test_large_body_is_transferred(carry: Carry) -> None:
    async def echo(request: Request) -> Response:
        return Response(200, request.body)

    body = b"x" * 900_000
    assert await whole_body(await (await carry(echo)).deliver(asked(body), 5)) == body


@asynccontextmanager
async def sending(head: bytes, part: bytes, pause: float) -> AsyncIterator[HttpTransport]:
    """Open a streaming transport to a service that sends `part` again and again, with a pause before each."""

    handlers: list[asyncio.Task[None] | None] = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + head + b"\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                await asyncio.sleep(pause)
                writer.write(b"%x\r\n%b\r\n" % (len(part), part))
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        transport = HttpTransport("callee", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", streaming=True)
        yield transport
        await transport.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*(task for task in handlers if task))


async def test_endless_problem_document_is_a_bad_gateway() -> None:
    head = b"Content-Type: application/problem+json\r\n"
    async with sending(head, b"x" * 65_536, 0) as transport:
        with pytest.raises(BadGateway, match="too large"):
            await transport.deliver(asked(), 20)


async def test_stream_ends_when_its_chunks_take_too_long_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "_STREAM_TIMEOUT", 0.2)
    async with sending(b"Content-Type: text/plain\r\n", b"x", 0.02) as transport:
        response = await transport.deliver(asked(), 20)
        with pytest.raises(ServiceUnavailable):
            async with asyncio.timeout(10):
                await whole_body(response)


async def test_service_that_does_not_accept_connections_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "_CONNECT_TIMEOUT", 0.1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()):  # fills the queue of the listener
            transport = HttpTransport("callee", f"http://127.0.0.1:{listener.getsockname()[1]}")
            with pytest.raises(Unavailable) as caught:
                await transport.deliver(asked(), 20)
            await transport.close()
    assert caught.value.slug == "callee-unavailable"


async def test_missing_service_is_unavailable() -> None:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    gone = HttpTransport("callee", f"http://127.0.0.1:{port}")
    for transport in (LocalTransport("callee", lambda: None), gone):
        with pytest.raises(Unavailable) as caught:
            await transport.deliver(asked(), 1)
        assert caught.value.slug == "callee-unavailable"
        await transport.close()
