"""The pages without a marketplace behind them: assets, documents, security headers, and an API that is unavailable."""

import gzip
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from nextbuy.contracts.errors import ServiceUnavailable
from nextbuy.demo import catalogue
from nextbuy.kit.config import Settings
from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.kit.http.tokens import BASKET_COOKIE
from nextbuy.kit.wire import AGE, JSON, PROBLEM, TOO_MANY_REQUESTS, Handler, Request, Response, problem_response
from nextbuy.web.app import PAGES, PUBLIC, pages
from nextbuy.web.demo_logins import DEMO_LOGINS
from nextbuy.web.structured_data import organization
from tests.waiting import until


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    content_type: str
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def unavailable(_request: Request) -> Response:
    """Answer as a gateway whose services are down."""
    return problem_response(ServiceUnavailable("product"), "request-1")


@pytest.fixture
def site(tmp_path: Path) -> Handler:
    """The pages of a marketplace with demo data."""
    return pages(unavailable, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=True)


async def get(site: Handler, path: str, *, method: str = "GET", **headers: str) -> Got:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await site(Request(method, path, "", sent))
    return Got(response.status, dict(response.headers), response.content_type, response.body)


async def test_assets_of_a_page_are_immutable(site: Handler) -> None:
    paths = re.findall(r'(?:href|src)="(/assets/[^"]+)"', (await get(site, "/terms")).text)

    assert len(paths) > 2
    for path in paths:
        asset = await get(site, path)
        assert (asset.status, asset.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")


async def test_asset_is_compressed_for_clients_that_accept_gzip(site: Handler) -> None:
    [path] = re.findall(r'href="(/assets/[^"]+\.css)"', (await get(site, "/terms")).text)

    plain, compressed = await get(site, path), await get(site, path, accept_encoding="br, gzip")

    assert compressed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed.body) == plain.body
    assert plain.headers["vary"] == compressed.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("path", ["/terms", "/sign-in", "/nothing"])
async def test_page_has_no_inline_script_or_style(site: Handler, path: str) -> None:
    page = await get(site, path)

    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script[^>]*>[^<]", page.text)


async def test_page_is_private(site: Handler) -> None:
    assert (await get(site, "/sign-in")).headers["cache-control"] == "private, no-cache"


async def test_head_is_handled_as_get(site: Handler) -> None:
    assert (await get(site, "/terms", method="HEAD")).status == 200


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_method_that_a_page_does_not_take_is_refused_as_a_problem(site: Handler, method: str) -> None:
    refused = await get(site, "/terms", method=method)

    assert (refused.status, refused.content_type, refused.headers["allow"]) == (405, PROBLEM, "GET, HEAD")


async def test_page_without_its_service_says_so_and_when_to_try_again(site: Handler) -> None:
    page = await get(site, "/")

    assert (page.status, page.headers["retry-after"]) == (503, "1")
    assert "NextBuy is unavailable right now" in page.text


async def test_page_of_an_error_names_the_request_that_support_can_search_for(site: Handler) -> None:
    for path in ("/", "/orders/nothing", "/nothing"):
        assert "mention request request-7." in (await get(site, path, x_request_id="request-7")).text


@pytest.mark.parametrize("name", ["terms", "privacy", "returns", "contact", "imprint"])
async def test_operator_replaces_a_document_while_the_marketplace_runs(
    site: Handler, tmp_path: Path, name: str
) -> None:
    assert (await get(site, f"/{name}")).status == 200

    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / f"{name}.md").write_text("# Our rules\n\n<script>alert(1)</script> *Read* them.")

    async def is_replaced() -> bool:
        return "<title>Our rules · NextBuy</title>" in (await get(site, f"/{name}")).text

    await until(is_replaced, "the new document is shown")
    page = await get(site, f"/{name}")
    assert "<em>Read</em>" in page.text
    assert "<script>alert" not in page.text


async def test_pages_have_the_name_and_the_contact_of_the_marketplace(tmp_path: Path) -> None:
    marketplace = Marketplace(name="Kiln & Co", contact="help@kiln.example")
    own = pages(unavailable, settings=Settings(secret=b"s" * 16, data=tmp_path, marketplace=marketplace), demo=False)

    page, failed = (await get(own, "/imprint")).text, (await get(own, "/")).text

    assert "<title>Imprint · Kiln &amp; Co</title>" in page
    assert "Kiln &amp; Co, a marketplace of small shops." in page
    assert '<a href="mailto:help@kiln.example">' in page
    assert "Kiln &amp; Co is unavailable right now" in failed
    assert "NextBuy" not in page + failed
    data = organization("https://kiln.example", marketplace.name, "/", email=marketplace.contact)
    assert (data["name"], data["email"]) == ("Kiln & Co", "help@kiln.example")


async def test_demo_logins_are_offered_with_demo_data_only(site: Handler, tmp_path: Path) -> None:
    own = pages(unavailable, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)

    offered, not_offered = (await get(site, "/sign-in")).text, (await get(own, "/sign-in")).text
    assert all(login.email in offered for login in DEMO_LOGINS)
    assert not any(login.email in not_offered for login in DEMO_LOGINS)


def test_demo_logins_are_accounts_of_the_demo_market() -> None:
    accounts = {(account.email, account.name, account.role.value) for account in catalogue.load().accounts}
    assert {(login.email, login.name, login.role) for login in DEMO_LOGINS} <= accounts
    assert {login.password for login in DEMO_LOGINS} == {catalogue.PASSWORD}
    assert {login.role for login in DEMO_LOGINS} == {"buyer", "seller", "admin"}


async def test_robots_read_public_pages_and_no_others(site: Handler) -> None:
    rules = (await get(site, "/robots.txt")).text
    disallowed = tuple(line.removeprefix("Disallow: ") for line in rules.splitlines() if line.startswith("Disallow: "))

    assert "Sitemap: http://127.0.0.1:8080/sitemap.xml" in rules
    for path in PAGES:
        unlisted = {"/search", TOO_MANY_REQUESTS, "/robots.txt", "/favicon.ico"}
        assert path.startswith(disallowed) is (path not in PUBLIC) or path in unlisted, path


async def test_icon_is_found_where_browsers_look_for_it(site: Handler) -> None:
    icon = await get(site, "/favicon.ico")

    assert (icon.status, icon.content_type) == (200, "image/x-icon")
    assert icon.body.startswith(b"\0\0\1\0")
    assert "max-age=86400" in icon.headers["cache-control"]


@pytest.mark.parametrize(("seconds", "shown"), [("1", "1 second,"), ("12", "12 seconds"), ("x", "60 seconds")])
async def test_page_beyond_the_rate_limit_says_when_to_try_again(site: Handler, seconds: str, shown: str) -> None:
    page = await site(Request("GET", TOO_MANY_REQUESTS, f"seconds={seconds}", {}))

    assert f"Wait {shown}" in page.body.decode()


async def test_pages_of_strangers_share_replies_of_the_api(tmp_path: Path) -> None:
    requested: list[str] = []

    async def no_categories(request: Request) -> Response:
        requested.append(request.target)
        return Response(200, b'{"items": []}', JSON, [(AGE, "0.100")])

    site = pages(no_categories, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)

    for path in ("/category/toys", "/category/books"):
        assert (await get(site, path)).status == 404

    assert requested == ["/product/api/get-categories"]
    await get(site, "/category/toys", cookie=f"{BASKET_COOKIE}=basket-of-somebody")
    assert requested.count("/product/api/get-categories") == 2
