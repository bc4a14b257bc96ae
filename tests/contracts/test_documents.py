"""The documents that other programs are written by may grow, and do nothing else; the snapshots say what they were."""

import copy
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from nextbuy.contracts.catalogue import EVENTS
from nextbuy.host.table import ENTRIES
from nextbuy.kit.asyncapi import asyncapi
from nextbuy.kit.openapi import openapi
from tests.contracts.test_catalogue import broken

FOLDER: Final = Path(__file__).parent
Json = dict[str, Any]
_PROSE: Final = frozenset({"description", "summary", "version", "x-problems", "title"})
_WHO: Final = {"P": "anyone", "B": ["buyer"], "S": ["seller"], "A": ["admin"], "L": ["admin", "buyer", "seller"]}
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
GET /health/live P
GET /health/ready P
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


def documents() -> dict[str, Json]:
    """Return both documents, without their prose."""
    services = [entry.service for entry in ENTRIES.values()]
    made = {
        "openapi": openapi(services, version="0"),
        "asyncapi": asyncapi(services, EVENTS, version="0"),
    }
    return {name: plain(json.loads(document)) for name, document in made.items()}


def plain(part: Any, *, named: bool = False) -> Any:  # noqa: ANN401  any JSON
    """Return a part of a document without prose, and with lists as a comparison needs them."""
    if isinstance(part, dict):
        # Under `properties` and its like stand names, and a field may be called `title`.
        return {
            key: plain(value, named=key in {"properties", "schemas", "paths", "channels", "messages"})
            for key, value in part.items()
            if named or key not in _PROSE
        }
    if isinstance(part, list):
        items = [plain(item) for item in part]
        if items and all(isinstance(item, dict) and "name" in item and "in" in item for item in items):
            return {f"{item['in']} {item['name']}": item for item in items}
        return items
    return part


def loosened(old: object, new: object, where: str = "") -> list[str]:
    """Return what a request may no longer say, or an answer now leaves unsaid, beyond what `broken` finds."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return []
    found = [line for key in old if key in new for line in loosened(old[key], new[key], f"{where}/{key}")]
    if where.endswith("/parameters"):
        found += [
            f"{where} asks for {name} now"
            for name, said in new.items()
            if name not in old and isinstance(said, dict) and said.get("required")
        ]
    return found


def snapshot(name: str) -> Path:
    """Where it is kept what a document said."""
    return FOLDER / f"{name}.json"


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_a_document_has_only_grown(name: str) -> None:
    """Add freely, then run `python -m tests.contracts.test_documents` to take what is new into the snapshots."""
    agreed, now = json.loads(snapshot(name).read_text(encoding="utf-8")), documents()[name]
    assert broken(agreed, now) + loosened(agreed, now) == []
    assert agreed == now, "there is more now: take it into the snapshot, as the docstring says"


_REGISTER: Final = ("openapi", "paths", "/auth/api/register")
_PRODUCT: Final = ("openapi", "components", "schemas", "Product", "properties")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(_REGISTER, None, id="an address is gone"),
        pytest.param((*_REGISTER, "post"), None, id="a method is gone"),
        pytest.param((*_REGISTER, "post", "responses", "201"), None, id="another status"),
        pytest.param((*_REGISTER, "post", "x-who"), ["admin"], id="for others only"),
        pytest.param((*_PRODUCT, "stock"), None, id="a field is gone"),
        pytest.param((*_PRODUCT, "title"), None, id="a field that is called as prose is"),
        pytest.param((*_PRODUCT, "stock", "type"), "string", id="a field of another type"),
        pytest.param(
            ("openapi", "components", "schemas", "Register", "required"),
            ["email", "password", "name", "role", "birthday"],
            id="a field must be said now",
        ),
        pytest.param(
            ("openapi", "paths", "/product/api/search-products", "get", "parameters", "query shop"),
            {"name": "shop", "in": "query", "required": True, "schema": {}},
            id="a parameter must be said now",
        ),
        pytest.param(("asyncapi", "channels", "order.created"), None, id="a topic is gone"),
        pytest.param(("asyncapi", "components", "messages", "OrderCreated", "x-key"), "shop_id", id="another key"),
        pytest.param(
            ("asyncapi", "components", "schemas", "OrderCreated", "properties", "total"), None, id="an event says less"
        ),
    ],
)
def test_a_planted_change_is_caught(path: tuple[str, ...], value: object) -> None:
    agreed = documents()
    changed = copy.deepcopy(agreed)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert broken(agreed, changed) + loosened(agreed, changed) != []


def test_what_is_added_is_no_breach() -> None:
    agreed = documents()
    grown = copy.deepcopy(agreed)
    grown["openapi"]["paths"]["/review/api/write-review"] = {"post": {}}
    grown["openapi"]["components"]["schemas"]["Product"]["properties"]["weight"] = {"type": "integer"}
    parameters = grown["openapi"]["paths"]["/product/api/search-products"]["get"]["parameters"]
    parameters["query shop"] = {"name": "shop", "in": "query", "required": False, "schema": {}}
    grown["asyncapi"]["channels"]["review.written"] = {}
    assert broken(agreed, grown) + loosened(agreed, grown) == []


@pytest.mark.parametrize("line", FIXED.split("\n")[1:-1])
def test_an_address_that_others_rely_on_is_there_for_whom_it_should_be(line: str) -> None:
    method, address, who = line.split()
    paths = {re.sub(r"\{\w+\}", "{}", path): operations for path, operations in documents()["openapi"]["paths"].items()}
    operation = paths[address][method.lower()]
    assert operation["x-who"] == _WHO[who]
    done = min(int(status) for status in operation["responses"] if status.startswith("2"))
    last = address.rpartition("/")[2]
    assert done == {"logout": 204, "replay": 202}.get(last, 201 if last in CREATED else 200)


def test_the_topics_that_others_rely_on_are_published() -> None:
    channels = documents()["asyncapi"]["channels"]
    assert channels.keys() >= TOPICS
    assert [topic for topic, channel in channels.items() if not channel["x-publishers"]] == []


if __name__ == "__main__":
    for name, document in documents().items():
        snapshot(name).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
