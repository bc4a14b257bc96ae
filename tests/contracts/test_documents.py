"""The paths and topics that other programs rely on; `tools/contracts.py` checks their schemas."""

import json
import re
from functools import cache
from typing import Any, Final, cast

import pytest

from nextbuy.contracts.registry import EVENTS
from nextbuy.host.composition import SERVICES
from nextbuy.kit.apidocs.openapi import openapi

_WHO: Final = {
    "P": "anyone",
    "B": ["buyer"],
    "S": ["seller"],
    "A": ["admin"],
    "SA": ["admin", "seller"],
    "L": ["admin", "buyer", "seller"],
}
FIXED: Final = """
POST /auth/api/register P
POST /auth/api/login P
POST /auth/api/refresh-session P
POST /auth/api/logout L
GET /auth/api/me L
POST /seller/api/create-shop S
GET /seller/api/my-shop S
GET /seller/api/get-shop/{} P
POST /product/api/create-product S
PUT /product/api/update-product/{} S
GET /product/api/get-product/{} P
GET /product/api/get-all-products P
GET /product/api/search-products P
GET /product/api/get-shop-products S
POST /order/api/create-payment-session B
GET /order/api/payment-session/{} B
POST /order/api/payment-webhook P
GET /order/api/user-orders B
GET /order/api/order-details/{} L
GET /order/api/seller-orders S
GET /admin/api/get-pending-sellers A
POST /admin/api/approve-seller/{} A
POST /admin/api/reject-seller/{} A
GET /admin/api/get-pending-products A
POST /admin/api/approve-product/{} A
POST /admin/api/reject-product/{} A
GET /admin/api/notifications A
GET /kafka/api/dead-letters A
POST /kafka/api/dead-letters/{}/replay A
GET /notification/api/notifications L
POST /notification/api/read-notification/{} L
POST /notification/api/read-all-notifications L
GET /notification/api/mails A
GET /analytics/api/best-sellers P
GET /analytics/api/daily-figures A
GET /analytics/api/seller-figures S
GET /analytics/api/product-figures/{} SA
GET /analytics/api/projections A
POST /analytics/api/projections/{}/rebuild A
GET /health/live P
GET /health/ready P
GET /health/version P
GET /docs P
GET /openapi.json P
GET /asyncapi.json P
"""
"""The addresses that other programs rely on, and who may use each."""
CREATED: Final = frozenset({"register", "create-shop", "create-product", "create-payment-session"})
TOPICS: Final = frozenset(
    {
        "product.created",
        "product.pending",
        "product.approved",
        "product.rejected",
        "order.created",
        "order.paid",
        "seller.registered",
        "seller.approved",
    }
)


@cache
def openapi_document() -> dict[str, Any]:
    """Return the document of the whole gateway."""
    return cast("dict[str, Any]", json.loads(openapi([entry.service for entry in SERVICES.values()], version="0")))


@pytest.mark.parametrize("line", FIXED.split("\n")[1:-1])
def test_fixed_route_has_its_roles(line: str) -> None:
    method, address, who = line.split()
    paths = {re.sub(r"\{\w+\}", "{}", path): operations for path, operations in openapi_document()["paths"].items()}
    operation = paths[address][method.lower()]
    assert operation["x-who"] == _WHO[who]
    done = min(int(status) for status in operation["responses"] if status.startswith("2"))
    last = address.rpartition("/")[2]
    assert done == {"logout": 204, "replay": 202, "rebuild": 202}.get(last, 201 if last in CREATED else 200)


def test_fixed_topics_are_published() -> None:
    assert {event.topic for event in EVENTS} >= TOPICS
    published = {event for entry in SERVICES.values() for event in entry.service.publishes}
    assert set(EVENTS) - published == set()


def test_names_of_types_are_unique() -> None:
    """Two structs of one name are published with their modules, so that moving a file would change the API."""
    assert [name for name in openapi_document()["components"]["schemas"] if "." in name] == []
