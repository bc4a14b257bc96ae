"""A job: mails that are ninety days old are dropped, some at once."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.store import mails


async def purge_mails(deps: Deps) -> bool:
    """Drop them; return whether there may be more."""
    return await mails.drop_old(deps.database)
