"""The documents of the gateway: each is built once, and the shop answers meanwhile."""

import asyncio
import time
from itertools import count

import pytest

from nextbuy.host.api_index import events_document
from nextbuy.host.composition import SERVICES
from nextbuy.kit.apidocs.openapi import openapi
from nextbuy.kit.wire import PROBLEM
from tests.gateway.conftest import OpenShop, Shop

_SLOWEST_READ = 0.5
"""Seconds; a read beside the build takes a few milliseconds, but a machine may be busy with other tests."""


async def read_until(shop: Shop, done: "asyncio.Future[list[int]]") -> list[float]:
    """Read a product again and again until `done`, and return how long each read took."""
    times = []
    while not done.done():
        began = time.perf_counter()
        async with shop.session.get("/product/api/x") as response:
            assert response.status == 200
        times.append(time.perf_counter() - began)
    return times


async def get(shop: Shop, path: str) -> int:
    async with shop.session.get(path) as response:
        await response.read()
        return response.status


async def test_document_is_built_once_for_concurrent_requests(open_shop: OpenShop) -> None:
    builds = count()

    def build() -> bytes:
        time.sleep(0.2)
        return b"%d" % next(builds)

    shop = await open_shop(documents={"/openapi.json": build})

    requests = asyncio.gather(*(get(shop, "/openapi.json") for _ in range(100)))
    times = await read_until(shop, requests)

    assert set(await requests) == {200}
    assert await get(shop, "/openapi.json") == 200
    assert next(builds) == 1
    assert len(times) > 1
    assert max(times) < _SLOWEST_READ


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json"])
async def test_shop_answers_while_a_real_document_is_built(open_shop: OpenShop, path: str) -> None:
    services = [hosted.service for hosted in SERVICES.values()]
    builds = count()

    def build() -> bytes:
        next(builds)
        return openapi(services, version="1") if path == "/openapi.json" else events_document(services)

    shop = await open_shop(documents={path: build})

    requests = asyncio.gather(*(get(shop, path) for _ in range(100)))
    times = await read_until(shop, requests)

    assert set(await requests) == {200}
    assert next(builds) == 1
    assert len(times) > 1
    assert max(times) < _SLOWEST_READ


async def test_build_continues_without_its_first_client(open_shop: OpenShop) -> None:
    builds = count()

    def build() -> bytes:
        time.sleep(0.1)
        return b"%d" % next(builds)

    shop = await open_shop(documents={"/openapi.json": build})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await get(shop, "/openapi.json")

    assert await get(shop, "/openapi.json") == 200
    assert next(builds) == 1


async def test_failed_build_is_tried_again(open_shop: OpenShop) -> None:
    builds = count()

    def build() -> bytes:
        if next(builds) == 0:
            message = "a defect"
            raise RuntimeError(message)
        return b"{}"

    shop = await open_shop(documents={"/openapi.json": build})

    async with shop.session.get("/openapi.json") as response:
        assert (response.status, response.content_type) == (500, PROBLEM)
    assert await get(shop, "/openapi.json") == 200
