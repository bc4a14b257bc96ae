"""The SQL of auth. Rows are locked in this order: account, login session, refresh token."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from nextbuy.auth.model import FAILURE_WINDOW, MAX_LOCK, Credentials, SessionStatus
from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import Role
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement

SESSION_STATUS: Final = """
    SELECT a.id, a.email, a.name, a.role, a.status, s.ended_at
      FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = $1
"""


def _session_status(row: Row) -> SessionStatus:
    return SessionStatus(_account(row), suspended=row["status"] == "suspended", ended_at=row["ended_at"])


def _account(row: Row) -> Account:
    return Account(id=row["id"], email=row["email"], name=row["name"], role=Role(row["role"]))


def _credentials(row: Row) -> Credentials:
    return Credentials(_account(row), suspended=row["status"] == "suspended", password_hash=row["password_hash"])


async def insert_account(tx: Transaction, account: Account, *, password_hash: str, at: datetime) -> bool:
    """Insert an account; return False if its e-mail is taken."""
    return bool(
        await tx.fetchval(
            """
            INSERT INTO accounts (id, email, name, role, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (email) DO NOTHING RETURNING true
            """,
            account.id,
            account.email,
            account.name,
            account.role.value,
            password_hash,
            at,
        )
    )


async def account_by_id(db: Executor, account_id: UUID) -> Account | None:
    """Return an account, or None."""
    row = await db.fetchrow("SELECT id, email, name, role FROM accounts WHERE id = $1", account_id)
    return None if row is None else _account(row)


async def accounts_by_id(db: Executor, account_ids: Sequence[UUID]) -> list[Account]:
    """Return the accounts that exist, in no particular order."""
    rows = await db.fetch("SELECT id, email, name, role FROM accounts WHERE id = ANY($1::uuid[])", account_ids)
    return [_account(row) for row in rows]


async def lock_account(tx: Transaction, email: str) -> Credentials | None:
    """Return the account of a normalised e-mail, locked until the transaction ends."""
    row = await tx.fetchrow("SELECT * FROM accounts WHERE email = $1 FOR UPDATE", email)
    return None if row is None else _credentials(row)


async def lock_admins(tx: Transaction) -> dict[UUID, bool]:
    """Return for each admin whether it is active, locked until the transaction ends."""
    rows = await tx.fetch("SELECT id, status FROM accounts WHERE role = 'admin' ORDER BY id FOR NO KEY UPDATE")
    return {row["id"]: row["status"] == "active" for row in rows}


async def set_status(tx: Transaction, account_id: UUID, status: str) -> Account | None:
    """Change the status of an account and return it; None if it has that status already or does not exist."""
    row = await tx.fetchrow(
        "UPDATE accounts SET status = $2 WHERE id = $1 AND status <> $2 RETURNING id, email, name, role",
        account_id,
        status,
    )
    return None if row is None else _account(row)


async def set_password(tx: Transaction, account_id: UUID, *, new: str, old: str | None = None) -> bool:
    """Store the hash of an account's password; return False if the stored one is no longer `old`."""
    tag = await tx.execute(
        "UPDATE accounts SET password_hash = $2 WHERE id = $1 AND password_hash = coalesce($3, password_hash)",
        account_id,
        new,
        old,
    )
    return tag != "UPDATE 0"


async def open_session(  # noqa: PLR0913
    tx: Transaction,
    session_id: UUID,
    account_id: UUID,
    *,
    password_hash: str,
    token_hash: bytes,
    at: datetime,
    until: datetime,
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
                INSERT INTO sessions (id, account_id, created_at, expires_at) SELECT $1, id, $5, $6 FROM owner
                RETURNING id
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
        SELECT s.id AS session_id, s.ended_at, a.id, a.email, a.name, a.role, a.status
          FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id JOIN accounts a ON a.id = s.account_id
         WHERE r.hash = $1 FOR UPDATE OF s
        """,
        token_hash,
    )
    if row is None:
        return None
    return row["session_id"], _session_status(row)


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


async def end_all_sessions(tx: Transaction, account_id: UUID, *, reason: str, at: datetime) -> None:
    """End every login session of an account."""
    await tx.execute(
        "UPDATE sessions SET ended_at = $2, expires_at = $2, reason = $3 WHERE account_id = $1 AND ended_at IS NULL",
        account_id,
        at,
        reason,
    )


async def account_for_login(
    db: Executor, email: str, subjects: Sequence[bytes]
) -> tuple[Credentials | None, datetime | None]:
    """Return the account of a normalised e-mail, and the end of the latest lock on any of the subjects."""
    row = await db.fetchrow(
        """
        SELECT a.*, l.locked_until
          FROM (SELECT max(locked_until) AS locked_until FROM login_failures WHERE subject = ANY ($2)) l
          LEFT JOIN accounts a ON a.email = $1
        """,
        email,
        subjects,
    )
    if row is None:
        return None, None
    return (None if row["id"] is None else _credentials(row)), row["locked_until"]


async def count_failure(
    tx: Transaction, subjects: Sequence[bytes], *, at: datetime
) -> dict[bytes, tuple[int, datetime | None]]:
    """Count a failed login for each subject that is not locked; return the count and the end of the lock of each."""
    rows = await tx.fetch(
        """
        INSERT INTO login_failures AS f (subject, failures, last_at)
        SELECT subject, 1, $2 FROM unnest($1::bytea[]) AS new (subject) ORDER BY subject
        ON CONFLICT (subject) DO UPDATE SET
            failures = CASE WHEN f.locked_until > $2 THEN f.failures
                            WHEN greatest(f.last_at, f.locked_until) < $2 - $3::interval THEN 1
                            ELSE least(f.failures + 1, 1000000) END,
            last_at = CASE WHEN f.locked_until > $2 THEN f.last_at ELSE $2 END
        RETURNING subject, failures, locked_until
        """,
        subjects,
        at,
        FAILURE_WINDOW,
    )
    return {row["subject"]: (row["failures"], row["locked_until"]) for row in rows}


async def lock_logins(tx: Transaction, until: Mapping[bytes, datetime]) -> None:
    """Lock subjects that this transaction has counted."""
    await tx.execute(
        """
        UPDATE login_failures f SET locked_until = new.until
          FROM unnest($1::bytea[], $2::timestamptz[]) AS new (subject, until) WHERE f.subject = new.subject
        """,
        list(until),
        list(until.values()),
    )


async def clear_failures(tx: Transaction, subject: bytes) -> datetime | None:
    """Delete a subject's failures; return the end of its lock, if any."""
    until: datetime | None = await tx.fetchval(
        "DELETE FROM login_failures WHERE subject = $1 RETURNING locked_until", subject
    )
    return until


async def signing_keys(db: Executor, *, at: datetime, life: timedelta) -> list[Row]:
    """Return the keys of tokens that are still valid, the signing one first.

    The newest signs, after ten seconds if there is another one: by then every verifier can load it.
    """
    return await db.fetch(
        """
        SELECT kid, private_pem, public_pem, coalesce(retired_at <= $1, false) AS is_retired
          FROM signing_keys WHERE coalesce(retired_at > $1 - $2::interval, true)
         ORDER BY is_retired, created_at > $1 - interval '10 seconds', created_at DESC, kid
        """,
        at,
        life,
    )


async def insert_signing_key(tx: Transaction, kid: str, *, private_pem: str, public_pem: str, at: datetime) -> None:
    """Insert a signing key."""
    await tx.execute(
        "INSERT INTO signing_keys (kid, private_pem, public_pem, created_at) VALUES ($1, $2, $3, $4)",
        kid,
        private_pem,
        public_pem,
        at,
    )


async def retire_signing_keys(tx: Transaction, *, at: datetime) -> None:
    """Retire all current keys at the time `at`."""
    await tx.execute("UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL", at)


_PURGES: Final = (
    (purge_statement("refresh_tokens", "expires_at", "$2"), timedelta(0)),
    (purge_statement("sessions", "expires_at", "$2"), timedelta(days=1)),
    (purge_statement("login_failures", "last_at", "$2"), FAILURE_WINDOW + MAX_LOCK),
)
"""Purge statements, and how long rows are retained after their time."""


async def purge_expired(database: Database, *, at: datetime) -> None:
    """Purge refresh tokens, login sessions and login failures that no longer have an effect."""
    for statement, retention in _PURGES:
        await purge(database, statement, FIRST_MOMENT, at - retention)
