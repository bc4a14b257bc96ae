"""Job: notify the owners of accounts whose logins are slowed down after wrong passwords, at most once a day.

A login does not do this itself: it would take longer for an e-mail with an account.
"""

from datetime import timedelta
from typing import Final

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.contracts.auth import LoginsSlowed
from nextbuy.kit.events.outbox import publish

_INTERVAL: Final = timedelta(days=1)
"""Between two notifications of one owner."""
_BATCH: Final = 100
"""Accounts per transaction; more wait for the next run."""


async def warn_owners(deps: Deps) -> None:
    """Publish an event for each account whose owner is to be notified."""
    async with deps.database.transaction() as tx:
        for account_id in await store.warn_owners(tx, at=deps.clock(), interval=_INTERVAL, limit=_BATCH):
            await publish(tx, LoginsSlowed(account_id=account_id))
