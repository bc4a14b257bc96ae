"""GET /kafka/api/daily-figures: what happened on which day, in which shop."""

from datetime import date
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from nextbuy.contracts.values import Page
from nextbuy.kafka import store
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import Figure
from nextbuy.kafka.projections.date_ranges import date_range
from nextbuy.kit.http.caller import Caller

_MOST_ROWS: Final = 5_000


class DailyFigures(Struct, frozen=True):
    """Which days; the last seven where none are named."""

    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET


async def daily_figures(deps: Deps, caller: Caller, request: DailyFigures) -> Page[Figure]:
    """Return the figures of at most a year, newest day first; `Unprocessable` where the days make no sense."""
    await deps.auth.validate_admin(caller.token)
    first, last = date_range(request.since, request.until)
    return Page(await store.daily_figures(deps.database, first, last, limit=_MOST_ROWS))
