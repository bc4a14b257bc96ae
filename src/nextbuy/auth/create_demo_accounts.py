"""The accounts of the demo market, created at the first start: their e-mail addresses are confirmed.

They have no mailbox, so the public API could not confirm them.
"""

from collections.abc import Sequence

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.contracts.auth import Account, AccountRegistered
from nextbuy.kit.events.outbox import publish


async def create_demo_accounts(deps: Deps, accounts: Sequence[Account], password: str) -> None:
    """Create the accounts that do not exist yet, all with one password."""
    password_hash, now = await deps.passwords.hash(password), deps.clock()
    async with deps.database.transaction() as tx:
        for account in accounts:
            if await store.insert_account(tx, account, password_hash=password_hash, at=now):
                await publish(tx, AccountRegistered(account_id=account.id, role=account.role))
