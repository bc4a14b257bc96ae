"""The documents of the gateway: each is built once, and the shop answers meanwhile."""

import asyncio
import threading
import time
from itertools import count

import pytest

from nextbuy.host.api_index import events_document
from nextbuy.host.composition import SERVICES
from nextbuy.kit.apidocs.openapi import openapi
from nextbuy.kit.wire import PROBLEM
from tests.gateway.conftest import OpenShop, Shop

_REQUESTS = 50
"""Fewer than the connections of the client, so that reads find one."""
_READS = 10
"""Reads of a product that are answered during one build."""


async def get(shop: Shop, path: str) -> int:
    async with shop.session.get(path) as response:
        await response.read()
        return response.status


async def test_shop_answers_while_a_document_is_built_once_for_concurrent_requests(open_shop: OpenShop) -> None:
    builds, started, read = count(), threading.Event(), threading.Event()

    def build() -> bytes:
        started.set()
        assert read.wait(10), "reads wait for the build"
        return b"%d" % next(builds)

    shop = await open_shop(documents={"/openapi.json": build})

    requests = asyncio.gather(*(get(shop, "/openapi.json") for _ in range(_REQUESTS)))
    assert await asyncio.to_thread(started.wait, 10)
    assert [await get(shop, "/product/api/x") for _ in range(_READS)] == [200] * _READS
    read.set()

    assert set(await requests) == {200}
    assert await get(shop, "/openapi.json") == 200
    assert next(builds) == 1


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json"])
async def test_real_document_is_built_once_beside_the_event_loop(open_shop: OpenShop, path: str) -> None:
    services = [hosted.service for hosted in SERVICES.values()]
    threads = []

    def build() -> bytes:
        threads.append(threading.current_thread())
        return openapi(services, version="1") if path == "/openapi.json" else events_document(services)

    shop = await open_shop(documents={path: build})

    assert set(await asyncio.gather(*(get(shop, path) for _ in range(_REQUESTS)))) == {200}
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


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
