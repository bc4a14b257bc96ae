"""The field and the value for which a reply is refused."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, Struct

from nextbuy.kit.rpc.invalid_replies import invalid_field, shorten

Small = Annotated[int, Meta(le=9)]
Word = Annotated[str, Meta(min_length=1)]


class Line(Struct):
    amount: Small


class Reply(Struct):
    lines: list[Line]
    counts: dict[Word, Small] = {}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"lines": [{"amount": 1}, {"amount": 10}]}', ("lines[1].amount", 10)),
        ('{"lines": [{"amount": "much"}]}', ("lines[0].amount", "much")),
        ('{"lines": [{"price": 3}]}', ("lines[0]", {"price": 3})),
        ('{"lines": [], "counts": {"a": 10}}', ("counts[...]", {"a": 10})),
        ('{"lines": [], "counts": {"": 1}}', ("counts", {"": 1})),
        ("[]", ("", [])),
        ("<html>", ("", b"<html>")),
        ('{"lines": [\xff', ("", b'{"lines": [\xc3\xbf')),
    ],
)
def test_field_is_named_with_its_value(body: str, found: tuple[str, object]) -> None:
    with pytest.raises(msgspec.MsgspecError) as error:
        msgspec.json.decode(body.encode(), type=Reply)

    assert invalid_field(error.value, body.encode()) == found


def test_value_is_shown_as_one_bounded_line() -> None:
    assert shorten("a\nb") == "'a\\nb'"
    assert len(shorten("x" * 10_000)) == 200
