"""All SQL of auth. Rows are locked in one order: the account's, the session's, the refresh token's."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from nextbuy.auth.model import FAILURE_WINDOW, LONGEST_LOCK, Known, Standing
from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import Role
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement

STANDING: Final = """
    SELECT a.id, a.email, a.name, a.role, a.status, s.ended_at
      FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = $1
"""


def _account(row: Row) -> Account:
    return Account(id=row["id"], email=row["email"], name=row["name"], role=Role(row["role"]))


def _known(row: Row) -> Known:
    return Known(_account(row), suspended=row["status"] == "suspended", password_hash=row["password_hash"])


async def add_account(tx: Transaction, account: Account, *, password_hash: str, at: datetime) -> bool:
    """Add an account; return whether its e-mail was free."""
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


async def account_by_id(reader: Executor, account_id: UUID) -> Account | None:
    """Return an account."""
    row = await reader.fetchrow("SELECT id, email, name, role FROM accounts WHERE id = $1", account_id)
    return None if row is None else _account(row)


async def accounts_by_id(reader: Executor, account_ids: Sequence[UUID]) -> list[Account]:
    """Return those of these accounts that exist, in no order."""
    rows = await reader.fetch("SELECT id, email, name, role FROM accounts WHERE id = ANY($1::uuid[])", account_ids)
    return [_account(row) for row in rows]


async def lock_account(tx: Transaction, email: str) -> Known | None:
    """Return the account of a normal e-mail, and let nobody else change it until the transaction ends."""
    row = await tx.fetchrow("SELECT * FROM accounts WHERE email = $1 FOR UPDATE", email)
    return None if row is None else _known(row)


async def set_status(tx: Transaction, account_id: UUID, status: str) -> Account | None:
    """Give an account another status; return it, or None where it has that status already or is not there."""
    row = await tx.fetchrow(
        "UPDATE accounts SET status = $2 WHERE id = $1 AND status <> $2 RETURNING id, email, name, role",
        account_id,
        status,
    )
    return None if row is None else _account(row)


async def set_password(tx: Transaction, account_id: UUID, *, new: str, old: str | None = None) -> bool:
    """Keep another hash of an account's password; return False where it is no longer `old`."""
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
    """Open a session and give it its first refresh token; return False where it may not be.

    It may be while the account is active and has this password. The account's row is held, so that a suspension either
    is seen here or ends this session too.
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


async def standing(reader: Executor, session_id: UUID) -> Standing | None:
    """Return a session with its account: two reads by primary key, on the path of every request that matters."""
    row = await reader.fetchrow(STANDING, session_id)
    return (
        None
        if row is None
        else Standing(_account(row), suspended=row["status"] == "suspended", ended_at=row["ended_at"])
    )


async def lock_session_of(tx: Transaction, token_hash: bytes) -> tuple[UUID, Standing] | None:
    """Return a refresh token's session, and let nobody else refresh or end it until the transaction ends."""
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
    return row["session_id"], Standing(_account(row), suspended=row["status"] == "suspended", ended_at=row["ended_at"])


async def is_spent(tx: Transaction, token_hash: bytes) -> bool:
    """Has a refresh token been used before? Asked under `lock_session_of`."""
    return bool(await tx.fetchval("SELECT spent_at IS NOT NULL FROM refresh_tokens WHERE hash = $1", token_hash))


async def spend(tx: Transaction, old: bytes, new: bytes, session_id: UUID, *, at: datetime, until: datetime) -> bool:
    """Spend a refresh token and put the next one in its place; return False where it has expired or been spent."""
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


async def end_session(reader: Executor, session_id: UUID, *, reason: str, at: datetime) -> None:
    """End a session; one that has ended stays as it is."""
    await reader.execute(
        "UPDATE sessions SET ended_at = $2, expires_at = $2, reason = $3 WHERE id = $1 AND ended_at IS NULL",
        session_id,
        at,
        reason,
    )


async def end_all_sessions(tx: Transaction, account_id: UUID, *, reason: str, at: datetime) -> None:
    """End every session of an account."""
    await tx.execute(
        "UPDATE sessions SET ended_at = $2, expires_at = $2, reason = $3 WHERE account_id = $1 AND ended_at IS NULL",
        account_id,
        at,
        reason,
    )


async def account_for_login(
    reader: Executor, email: str, subjects: Sequence[bytes]
) -> tuple[Known | None, datetime | None]:
    """Return the account of a normal e-mail, and until when the latest lock on any of the subjects lasts."""
    row = await reader.fetchrow(
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
    return (None if row["id"] is None else _known(row)), row["locked_until"]


async def count_failure(
    tx: Transaction, subjects: Sequence[bytes], *, at: datetime
) -> dict[bytes, tuple[int, datetime | None]]:
    """Count a failed login for each subject that is not locked; return the counts, and until when each is locked."""
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
    """Lock subjects whose rows this transaction has just counted."""
    await tx.execute(
        """
        UPDATE login_failures f SET locked_until = new.until
          FROM unnest($1::bytea[], $2::timestamptz[]) AS new (subject, until) WHERE f.subject = new.subject
        """,
        list(until),
        list(until.values()),
    )


async def forget_failures(tx: Transaction, subject: bytes) -> datetime | None:
    """Forget a subject's failures; return until when it was locked."""
    until: datetime | None = await tx.fetchval(
        "DELETE FROM login_failures WHERE subject = $1 RETURNING locked_until", subject
    )
    return until


async def signing_keys(reader: Executor, *, at: datetime, life: timedelta) -> list[Row]:
    """Return the keys that tokens alive now may be signed with, the one that signs first.

    The newest signs, but not in its first ten seconds where there is another: by then every verifier may fetch it.
    """
    return await reader.fetch(
        """
        SELECT kid, private_pem, public_pem, coalesce(retired_at <= $1, false) AS is_retired
          FROM signing_keys WHERE coalesce(retired_at > $1 - $2::interval, true)
         ORDER BY is_retired, created_at > $1 - interval '10 seconds', created_at DESC, kid
        """,
        at,
        life,
    )


async def add_signing_key(tx: Transaction, kid: str, *, private_pem: str, public_pem: str, at: datetime) -> None:
    """Add a key."""
    await tx.execute(
        "INSERT INTO signing_keys (kid, private_pem, public_pem, created_at) VALUES ($1, $2, $3, $4)",
        kid,
        private_pem,
        public_pem,
        at,
    )


async def retire_signing_keys(tx: Transaction, *, at: datetime) -> None:
    """Let no key there is sign after `at`."""
    await tx.execute("UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL", at)


_PURGES: Final = (
    (purge_statement("refresh_tokens", "expires_at", "$2"), timedelta(0)),
    (purge_statement("sessions", "expires_at", "$2"), timedelta(days=1)),
    (purge_statement("login_failures", "last_at", "$2"), FAILURE_WINDOW + LONGEST_LOCK),
)
"""Statements that purge a table, and how long its rows stay after their time."""


async def purge_expired(database: Database, *, at: datetime) -> None:
    """Purge refresh tokens, sessions and login failures that no longer have an effect."""
    for statement, stay in _PURGES:
        await purge(database, statement, FIRST_MOMENT, at - stay)
