"""The words of the public API: what each thing must look like, field by field."""

import re
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from tests.journeys.people import Answer

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
REASON: Final = {"rule": str, "points": int, "field": str, "excerpt": str}


def is_id(value: object) -> bool:
    """A UUIDv7, as text."""
    return isinstance(value, str) and UUID(value).version == 7 and str(UUID(value)) == value


def is_time(value: object) -> bool:
    """A moment in UTC (RFC 3339)."""
    return (
        isinstance(value, str)
        and _RFC3339.fullmatch(value) is not None
        and datetime.fromisoformat(value).utcoffset() == timedelta(0)
    )


def is_money(value: object) -> bool:
    """An integer of minor units, and a currency."""
    return isinstance(value, dict) and value.keys() == {"amount", "currency"} and type(value["amount"]) is int


def has(thing: dict[str, Any], **wanted: object) -> None:
    """Check fields: a type, a check, a tuple of allowed values, or the value itself."""
    for name, want in wanted.items():
        assert name in thing, f"{name} is missing in {thing}"
        value = thing[name]
        if isinstance(want, type):
            assert type(value) is want, f"{name}: {value!r} is no {want.__name__}"
        elif callable(want):
            assert want(value), f"{name}: {value!r} is no good"
        elif isinstance(want, tuple):
            assert value in want, f"{name}: {value!r} is none of {want}"
        else:
            assert value == want, f"{name}: {value!r} is not {want!r}"


def is_shop(shop: dict[str, Any], status: str) -> None:
    """A shop."""
    has(shop, id=is_id, name=str, slug=str, category=str, status=status)


def is_product(product: dict[str, Any], status: str) -> None:
    """A product."""
    has(product, id=is_id, slug=str, title=str, description=str, category=str, price=is_money, stock=int, tags=list)
    has(product, status=status, shop_id=is_id, moderation=dict)
    has(product["moderation"], score=int, decision=status, reasons=list)
    for reason in product["moderation"]["reasons"]:
        has(reason, **REASON)


def is_listed_order(order: dict[str, Any]) -> None:
    """An order in a list."""
    has(order, id=is_id, number=str, shop_id=is_id, status=str, total=is_money, created_at=is_time)


def is_problem(answer: Answer, status: int, slug: str | None = None) -> None:
    """A problem document (RFC 9457)."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].partition(";")[0] == "application/problem+json"
    has(answer.said, type=str, title=str, status=status, detail=str, slug=str, correlation_id=str)
    if slug is not None:
        assert answer.slug == slug, answer.said
    for error in answer.said.get("errors", []):
        has(error, field=str, message=str)
