"""The SQL of mails: claims to send them, results, and pages for admins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import Page
from nextbuy.kafka.model import Mail, MailStatus, WholeMail
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Database, Executor, Row
from nextbuy.kit.storage.leases import Leases

LEASES: Final = Leases("mails", seconds=90, attempts="attempts")
"""Longer than a mailer and auth may take."""
_GIVEN_UP_AFTER: Final = "3 days"
_KEPT_FOR: Final = "90 days"
_BATCH: Final = 1_000


class Leased(Struct, frozen=True, kw_only=True):
    """A mail taken on until `until`; `last` where it is too old to be tried once more."""

    id: UUID
    account_id: UUID
    kind: str
    subject: str
    body: str
    traceparent: str
    correlation_id: str
    attempts: int
    created_at: datetime
    until: datetime
    last: bool


class Outcome(Struct, frozen=True):
    """What became of a mail; where it waits, for so many seconds."""

    mail_id: UUID
    status: MailStatus
    reason: str
    recipient: str
    wait: float


_CLAIM: Final = LEASES.claim_statement(
    returning=f"""
        claimed.id, claimed.account_id, claimed.kind, claimed.subject, claimed.body, claimed.traceparent,
        claimed.correlation_id, claimed.attempts, claimed.created_at, claimed.due_at AS until,
        claimed.created_at < now() - interval '{_GIVEN_UP_AFTER}' AS last
    """
)


async def claim(db: Database, *, limit: int) -> list[Leased]:
    """Claim mails that are due."""
    return [Leased(**row) for row in await db.fetch(_CLAIM, limit)]


async def record_results(db: Database, until: datetime, fates: Sequence[Outcome]) -> None:
    """Write down what became of mails that are leased until then; nothing of those whose lease was lost."""
    await db.execute(
        """
        UPDATE mails AS m
           SET status = fate.status, reason = fate.reason, recipient = fate.recipient,
               due_at = CASE WHEN fate.status = 'waiting' THEN now() + make_interval(secs => fate.wait) END,
               done_at = CASE WHEN fate.status <> 'waiting' THEN now() END
          FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::float8[])
               AS fate (id, status, reason, recipient, wait)
         WHERE m.id = fate.id AND m.due_at = $1
        """,
        until,
        [fate.mail_id for fate in fates],
        [fate.status for fate in fates],
        [fate.reason for fate in fates],
        [fate.recipient for fate in fates],
        [fate.wait for fate in fates],
    )


_MAIL: Final = "id, account_id, kind, recipient, subject, status, reason, attempts, created_at, done_at"


async def page(db: Executor, status: MailStatus | None, *, limit: int, cursor: str | None) -> Page[Mail]:
    """Return mails, newest first, without their texts; `Unprocessable` for a cursor that is none."""
    last = None if cursor is None else decode_cursor(cursor, UUID)[0]
    rows = await db.fetch(
        f"""
        SELECT {_MAIL} FROM mails WHERE {"true" if status is None else "status = $3"} AND ($1::uuid IS NULL OR id < $1)
         ORDER BY id DESC LIMIT $2
        """,  # noqa: S608  constants
        last,
        limit + 1,
        *([] if status is None else [status]),
    )
    items = [Mail(**row) for row in rows[:limit]]
    return Page(items, encode_cursor(items[-1].id) if len(rows) > limit else None)


async def whole(db: Executor, mail_id: UUID) -> WholeMail | None:
    """Return a mail with its text, or None."""
    row: Row | None = await db.fetchrow(f"SELECT {_MAIL}, body FROM mails WHERE id = $1", mail_id)  # noqa: S608
    return None if row is None else WholeMail(**row)


async def drop_old(db: Database) -> bool:
    """Drop mails that are ninety days old, a thousand at most; return whether there may be more."""
    tag = await db.execute(
        f"""
        DELETE FROM mails WHERE id IN (
            SELECT id FROM mails WHERE created_at < now() - interval '{_KEPT_FOR}' ORDER BY created_at LIMIT {_BATCH}
               FOR UPDATE SKIP LOCKED)
        """  # noqa: S608  constants
    )
    return tag == f"DELETE {_BATCH}"
