"""Which days somebody means."""

from datetime import date, timedelta
from typing import Final

from msgspec import UNSET, UnsetType

from nextbuy.contracts.errors import Unprocessable
from nextbuy.kit.clock import utc_now

_MOST: Final = 366


class InvalidDates(Unprocessable, slug="invalid-dates"):
    """`since` must not be after `until`, and at most a year before it."""


def date_range(since: date | UnsetType, until: date | UnsetType) -> tuple[date, date]:
    """Return the first and the last day (UTC) that are meant: the last seven where none are named.

    Raises:
        Unprocessable: the days make no sense, or are more than a year.
    """
    last = utc_now().date() if until is UNSET else until
    first = max(last.toordinal() - 6, 1) if since is UNSET else since.toordinal()
    if not 0 <= last.toordinal() - first <= _MOST or last == date.max:
        raise InvalidDates
    return date.min + timedelta(days=first - 1), last
