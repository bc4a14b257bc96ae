"""Compare what was written with what arrived. Pure, so that tests can plant each kind of violation."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

_SHOWN = 3


class EventRef(NamedTuple):
    """One event: topic, key and id."""

    topic: str
    key: str
    id: UUID


def exactly_once(what: str, wanted: Iterable[Hashable], found: Iterable[Hashable]) -> list[str]:
    """Return one sentence each for lost, doubled and unknown items among the found."""
    due, there = Counter(iter(wanted)), Counter(iter(found))
    lost, more = list((due - there).elements()), there - due
    doubled = [one for one in more if one in due]
    strange = [one for one in more if one not in due]
    return [
        f"{len(ones)} {what} {kind}, like {ones[:_SHOWN]}"
        for kind, ones in (("lost", lost), ("doubled", doubled), ("unknown", strange))
        if ones
    ]


def in_order(what: str, written: Sequence[EventRef], arrived: Sequence[EventRef]) -> list[str]:
    """Return the keys whose events first arrived in another order than they were written."""
    was_written, has_arrived = _by_key(written), _by_key(dict.fromkeys(arrived))
    broken = [
        where for where, ids in has_arrived.items() if ids != [one for one in was_written[where] if one in set(ids)]
    ]
    return [f"{len(broken)} keys of {what} out of order, like {broken[:_SHOWN]}"] if broken else []


def one_after_another(what: str, written: Sequence[EventRef], applied: dict[UUID, float]) -> list[str]:
    """Return the keys whose events were applied out of order; `applied` maps event id to time."""
    broken = [
        where
        for where, ids in _by_key(written).items()
        if (moments := [applied[one] for one in ids if one in applied]) != sorted(moments)
    ]
    return [f"{len(broken)} keys of {what} applied out of order, like {broken[:_SHOWN]}"] if broken else []


def _by_key(events: Iterable[EventRef]) -> dict[tuple[str, str], list[UUID]]:
    found: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for event in events:
        found[event.topic, event.key].append(event.id)
    return found
