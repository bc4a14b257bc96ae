"""Visitors in an unusual state: a suspended account, a lost cookie, a double click, the address of a form."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import pytest

from nextbuy.auth.model import Suspended
from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, Unauthenticated
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.http.idempotency import HEADER as IDEMPOTENCY_KEY
from nextbuy.kit.http.idempotency import RequestInProgress
from nextbuy.kit.http.tokens import ACCESS_COOKIE, CSRF_COOKIE, CSRF_HEADER, REFRESH_COOKIE
from nextbuy.kit.wire import JSON, Handler, Request, Response, encode, problem_response
from nextbuy.web.app import FORMS, PAGES, pages
from nextbuy.web.pages.addresses import FIELDS
from nextbuy.web.pages.dead_letters import ACTS
from nextbuy.web.pages.person import PERSON_ACTS
from nextbuy.web.pages.queue import DECISIONS
from tests.web.page_paths import example, is_page

SIGNED_IN: Final = f"{ACCESS_COOKIE}=token; {REFRESH_COOKIE}=token; {CSRF_COOKIE}=token"
RENEWAL: Final = "/auth/api/refresh-session"


class Api:
    """An API that answers who is signed in, or refuses to; it notes the requests that change something."""

    def __init__(self) -> None:
        self.refusal: AppError | None = None
        self.role = Role.BUYER
        self.in_progress = 0
        """How often changes are refused because the same one is in progress."""
        self.changes: list[Request] = []

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        if request.method != "GET":
            self.changes.append(request)
            if self.in_progress:
                self.in_progress -= 1
                return problem_response(RequestInProgress(retry_after=1), "request-1")
        if self.refusal is not None:
            return problem_response(self.refusal, "request-1")
        if request.path == RENEWAL:
            cookies = [("set-cookie", f"{name}=renewed; Path=/") for name in (ACCESS_COOKIE, CSRF_COOKIE)]
            return Response(200, b"{}", JSON, cookies)
        account = Account(new_id(), "bob@example.com", "Bob", self.role, email_confirmed=True)
        return Response(200, encode({"user": account, "items": [], "lines": [], "unread": 0}), JSON)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def site(api: Api, tmp_path: Path) -> Handler:
    return pages(api, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)


async def visit(site: Handler, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Response:
    path, _, query = path.partition("?")
    sent = {"cookie": SIGNED_IN, "content-type": "application/x-www-form-urlencoded", **headers}
    return await site(Request(method, path, query, sent, body))


def location(response: Response) -> tuple[int, str]:
    return response.status, dict(response.headers).get("location", "")


async def test_suspended_account_reads_why_and_leaves_the_browser(site: Handler, api: Api) -> None:
    api.refusal = Suspended()

    refused, public = await visit(site, "/account"), await visit(site, "/terms")

    assert (refused.status, "This account is suspended" in refused.body.decode()) == (403, True)
    assert public.status == 200
    for response in (refused, public):
        deleted = {value.partition("=")[0] for _, value in response.headers if "Max-Age=0" in value}
        assert deleted == {ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE}


async def test_suspended_account_signs_out(site: Handler, api: Api) -> None:
    api.refusal = Suspended()

    assert location(await visit(site, "/sign-out", "POST")) == (303, "/")


@pytest.mark.parametrize("referer", ["http://[", "http://[::1", "\xff"])
async def test_form_with_an_invalid_referer_leads_to_the_sign_in_page(site: Handler, api: Api, referer: str) -> None:
    api.refusal = Unauthenticated()

    assert location(await visit(site, "/account/name", "POST", referer=referer)) == (303, "/sign-in?next=%2F")


async def test_form_returns_to_the_query_of_its_page_but_not_to_what_was_done(site: Handler, api: Api) -> None:
    api.refusal = Unauthenticated()
    referer = "http://shop.example/sell/products?status=off-sale&done=archive"

    refused = await visit(site, f"/sell/product/{UUID(int=1)}/archive", "POST", referer=referer)

    assert location(refused) == (303, "/sign-in?as=seller&next=%2Fsell%2Fproducts%3Fstatus%3Doff-sale")


async def test_long_query_is_not_part_of_the_page_to_return_to(site: Handler, api: Api) -> None:
    api.refusal = Unauthenticated()

    assert location(await visit(site, f"/account?x={'y' * 3_900}")) == (303, "/sign-in")
    assert location(await visit(site, "/account?x=y")) == (303, "/sign-in?next=%2Faccount%3Fx%3Dy")


@pytest.mark.parametrize("path", sorted(FORMS.keys() - PAGES.keys()))
async def test_address_of_a_form_leads_to_its_page(site: Handler, path: str) -> None:
    status, page = location(await visit(site, f"{example(path)}?topic=a"))

    assert status == 303
    assert is_page(page)
    assert page.endswith("?topic=a")


async def test_address_of_a_form_about_a_product_leads_to_the_product(site: Handler) -> None:
    product = f"/sell/product/{new_id()}"

    assert location(await visit(site, f"{product}/copy")) == (303, product)


async def test_lost_csrf_cookie_is_renewed_before_a_change(site: Handler, api: Api) -> None:
    cookie = f"{ACCESS_COOKIE}=token; {REFRESH_COOKIE}=token"

    done = await visit(site, "/account/name", "POST", b"name=Bob", cookie=cookie)

    assert location(done) == (303, "/account?done=name#name")
    assert [request.path for request in api.changes] == [RENEWAL, "/auth/api/me"]
    assert api.changes[-1].headers[CSRF_HEADER] == "renewed"


async def test_no_link_is_promised_for_an_address_that_is_confirmed(site: Handler, api: Api) -> None:
    assert location(await visit(site, "/account/confirm", "POST")) == (303, "/account#email")
    assert api.changes == []


async def test_double_click_gets_the_response_to_the_first_click(site: Handler, api: Api) -> None:
    api.in_progress = 2

    address = urlencode({"key": "k", **dict.fromkeys(FIELDS, "Ada")}).encode()
    done = await visit(site, "/account/address", "POST", address)

    assert location(done) == (303, "/account?done=address#address")
    assert len(api.changes) == 3
    assert len({request.headers[IDEMPOTENCY_KEY] for request in api.changes}) == 1


async def test_each_form_of_the_account_is_sent_once(site: Handler) -> None:
    page = (await visit(site, "/account")).body.decode()
    forms = re.findall(r'<form[^>]* action="/account/.*?</form>', page, re.DOTALL)

    assert len(forms) > 3
    assert all('name="key"' in form for form in forms)


@pytest.mark.parametrize(
    ("role", "path"),
    [
        *((Role.BUYER, path) for path in ("/sign-up", "/reset-password", "/confirm-email")),
        *((Role.BUYER, path) for path in ("/account/name", "/account/password")),
        *((Role.ADMIN, path) for path in sorted([*DECISIONS, *PERSON_ACTS, *ACTS, "/admin/rebuild"])),
    ],
)
async def test_key_of_a_form_depends_on_its_content(site: Handler, api: Api, role: Role, path: str) -> None:
    api.role = role
    for text in (b"Bob", b"Bob", b"Rob"):
        await visit(site, path, "POST", b"key=k&token=t&service=order&id=pay_1&name=" + text + b"&reason=" + text)

    first, again, corrected = (request.headers[IDEMPOTENCY_KEY] for request in api.changes)
    assert first == again != corrected


async def test_sign_out_leaves_no_page_for_the_button_back(site: Handler) -> None:
    assert ("clear-site-data", '"cache"') in (await visit(site, "/sign-out", "POST")).headers


async def test_page_of_operators_is_refused_to_a_buyer(site: Handler) -> None:
    assert (await visit(site, "/trace")).status == 403


@pytest.mark.parametrize(
    ("wanted", "page"),
    [("/orders", "/sign-in?done=yes&next=%2Forders"), (f"/search?q={'%D0%BF' * 300}", "/sign-in?done=yes")],
)
async def test_sign_in_drops_a_next_that_is_too_long(site: Handler, wanted: str, page: str) -> None:
    body = urlencode({"email": "bob@example.com", "password": "swordfish", "next": wanted}).encode()

    assert location(await visit(site, "/sign-in", "POST", body)) == (303, page)
