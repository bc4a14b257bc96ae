"""A job: what the provider has said is remembered for longer than it can say it again, and then forgotten.

A provider repeats a notice for days, and a person may send one again for 30 days; after 40 it is none of either. Should
one come all the same, the session's own state refuses it.
"""

from nextbuy.order.deps import Deps
from nextbuy.order.store import sessions


async def purge_webhook_events(deps: Deps) -> None:
    """Forget what is old."""
    await sessions.forget_seen(deps.database)
