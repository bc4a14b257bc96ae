"""Assertions on the shapes of the public API, field by field."""

import re
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from tests.journeys.journey_client import Response

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
REASON: Final = {"rule": str, "points": int, "field": str, "excerpt": str}


def is_id(value: object) -> bool:
    """Return whether a value is a UUIDv7 as text."""
    return isinstance(value, str) and UUID(value).version == 7 and str(UUID(value)) == value


def is_time(value: object) -> bool:
    """Return whether a value is an RFC 3339 time in UTC."""
    return (
        isinstance(value, str)
        and _RFC3339.fullmatch(value) is not None
        and datetime.fromisoformat(value).utcoffset() == timedelta(0)
    )


def is_money(value: object) -> bool:
    """Return whether a value is money: integer minor units and a currency."""
    return isinstance(value, dict) and value.keys() == {"amount", "currency"} and type(value["amount"]) is int


def assert_fields(thing: dict[str, Any], **wanted: object) -> None:
    """Check fields against a type, a predicate, a tuple of allowed values, or the value itself."""
    for name, want in wanted.items():
        assert name in thing, f"{name} is missing in {thing}"
        value = thing[name]
        if isinstance(want, type):
            assert type(value) is want, f"{name}: {value!r} is not a {want.__name__}"
        elif callable(want):
            assert want(value), f"{name}: {value!r} is invalid"
        elif isinstance(want, tuple):
            assert value in want, f"{name}: {value!r} is not in {want}"
        else:
            assert value == want, f"{name}: {value!r} is not {want!r}"


def assert_shop(shop: dict[str, Any], status: str) -> None:
    """Check the fields of a shop."""
    assert_fields(shop, id=is_id, name=str, slug=str, category=str, status=status)


def assert_public_product(product: dict[str, Any], status: str) -> None:
    """Check the fields of a product that everybody reads."""
    assert_fields(
        product, id=is_id, slug=str, title=str, description=str, category=str, price=is_money, stock=int, tags=list
    )
    assert_fields(product, status=status, shop_id=is_id)


def assert_product(product: dict[str, Any], status: str) -> None:
    """Check the fields of a product that its owner or an admin reads."""
    assert_public_product(product, status)
    assert_fields(product, moderation=dict)
    assert_fields(product["moderation"], score=int, decision=status, reasons=list)
    for reason in product["moderation"]["reasons"]:
        assert_fields(reason, **REASON)


def assert_listed_order(order: dict[str, Any]) -> None:
    """Check the fields of an order in a list."""
    assert_fields(order, id=is_id, number=str, shop_id=is_id, status=str, total=is_money, created_at=is_time)


def assert_problem(response: Response, status: int, slug: str | None = None) -> None:
    """Check that a response is a problem document (RFC 9457)."""
    assert response.status == status, response.body
    assert response.headers["Content-Type"].partition(";")[0] == "application/problem+json"
    assert_fields(response.json, type=str, title=str, status=status, detail=str, slug=str, correlation_id=str)
    if slug is not None:
        assert response.slug == slug, response.json
    for error in response.json.get("errors", []):
        assert_fields(error, field=str, message=str)
