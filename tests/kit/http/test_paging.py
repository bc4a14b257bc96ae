"""Cursors round-trip, and any other text is refused."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.values import new_id
from nextbuy.kit.http.paging import decode_cursor, encode_cursor

moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    moments, st.uuids(), st.integers(-(2**62), 2**62), st.text(st.characters(exclude_characters="\0", codec="utf-8"))
)
def test_cursor_round_trips(at: datetime, one: UUID, number: int, text: str) -> None:
    assert decode_cursor(encode_cursor(at, one, number, text), datetime, UUID, int, str) == (at, one, number, text)


@given(st.text(max_size=100))
def test_forged_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Unprocessable):
        decode_cursor(cursor, datetime, UUID)


@pytest.mark.parametrize(
    "parts",
    [
        '["0001-01-01T00:00:00Z","{id}"]',
        '["9999-12-31T23:59:59Z","{id}"]',
        '["2026-01-01T00:00:00","{id}"]',
        "[1]",
        "{{}}",
    ],
)
def test_impossible_time_is_refused(parts: str) -> None:
    cursor = urlsafe_b64encode(parts.format(id=new_id()).encode()).decode()
    with pytest.raises(Unprocessable):
        decode_cursor(cursor, datetime, UUID)


def test_too_large_number_is_refused() -> None:
    for part in (2**63, "a\0b"):
        with pytest.raises(Unprocessable):
            decode_cursor(encode_cursor(part), type(part))
