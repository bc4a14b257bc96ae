"""The pages as a browser receives them."""

import gzip
import re
from importlib import resources
from typing import NamedTuple

import pytest

from nextbuy.demo import catalogue
from nextbuy.kit.http.conditional import none_match
from nextbuy.kit.wire import Request
from nextbuy.web.app import PAGES, accepts_gzip, page_of, pages
from nextbuy.web.assets import hash_assets, read_folder
from nextbuy.web.demo_logins import DEMO_LOGINS

APP = pages(demo=False)
STATIC = read_folder(resources.files("nextbuy.web") / "static")
PATHS = [pattern.replace("*", "a-mug") for pattern in PAGES]


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    content_type: str
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def get(path: str, *, method: str = "GET", demo: bool = False, **headers: str) -> Got:
    handler = pages(demo=True) if demo else APP
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await handler(Request(method, path, "", sent))
    return Got(response.status, dict(response.headers), response.content_type, response.body)


@pytest.mark.parametrize("path", PATHS)
async def test_every_page_is_served(path: str) -> None:
    page = await get(path)
    assert page.status == 200
    assert page.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/nothing", "/product", "/product/", "/product/a/b", "/basket/x", "/assets/x.js", "//"]
)
async def test_unknown_path_is_404_with_a_page(path: str) -> None:
    page = await get(path)
    assert page.status == 404
    assert 'data-page="not-found"' in page.text


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
async def test_assets_of_a_page_are_served_as_immutable(path: str) -> None:
    paths = re.findall(r'(?:href|src)="(/assets/[^"]+)"', (await get(path)).text)
    assert len(paths) > 4
    for asset_path in paths:
        asset = await get(asset_path)
        assert asset.status == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_page_has_no_inline_script_or_style() -> None:
    page = await get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script[^>]*>[^<]", page.text)


async def test_unchanged_page_is_304() -> None:
    first = await get("/")
    again = await get("/", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_page_is_compressed_for_clients_that_accept_gzip() -> None:
    plain, compressed = await get("/"), await get("/", accept_encoding="br, gzip")
    assert compressed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed.body) == plain.body
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == compressed.headers["vary"] == "accept-encoding"


async def test_head_is_handled_as_get() -> None:
    assert await get("/", method="HEAD") == await get("/")


async def test_post_to_a_page_is_refused() -> None:
    refused = await get("/", method="POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_demo_logins_are_offered_with_demo_data_only() -> None:
    assert "data-demo" not in (await get("/sign-in")).text
    offered = (await get("/sign-in", demo=True)).text
    assert all(login.email in offered for login in DEMO_LOGINS)


def test_demo_logins_are_accounts_of_the_demo_market() -> None:
    accounts = {(account.email, account.name, account.role.value) for account in catalogue.load().accounts}
    assert {(login.email, login.name, login.role) for login in DEMO_LOGINS} <= accounts
    assert {login.password for login in DEMO_LOGINS} == {catalogue.PASSWORD}
    assert {login.role for login in DEMO_LOGINS} == {"buyer", "seller", "admin"}


def test_assets_are_small() -> None:
    assert sum(len(gzip.compress(asset.body)) for asset in hash_assets(STATIC).values()) < 50_000


def test_assets_load_nothing_from_other_hosts() -> None:
    for name, text in STATIC.items():
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), name


def test_no_script_writes_markup() -> None:
    for name, text in STATIC.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/", "/"),
        ("/product/x", "/product/*"),
        ("/product/", "/product/"),
        ("/a/b/c", "/a/b/c"),
        ("/assets/x", "/assets/x"),
    ],
)
def test_pattern_matches_one_segment(path: str, pattern: str) -> None:
    assert page_of(path) == pattern


@pytest.mark.parametrize(
    ("sent", "known"),
    [("", False), ('W/"a"', True), ('"a"', True), ('"", W/"a"', True), ("*", True), ('""', False), ('"a-gzip"', True)],
)
def test_if_none_match_is_compared_weakly(sent: str, *, known: bool) -> None:
    assert none_match({"if-none-match": sent}, 'W/"a"') is known


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.00", False),
        ("br", False),
    ],
)
def test_accept_encoding_is_parsed(sent: str, *, taken: bool) -> None:
    assert accepts_gzip(sent) is taken
