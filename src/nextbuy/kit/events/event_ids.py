"""The time in an event id: ids are UUIDv7 (RFC 9562), which begin with the milliseconds since 1970."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS: Final = 80
_MAX_MILLISECONDS: Final = 2**48 - 1


def time_of(event_id: UUID) -> datetime:
    """Return the time at which an event was published, in whole milliseconds; the highest time if the id has none."""
    try:
        return _EPOCH + timedelta(milliseconds=event_id.int >> _RANDOM_BITS)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def first_id(moment: datetime) -> UUID:
    """Return the lowest id that an event of this time or later can have."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=min(max(milliseconds, 0), _MAX_MILLISECONDS) << _RANDOM_BITS)
