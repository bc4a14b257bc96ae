"""GET /order/api/verify-history: are sessions and orders what the event log tells of them?

A page goes over sessions in the order of their ids, those in the table and those that only the log knows. It builds
each again from its events and names every field that is not as it is stored. All is read as of one moment, so it may be
asked while the shop sells.
"""

from typing import Annotated, Final, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.values import PAGE_LIMIT, Cursor
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.order.deps import Deps
from nextbuy.order.history import SessionProjection, fold
from nextbuy.order.store import session_projection as lives

_LONGEST: Final = 300


class HistoryAsk(Struct, frozen=True):
    """How many sessions, and behind which."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_LIMIT)] = PAGE_LIMIT
    cursor: Cursor | UnsetType = UNSET


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that is stored otherwise than it was told, both as JSON; null where that side has nothing at all."""

    session_id: UUID
    what: str
    stored: str | None
    told: str | None


class HistoryVerified(Struct, frozen=True, kw_only=True):
    """How many sessions were built again, how many could not be because they are older than their log, what differs."""

    verified: int
    older: int
    items: list[Difference]
    next_cursor: str | None


async def verify_history(deps: Deps, caller: Caller, request: HistoryAsk) -> HistoryVerified:
    """Build a page of sessions again from the log, and compare.

    Raises:
        Conflict: the page has too many events (`too-many-events`).
    """
    await deps.auth.validate_user(caller.token)
    last = lives.FIRST if request.cursor is UNSET else decode_cursor(request.cursor, UUID)[0]
    async with deps.database.transaction() as tx:
        await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        ids = await lives.session_ids(tx, last, limit=request.limit)
        older = await lives.begun_before(tx, ids)
        whole = [session_id for session_id in ids if session_id not in older]
        stored = await lives.stored_lives(tx, whole)
        told = await lives.told_events(tx, whole)
    items = [
        difference
        for session_id in whole
        for difference in _differences(session_id, stored.get(session_id), fold(told.get(session_id, [])))
    ]
    more = len(ids) == request.limit
    return HistoryVerified(
        verified=len(whole), older=len(older), items=items, next_cursor=encode_cursor(ids[-1]) if more else None
    )


def _differences(
    session_id: UUID, stored: SessionProjection | None, told: SessionProjection | None
) -> list[Difference]:
    if stored is None or told is None:
        have, should = _whole(stored), _whole(told)
    else:
        have, should = _parts(stored), _parts(told)
    return [
        Difference(session_id=session_id, what=what, stored=_text(have.get(what)), told=_text(should.get(what)))
        for what in sorted(have.keys() | should.keys())
        if have.get(what) != should.get(what)
    ]


def _whole(life: SessionProjection | None) -> dict[str, object]:
    return {"session": None if life is None else life.status}


def _parts(life: SessionProjection) -> dict[str, object]:
    """Return all that a life says, each thing by its name; each order and payment has names of its own."""
    parts: dict[str, object] = msgspec.to_builtins(life, str_keys=True)
    for name, one in (("orders", "order"), ("others", "other payment")):
        for key, said in cast("dict[str, dict[str, object]]", parts.pop(name)).items():
            parts |= {f"{one} {key}: {field}": value for field, value in said.items()}
    return parts


def _text(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()[:_LONGEST]
