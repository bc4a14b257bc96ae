"""Call SetAccountStatus: suspend or reinstate an account.

A suspension ends all login sessions and publishes its event in one transaction. A repeated call changes nothing.
"""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import AccountNotFound
from nextbuy.contracts.auth import Account, AccountReinstated, AccountSuspended, SetAccountStatus
from nextbuy.kit.events.outbox import publish


async def set_account_status(deps: Deps, call: SetAccountStatus) -> Account:
    """Suspend or reinstate an account, and return it."""
    async with deps.database.transaction() as tx:
        changed = await store.set_status(tx, call.account_id, call.status)
        if changed is None:
            account = await store.account_by_id(tx, call.account_id)
            if account is None:
                raise AccountNotFound
            return account
        if call.status == "suspended":
            await store.end_all_sessions(tx, changed.id, reason="suspended", at=deps.clock())
            await publish(tx, AccountSuspended(account_id=changed.id, reason=call.reason, by=call.by))
        else:
            await publish(tx, AccountReinstated(account_id=changed.id, reason=call.reason, by=call.by))
    return changed
