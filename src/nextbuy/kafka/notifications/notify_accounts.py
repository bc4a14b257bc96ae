"""Events that a buyer or seller should know of become notifications, and the important ones mails.

Written in the inbox's transaction, so each is there once however often its event comes.
"""

from collections.abc import Sequence

from nextbuy.contracts.message import Envelope, Event
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.drafts import account_notices, letter_of
from nextbuy.kafka.store import notifications
from nextbuy.kit.storage.database import Transaction


async def notify_accounts(deps: Deps, tx: Transaction, events: Sequence[tuple[Event, Envelope]]) -> None:
    """Tell buyers and sellers of events, in the transaction that marks them as seen."""
    told = [
        (envelope, notice, letter_of(notice, deps.public_url) if notice.mailed else None)
        for event, envelope in events
        for notice in account_notices(event)
    ]
    if told:
        await notifications.keep(tx, told)
