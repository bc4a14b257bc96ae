"""Checks of replies: helpers that compare a reply with its call.

A client method passes its check to `send` with the call. A reply that fails is refused as `bad-answer`, counts as a
failure of the callee, and is logged with the field and the value. Bounds of single fields are in the types.
"""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from nextbuy.contracts.message import Envelope, EventsRead, ReplyMismatch
from nextbuy.contracts.values import Page

_decode_envelope = msgspec.json.Decoder(Envelope).decode


def require(condition: bool, field: str, value: object) -> None:  # noqa: FBT001  reads as an assertion
    """Raise ReplyMismatch for a field, unless the condition holds."""
    if not condition:
        raise ReplyMismatch(field, value)


def require_equal(field: str, value: object, expected: object) -> None:
    """Check that a field has the value that the call requires."""
    require(value == expected, field, value)


def require_distinct(field: str, values: Iterable[Hashable]) -> None:
    """Check that no value occurs twice; `field` has `{}` for the index."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        require(value not in seen, field.format(index), value)
        seen.add(value)


def require_subset(field: str, values: Iterable[Hashable], allowed: Iterable[Hashable]) -> None:
    """Check that each value is allowed and occurs once; `field` has `{}` for the index."""
    remaining = set(allowed)
    for index, value in enumerate(values):
        require(value in remaining, field.format(index), value)
        remaining.remove(value)


def require_each(field: str, found: Sequence[UUID], missing: Sequence[UUID], requested: Iterable[UUID]) -> None:
    """Check that each requested id is either found or missing, once, and that there are no others."""
    wanted = set(requested)
    require_subset(field, found, wanted)
    require_subset("missing[{}]", missing, wanted - set(found))
    omitted = wanted - set(found) - set(missing)
    require(not omitted, "missing", sorted(omitted))


def require_ascending(field: str, positions: Iterable[int], after: int) -> None:
    """Check that positions rise from above `after`; `field` has `{}` for the index."""
    for index, position in enumerate(positions):
        require(position > after, field.format(index), position)
        after = position


def require_in_order(field: str, times: Iterable[datetime]) -> None:
    """Check that no time is before the one that precedes it; `field` has `{}` for the index."""
    for index, (earlier, later) in enumerate(pairwise(times), 1):
        require(later >= earlier, field.format(index), later)


def require_page(page: Page[Any], *, limit: int, cursor: str | None) -> None:
    """Check that a page has at most `limit` items, and that its next cursor is not its own."""
    require(len(page.items) <= limit, "items", len(page.items))
    require(page.next_cursor is None or page.next_cursor != cursor, "next_cursor", page.next_cursor)


def require_events(
    read: EventsRead, *, service: str, after: int, limit: int, topics: Sequence[str] | None = None
) -> None:
    """Check that a part of an event log has the requested events of its service, in order."""
    require(len(read.events) <= limit, "events", len(read.events))
    require_ascending("events[{}].position", (event.position for event in read.events), after)
    require_distinct("events[{}].envelope.id", (event.envelope.id for event in read.events))
    for index, event in enumerate(read.events):
        require_equal(f"events[{index}].envelope.source", event.envelope.source, service)
        if topics is not None:
            require(event.envelope.type in topics, f"events[{index}].envelope.type", event.envelope.type)


def decoded_envelope(field: str, envelope: Raw) -> Envelope:
    """Return a decoded envelope; raise ReplyMismatch if it is invalid."""
    try:
        return _decode_envelope(envelope)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ReplyMismatch(field, bytes(envelope)[:200]) from None
