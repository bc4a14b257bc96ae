"""Cursors round-trip, and any other text is refused."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.values import new_id
from nextbuy.kit.http.paging import InvalidCursor, decode_cursor, encode_cursor

LIST = ("list", "latest")
moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    moments, st.uuids(), st.integers(-(2**62), 2**62), st.text(st.characters(exclude_characters="\0", codec="utf-8"))
)
def test_cursor_round_trips(at: datetime, one: UUID, number: int, text: str) -> None:
    assert decode_cursor(LIST, encode_cursor(LIST, at, one, number, text), datetime, UUID, int, str) == (
        at,
        one,
        number,
        text,
    )


@given(st.text(max_size=100))
def test_forged_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Unprocessable):
        decode_cursor(LIST, cursor, datetime, UUID)


@pytest.mark.parametrize(
    "parts",
    [
        '["0001-01-01T00:00:00Z","{id}"]',
        '["9999-12-31T23:59:59Z","{id}"]',
        '["2026-01-01T00:00:00","{id}"]',
        "[1]",
        "[]",
    ],
)
def test_impossible_time_is_refused(parts: str) -> None:
    mark = json.loads(urlsafe_b64decode(encode_cursor(LIST, 1) + "=="))[0]
    listed = [mark, *json.loads(parts.format(id=new_id()))]
    cursor = urlsafe_b64encode(json.dumps(listed).encode()).decode()
    with pytest.raises(Unprocessable):
        decode_cursor(LIST, cursor, datetime, UUID)


def test_too_large_number_is_refused() -> None:
    for part in (2**63, "a\0b"):
        with pytest.raises(Unprocessable):
            decode_cursor(LIST, encode_cursor(LIST, part), type(part))


@pytest.mark.parametrize(
    "other", [("list", "oldest"), ("list",), ("list", "latest", None), ("list", None), ("lists", "latest"), ()]
)
def test_cursor_of_another_list_is_refused(other: tuple[str | None, ...]) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(LIST, encode_cursor(other, 5), int)
