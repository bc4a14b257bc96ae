"""The SQL of links that are sent by e-mail, and of requests for them. The account is locked before its links."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from nextbuy.auth.model import LINK_LIFE, MAIL_INTERVAL, MAX_MAILS, Link, LinkPurpose
from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Executor, Row, Transaction

_VALID: Final = "l.used_at IS NULL AND a.status = 'active' AND l.expires_at >"


async def insert_reset_request(
    tx: Transaction, email: str, *, at: datetime, traceparent: str, correlation_id: str
) -> None:
    """Insert the request for a new password of a normalised e-mail address, whether or not it has an account."""
    await tx.execute(
        """
        INSERT INTO password_reset_requests (email, requested_at, traceparent, correlation_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (email) DO UPDATE SET requested_at = $2, traceparent = $3, correlation_id = $4
        """,
        email,
        at,
        traceparent,
        correlation_id,
    )


async def take_reset_requests(tx: Transaction, *, limit: int) -> list[Row]:
    """Delete up to `limit` requests, oldest first, and return them; rows that others have locked are skipped."""
    return await tx.fetch(
        """
        DELETE FROM password_reset_requests
         WHERE email IN (SELECT email FROM password_reset_requests ORDER BY requested_at LIMIT $1
                            FOR UPDATE SKIP LOCKED)
        RETURNING email, traceparent, correlation_id
        """,
        limit,
    )


async def lock_account(tx: Transaction, account_id: UUID) -> None:
    """Lock an account until the transaction ends."""
    await tx.execute("SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE", account_id)


async def lock_active_accounts(tx: Transaction, emails: Sequence[str]) -> dict[str, UUID]:
    """Return the active accounts of some e-mail addresses, locked until the transaction ends."""
    rows = await tx.fetch(
        """
        SELECT id, email FROM accounts WHERE email = ANY ($1) AND status = 'active' ORDER BY id FOR NO KEY UPDATE
        """,
        emails,
    )
    return {row["email"]: row["id"] for row in rows}


async def insert_links(
    tx: Transaction, purpose: LinkPurpose, account_ids: Sequence[UUID], *, at: datetime
) -> dict[UUID, UUID]:
    """Insert a link for each account that is below its limit of mails; return the links by account."""
    rows = await tx.fetch(
        """
        INSERT INTO mail_links (id, account_id, purpose, created_at, expires_at)
        SELECT new.id, new.account_id, $3, $4::timestamptz, $4 + $5::interval
          FROM unnest($1::uuid[], $2::uuid[]) AS new (id, account_id)
         WHERE (SELECT count(*) FROM mail_links AS earlier
                 WHERE earlier.account_id = new.account_id AND earlier.purpose = $3
                   AND earlier.created_at > $4 - $6::interval) < $7
        RETURNING id, account_id
        """,
        [new_id() for _ in account_ids],
        account_ids,
        purpose.value,
        at,
        LINK_LIFE[purpose],
        MAIL_INTERVAL,
        MAX_MAILS,
    )
    return {row["account_id"]: row["id"] for row in rows}


async def insert_tokens(tx: Transaction, hashes: Mapping[UUID, bytes], *, at: datetime) -> dict[UUID, str]:
    """Store the hash of a new token for each link that is valid; return the recipients by link."""
    rows = await tx.fetch(
        f"""
        WITH valid AS (
            SELECT l.id, coalesce(c.email, a.email) AS email
              FROM mail_links l JOIN accounts a ON a.id = l.account_id
              LEFT JOIN email_changes c ON c.account_id = l.account_id AND l.purpose = 'change-email-new'
             WHERE l.id = ANY ($1) AND {_VALID} $3
        ), stored AS (
            INSERT INTO link_tokens (hash, link_id)
            SELECT new.hash, valid.id FROM valid JOIN unnest($1::uuid[], $2::bytea[]) AS new (id, hash) USING (id)
        )
        SELECT id, email FROM valid
        """,  # noqa: S608  a constant
        list(hashes),
        list(hashes.values()),
        at,
    )
    return {row["id"]: row["email"] for row in rows}


async def find_link(db: Executor, token_hash: bytes, *, at: datetime) -> Link | None:
    """Return the valid link of a token, or None."""
    row = await db.fetchrow(
        f"""
        SELECT l.id, l.purpose, l.account_id, a.email
          FROM link_tokens t JOIN mail_links l ON l.id = t.link_id JOIN accounts a ON a.id = l.account_id
         WHERE t.hash = $1 AND {_VALID} $2
        """,  # noqa: S608  a constant
        token_hash,
        at,
    )
    return None if row is None else Link(row["id"], LinkPurpose(row["purpose"]), row["account_id"], row["email"])


async def use_link(tx: Transaction, link: Link, *, at: datetime) -> bool:
    """Mark a link as used, and the other links of its account and purpose; return False if it is no longer valid.

    The row of its account is locked until the transaction ends.
    """
    await lock_account(tx, link.account_id)
    rows = await tx.fetch(
        f"""
        UPDATE mail_links AS l SET used_at = $3 FROM accounts AS a
         WHERE l.account_id = $1 AND a.id = $1 AND l.purpose = $2 AND {_VALID} $3
        RETURNING l.id
        """,  # noqa: S608  a constant
        link.account_id,
        link.purpose.value,
        at,
    )
    return link.id in {row["id"] for row in rows}


async def expire_links(tx: Transaction, account_id: UUID, purposes: Sequence[LinkPurpose], *, at: datetime) -> None:
    """Invalidate the links of an account for some purposes."""
    await tx.execute(
        "UPDATE mail_links SET used_at = $3 WHERE account_id = $1 AND purpose = ANY ($2) AND used_at IS NULL",
        account_id,
        [purpose.value for purpose in purposes],
        at,
    )


async def insert_email_change(tx: Transaction, account_id: UUID, email: str, *, at: datetime) -> None:
    """Insert the e-mail address that an account is to have, instead of an earlier one."""
    await tx.execute(
        """
        INSERT INTO email_changes (account_id, email, requested_at) VALUES ($1, $2, $3)
        ON CONFLICT (account_id) DO UPDATE
           SET email = $2, requested_at = $3, old_confirmed = false, new_confirmed = false
        """,
        account_id,
        email,
        at,
    )


async def confirm_email_change(tx: Transaction, link: Link) -> str | None:
    """Mark a change of an e-mail address as confirmed at one address; return the new one once both are confirmed."""
    row = await tx.fetchrow(
        """
        UPDATE email_changes
           SET old_confirmed = old_confirmed OR $2 = 'change-email-old',
               new_confirmed = new_confirmed OR $2 = 'change-email-new'
         WHERE account_id = $1 RETURNING email, old_confirmed AND new_confirmed AS is_complete
        """,
        link.account_id,
        link.purpose.value,
    )
    if row is None or not row["is_complete"]:
        return None
    await tx.execute("DELETE FROM email_changes WHERE account_id = $1", link.account_id)
    email: str = row["email"]
    return email
