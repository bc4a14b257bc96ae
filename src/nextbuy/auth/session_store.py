"""The SQL of login sessions as their owners see them."""

from datetime import datetime
from typing import Final
from uuid import UUID

from nextbuy.auth.model import REFRESH_LIFE, LoginSession
from nextbuy.kit.storage.database import Executor, Transaction

_LIMIT: Final = 100


async def list_sessions(db: Executor, account_id: UUID, *, current: UUID, at: datetime) -> list[LoginSession]:
    """Return up to `_LIMIT` login sessions of an account that have not ended, newest first."""
    rows = await db.fetch(
        """
        SELECT id, device, network, created_at, expires_at FROM sessions
         WHERE account_id = $1 AND ended_at IS NULL AND expires_at > $2 ORDER BY id DESC LIMIT $3
        """,
        account_id,
        at,
        _LIMIT,
    )
    return [
        LoginSession(
            id=row["id"],
            device=row["device"],
            network=row["network"],
            created_at=row["created_at"],
            used_at=row["expires_at"] - REFRESH_LIFE,
            current=row["id"] == current,
        )
        for row in rows
    ]


async def end_own_session(tx: Transaction, session_id: UUID, account_id: UUID, *, at: datetime) -> bool:
    """End a login session of an account; return False if it has ended, or is not the account's."""
    tag = await tx.execute(
        """
        UPDATE sessions SET ended_at = $3, expires_at = $3, reason = 'ended-by-owner'
         WHERE id = $1 AND account_id = $2 AND ended_at IS NULL AND expires_at > $3
        """,
        session_id,
        account_id,
        at,
    )
    return tag != "UPDATE 0"
