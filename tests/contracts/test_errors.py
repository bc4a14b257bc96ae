"""Errors keep class, slug and fields when they are sent as problem documents."""

import msgspec
import pytest

from nextbuy.contracts.errors import (
    KINDS,
    AppError,
    BadGateway,
    BreakerOpen,
    Conflict,
    Problem,
    Unavailable,
    from_problem,
)


@pytest.mark.parametrize("kind", [*KINDS, BreakerOpen], ids=lambda kind: kind.__name__)
def test_error_survives_encoding_as_problem(kind: type[AppError]) -> None:
    sent = kind("what happened", field="price")
    if kind is not BreakerOpen:
        sent.slug = "a-slug"
    wire = msgspec.json.encode(sent.problem("id-1"))
    got = from_problem(msgspec.json.decode(wire, type=Problem), retry_after=2.0)
    assert type(got) is kind
    assert (got.slug, got.detail, got.errors, got.retry_after) == (sent.slug, "what happened", sent.errors, 2.0)
    assert got.transient == kind.transient


def test_unknown_status_becomes_conflict_or_unavailable() -> None:
    strange = Problem("t", "Teapot", 418, "d", "teapot", "c")
    assert type(from_problem(strange)) is Conflict
    assert type(from_problem(msgspec.structs.replace(strange, status=507))) is Unavailable
    assert from_problem(msgspec.structs.replace(strange, status=502)).__class__ is BadGateway


def test_only_429_and_gateway_errors_are_transient() -> None:
    assert {kind.status for kind in KINDS if kind.transient} == {429, 502, 503, 504}
