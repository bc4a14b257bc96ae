"""The SQL of auth. Rows are locked in this order: account, login session, refresh token."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from nextbuy.auth.model import (
    LINK_LIFE,
    MAIL_INTERVAL,
    Credentials,
    EmailTaken,
    KnownClients,
    LinkPurpose,
    SessionStatus,
)
from nextbuy.contracts.auth import Account, AccountReinstated, AccountSuspended
from nextbuy.contracts.values import Role
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction, refuse_duplicate
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement

Failures = dict[bytes, datetime]
"""When the last failure of each subject is forgotten."""

_ACCOUNT: Final = "id, email, name, role, email_confirmed_at"
SESSION_STATUS: Final = """
    SELECT a.id, a.email, a.name, a.role, a.email_confirmed_at, a.status, s.ended_at
      FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = $1
"""


def _session_status(row: Row) -> SessionStatus:
    return SessionStatus(_account(row), suspended=row["status"] == "suspended", ended_at=row["ended_at"])


def _account(row: Row) -> Account:
    return Account(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
        email_confirmed=row["email_confirmed_at"] is not None,
    )


def _credentials(row: Row) -> Credentials:
    return Credentials(_account(row), suspended=row["status"] == "suspended", password_hash=row["password_hash"])


async def insert_account(tx: Transaction, account: Account, *, password_hash: str, at: datetime) -> bool:
    """Insert an account; return False if its e-mail address is taken."""
    return bool(
        await tx.fetchval(
            """
            INSERT INTO accounts (id, email, name, role, password_hash, created_at, email_confirmed_at)
            VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN $6::timestamptz END)
            ON CONFLICT (email) DO NOTHING RETURNING true
            """,
            account.id,
            account.email,
            account.name,
            account.role.value,
            password_hash,
            at,
            account.email_confirmed,
        )
    )


async def account_by_id(db: Executor, account_id: UUID) -> Account | None:
    """Return an account, or None."""
    row = await db.fetchrow(f"SELECT {_ACCOUNT} FROM accounts WHERE id = $1", account_id)  # noqa: S608
    return None if row is None else _account(row)


async def accounts_by_id(db: Executor, account_ids: Sequence[UUID]) -> list[Account]:
    """Return the accounts that exist, in no particular order."""
    rows = await db.fetch(f"SELECT {_ACCOUNT} FROM accounts WHERE id = ANY($1::uuid[])", account_ids)  # noqa: S608
    return [_account(row) for row in rows]


async def lock_account(tx: Transaction, email: str) -> Credentials | None:
    """Return the account of a normalised e-mail address, locked until the transaction ends."""
    row = await tx.fetchrow("SELECT * FROM accounts WHERE email = $1 FOR UPDATE", email)
    return None if row is None else _credentials(row)


async def lock_admins(tx: Transaction) -> dict[UUID, bool]:
    """Return for each admin whether it is active, locked until the transaction ends."""
    rows = await tx.fetch("SELECT id, status FROM accounts WHERE role = 'admin' ORDER BY id FOR NO KEY UPDATE")
    return {row["id"]: row["status"] == "active" for row in rows}


async def set_status(tx: Transaction, account_id: UUID, status: str) -> Account | None:
    """Change the status of an account and return it; None if it has that status already or does not exist."""
    row = await tx.fetchrow(
        f"UPDATE accounts SET status = $2 WHERE id = $1 AND status <> $2 RETURNING {_ACCOUNT}",  # noqa: S608
        account_id,
        status,
    )
    return None if row is None else _account(row)


async def status_position(tx: Transaction, account_id: UUID) -> int:
    """Return the position of an account's last suspension or reinstatement in the event log, 0 without one."""
    position: int | None = await tx.fetchval(
        "SELECT max(id) FROM event_log WHERE key = $1 AND topic = ANY ($2)",
        str(account_id),
        [AccountSuspended.topic, AccountReinstated.topic],
    )
    return position or 0


async def set_password(tx: Transaction, account_id: UUID, *, new: str, old: str | None = None) -> bool:
    """Store the hash of an account's password; return False if the stored one is no longer `old`."""
    tag = await tx.execute(
        "UPDATE accounts SET password_hash = $2 WHERE id = $1 AND password_hash = coalesce($3, password_hash)",
        account_id,
        new,
        old,
    )
    return tag != "UPDATE 0"


async def password_hash(db: Executor, account_id: UUID) -> str | None:
    """Return the hash of an account's password."""
    stored: str | None = await db.fetchval("SELECT password_hash FROM accounts WHERE id = $1", account_id)
    return stored


async def set_name(tx: Transaction, account_id: UUID, name: str) -> None:
    """Change the name of an account."""
    await tx.execute("UPDATE accounts SET name = $2 WHERE id = $1", account_id, name)


async def set_email(tx: Transaction, account_id: UUID, email: str, *, at: datetime) -> None:
    """Change the e-mail address of an account to a confirmed one; raise EmailTaken if another account has it."""
    with refuse_duplicate(EmailTaken()):
        await tx.execute("UPDATE accounts SET email = $2, email_confirmed_at = $3 WHERE id = $1", account_id, email, at)


async def confirm_email(tx: Transaction, account_id: UUID, *, at: datetime) -> None:
    """Mark the e-mail address of an account as confirmed."""
    await tx.execute(
        "UPDATE accounts SET email_confirmed_at = coalesce(email_confirmed_at, $2) WHERE id = $1", account_id, at
    )


async def open_session(  # noqa: PLR0913
    tx: Transaction,
    session_id: UUID,
    account_id: UUID,
    *,
    password_hash: str,
    token_hash: bytes,
    at: datetime,
    until: datetime,
    device: str,
    network: str,
) -> bool:
    """Insert a login session with its first refresh token; return False if the account has changed.

    The account's row is locked, so a concurrent suspension is either seen here or ends this login session too.
    """
    return bool(
        await tx.fetchval(
            """
            WITH owner AS (
                SELECT id FROM accounts WHERE id = $2 AND password_hash = $3 AND status = 'active' FOR SHARE
            ), session AS (
                INSERT INTO sessions (id, account_id, created_at, expires_at, device, network)
                SELECT $1, id, $5, $6, $7, $8 FROM owner RETURNING id
            )
            INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at) SELECT $4, id, $5, $6 FROM session
            RETURNING true
            """,
            session_id,
            account_id,
            password_hash,
            token_hash,
            at,
            until,
            device,
            network,
        )
    )


async def session_status(db: Executor, session_id: UUID) -> SessionStatus | None:
    """Return a login session with its account: two reads by primary key."""
    row = await db.fetchrow(SESSION_STATUS, session_id)
    return None if row is None else _session_status(row)


async def lock_session(tx: Transaction, token_hash: bytes) -> tuple[UUID, SessionStatus] | None:
    """Return the login session of a refresh token, locked until the transaction ends."""
    row = await tx.fetchrow(
        """
        SELECT s.id AS session_id, s.ended_at, a.id, a.email, a.name, a.role, a.email_confirmed_at, a.status
          FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id JOIN accounts a ON a.id = s.account_id
         WHERE r.hash = $1 FOR UPDATE OF s
        """,
        token_hash,
    )
    if row is None:
        return None
    return row["session_id"], _session_status(row)


async def current_refresh_token(tx: Transaction, hashes: Sequence[bytes], *, at: datetime) -> bytes | None:
    """Return the first of some refresh tokens that a login session can use, or None."""
    found: bytes | None = await tx.fetchval(
        """
        SELECT r.hash FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id
         WHERE r.hash = ANY ($1) AND r.spent_at IS NULL AND r.expires_at > $2 AND s.ended_at IS NULL
         ORDER BY array_position($1, r.hash) LIMIT 1
        """,
        hashes,
        at,
    )
    return found


async def was_used(tx: Transaction, token_hash: bytes) -> bool:
    """Return whether a refresh token was used before; call it under `lock_session`."""
    return bool(await tx.fetchval("SELECT spent_at IS NOT NULL FROM refresh_tokens WHERE hash = $1", token_hash))


async def rotate_refresh_token(
    tx: Transaction, old: bytes, new: bytes, session_id: UUID, *, at: datetime, until: datetime
) -> bool:
    """Replace a refresh token by a new one; return False if it has expired or was used."""
    return bool(
        await tx.fetchval(
            """
            WITH spent AS (
                UPDATE refresh_tokens SET spent_at = $4 WHERE hash = $1 AND spent_at IS NULL AND expires_at > $4
                RETURNING true
            ), longer AS (
                UPDATE sessions SET expires_at = $5 WHERE id = $3 AND EXISTS (SELECT FROM spent) RETURNING id
            )
            INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at) SELECT $2, id, $4, $5 FROM longer
            RETURNING true
            """,
            old,
            new,
            session_id,
            at,
            until,
        )
    )


async def end_session(db: Executor, session_id: UUID, *, reason: str, at: datetime) -> None:
    """End a login session unless it has ended already."""
    await db.execute(
        "UPDATE sessions SET ended_at = $2, expires_at = $2, reason = $3 WHERE id = $1 AND ended_at IS NULL",
        session_id,
        at,
        reason,
    )


async def end_all_sessions(
    tx: Transaction, account_id: UUID, *, reason: str, at: datetime, except_id: UUID | None = None
) -> None:
    """End every login session of an account, except one if it is given."""
    await tx.execute(
        """
        UPDATE sessions SET ended_at = $2, expires_at = $2, reason = $3 WHERE account_id = $1 AND ended_at IS NULL
           AND id IS DISTINCT FROM $4
        """,
        account_id,
        at,
        reason,
        except_id,
    )


async def account_for_login(db: Executor, email: str) -> tuple[Credentials | None, KnownClients | None]:
    """Return the account of a normalised e-mail address, and the clients that it knows."""
    row = await db.fetchrow(
        """
        SELECT a.*, k.devices, k.networks FROM accounts a LEFT JOIN known_clients k ON k.account_id = a.id
         WHERE a.email = $1
        """,
        email,
    )
    if row is None:
        return None, None
    known = None if row["devices"] is None else KnownClients(frozenset(row["devices"]), frozenset(row["networks"]))
    return _credentials(row), known


async def remember_client(
    tx: Transaction, account_id: UUID, *, devices: Sequence[bytes], networks: Sequence[bytes]
) -> None:
    """Put a device and a network, each if given, before the others that an account knows; the oldest are dropped."""
    await tx.execute(
        """
        INSERT INTO known_clients AS k (account_id, devices, networks) VALUES ($1, $2, $3)
        ON CONFLICT (account_id) DO UPDATE SET
            devices = (excluded.devices || array_remove(k.devices, excluded.devices[1]))[1:20],
            networks = (excluded.networks || array_remove(k.networks, excluded.networks[1]))[1:20]
        """,
        account_id,
        devices,
        networks,
    )


async def purge_known_clients(tx: Transaction, account_id: UUID) -> None:
    """Delete the known clients of an account, and the failures of logins to it."""
    await tx.execute("DELETE FROM known_clients WHERE account_id = $1", account_id)
    await tx.execute("DELETE FROM failed_logins WHERE account_id = $1", account_id)


async def failures(db: Executor, subjects: Sequence[bytes]) -> Failures:
    """Return the subjects with failures, and when the last one of each is forgotten."""
    rows = await db.fetch("SELECT subject, forgotten_at FROM failed_logins WHERE subject = ANY ($1)", subjects)
    return {row["subject"]: row["forgotten_at"] for row in rows}


async def count_failure(
    tx: Transaction, subject: bytes, account_id: UUID | None, *, at: datetime, limit: int, interval: timedelta
) -> bool:
    """Count a failed login; return False, and count nothing, if as many as the limit are remembered."""
    return bool(
        await tx.fetchval(
            """
            INSERT INTO failed_logins AS f (subject, account_id, forgotten_at, slowed)
            VALUES ($1, $2, $3::timestamptz + $4::interval, false)
            ON CONFLICT (subject) DO UPDATE SET
                account_id = $2,
                forgotten_at = greatest(f.forgotten_at, $3) + $4,
                slowed = greatest(f.forgotten_at, $3) + $4 > $3 + $5::interval
             WHERE f.forgotten_at <= $3 + $5
            RETURNING true
            """,
            subject,
            account_id,
            at,
            interval,
            (limit - 1) * interval,
        )
    )


async def clear_failures(tx: Transaction, subject: bytes) -> Failures:
    """Delete the failures of a subject; return when the last one would have been forgotten, if there are any."""
    rows = await tx.fetch("DELETE FROM failed_logins WHERE subject = $1 RETURNING subject, forgotten_at", subject)
    return {row["subject"]: row["forgotten_at"] for row in rows}


async def warn_owners(tx: Transaction, *, at: datetime, interval: timedelta, limit: int) -> list[UUID]:
    """Return accounts whose logins are slowed and whose owners were not warned during the interval; mark them warned.

    Rows that others have locked wait for the next call.
    """
    rows = await tx.fetch(
        """
        WITH due AS (
            SELECT id FROM accounts
             WHERE id IN (SELECT account_id FROM failed_logins WHERE slowed AND forgotten_at > $1)
               AND (warned_at IS NULL OR warned_at <= $1 - $2::interval)
             ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE accounts a SET warned_at = $1 FROM due WHERE a.id = due.id RETURNING a.id
        """,
        at,
        interval,
        limit,
    )
    return [row["id"] for row in rows]


_PURGES: Final = (
    (purge_statement("refresh_tokens", "expires_at", "$2"), timedelta(0)),
    (purge_statement("sessions", "expires_at", "$2"), timedelta(days=1)),
    (purge_statement("failed_logins", "forgotten_at", "$2"), timedelta(0)),
    (purge_statement("mail_links", "expires_at", "$2"), MAIL_INTERVAL),
    (purge_statement("email_changes", "requested_at", "$2"), LINK_LIFE[LinkPurpose.CHANGE_EMAIL_OLD]),
)
"""Purge statements, and how long rows are retained after their time."""


async def purge_expired(database: Database, *, at: datetime) -> None:
    """Purge refresh tokens, login sessions, failed attempts and links that no longer have an effect."""
    for statement, retention in _PURGES:
        await purge(database, statement, FIRST_MOMENT, at - retention)
