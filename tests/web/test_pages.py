"""The pages as a browser gets them."""

import gzip
import re
from importlib import resources
from typing import NamedTuple

import pytest

from nextbuy.demo import catalogue
from nextbuy.kit.http.asgi import Message
from nextbuy.web.app import knows, page_of, pages, takes_gzip
from nextbuy.web.assets import addressed, read_folder
from nextbuy.web.demo_logins import DEMO_LOGINS

APP = pages(demo=False)
ADDRESSES = [
    "/",
    "/product/a-mug",
    "/basket",
    "/sign-in",
    "/session/1",
    "/orders",
    "/order/1",
    "/notifications",
    "/sell",
    "/admin",
    "/mails",
    "/dead-letters",
]


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def get(path: str, *, method: str = "GET", demo: bool = False, **headers: str) -> Got:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    app = pages(demo=True) if demo else APP
    await app({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
    got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Got(sent[0]["status"], got, sent[1]["body"])


@pytest.mark.parametrize("path", ADDRESSES)
async def test_every_page_can_be_opened_by_its_address(path: str) -> None:
    page = await get(path)
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert int(page.headers["content-length"]) == len(page.body)


@pytest.mark.parametrize(
    "path", ["/nothing", "/product", "/product/", "/product/a/b", "/basket/x", "/assets/x.js", "//"]
)
async def test_an_address_that_is_none_is_a_page_that_says_so(path: str) -> None:
    page = await get(path)
    assert page.status == 404
    assert 'data-page="not-found"' in page.text


@pytest.mark.parametrize("path", [*ADDRESSES, "/nothing"])
async def test_all_that_a_page_names_is_there_and_may_be_kept_for_ever(path: str) -> None:
    named = re.findall(r'(?:href|src)="(/assets/[^"]+)"', (await get(path)).text)
    assert len(named) > 4
    for address in named:
        asset = await get(address)
        assert asset.status == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_page_runs_no_script_and_no_style_that_is_written_into_it() -> None:
    page = await get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script[^>]*>[^<]", page.text)


async def test_a_page_that_has_not_changed_is_not_sent_again() -> None:
    first = await get("/")
    again = await get("/", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "content-length" not in again.headers


async def test_a_page_comes_packed_to_who_can_unpack_it() -> None:
    plain, packed = await get("/"), await get("/", accept_encoding="br, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"


async def test_head_tells_of_a_page_without_its_body() -> None:
    head, page = await get("/", method="HEAD"), await get("/")
    assert (head.status, head.headers, head.body) == (200, page.headers, b"")


async def test_a_page_is_only_to_be_read() -> None:
    refused = await get("/", method="POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_demo_logins_are_offered_only_where_there_are_demo_accounts() -> None:
    assert "data-demo" not in (await get("/sign-in")).text
    offered = (await get("/sign-in", demo=True)).text
    assert all(login.email in offered for login in DEMO_LOGINS)


def test_the_demo_logins_are_accounts_of_the_demo_market() -> None:
    accounts = {(account.email, account.name, account.role.value) for account in catalogue.load().accounts}
    assert {(login.email, login.name, login.role) for login in DEMO_LOGINS} <= accounts
    assert {login.password for login in DEMO_LOGINS} == {catalogue.PASSWORD}
    assert {login.role for login in DEMO_LOGINS} == {"buyer", "seller", "admin"}


def test_all_that_a_browser_loads_is_small_and_nothing_comes_from_elsewhere() -> None:
    assets = addressed(read_folder(resources.files("nextbuy.web") / "static"))
    assert sum(len(asset.body) for asset in assets.values()) < 110_000
    for name, asset in assets.items():
        assert not re.search(rb"https?://(?!www\.w3\.org/)", asset.body), name


def test_no_text_in_a_script_goes_over_the_end_of_a_line() -> None:
    for name, text in read_folder(resources.files("nextbuy.web") / "static").items():
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not [line for line in code.splitlines() if line.count("`") % 2], name


def test_no_script_writes_markup() -> None:
    for name, text in read_folder(resources.files("nextbuy.web") / "static").items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/", "/"),
        ("/product/x", "/product/*"),
        ("/product/", "/product/"),
        ("/a/b/c", "/a/b/c"),
        ("/assets/x", "/assets/x"),
    ],
)
def test_one_page_answers_for_every_name_in_its_address(path: str, address: str) -> None:
    assert page_of(path) == address


@pytest.mark.parametrize(
    ("sent", "known"),
    [(b"", False), (b'W/"a"', True), (b'"a"', True), (b'"b", W/"a"', True), (b"*", True), (b'"b"', False)],
)
def test_a_version_is_known_by_its_mark(sent: bytes, *, known: bool) -> None:
    assert knows(sent, b'W/"a"') is known


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (b"", False),
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.00", False),
        (b"br", False),
    ],
)
def test_gzip_goes_to_who_takes_it(sent: bytes, *, taken: bool) -> None:
    assert takes_gzip(sent) is taken
