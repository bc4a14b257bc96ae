"""The suspension of a seller's account, which closes an approved shop until the account is reinstated.

It is independent of the decisions about the shop: reinstating the account does not end a suspension of the shop, and
approving the shop does not end one of the account. Statuses are ordered by their positions in auth's event log, so that
late and repeated ones change nothing.
"""

from collections.abc import Iterable
from typing import Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.storage.database import Transaction
from nextbuy.seller import store
from nextbuy.seller.model import status_event


class AccountStatus(Struct, frozen=True):
    """The status of an account at a position in auth's event log; `cause` is the event that reported it."""

    account_id: UUID
    status: Literal["active", "suspended"]
    reason: str
    position: int
    cause: InboundEvent | None = None


async def apply_statuses(tx: Transaction, statuses: Iterable[AccountStatus]) -> None:
    """Store the latest status of each account, and publish which shops closed or opened again."""
    latest = {one.account_id: one for one in sorted(statuses, key=lambda one: one.position)}
    for status in sorted(latest.values(), key=lambda one: one.account_id):
        suspended = status.status == "suspended"
        if not await store.store_account_status(tx, status.account_id, suspended=suspended, position=status.position):
            continue
        changed = await store.set_account_suspended(tx, status.account_id, suspended=suspended)
        if changed is not None:
            await publish(tx, status_event(changed, status.reason), cause=status.cause)
