"""Errors keep their slug and their nature over the wire."""

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
def test_an_error_arrives_as_what_it_was(kind: type[AppError]) -> None:
    sent = kind("what happened", field="price")
    if kind is not BreakerOpen:
        sent.slug = "a-slug"
    wire = msgspec.json.encode(sent.problem("id-1"))
    got = from_problem(msgspec.json.decode(wire, type=Problem), retry_after=2.0)
    assert type(got) is kind
    assert (got.slug, got.detail, got.errors, got.retry_after) == (sent.slug, "what happened", sent.errors, 2.0)
    assert got.transient == kind.transient


def test_a_status_that_nobody_has_still_says_whether_to_try_again() -> None:
    strange = Problem("t", "Teapot", 418, "d", "teapot", "c")
    assert type(from_problem(strange)) is Conflict
    assert type(from_problem(msgspec.structs.replace(strange, status=507))) is Unavailable
    assert from_problem(msgspec.structs.replace(strange, status=502)).__class__ is BadGateway


def test_only_what_may_work_later_is_transient() -> None:
    assert {kind.status for kind in KINDS if kind.transient} == {429, 502, 503, 504}
