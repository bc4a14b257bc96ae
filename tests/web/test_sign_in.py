"""The page to which a visitor goes after a sign-in."""

import re
from pathlib import Path

import pytest

from nextbuy.contracts.errors import Unauthenticated
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import Handler, Request, Response, problem_response
from nextbuy.web.app import pages

PUBLIC_URL = "https://shop.example"


async def refuse(_request: Request) -> Response:
    """Answer that no account is signed in."""
    return problem_response(Unauthenticated(), "request-1")


@pytest.fixture
def site(tmp_path: Path) -> Handler:
    return pages(refuse, settings=Settings(secret=b"s" * 16, data=tmp_path, public_url=PUBLIC_URL), demo=False)


async def next_page(site: Handler, query: str = "", **headers: str) -> str:
    page = (await site(Request("GET", "/sign-in", query, headers))).body.decode()
    found: set[str] = set(re.findall(r'name="next" value="([^"]*)"', page))
    return found.pop() if len(found) == 1 else f"not one page: {found}"


@pytest.mark.parametrize(
    ("referer", "wanted"),
    [
        (f"{PUBLIC_URL}/search?q=a+b&sort=latest", "/search?q=a+b&amp;sort=latest"),
        (f"{PUBLIC_URL}/product/brass-lamp", "/product/brass-lamp"),
        (f"{PUBLIC_URL}/basket?done=added", "/basket"),
        ("http://127.0.0.1:8080/basket", "/basket"),
        (f"{PUBLIC_URL}/forgot-password", ""),
        (f"{PUBLIC_URL}/sign-in?next=/orders", ""),
        (f"{PUBLIC_URL}//evil.example/x", ""),
        (f"{PUBLIC_URL}.evil.example/orders", ""),
        ("https://evil.example/orders", ""),
        ("http://[::1", ""),
        ("", ""),
    ],
)
async def test_visitor_returns_to_the_page_with_the_link(site: Handler, referer: str, wanted: str) -> None:
    assert await next_page(site, referer=referer, host="127.0.0.1:8080") == wanted


async def test_named_page_is_preferred_to_the_page_with_the_link(site: Handler) -> None:
    assert await next_page(site, "next=/orders", referer=f"{PUBLIC_URL}/search?q=a") == "/orders"
