"""Job: purge notifications that are older than 90 days."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.store import PURGE
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge


async def purge_notifications(deps: Deps) -> None:
    """Purge old notifications, with their read marks."""
    await purge(deps.database, PURGE, FIRST_MOMENT)
