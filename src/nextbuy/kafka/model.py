"""What the kafka service's acts have in common, and what an event counts for."""

from collections.abc import Iterable
from datetime import date
from typing import Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import ProductAddedToBasket, ProductViewed
from nextbuy.contracts.values import Amount, Notification, Timestamp


class Figure(Struct, frozen=True):
    """How often something happened on a day, in one shop or (null) where no shop is named; amounts in minor units.

    `units` are what an order sold, or how often a product was seen or put into baskets: such an event is a sum already.
    """

    day: date
    topic: str
    shop_id: UUID | None
    events: int
    units: int
    amount: Amount


class OfDeadLetter(Struct, frozen=True):
    """Which dead letter."""

    id: UUID


class NotificationPage(Struct, frozen=True):
    """A page of an account's notifications, and the number of all unread ones, at most 1,000."""

    items: list[Notification]
    next_cursor: str | None
    unread: int


MailStatus = Literal["waiting", "sent", "stored", "failed"]
"""`stored`: no mail server is configured."""


class Mail(Struct, frozen=True, kw_only=True):
    """A mail and its delivery; `recipient` is empty before the first attempt."""

    id: UUID
    account_id: UUID
    kind: str
    recipient: str
    subject: str
    status: MailStatus
    reason: str
    attempts: int
    created_at: Timestamp
    done_at: Timestamp | None


class MailWithBody(Mail, frozen=True, kw_only=True):
    """A mail with its body."""

    body: str


def figures(events: Iterable[tuple[Event, Envelope]]) -> list[Figure]:
    """Add events up, by day (UTC), topic and shop."""
    sums: dict[tuple[date, str, UUID | None], list[int]] = {}
    for event, envelope in events:
        key = (envelope.time.date(), event.topic, getattr(event, "shop_id", None))
        counted = sums.setdefault(key, [0, 0, 0])
        counted[0] += 1
        if isinstance(event, OrderCreated):
            counted[1] += sum(line.quantity for line in event.lines)
            counted[2] += event.total.amount
        elif isinstance(event, ProductViewed):
            counted[1] += event.views
        elif isinstance(event, ProductAddedToBasket):
            counted[1] += event.times
    return [Figure(*key, *counted) for key, counted in sums.items()]
