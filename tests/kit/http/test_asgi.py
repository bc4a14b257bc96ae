"""A service in its own process, and the HTTP server under it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from nextbuy.kit.http.asgi import headers_of, service_app
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.wire import PROBLEM, Request, Response


async def echo(request: Request) -> Response:
    echoed = {"path": request.path, "query": request.query, "headers": dict(request.headers), "size": len(request.body)}
    return Response(200, json.dumps(echoed).encode(), headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")])


async def test_request_bytes_reach_service_unchanged() -> None:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with (
        serving(service_app(echo, body_limit=100), listener),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        headers = [("X-Nextbuy-Service", "order.1.x"), ("X-Two", "1"), ("X-Two", "2")]
        async with client.post("/product/internal/x?a=%20", data=b"abc", headers=headers) as answer:
            echoed = await answer.json()
            assert answer.headers.getall("set-cookie") == ["a=1", "b=2"]
            assert "server" not in answer.headers
    assert (echoed["path"], echoed["query"], echoed["size"]) == ("/product/internal/x", "a=%20", 3)
    assert echoed["headers"]["x-nextbuy-service"] == "order.1.x"
    assert echoed["headers"]["x-two"] == "1, 2"


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large_body_is_refused(chunked: bool) -> None:  # noqa: FBT001
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * 60
        yield b"x" * 60

    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/product/api/x"
    async with (
        serving(service_app(echo, body_limit=100), listener),
        aiohttp.ClientSession() as client,
        client.post(url, data=chunks() if chunked else b"x" * 101, headers={"x-request-id": "abc"}) as answer,
    ):
        assert answer.status == 413
        problem = await answer.json(content_type=PROBLEM)
    assert (problem["slug"], problem["correlation_id"]) == ("body-too-large", "abc")


@pytest.mark.parametrize(("state", "status"), [("up", 200), ("degraded", 200), ("down", 503)])
async def test_readiness_has_state_of_dependency(state: str, status: int) -> None:
    async def ready() -> Mapping[str, str]:
        return {"database": state}

    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = service_app(echo, body_limit=1, ready=ready)
    async with serving(app, listener), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        async with client.get("/health/live") as answer:
            assert answer.status == 200
        async with client.get("/health/ready") as answer:
            assert answer.status == status
            assert (await answer.json())["checks"] == {"database": state}


async def test_health_of_a_service_names_its_methods() -> None:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with (
        serving(service_app(echo, body_limit=1), listener),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        for path in ("/health/live", "/health/ready"):
            async with client.post(path) as answer:
                assert (answer.status, answer.headers["allow"], answer.content_type) == (405, "GET, HEAD", PROBLEM)


def test_port_in_use_is_an_error_before_start() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])


async def test_active_request_finishes_when_server_stops() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Response:
        arrived.set()
        await go.wait()
        return Response(200, b"{}")

    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/product/api/x"
    async with aiohttp.ClientSession() as client:
        async with serving(service_app(slow, body_limit=1), listener):
            asking = asyncio.create_task(client.get(url))
            await arrived.wait()
            asyncio.get_running_loop().call_later(0.2, go.set)
        answer = await asking
        assert answer.status == 200
        answer.release()
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(url)


async def test_endless_request_does_not_delay_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbuy.kit.http.server.STOP_TIMEOUT", 1)
    arrived = asyncio.Event()

    async def endless(_: Request) -> Response:
        arrived.set()
        await asyncio.Event().wait()
        return Response(200)

    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/product/api/x"
    async with aiohttp.ClientSession() as client, asyncio.timeout(4):
        async with serving(service_app(endless, body_limit=1), listener):
            asking = asyncio.create_task(client.get(url))
            await arrived.wait()
        await asyncio.gather(asking, return_exceptions=True)


async def test_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbuy.kit.http.server.HEAD_TIMEOUT", 0.05)
    monkeypatch.setattr("nextbuy.kit.http.server._SWEEP_INTERVAL", 0.02)
    listener = listen("127.0.0.1", 0)
    async with serving(service_app(echo, body_limit=1), listener), asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        assert await reader.read() == b""
        writer.close()


def test_repeated_headers_are_joined() -> None:
    raw = [(b"Cookie", b"a=1"), (b"cookie", b"b=2"), (b"accept", b"x"), (b"accept", b"y")]
    assert headers_of(raw) == {"cookie": "a=1; b=2", "accept": "x, y"}
