"""GET /analytics/api/daily-figures: sums of all events by day, topic and shop."""

from datetime import date
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from nextbuy.analytics.aggregates import TopicDay
from nextbuy.analytics.date_ranges import date_range
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.store import aggregates as tables
from nextbuy.contracts.values import Page
from nextbuy.kit.http.caller import Caller

_MAX_ROWS: Final = 5_000


class GetDailyFigures(Struct, frozen=True):
    """A range of days; the last seven by default."""

    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET


async def daily_figures(deps: Deps, caller: Caller, request: GetDailyFigures) -> Page[TopicDay]:
    """Return the sums of at most a year, newest day first.

    Raises:
        Unprocessable: the range of days is invalid.
    """
    await deps.auth.validate_admin(caller)
    first, last = date_range(request.since, request.until)
    return Page(await tables.topic_days(deps.database, first, last, limit=_MAX_ROWS))
