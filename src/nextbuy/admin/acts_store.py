"""The SQL of the audit: what operators did."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.operator import OperatorActed
from nextbuy.contracts.values import Page, Timestamp
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Transaction

_LIST: Final = ("operator-acts",)
_INSERT: Final = """
    INSERT INTO operator_acts (id, at, service, actor, action, subject, before, after, reason, details)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::text[], $9::text[], $10::jsonb[])
    ON CONFLICT DO NOTHING
"""
_PAGE: Final = """
    SELECT id, at, service, actor, action, subject, before, after, reason, details FROM operator_acts
     WHERE ($1::uuid IS NULL OR id < $1) {filter} ORDER BY id DESC LIMIT $2
"""
_FILTERS: Final = {"actor": "AND actor = ${}", "subject": "AND subject = ${}", "action": "AND action = ${}"}


class OperatorAct(Struct, frozen=True, kw_only=True):
    """An act of an operator: `actor` changed `subject` in `service`, from the state `before` to `after`, and why.

    `actor` is an account's id, or `terminal:` and a user of the operating system.
    """

    id: UUID
    at: Timestamp
    service: str
    actor: str
    actor_name: str = ""
    """Empty for a terminal, and while the auth service is unavailable."""
    action: str
    subject: str
    before: str
    after: str
    reason: str
    details: dict[str, str]


async def insert_acts(tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Insert acts, in the order of their ids, so that concurrent transactions cannot deadlock."""
    acts = sorted(
        ((inbound.envelope, inbound.event) for inbound in events if isinstance(inbound.event, OperatorActed)),
        key=lambda act: act[1].act_id,
    )
    await tx.execute(
        _INSERT,
        [act.act_id for _, act in acts],
        [envelope.time for envelope, _ in acts],
        [envelope.source for envelope, _ in acts],
        [act.actor for _, act in acts],
        [act.action for _, act in acts],
        [act.subject for _, act in acts],
        [act.before for _, act in acts],
        [act.after for _, act in acts],
        [act.reason for _, act in acts],
        [msgspec.json.encode(act.details).decode() for _, act in acts],
    )


async def list_acts(db: Executor, filters: Mapping[str, str], *, limit: int, cursor: str | None) -> Page[OperatorAct]:
    """Return a page of acts, newest first; `filters` are values of the columns `actor`, `subject` and `action`.

    Raises:
        Unprocessable: the cursor is invalid.
    """
    listed = (*_LIST, *(filters.get(name, "") for name in _FILTERS))
    conditions = " ".join(_FILTERS[name].format(place) for place, name in enumerate(filters, 3))
    start = decode_cursor(listed, cursor, UUID)[0] if cursor else None
    rows = await db.fetch(_PAGE.format(filter=conditions), start, limit + 1, *filters.values())
    acts = [OperatorAct(**{**row, "details": msgspec.json.decode(row["details"])}) for row in rows[:limit]]
    return Page(acts, encode_cursor(listed, acts[-1].id) if len(rows) > limit else None)
