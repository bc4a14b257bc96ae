"""The summary above a story: its state, its ids, missing events, failures and waits."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from nextbuy.cli.story_rows import StoryRow, clock_time, duration, is_published, plain, rows_of
from nextbuy.cli.story_waits import MIN_WAIT, attempts_of, waits
from nextbuy.kit.observability.interaction import REJECTED, Interaction
from nextbuy.kit.service_context import Destination

_KINDS: Final = ("number", "order", "session", "payment", "account", "product", "shop")
_SHARED: Final = ("account", "product", "shop")
"""Kinds of ids that many purchases have in common."""
_LABEL: Final = 10
"""Characters of a label, with the space after it."""
_MAX_IDS: Final = 5
_MAX_LINES: Final = 10
"""Failures, waits or missing events that the summary names."""
_MAX_REASON: Final = 100
"""Characters of a failure in the summary; its row has the whole text."""
_STATES: Final = {
    "payment.unmatched": "unmatched payment",
    "payment.unmatched-given-up": "unmatched payment, given up",
    "payment.unmatched-refunded": "unmatched payment, refunded",
    "payment-session.created": "open",
    "payment-session.opened": "open",
    "payment-session.not-opened": "not opened",
    "payment.declined": "declined",
    "payment.failed": "payment failed",
    "payment-session.expired": "expired, not paid",
    "payment-session.cancelled": "cancelled, not paid",
    "payment.received": "payment received",
    "payment.refund-due": "refund due",
    "create-orders": "paid",
    "payment-session.paid": "paid",
    "order.created": "paid",
    "order.paid": "paid",
    "payment.given-up": "given up",
    "refund": "refunded",
    "payment.refunded": "refunded",
    "order.refunded": "refunded",
}
"""The state that each event and step of a purchase reports, in the order in which a purchase can reach them."""
_PAYMENT_WEBHOOK: Final = "/payment-webhook"
_UNKNOWN: Final = "unknown, no event of it is stored"
_OPEN: Final = "open"
_UNFINISHED: Final = frozenset({_OPEN, "payment received", "refund due", _UNKNOWN})


class StoryContext(Struct, frozen=True):
    """The facts that a summary needs besides the story."""

    wanted: str
    """The id that was looked up."""
    now: float
    """Seconds since the epoch."""
    destinations: Sequence[Destination] = ()
    purchases: Sequence[Sequence[Interaction]] = ()
    """The stories of the latest purchases that a shared id is part of."""
    more_purchases: int = 0


def is_shared(story: Sequence[Interaction], wanted: str) -> bool:
    """Return whether an id is that of an account, a product or a shop, which many purchases have in common."""
    return any(wanted in _ids(story, kind) for kind in _SHARED)


def summary(story: Sequence[Interaction], context: StoryContext) -> Iterator[str]:
    """Yield the lines of the summary."""
    rows = rows_of(story)
    shared = is_shared(story, context.wanted)
    last = max(row.ended for row in rows)
    state = "" if shared else _state(story)
    if state:
        yield f"{'State:':<{_LABEL}}{_with_orders(state, story)}"
        if state == _OPEN and _last_webhook_failed(rows):
            yield f"{'':<{_LABEL}}The provider reported a payment, but its webhook failed."
    for kind in _KINDS:
        found = _ids(story, kind)
        if shared:
            found = [one for one in found if one == context.wanted]
        if found:
            more = f" and {len(found) - _MAX_IDS} more" if len(found) > _MAX_IDS else ""
            yield f"{kind.capitalize() + ':':<{_LABEL}}{plain(', '.join(found[:_MAX_IDS]))}{more}"
    first = story[0].at
    count = f"{len(rows)} interaction{'' if len(rows) == 1 else 's'}"
    began = datetime.fromtimestamp(first, UTC)
    yield f"{'Began:':<{_LABEL}}{began:%Y-%m-%d %H:%M:%S} UTC; {count} in {duration(last - first)}"
    if state in _UNFINISHED:
        yield f"Since then: nothing for {duration(context.now - last)}"
    if context.purchases:
        yield from _labelled("Purchases:", _purchases(context))
    events = dict.fromkeys(plain(one.name) for one in story if one.kind in {"publish", "consume"})
    if events:
        yield f"{'Events:':<{_LABEL}}{', '.join(events)}"
    missing = _limited(_missing(story, context, shared=shared))
    yield from _labelled("Missing:", missing)
    none = "none in the interactions below; a purchase has its own" if context.purchases else "none"
    yield from _labelled("Failures:", _limited(_failures(rows)) or [none])
    if not shared:
        yet = " so far" if missing or state in _UNFINISHED else ""
        yield from _labelled("Waited:", _limited(waits(rows)) or [f"never for more than {MIN_WAIT:g} s{yet}"])


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    width = max(_LABEL, len(label) + 1)
    for index, line in enumerate(lines):
        yield f"{'' if index else label:<{width}}{line}"


def _limited(lines: Iterator[str]) -> list[str]:
    found = list(lines)
    more = len(found) - _MAX_LINES
    return [*found[:_MAX_LINES], f"and {more} more"] if more > 0 else found


def _ids(story: Sequence[Interaction], kind: str) -> list[str]:
    return list(dict.fromkeys(some for one in story if not one.is_untrusted for some in one.ids.get(kind, ())))


def _state(story: Sequence[Interaction]) -> str:
    names = {one.name for one in story if one.kind in {"publish", "consume", "step"}}
    state = next((_STATES[name] for name in reversed(_STATES) if name in names), "")
    return state or (_UNKNOWN if _ids(story, "session") else "")


def _last_webhook_failed(rows: Sequence[StoryRow]) -> bool:
    webhooks = [row for row in rows if row.name.endswith(_PAYMENT_WEBHOOK)]
    return bool(webhooks) and bool(webhooks[-1].failure)


def _with_orders(state: str, story: Sequence[Interaction]) -> str:
    orders = len(_ids(story, "order"))
    return f"{state}, {orders} order{'' if orders == 1 else 's'}" if state == "paid" and orders else state


def _purchases(context: StoryContext) -> list[str]:
    lines = []
    for story in context.purchases:
        names = _ids(story, "number") or _ids(story, "session")
        lines.append(f"{plain(', '.join(names[:_MAX_IDS]))}: {_with_orders(_state(story), story)}")
    if context.more_purchases:
        lines.append(f"and {context.more_purchases} earlier")
    return [*lines, "For one of them: nextbuy trace NB-… (or the id of its session)"]


def _missing(story: Sequence[Interaction], context: StoryContext, *, shared: bool) -> Iterator[str]:
    """Yield, for each destination and time, the events that it has not received.

    The story of a shared id has lines of single events of purchases, so that only events published in it count.
    """
    events: dict[str, Interaction] = {}
    unpublished: dict[str, Interaction] = {}
    reached: set[tuple[str, str]] = set()
    for one in story:
        if one.kind not in {"publish", "consume"}:
            continue
        for event_id in one.ids.get("event", ()):
            if one.kind == "publish" and not is_published(one):
                unpublished.setdefault(event_id, one)
            elif not shared or one.kind == "publish":
                events.setdefault(event_id, one)
            if one.kind == "consume" and one.outcome != "retry":
                reached.add((event_id, one.callee))
    yield from _not_published(unpublished.keys() - events.keys(), unpublished, context.now)
    for destination in context.destinations:
        waiting = [
            one
            for event_id, one in events.items()
            if one.name in destination.topics and (event_id, destination.name) not in reached
        ]
        if waiting:
            names = ", ".join(dict.fromkeys(plain(one.name) for one in waiting))
            ago = duration(context.now - min(one.at for one in waiting))
            verb = "has" if len(waiting) == 1 else "have"
            yield f"{names} {verb} not reached {destination.name} (published {ago} ago)"


def _not_published(event_ids: Collection[str], events: Mapping[str, Interaction], now: float) -> Iterator[str]:
    for event_id, one in events.items():
        if event_id in event_ids:
            state = "was rejected by the bus and is parked" if one.outcome == REJECTED else "is not published yet"
            yield f"{plain(one.name)} {state} (first attempt {duration(now - one.at)} ago)"


def _failures(rows: Sequence[StoryRow]) -> Iterator[str]:
    """Yield one line per distinct failure, with its number of attempts, and leave out the rows that only pass it on."""
    groups: dict[tuple[str, str, str], list[StoryRow]] = {}
    for row in rows:
        if row.failure and not row.has_cause:
            groups.setdefault((row.participants, row.name, row.failure), []).append(row)
    repaired = {
        id(row) for attempts in attempts_of(rows) if not attempts[-1].failure for row in attempts if row.failure
    }
    for (ends, name, failure), group in groups.items():
        what = name.removeprefix("event ") if is_published(group[0].interaction) else f"{ends} {name}"
        times = f", {len(group)} times" if len(group) > 1 else ""
        short = failure if len(failure) <= _MAX_REASON else f"{failure[: _MAX_REASON - 1].rstrip()}…"
        then = " (a later attempt succeeded)" if all(id(row) in repaired for row in group) else ""
        yield f"{_time_range(group[0].began, group[-1].began)} {what}{times}: {short}{then}"


def _time_range(first: float, last: float) -> str:
    begin, end = clock_time(first), clock_time(last)
    if begin == end:
        return begin
    return f"{begin[:10]} to {end[6:10] if begin[:6] == end[:6] else end[:10]}"
