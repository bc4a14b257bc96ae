"""Job: purge mails that are older than 90 days."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.store.mails import PURGE
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge


async def purge_mails(deps: Deps) -> None:
    """Purge old mails in any status."""
    await purge(deps.database, PURGE, FIRST_MOMENT)
