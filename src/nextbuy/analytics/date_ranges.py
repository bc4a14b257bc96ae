"""Date ranges of requests for figures: defaults and limits."""

from datetime import date, timedelta
from typing import Final

from msgspec import UNSET, UnsetType

from nextbuy.contracts.errors import Unprocessable
from nextbuy.kit.clock import utc_now

_MAX_DAYS: Final = 366
_DEFAULT_DAYS: Final = 7


InvalidDates: Final = Unprocessable.of(
    "invalid-dates", "Invalid date range. `since` must not be after `until`, and at most a year before it."
)


def date_range(since: date | UnsetType, until: date | UnsetType) -> tuple[date, date]:
    """Return the first and the last day (UTC): by default the last `_DEFAULT_DAYS`, including today.

    Raises:
        Unprocessable: `since` is after `until`, or more than a year before it.
    """
    last = utc_now().date() if until is UNSET else until
    first = max(last.toordinal() - _DEFAULT_DAYS + 1, 1) if since is UNSET else since.toordinal()
    if not 0 <= last.toordinal() - first <= _MAX_DAYS or last == date.max:
        raise InvalidDates
    return date.min + timedelta(days=first - 1), last
