"""A job: mails that are ninety days old are dropped, some at once."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.store import mails


async def drop_old_mails(kafka: Deps) -> bool:
    """Drop them; return whether there may be more."""
    return await mails.drop_old(kafka.database)
