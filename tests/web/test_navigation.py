"""The navigation marks the current page and its section."""

import re
from pathlib import Path

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import JSON, Request, Response, encode, problem_response
from nextbuy.web.app import pages


@pytest.mark.parametrize(
    ("role", "path", "marked"),
    [
        (Role.BUYER, "/basket?done=added", [("/basket", "page")]),
        (Role.BUYER, "/account?done=name", [("/account", "page")]),
        (Role.BUYER, "/orders?cursor=x", [("/orders", "page")]),
        (Role.BUYER, "/order/1", [("/orders", "true")]),
        (Role.BUYER, "/ordering", []),
        (Role.SELLER, "/sell", [("/sell", "page")]),
        (Role.SELLER, "/sell/products?q=bowl", [("/sell", "true")]),
        (Role.SELLER, "/figures", [("/sell", "true")]),
        (Role.ADMIN, "/admin?done=rebuild", [("/admin", "page")]),
        (Role.ADMIN, "/admin/queue?kind=shops", [("/admin", "true")]),
        (Role.ADMIN, "/mails/1", [("/admin", "true")]),
        (Role.ADMIN, "/dead-letters", [("/admin", "true")]),
        (Role.ADMIN, "/trace?id=x", [("/admin", "true")]),
    ],
)
async def test_current_page_and_its_section_are_marked(
    tmp_path: Path, role: Role, path: str, marked: list[tuple[str, str]]
) -> None:
    async def api(request: Request) -> Response:
        if request.path == "/auth/api/me":
            return Response(200, encode({"user": Account(new_id(), "bob@example.com", "Bob", role)}), JSON)
        return problem_response(NotFound(), "request-1")

    site = pages(api, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)
    place, _, query = path.partition("?")
    page = await site(Request("GET", place, query, {"cookie": "nextbuy_access=bob"}))
    [nav] = re.findall(r'<nav id="nav".*?</nav>', page.body.decode(), re.DOTALL)

    links = [(tag, re.search(r'aria-current="(\w+)"', tag)) for tag in re.findall(r"<a [^>]*>", nav)]
    found = [(re.findall(r'href="([^"]*)"', tag)[0], current[1]) for tag, current in links if current]
    assert found == marked
