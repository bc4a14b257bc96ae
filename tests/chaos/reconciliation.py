"""What was written held against what arrived of it: pure, so that each kind of wrong can be planted in it."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

_SHOWN = 3


class Said(NamedTuple):
    """One event: where it goes, what it is about, and which it is."""

    topic: str
    key: str
    id: UUID


def each_once(what: str, wanted: Iterable[Hashable], found: Iterable[Hashable]) -> list[str]:
    """Return what is lost, doubled or from nowhere among the found, a sentence for each kind."""
    due, there = Counter(iter(wanted)), Counter(iter(found))
    lost, more = list((due - there).elements()), there - due
    doubled = [one for one in more if one in due]
    strange = [one for one in more if one not in due]
    return [
        f"{len(ones)} {what} {kind}, like {ones[:_SHOWN]}"
        for kind, ones in (("lost", lost), ("doubled", doubled), ("from nowhere", strange))
        if ones
    ]


def in_order(what: str, written: Sequence[Said], arrived: Sequence[Said]) -> list[str]:
    """Return the keys of a topic whose events arrived for the first time in another order than they were written in."""
    was_written, has_arrived = _by_key(written), _by_key(dict.fromkeys(arrived))
    broken = [
        where for where, ids in has_arrived.items() if ids != [one for one in was_written[where] if one in set(ids)]
    ]
    return [f"{len(broken)} keys of {what} out of order, like {broken[:_SHOWN]}"] if broken else []


def one_after_another(what: str, written: Sequence[Said], applied: dict[UUID, float]) -> list[str]:
    """Return the keys of which something was applied before what was written before it; `applied` says when."""
    broken = [
        where
        for where, ids in _by_key(written).items()
        if (moments := [applied[one] for one in ids if one in applied]) != sorted(moments)
    ]
    return [f"{len(broken)} keys of {what} applied out of order, like {broken[:_SHOWN]}"] if broken else []


def _by_key(events: Iterable[Said]) -> dict[tuple[str, str], list[UUID]]:
    found: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for event in events:
        found[event.topic, event.key].append(event.id)
    return found
