"""GET /kafka/api/daily-figures: what happened on which day, in which shop."""

from datetime import date, timedelta
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from nextbuy.contracts.errors import Unreadable
from nextbuy.contracts.values import Page
from nextbuy.kafka import store
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import Figure
from nextbuy.kit.clock import utc_now
from nextbuy.kit.web import Caller

_MOST_DAYS: Final = 366
_MOST_ROWS: Final = 5_000


class DailyFigures(Struct, frozen=True):
    """Which days; the last seven where none are named."""

    since: date | UnsetType = UNSET
    until: date | UnsetType = UNSET


async def daily_figures(kafka: Deps, caller: Caller, ask: DailyFigures) -> Page[Figure]:
    """Return the figures of at most a year, newest day first; `Unreadable` where the days make no sense."""
    await kafka.auth.validate_admin(caller.token)
    until = utc_now().date() if ask.until is UNSET else ask.until
    since = max(until.toordinal() - 6, 1) if ask.since is UNSET else ask.since.toordinal()
    if not 0 <= until.toordinal() - since <= _MOST_DAYS:
        raise Unreadable("`since` is not after `until`, and at most a year before it.", slug="bad-days")
    first = date.min + timedelta(days=since - 1)
    return Page(await store.daily_figures(kafka.database, first, until, limit=_MOST_ROWS))
