"""Job: purge mails that are older than 90 days."""

from nextbuy.kit.storage.retention import FIRST_MOMENT, purge
from nextbuy.notification.deps import Deps
from nextbuy.notification.store.mails import PURGE


async def purge_mails(deps: Deps) -> None:
    """Purge old mails in any status; a mail that could not be sent within 90 days is of no use to its reader."""
    await purge(deps.database, PURGE, FIRST_MOMENT)
