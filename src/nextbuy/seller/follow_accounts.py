"""Subscription: close the shops of suspended accounts, and open them again when the account is reinstated."""

from collections.abc import Sequence

from nextbuy.contracts.auth import AccountReinstated, AccountSuspended
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction
from nextbuy.seller.account_statuses import AccountStatus, apply_statuses
from nextbuy.seller.deps import Deps


async def follow_accounts(_deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Apply the statuses that a batch of events reports."""
    await apply_statuses(
        tx,
        [
            AccountStatus(
                account_id=event.event.account_id,
                status="suspended" if isinstance(event.event, AccountSuspended) else "active",
                reason=event.event.reason,
                position=event.position,
                cause=event,
            )
            for event in events
            if isinstance(event.event, AccountSuspended | AccountReinstated)
        ],
    )
