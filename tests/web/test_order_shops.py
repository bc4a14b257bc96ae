"""Orders name their shops, which one request reads; without the seller service, the pages are shown without them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import ServiceUnavailable
from nextbuy.contracts.values import Money, Role, new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import Handler, Request, Response, encode, problem_response
from nextbuy.web.app import pages

LAMPS, POTS, CLOSED = new_id(), new_id(), new_id()
NAMES = {LAMPS: "Lamps & more", POTS: "Pots"}
MOMENT = datetime(2026, 11, 30, tzinfo=UTC)
PAGES = ["/orders", "/order/1", "/session/1"]


class Api:
    """The API for a buyer with orders from three shops; the last one is closed."""

    def __init__(self) -> None:
        self.shops = [LAMPS, POTS, LAMPS, CLOSED]
        self.requested: list[list[str]] = []
        """The ids of each request for shops."""
        self.unavailable = False

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        name = request.path.split("/")[3]
        if name == "get-shops":
            ids = parse_qs(request.query)["ids"][0].split(",")
            self.requested.append(ids)
            if self.unavailable:
                return problem_response(ServiceUnavailable("seller"), "request-1")
            items = [{"id": one, "slug": f"s-{one}", "name": text} for one, text in NAMES.items() if str(one) in ids]
            return Response(200, encode({"items": items, "next_cursor": None}))
        orders = [self.order(shop_id) for shop_id in self.shops]
        session = {"session_id": new_id(), "status": "paid", "total": Money(5_600), "expires_at": MOMENT}
        replies: dict[str, Any] = {
            "me": {"user": Account(new_id(), "ann@example.com", "Ann", Role.BUYER)},
            "notifications": {"unread": 0},
            "basket": {"lines": []},
            "user-orders": {"items": orders, "next_cursor": None},
            "order-details": {"order": next(iter(orders), None)},
            "order-timeline": {"items": []},
            "payment-session": {**session, "order_ids": [new_id(), new_id()]},
        }
        return Response(200, encode(replies[name]))

    def order(self, shop_id: object) -> dict[str, Any]:
        """Return an order of a shop."""
        listed = {"id": new_id(), "number": "NB-1", "shop_id": shop_id, "status": "paid", "created_at": MOMENT}
        line = {"product_id": new_id(), "title": "Bowl", "quantity": 1, "unit_price": Money(2_800)}
        return {**listed, "total": Money(2_800), "lines": [line]}


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def site(api: Api, tmp_path: Path) -> Handler:
    return pages(api, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)


async def html(site: Handler, path: str) -> str:
    response = await site(Request("GET", path, "", {"cookie": "nextbuy_access=ann"}))
    assert response.status == 200
    return response.body.decode()


def link(shop: object, name: str) -> str:
    return f'<a href="/shop/s-{shop}">{name}</a>'


async def test_list_of_orders_reads_each_shop_once_in_one_request(site: Handler, api: Api) -> None:
    page = await html(site, "/orders")

    assert api.requested == [[str(LAMPS), str(POTS), str(CLOSED)]]
    assert page.count(link(LAMPS, "Lamps &amp; more")) == 2
    assert page.count(link(POTS, "Pots")) == 1
    assert page.count("A closed shop") == 1


@pytest.mark.parametrize(("path", "orders"), [("/order/1", 1), ("/session/1", 2)])
async def test_order_leads_to_its_shop(site: Handler, api: Api, path: str, orders: int) -> None:
    api.shops = [POTS]

    page = await html(site, path)

    assert (api.requested, page.count(link(POTS, "Pots"))) == ([[str(POTS)]], orders)


@pytest.mark.parametrize("path", PAGES)
async def test_orders_are_shown_without_the_seller_service(site: Handler, api: Api, path: str) -> None:
    api.unavailable = True

    page = await html(site, path)

    assert ("NB-1" in page, "The shop cannot be shown now" in page, "/shop/" in page) == (True, True, False)


async def test_buyer_without_orders_reads_no_shop(site: Handler, api: Api) -> None:
    api.shops = []

    assert "No orders yet" in await html(site, "/orders")
    assert api.requested == []
