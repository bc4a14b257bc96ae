"""Two accounts in two tabs, and a browser that keeps no cookie."""

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import NotFound, ServiceUnavailable, Unauthenticated
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import JSON, Handler, Request, Response, encode, problem_response
from nextbuy.web.app import FORMS, pages
from nextbuy.web.visit import SIGN_IN_PATHS
from tests.web.page_paths import example

ANN, BOB = new_id(), new_id()
FORM = {"content-type": "application/x-www-form-urlencoded", "referer": "http://shop.example/notifications?x=1"}


class Api:
    """The API for Bob, who is signed in with cookies; it knows nothing but who he is."""

    def __init__(self) -> None:
        self.changes: list[str] = []

    async def __call__(self, request: Request) -> Response:
        """Answer who is signed in, and log everything that changes something."""
        if request.method != "GET":
            self.changes.append(request.path)
        if "nextbuy_access=bob" not in request.headers["cookie"]:
            return problem_response(Unauthenticated(), "request-1")
        if request.path == "/auth/api/me":
            account = Account(BOB, "bob@example.com", "Bob", Role.BUYER)
            return Response(200, encode({"user": account}), JSON)
        return problem_response(NotFound(), "request-1")


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def site(api: Api, tmp_path: Path) -> Handler:
    """The pages for Bob."""
    return pages(api, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=True)


async def post(site: Handler, path: str, fields: dict[str, str], *, cookie: str = "nextbuy_access=bob") -> Response:
    return await site(Request("POST", example(path), "", {"cookie": cookie, **FORM}, urlencode(fields).encode()))


async def test_each_form_of_a_page_names_the_account_that_the_page_shows(site: Handler) -> None:
    shown = await site(Request("GET", "/terms", "", {"cookie": "nextbuy_access=bob"}))
    forms = re.findall(r'<form[^>]*method="post".*?</form>', shown.body.decode(), re.DOTALL)

    assert len(forms) > 0
    assert all(f'<input type="hidden" name="account" value="{BOB}">' in form for form in forms)


async def test_page_of_nobody_names_no_account(site: Handler) -> None:
    page = (await site(Request("GET", "/sign-in", "", {}))).body.decode()

    assert 'method="post"' in page
    assert 'name="account"' not in page


@pytest.mark.parametrize("path", sorted(FORMS.keys() - SIGN_IN_PATHS))
async def test_form_of_a_page_of_another_account_changes_nothing(site: Handler, api: Api, path: str) -> None:
    refused = await post(site, path, {"account": str(ANN), "id": str(new_id()), "reason": "Because."})

    assert (refused.status, api.changes) == (409, [])
    page = refused.body.decode()
    assert "Another account is signed in" in page
    assert 'href="/notifications"' in page


async def test_forms_for_anyone_are_those_of_signing_in_and_of_links_in_mails() -> None:
    assert {"/sign-in", "/sign-up", "/forgot-password", "/reset-password", "/confirm-email"} == SIGN_IN_PATHS


@pytest.mark.parametrize("named", [{"account": str(BOB)}, {}], ids=["the same account", "no account"])
async def test_form_of_the_same_account_or_of_no_account_is_sent(
    site: Handler, api: Api, named: dict[str, str]
) -> None:
    await post(site, "/notifications/read-all", named)

    assert api.changes == ["/notification/api/read-all-notifications"]


async def test_form_that_cannot_be_read_is_refused(site: Handler) -> None:
    headers = {"cookie": "nextbuy_access=bob", "content-type": "multipart/form-data; boundary=x"}

    refused = await site(Request("POST", "/notifications/read-all", "", headers, b"\xff=%"))

    assert refused.status == 400


async def test_sign_in_without_cookies_says_so(site: Handler) -> None:
    page = (await site(Request("GET", "/sign-in", "done=yes&next=/orders", {}))).body.decode()

    assert "blocks cookies" in page


async def test_sign_in_with_cookies_goes_on(site: Handler) -> None:
    went = await site(Request("GET", "/sign-in", "done=yes&next=/orders", {"cookie": "nextbuy_access=bob"}))

    assert (went.status, dict(went.headers)["location"]) == (303, "/orders")


async def test_page_of_an_error_is_shown_without_the_auth_service(tmp_path: Path) -> None:
    async def unavailable(_request: Request) -> Response:
        return problem_response(ServiceUnavailable("auth"), "request-1")

    site = pages(unavailable, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=True)

    page = await site(Request("GET", "/orders", "", {"cookie": "nextbuy_access=bob"}))

    assert (page.status, "unavailable right now" in page.body.decode()) == (503, True)


async def test_sign_out_after_the_session_has_ended_leaves_no_cookie(site: Handler) -> None:
    left = await post(site, "/sign-out", {"account": str(ANN)}, cookie="nextbuy_access=old; nextbuy_basket=b")

    deleted = {value.partition("=")[0] for name, value in left.headers if name == "set-cookie" and "Max-Age=0" in value}
    assert (left.status, dict(left.headers)["location"]) == (303, "/")
    assert {"nextbuy_access", "nextbuy_refresh", "nextbuy_csrf", "nextbuy_basket"} <= deleted
