"""The SQL of signing keys."""

from datetime import datetime, timedelta

from nextbuy.kit.storage.database import Executor, Row, Transaction


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
