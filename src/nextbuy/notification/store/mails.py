"""The SQL of mails: claims on due mails, results of sending them, and lists for admins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import Page
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.leases import Leases
from nextbuy.kit.storage.retention import purge_statement
from nextbuy.kit.stuck import StuckWork, leased_kind
from nextbuy.notification.model import Mail, MailStatus, MailWithBody

LEASES: Final = Leases("mails", seconds=90, attempts="attempts", failures="")
"""Claims on mails; longer than auth and the mailer may take for a batch."""
STUCK: Final = StuckWork(leased_kind("mail", LEASES, failure="reason"))
_SEND_FOR: Final = "3 days"
"""The age up to which a mail is retried."""


class ClaimedMail(Struct, frozen=True, kw_only=True):
    """A mail that is claimed until `until`; if `is_expired`, this attempt is the last."""

    id: UUID
    account_id: UUID
    kind: str
    about: str
    subject: str
    body: str
    html: str
    link_id: UUID | None
    traceparent: str
    correlation_id: str
    attempts: int
    created_at: datetime
    until: datetime
    is_expired: bool


class Outcome(Struct, frozen=True, kw_only=True):
    """The new state of a mail; `delay` is in seconds, for a mail that is retried.

    `body` and `html` replace the stored ones, unless they are None.
    """

    mail_id: UUID
    status: MailStatus
    reason: str
    recipient: str
    delay: float
    body: str | None = None
    html: str | None = None


PURGE: Final = purge_statement("mails", "created_at", "now() - interval '90 days'")
"""Deletes mails that are older than 90 days; see `retention.purge`."""
_CLAIM: Final = LEASES.claim_statement(
    # While a mail that reports a state is being sent, a newer one with the same `about` waits, not to overtake it.
    condition="""
        NOT EXISTS (SELECT FROM mails AS sending
                     WHERE sending.account_id = mails.account_id AND sending.about = mails.about
                       AND sending.reports_state AND sending.due_at > now()
                       AND sending.due_at IS DISTINCT FROM sending.delayed_until)
    """,
    returning=f"""
        claimed.id, claimed.account_id, claimed.kind, claimed.about, claimed.subject, claimed.body,
        claimed.html, claimed.link_id, claimed.traceparent, claimed.correlation_id, claimed.attempts,
        claimed.created_at, claimed.due_at AS until,
        claimed.created_at < now() - interval '{_SEND_FOR}' AS is_expired
    """,
)

_MARK_SUPERSEDED: Final = """
    UPDATE mails AS m SET status = 'superseded', due_at = NULL, done_at = now()
      FROM notifications AS own
     WHERE m.id = ANY($1) AND m.due_at = $2 AND m.reports_state
       AND (own.source_event_id, own.account_id, own.kind) = (m.source_event_id, m.account_id, m.kind)
       AND EXISTS (SELECT FROM notifications AS newer
                    WHERE newer.account_id = own.account_id AND newer.about = own.about
                      AND CASE WHEN newer.source = own.source THEN newer.position > own.position
                               ELSE newer.occurred_at > own.occurred_at END)
    RETURNING m.id
"""


async def claim(db: Database, *, limit: int) -> list[ClaimedMail]:
    """Claim up to `limit` mails that are due."""
    return [ClaimedMail(**row) for row in await db.fetch(_CLAIM, limit)]


async def mark_superseded(db: Database, until: datetime, mail_ids: Sequence[UUID]) -> set[UUID]:
    """Mark the mails of a claim that newer notifications make wrong as superseded, and return their ids.

    This is a statement of its own, after the claim: a newer mail that it does not see will see the claim, and wait.
    """
    rows = await db.fetch(_MARK_SUPERSEDED, mail_ids, until)
    return {row["id"] for row in rows}


async def record_results(db: Database, until: datetime, outcomes: Sequence[Outcome]) -> None:
    """Store the outcomes of mails claimed until `until`; ignore outcomes of mails that were claimed again since."""
    await db.execute(
        """
        UPDATE mails AS m
           SET status = outcome.status, reason = outcome.reason, recipient = outcome.recipient,
               body = coalesce(outcome.body, m.body), html = coalesce(outcome.html, m.html),
               due_at = CASE WHEN outcome.status = 'waiting' THEN now() + make_interval(secs => outcome.delay) END,
               delayed_until = CASE WHEN outcome.status = 'waiting'
                                    THEN now() + make_interval(secs => outcome.delay) END,
               done_at = CASE WHEN outcome.status <> 'waiting' THEN now() END
          FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::float8[],
                      $7::text[], $8::text[])
               AS outcome (id, status, reason, recipient, delay, body, html)
         WHERE m.id = outcome.id AND m.due_at = $1
        """,
        until,
        [outcome.mail_id for outcome in outcomes],
        [outcome.status for outcome in outcomes],
        [outcome.reason for outcome in outcomes],
        [outcome.recipient for outcome in outcomes],
        [outcome.delay for outcome in outcomes],
        [outcome.body for outcome in outcomes],
        [outcome.html for outcome in outcomes],
    )


async def give_up_mail(tx: Transaction, mail_id: UUID, reason: str) -> None:
    """Mark a mail as failed."""
    await tx.execute(
        "UPDATE mails SET status = 'failed', reason = $2, due_at = NULL, done_at = now() WHERE id = $1",
        mail_id,
        f"given up: {reason}",
    )


_MAIL: Final = "id, account_id, kind, recipient, subject, status, reason, attempts, created_at, done_at"


async def list_mails(db: Executor, status: MailStatus | None, *, limit: int, cursor: str | None) -> Page[Mail]:
    """List mails in a status, or in any, newest first."""
    listed = ("mails", status)
    last = None if cursor is None else decode_cursor(listed, cursor, UUID)[0]
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
    return Page(items, encode_cursor(listed, items[-1].id) if len(rows) > limit else None)


async def get_mail(db: Executor, mail_id: UUID) -> MailWithBody | None:
    """Return a mail with its body, or None."""
    row: Row | None = await db.fetchrow(f"SELECT {_MAIL}, body, html FROM mails WHERE id = $1", mail_id)  # noqa: S608
    return None if row is None else MailWithBody(**row)
