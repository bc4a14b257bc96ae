"""Call SetAccountStatus: suspend or reinstate an account.

A suspension ends all login sessions and publishes its event in one transaction. A repeated call changes nothing. An
active admin always remains: suspensions wait for each other at the rows of all admins.
"""

from msgspec.structs import asdict

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import AccountNotFound, check_suspension
from nextbuy.contracts.auth import AccountReinstated, AccountSuspended, ChangedAccount, SetAccountStatus
from nextbuy.kit.audit_log import record
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.storage.database import Transaction


async def set_account_status(deps: Deps, call: SetAccountStatus) -> ChangedAccount:
    """Suspend or reinstate an account, and return it.

    Raises:
        AccountNotFound: the account does not exist.
        Conflict: an admin suspends themselves (`own-account`) or the last active admin (`last-admin`).
    """
    async with deps.database.transaction() as tx:
        if call.status == "suspended":
            check_suspension(call.account_id, by=call.by, admins=await store.lock_admins(tx))
        changed = await store.set_status(tx, call.account_id, call.status)
        account = changed or await store.account_by_id(tx, call.account_id)
        if account is None:
            raise AccountNotFound
        if changed is not None and call.status == "suspended":
            await store.end_all_sessions(tx, changed.id, reason="suspended", at=deps.clock())
            await publish(tx, AccountSuspended(account_id=changed.id, reason=call.reason, by=call.by))
            await _record(tx, call, "suspend-account", before="active")
        elif changed is not None:
            await publish(tx, AccountReinstated(account_id=changed.id, reason=call.reason, by=call.by))
            await _record(tx, call, "reinstate-account", before="suspended")
        position = await store.status_position(tx, account.id)
    return ChangedAccount(**asdict(account), position=position)


async def _record(tx: Transaction, call: SetAccountStatus, action: str, *, before: str) -> None:
    await record(tx, str(call.by), action, str(call.account_id), before=before, after=call.status, reason=call.reason)
