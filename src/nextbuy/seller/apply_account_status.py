"""Call ApplyAccountStatus: close or open the shop of an account at once, before the event of its new status arrives."""

from nextbuy.contracts.seller import AccountStatusApplied, ApplyAccountStatus
from nextbuy.seller import store
from nextbuy.seller.account_statuses import AccountStatus, apply_statuses
from nextbuy.seller.deps import Deps


async def apply_account_status(deps: Deps, call: ApplyAccountStatus) -> AccountStatusApplied:
    """Apply the status of an account, unless a later one is stored, and return its shop."""
    async with deps.database.transaction() as tx:
        await apply_statuses(
            tx,
            [AccountStatus(account_id=call.account_id, status=call.status, reason=call.reason, position=call.position)],
        )
        return AccountStatusApplied(await store.get_by_seller(tx, call.account_id))
