"""The page to return to after a sign-in is carried along the pages on the way, as a path of this site."""

import re
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from nextbuy.auth.model import WrongLogin
from nextbuy.contracts.errors import AppError, TooManyRequests
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import Handler, Request, Response, problem_response
from nextbuy.web.app import pages

WANTED: Final = "/search?q=lamp&sort=latest"
SIGN_IN: Final = "/sign-in?next=%2Fsearch%3Fq%3Dlamp%26sort%3Dlatest"
FORGOT: Final = SIGN_IN.replace("/sign-in", "/forgot-password")
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def refusals() -> list[AppError]:
    """The errors with which the API answers, first to last; without one, it accepts."""
    return []


@pytest.fixture
def site(refusals: list[AppError], tmp_path: Path) -> Handler:
    async def answer(_request: Request) -> Response:
        return problem_response(refusals.pop(0), "request-1") if refusals else Response(200, b"{}")

    return pages(answer, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)


async def links(site: Handler, path: str, fields: dict[str, str] | None = None) -> list[str]:
    """Return the links of a page to the pages on the way to a sign-in."""
    path, _, query = path.partition("?")
    if fields is None:
        response = await site(Request("GET", path, query, {}))
    else:
        response = await site(Request("POST", path, query, FORM, urlencode(fields).encode()))
    found: list[str] = re.findall(r'href="(/(?:sign-in|forgot-password)[^"]*)"', response.body.decode())
    return [unescape(link) for link in found]


async def test_link_to_sign_in_returns_from_each_page_on_the_way(site: Handler, refusals: list[AppError]) -> None:
    typed = {"email": "ann@example.com", "password": "wrong", "next": WANTED}

    assert await links(site, SIGN_IN) == [SIGN_IN, FORGOT]
    assert await links(site, FORGOT) == [SIGN_IN, SIGN_IN]
    assert await links(site, "/forgot-password", typed) == [SIGN_IN, SIGN_IN]
    refusals.append(TooManyRequests(retry_after=1))
    assert await links(site, "/forgot-password", typed) == [SIGN_IN, SIGN_IN]
    for form in ("/sign-in", "/sign-up"):
        refusals.append(WrongLogin())
        assert await links(site, form, typed) == [SIGN_IN, FORGOT]


async def test_form_for_a_lost_password_sends_the_page_to_return_to(site: Handler) -> None:
    path, _, query = FORGOT.partition("?")

    page = (await site(Request("GET", path, query, {}))).body.decode()

    assert '<input type="hidden" name="next" value="/search?q=lamp&amp;sort=latest">' in page


@pytest.mark.parametrize("path", ["/sign-in", "/forgot-password"])
@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example/", "/..//evil.example"])
async def test_another_site_is_no_page_to_return_to(
    site: Handler, refusals: list[AppError], path: str, wanted: str
) -> None:
    refusals.append(TooManyRequests(retry_after=1))

    found = await links(site, f"{path}?{urlencode({'next': wanted})}") + await links(site, path, {"next": wanted})

    assert len(found) == 4
    assert set(found) <= {"/sign-in", "/forgot-password"}


@pytest.mark.parametrize("path", ["/reset-password", "/confirm-email"])
async def test_token_of_a_link_is_in_no_other_link(site: Handler, path: str) -> None:
    assert await links(site, f"{path}?token=secret") == ["/sign-in"]


@pytest.mark.parametrize("path", ["/sell", "/sell/products", "/sell/product/new", "/sell/orders", "/figures"])
async def test_page_for_sellers_leads_a_stranger_to_sign_in_as_a_seller(site: Handler, path: str) -> None:
    location = dict((await site(Request("GET", path, "", {}))).headers)["location"]

    assert location == f"/sign-in?{urlencode({'as': 'seller', 'next': path})}"
    sign_in, _, query = location.partition("?")
    page = (await site(Request("GET", sign_in, query, {}))).body.decode()
    assert 'name="role" value="seller" checked' in page
    assert (await links(site, location))[0] == location


async def test_page_for_buyers_leads_a_stranger_to_sign_in_as_a_buyer(site: Handler) -> None:
    location = dict((await site(Request("GET", "/orders", "", {}))).headers)["location"]

    assert location == "/sign-in?next=%2Forders"


async def test_choice_to_sell_survives_a_wrong_password(site: Handler, refusals: list[AppError]) -> None:
    refusals.append(WrongLogin())
    fields = urlencode({"email": "ann@example.com", "password": "wrong", "next": "/sell", "role": "seller"})

    refused = await site(Request("POST", "/sign-in", "", FORM, fields.encode()))

    assert 'name="role" value="seller" checked' in refused.body.decode()
