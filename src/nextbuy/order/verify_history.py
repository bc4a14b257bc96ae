"""GET /order/api/verify-history: compare stored sessions and orders with the event log.

A page covers sessions in the order of their ids, including sessions that only the log has. Each is rebuilt from its
events and compared field by field. A page is read in one snapshot, so that new checkouts cause no differences.
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
from nextbuy.order.store import session_projection

_MAX_JSON_LENGTH: Final = 300


class VerifyHistory(Struct, frozen=True):
    """A request to verify a page of sessions."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_LIMIT)] = PAGE_LIMIT
    cursor: Cursor | UnsetType = UNSET


class Difference(Struct, frozen=True, kw_only=True):
    """A field whose stored and logged values differ, both as JSON; a missing value is null."""

    session_id: UUID
    field: str
    stored: str | None
    logged: str | None


class HistoryVerified(Struct, frozen=True, kw_only=True):
    """The number of sessions compared, and the differences found."""

    verified: int
    items: list[Difference]
    next_cursor: str | None


async def verify_history(deps: Deps, caller: Caller, request: VerifyHistory) -> HistoryVerified:
    """Rebuild a page of sessions from the event log and compare each with its stored rows.

    Raises:
        Conflict: the sessions of the page have too many events (`too-many-events`).
    """
    await deps.auth.validate_user(caller.token)
    after = session_projection.BEFORE_FIRST_ID if request.cursor is UNSET else decode_cursor(request.cursor, UUID)[0]
    async with deps.database.transaction() as tx:
        await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        ids = await session_projection.session_ids(tx, after, limit=request.limit)
        stored = await session_projection.stored_projections(tx, ids)
        logged = await session_projection.logged_events(tx, ids)
    items = [
        difference
        for session_id in ids
        for difference in _differences(session_id, stored.get(session_id), fold(logged.get(session_id, [])))
    ]
    more = len(ids) == request.limit
    return HistoryVerified(verified=len(ids), items=items, next_cursor=encode_cursor(ids[-1]) if more else None)


def _differences(
    session_id: UUID, stored: SessionProjection | None, logged: SessionProjection | None
) -> list[Difference]:
    if stored is None or logged is None:
        stored_fields, logged_fields = _existence(stored), _existence(logged)
    else:
        stored_fields, logged_fields = _fields(stored), _fields(logged)
    return [
        Difference(session_id=session_id, field=name, stored=_as_json(stored_value), logged=_as_json(logged_value))
        for name in sorted(stored_fields.keys() | logged_fields.keys())
        if (stored_value := stored_fields.get(name)) != (logged_value := logged_fields.get(name))
    ]


def _existence(session: SessionProjection | None) -> dict[str, object]:
    return {"session": None if session is None else session.status}


def _fields(session: SessionProjection) -> dict[str, object]:
    """Return all fields by name; the name of an order or payment field starts with its kind and id."""
    fields: dict[str, object] = msgspec.to_builtins(session, str_keys=True)
    for group, label in (("orders", "order"), ("unmatched_payments", "unmatched payment")):
        for key, values in cast("dict[str, dict[str, object]]", fields.pop(group)).items():
            fields |= {f"{label} {key}: {name}": value for name, value in values.items()}
    return fields


def _as_json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()[:_MAX_JSON_LENGTH]
