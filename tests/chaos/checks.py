"""What must hold of everything that was published: each returns what is wrong, a sentence for each kind."""

import json
from collections import Counter
from typing import Final

from nextbuy.kafka.service import SERVICE
from nextbuy.kit.service import Listening
from tests.chaos.findings import Findings, Told
from tests.chaos.reconciliation import each_once, in_order, one_after_another

LISTENINGS: Final = tuple(listening for listening in SERVICE.listens if listening.way == "batch")
"""Those whose inbox rows are written with their effect: exactly one for each event."""
_FOR_ADMINS: Final = {"order.created": "order-created", "seller.registered": "seller-registered"}
"""By topic: the notification that the admins get of each event."""
_OF_AN_ORDER: Final = {"order-placed": "buyer_id", "order-received": "seller_id"}
"""By kind: which account of an order is told and mailed it."""
_COUNTED: Final = {
    "best sellers": "units and cents",
    "product views": "units and cents",
    "sold": "units",
    "seller figures": "orders and cents",
}
"""By figures: the count that they must come to."""


def every_order_is_in_the_log(found: Findings) -> list[str]:
    """Look for one `order.created` and one `order.paid` of each order."""
    orders = [str(order["id"]) for order in found.books.orders]
    return [
        problem
        for topic in ("order.created", "order.paid")
        for problem in each_once(topic, orders, [event.key for event in found.of(topic)])
    ]


def the_log_is_on_the_bus(found: Findings) -> list[str]:
    """Look for every event on the bus, each key's in the order in which they were written; some may be there twice."""
    return [
        *each_once("events", found.written, set(found.arrived)),
        *in_order("the bus", found.written, found.arrived),
        *([f"{found.waiting} events wait in outboxes"] if found.waiting else []),
    ]


def admins_were_notified(found: Findings) -> list[str]:
    """Look for one notification of each event that admins should know of."""
    return [
        problem
        for topic, kind in _FOR_ADMINS.items()
        for problem in each_once(
            f"notifications {kind}",
            [event.id for event in found.of(topic)],
            [note["source_event_id"] for note in found.books.notifications if note["kind"] == kind],
        )
    ]


def buyers_and_sellers_were_told(found: Findings) -> list[str]:
    """Look for one notification, and one mail, to the buyer and to the seller of each order."""
    created = {event.key: event.id for event in found.of("order.created")}
    wanted = [
        Told(created[str(order["id"])], order[account], kind)
        for order in found.books.orders
        for kind, account in _OF_AN_ORDER.items()
    ]
    return [
        problem
        for what, told in (("notifications", found.told), ("mails", found.mailed))
        for problem in each_once(what, wanted, [one for one in told if one.kind in _OF_AN_ORDER])
    ]


def all_is_applied(found: Findings, listening: Listening) -> list[str]:
    """Look for every event in the inbox of a handler, none before what was written before it about the same thing."""
    written = found.of(*(event.topic for event in listening.events))
    applied = found.inbox[listening.name]
    return [
        *each_once(f"events for {listening.name}", [event.id for event in written], applied),
        *one_after_another(listening.name, written, applied),
    ]


def the_figures_are_right(found: Findings) -> list[str]:
    """Count every event, unit and cent, and hold the figures against it."""
    counted = {row["topic"]: (row["events"], row["units"], row["amount"]) for row in found.figures}
    paid = [session for session in found.books.sessions if session["status"] == "paid"]
    units = sum(line["quantity"] for session in paid for line in json.loads(session["lines"]))
    cents = sum(session["total"] for session in paid)
    right = {topic: (times, 0, 0) for topic, times in Counter(event.topic for event in found.written).items()}
    right["order.created"] = (right["order.created"][0], units, cents)
    wrong = {topic for topic in {*right, *counted} if right.get(topic) != counted.get(topic)}
    return [
        *(f"figures of {topic}: {counted.get(topic)} instead of {right.get(topic)}" for topic in sorted(wrong)),
        *(f"{name} are wrong" for name, of in _COUNTED.items() if found.counts[name] != found.counts[of]),
    ]


def events_tell_what_is_stored(found: Findings) -> list[str]:
    """Look for sessions and orders that are stored otherwise than they are told."""
    return [f"{one['what']} of session {one['session_id']}: {one['stored']}" for one in found.differences]


def nothing_was_buried(found: Findings) -> list[str]:
    """Look for dead letters."""
    return [f"a dead letter of {letter['topic']}: {letter['reason']}" for letter in found.dead_letters]


def all_wrongs(found: Findings) -> list[str]:
    """Return everything that is wrong."""
    return [
        *every_order_is_in_the_log(found),
        *the_log_is_on_the_bus(found),
        *admins_were_notified(found),
        *buyers_and_sellers_were_told(found),
        *(problem for listening in LISTENINGS for problem in all_is_applied(found, listening)),
        *the_figures_are_right(found),
        *events_tell_what_is_stored(found),
        *nothing_was_buried(found),
    ]
