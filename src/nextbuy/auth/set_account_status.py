"""Answers `SetAccountStatus`: an account is suspended, or taken back.

With a suspension all its sessions end, and the event goes out, in one transaction. The same again changes nothing and
tells nobody.
"""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import AccountNotFound
from nextbuy.contracts.auth import Account, AccountReinstated, AccountSuspended, SetAccountStatus
from nextbuy.kit.events.outbox import publish


async def set_account_status(deps: Deps, call: SetAccountStatus) -> Account:
    """Give an account the status that the call says."""
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
