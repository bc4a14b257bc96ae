"""Public pages: the same for all strangers at every URL, and rendered once for the same data."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from nextbuy.contracts.auth import Account
from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Price, Role, new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import AGE, Handler, Request, Response, encode
from nextbuy.web import site as web_site
from nextbuy.web.app import PUBLIC, pages
from nextbuy.web.pages.document import DOCUMENTS
from nextbuy.web.site import Site
from nextbuy.web.visit import STRANGER_LAYOUT, View

LAMP = PublicProduct(
    id=new_id(),
    etag='"1.1"',
    slug="brass-lamp",
    title="Brass lamp",
    description="100% brass & <b>light</b>.",
    category="Home",
    price=Price(2_800),
    stock=14,
    tags=["brass"],
    status="active",
    shop_id=new_id(),
    picture="/product/api/picture/brass-lamp.svg",
    created_at=datetime(2026, 11, 29, tzinfo=UTC),
    shop_name="Lamps & more",
    shop_slug="lamps",
)
PATHS = {"/product/{key}": "/product/brass-lamp", "/shop/{key}": "/shop/lamps", "/category/{slug}": "/category/home"}
OLD = "9.0"
"""Seconds: too old for any cache."""
RENDERED = [PATHS.get(path, path) for path in ("/", *PATHS, "/search", *(f"/{name}" for name in DOCUMENTS))]


class Api:
    """The API of a marketplace with one product; Ann is signed in with cookies."""

    def __init__(self) -> None:
        self.product = LAMP
        self.age = "0.0"

    async def __call__(self, request: Request) -> Response:
        """Answer with data that is `age` seconds old."""
        shop = {"id": LAMP.shop_id, "slug": "lamps", "name": "Lamps & more", "bio": "Since 1990."}
        listed = {"items": [self.product], "next_cursor": None}
        replies: dict[str, Any] = {
            "get-product": {"product": self.product},
            "get-shop": {"shop": shop},
            "get-activity": {"sold": 3},
            "get-categories": {"items": [{"id": "1", "slug": "home", "name": "Home", "products": 1}]},
            "best-sellers": {"items": [{"product_id": LAMP.id}], "next_cursor": None},
            "me": {"user": Account(new_id(), "ann@example.com", "Ann", Role.BUYER)},
            "notifications": {"unread": 2},
            "basket": {"lines": [{"quantity": 4}]},
        }
        return Response(200, encode(replies.get(request.path.split("/")[3], listed)), headers=[(AGE, self.age)])


@pytest.fixture
def api() -> Api:
    return Api()


def new_site(api: Api, folder: Path) -> Handler:
    return pages(api, settings=Settings(secret=b"s" * 16, data=folder), demo=False)


def sign_in_link(path: str, query: str) -> str:
    return f'<a href="/sign-in?next={quote(f"{path}?{query}", safe="")}">'


async def html(site: Handler, path: str, query: str = "", cookie: str = "") -> str:
    response = await site(Request("GET", path, query, {"cookie": cookie}))
    assert response.status == 200
    return response.body.decode()


def test_every_public_page_in_html_is_tested() -> None:
    others = {"/sitemap.xml", "/sitemap/pages.xml", "/sitemap/products.xml", "/sitemap/shops.xml", "/too-many-requests"}
    assert {path for path in PUBLIC if PATHS.get(path, path) not in RENDERED} == others


@pytest.mark.parametrize("path", RENDERED)
async def test_strangers_get_the_same_page_at_every_url_except_for_the_link_to_sign_in(
    api: Api, tmp_path: Path, path: str
) -> None:
    site, other = new_site(api, tmp_path), new_site(api, tmp_path)

    first = await html(site, path, "q=lamp&v=1")
    link = sign_in_link(path, "q=lamp&v=1")

    assert first.count(link) == 1
    assert await html(site, path, "q=lamp&v=2") == first.replace(link, sign_in_link(path, "q=lamp&v=2"))
    # Rendered again: it has no key, and nothing else that only one visitor may have.
    assert await html(other, path, "q=lamp&v=1") == first


@pytest.mark.parametrize("path", RENDERED)
async def test_page_with_a_long_query_has_a_link_to_sign_in_without_it(api: Api, tmp_path: Path, path: str) -> None:
    page = await html(new_site(api, tmp_path), path, f"q=lamp&v={'%D0%BF' * 400}")

    assert page.count('<a href="/sign-in">') == 1


async def test_changed_product_changes_its_page(api: Api, tmp_path: Path) -> None:
    api.age = OLD
    site = new_site(api, tmp_path)
    assert "Brass lamp" in await html(site, "/product/brass-lamp")

    api.product = replace(LAMP, title="Silver lamp")

    assert "Silver lamp" in await html(site, "/product/brass-lamp")


async def test_signed_in_visitor_and_stranger_get_their_own_layouts(api: Api, tmp_path: Path) -> None:
    site = new_site(api, tmp_path)

    stranger = await html(site, "/product/brass-lamp")
    ann = await html(site, "/product/brass-lamp", cookie="nextbuy_access=ann")

    assert ("Sign out" in ann, "4 items" in ann) == (True, True)
    assert ("Sign out" in stranger, "0 items" in stranger) == (False, True)
    assert "Sign out" not in await html(site, "/product/brass-lamp", "v=2")


class _View(View):
    title: str
    body: str


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(secret=b"s" * 16, data=tmp_path)


def render(site: Site, title: str) -> bytes:
    return site.render_public("pages/document.html", _View(title, "text"), {**STRANGER_LAYOUT, "sign_in_path": ""})


def test_page_is_rendered_once_for_equal_views(settings: Settings) -> None:
    site = Site(settings, demo=False)
    first = render(site, "Terms")

    assert render(site, "Terms") is first
    assert b"<title>Privacy" in render(site, "Privacy")


@pytest.mark.parametrize(("limit", "value"), [("_MAX_PUBLIC_PAGES", 2), ("_MAX_PUBLIC_BYTES", 12_000)])
def test_stored_pages_are_bounded(settings: Settings, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(web_site, limit, value)
    site = Site(settings, demo=False)
    first = render(site, "1")

    for number in range(2, 8):
        render(site, str(number))

    assert render(site, "1") is not first


async def test_texts_of_people_are_escaped_once(api: Api, tmp_path: Path) -> None:
    text = await html(new_site(api, tmp_path), "/product/brass-lamp")

    assert "100% brass &amp; &lt;b&gt;light&lt;/b&gt;." in text
    assert "Lamps &amp; more" in text
    assert not re.search(r"&amp;(amp|lt|gt);", text)
