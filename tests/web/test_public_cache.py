"""Rendered pages are shared by strangers only, and only while their data is fresh."""

import asyncio

import pytest

from nextbuy.kit.http.tokens import ACCESS_COOKIE, BASKET_COOKIE, CSRF_COOKIE, REFRESH_COOKIE
from nextbuy.kit.wire import AGE, Request, Response
from nextbuy.web.public_cache import MAX_AGE, PublicCache


class Pages:
    """A cache in front of pages, which counts their renderings."""

    def __init__(self, *, max_responses: int = 100, max_bytes: int = 2**20) -> None:
        self.now = 1_000.0
        self.cache = PublicCache(self.render, lambda: self.now, max_responses=max_responses, max_bytes=max_bytes)
        self.rendered = 0
        self.age = "0.500"
        self.status = 200
        self.headers: list[tuple[str, str]] = []
        self.gate: asyncio.Event | None = None

    async def render(self, request: Request) -> Response:
        self.rendered += 1
        body = f"{request.target} {self.rendered} ".encode() + b"x" * 1_000
        if self.gate is not None:
            await self.gate.wait()
        return Response(self.status, body, "text/html", [*([(AGE, self.age)] if self.age else []), *self.headers])

    async def get(self, path: str = "/", query: str = "", **headers: str) -> Response:
        return await self.cache.answer(Request("GET", path, query, headers))


async def test_page_is_rendered_once_while_its_data_is_fresh() -> None:
    pages = Pages()

    first = await pages.get()
    pages.now += MAX_AGE - 0.5 - 0.01
    again = await pages.get()

    assert (again.body, dict(again.headers)[AGE], pages.rendered) == (first.body, "1.490", 1)
    pages.now += 0.02
    assert (await pages.get()).body != first.body


async def test_burst_renders_once() -> None:
    pages = Pages()
    pages.gate = asyncio.Event()

    visits = [asyncio.create_task(pages.get()) for _ in range(20)]
    await asyncio.sleep(0)
    visits[0].cancel()
    pages.gate.set()
    got = await asyncio.gather(*visits, return_exceptions=True)

    assert pages.rendered == 1
    assert len({page.body for page in got if isinstance(page, Response)}) == 1
    assert sum(isinstance(page, Response) for page in got) == 19


async def test_each_query_has_a_page_of_its_own() -> None:
    pages = Pages()

    assert len({(await pages.get(path, query)).body for path in ("/", "/search") for query in ("", "q=a", "q=b")}) == 6


@pytest.mark.parametrize(
    "sent",
    [
        *({"cookie": f"{name}=x"} for name in (ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE, BASKET_COOKIE)),
        {"authorization": "Bearer x"},
    ],
    ids=str,
)
async def test_person_neither_gets_nor_leaves_a_shared_page(sent: dict[str, str]) -> None:
    pages = Pages()

    own = await pages.get(**sent)
    shared = await pages.get()
    again = await pages.get(**sent)

    assert len({own.body, shared.body, again.body}) == 3


@pytest.mark.parametrize(
    ("age", "headers"), [("", []), ("inf", []), ("1.500", []), ("0.1", [("set-cookie", "a=b")])], ids=str
)
async def test_page_that_may_differ_or_is_old_is_rendered_for_each(age: str, headers: list[tuple[str, str]]) -> None:
    pages = Pages()
    pages.age, pages.headers, pages.gate = age, headers, asyncio.Event()

    visits = [asyncio.create_task(pages.get()) for _ in range(3)]
    await asyncio.sleep(0)
    pages.gate.set()

    assert len({page.body for page in await asyncio.gather(*visits)}) == 3


@pytest.mark.parametrize("limits", [{"max_responses": 3}, {"max_bytes": 10_000}], ids=str)
async def test_stored_pages_are_bounded(limits: dict[str, int]) -> None:
    pages = Pages(**limits)
    for number in range(10):
        await pages.get(f"/{number}")

    await pages.get("/9")
    await pages.get("/0")

    assert pages.rendered == 11
