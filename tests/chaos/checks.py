"""Checks of everything that was published; each returns one sentence per kind of violation."""

import json
from collections import Counter
from typing import Final

from nextbuy.contracts.operator import OPERATOR_EVENTS
from nextbuy.host.composition import SERVICES
from nextbuy.kit.service import Subscription
from tests.chaos.observations import NotificationRef, Observations
from tests.chaos.reconciliation import exactly_once, in_order, one_after_another

SUBSCRIPTIONS: Final = tuple(one for hosted in SERVICES.values() for one in hosted.service.subscriptions)
"""Inbox rows are written with their effect: exactly one row per subscription and event."""
_FOR_ADMINS: Final = {"order.created": "order-created", "seller.registered": "seller-registered"}
"""By topic: the kind of notification that admins get."""
_OF_AN_ORDER: Final = {"order-placed": "buyer_id", "order-received": "seller_id"}
"""By kind: the account of an order that is notified and mailed."""
_COUNTED: Final = {
    "best sellers": "units and cents",
    "product views": "units and cents",
    "sold": "units",
    "seller figures": "orders and cents",
}
"""By projection: the count that it must equal."""


def every_order_is_in_the_log(found: Observations) -> list[str]:
    """Check for one `order.created` and one `order.paid` per order."""
    orders = [str(order["id"]) for order in found.snapshot.orders]
    return [
        problem
        for topic in ("order.created", "order.paid")
        for problem in exactly_once(topic, orders, [event.key for event in found.of(topic)])
    ]


def the_log_is_on_the_bus(found: Observations) -> list[str]:
    """Check that every event is on the bus, in log order per key; duplicates are allowed."""
    return [
        *exactly_once("events", found.written, set(found.arrived)),
        *in_order("the bus", found.written, found.arrived),
        *([f"{found.waiting} events wait in outboxes"] if found.waiting else []),
    ]


def admins_were_notified(found: Observations) -> list[str]:
    """Check for one admin notification per event."""
    return [
        problem
        for topic, kind in _FOR_ADMINS.items()
        for problem in exactly_once(
            f"notifications {kind}",
            [event.id for event in found.of(topic)],
            [note["source_event_id"] for note in found.snapshot.notifications if note["kind"] == kind],
        )
    ]


def buyers_and_sellers_were_notified(found: Observations) -> list[str]:
    """Check for one notification and one mail to the buyer and the seller of each order."""
    created = {event.key: event.id for event in found.of("order.created")}
    wanted = [
        NotificationRef(created[str(order["id"])], order[account], kind)
        for order in found.snapshot.orders
        for kind, account in _OF_AN_ORDER.items()
    ]
    return [
        problem
        for what, sent in (("notifications", found.notified), ("mails", found.mailed))
        for problem in exactly_once(what, wanted, [one for one in sent if one.kind in _OF_AN_ORDER])
    ]


def inbox_name(subscription: Subscription) -> str:
    """Return the inbox of a subscription; a projection that was never rebuilt has that of its first generation."""
    return subscription.name if subscription.inboxes is None else f"{subscription.name.removeprefix('project-')}/1"


def each_event_is_applied(found: Observations, subscription: Subscription) -> list[str]:
    """Check that a subscription applied every event once."""
    written = found.of(*(event.topic for event in subscription.events))
    return exactly_once(
        f"events for {subscription.name}", [event.id for event in written], found.inbox[inbox_name(subscription)]
    )


def all_is_applied(found: Observations, subscription: Subscription) -> list[str]:
    """Check that a subscription applied every event once, in log order per key."""
    written = found.of(*(event.topic for event in subscription.events))
    return [
        *each_event_is_applied(found, subscription),
        *one_after_another(subscription.name, written, found.inbox[inbox_name(subscription)]),
    ]


def projections_are_right(found: Observations) -> list[str]:
    """Compare the projections with the sums of events, units and cents."""
    counted = {row["topic"]: (row["events"], row["units"], row["amount"]) for row in found.figures}
    paid = [session for session in found.snapshot.sessions if session["status"] == "paid"]
    units = sum(line["quantity"] for session in paid for line in json.loads(session["lines"]))
    cents = sum(session["total"] for session in paid)
    operators = {event.topic for event in OPERATOR_EVENTS}
    topics = Counter(event.topic for event in found.written if event.topic not in operators)
    right = {topic: (times, 0, 0) for topic, times in topics.items()}
    right["order.created"] = (right["order.created"][0], units, cents)
    wrong = {topic for topic in {*right, *counted} if right.get(topic) != counted.get(topic)}
    return [
        *(f"figures of {topic}: {counted.get(topic)} instead of {right.get(topic)}" for topic in sorted(wrong)),
        *(f"{name} are wrong" for name, of in _COUNTED.items() if found.counts[name] != found.counts[of]),
    ]


def events_and_rows_agree(found: Observations) -> list[str]:
    """Check that stored sessions and orders equal their projection from events."""
    return [f"{one['field']} of session {one['session_id']}: {one['stored']}" for one in found.differences]


def there_are_no_dead_letters(found: Observations) -> list[str]:
    """Check that there are no dead letters."""
    return [f"a dead letter of {letter['topic']}: {letter['reason']}" for letter in found.dead_letters]


def comparisons_found_nothing(found: Observations) -> list[str]:
    """Check that no event was reported as lost: the bus stores what it has accepted."""
    return [f"{one['kind']}: {one['events']} events of {one['topic']} at {one['service']}" for one in found.findings]


def all_violations(found: Observations) -> list[str]:
    """Return the violations of all checks."""
    return [
        *every_order_is_in_the_log(found),
        *the_log_is_on_the_bus(found),
        *admins_were_notified(found),
        *buyers_and_sellers_were_notified(found),
        *(problem for subscription in SUBSCRIPTIONS for problem in all_is_applied(found, subscription)),
        *projections_are_right(found),
        *events_and_rows_agree(found),
        *there_are_no_dead_letters(found),
        *comparisons_found_nothing(found),
    ]
