"""The SQL of the limit of open checkouts per network."""

from typing import Final

from nextbuy.kit.storage.database import Transaction

_LOCK_SPACE: Final = 0x4E42_4E57
"""The first of the two numbers of each lock, so that no other advisory lock of the database is meant."""


async def lock_network(tx: Transaction, network: str) -> None:
    """Wait until no other transaction has locked a network, and lock it until this one ends."""
    await tx.execute("SELECT pg_advisory_xact_lock($1::int, hashtext($2))", _LOCK_SPACE, network)


async def count_open_checkouts(tx: Transaction, network: str) -> int:
    """Return the number of open checkouts that count for a network."""
    sql = "SELECT count(*) FROM sessions WHERE network = $1 AND status IN ('opening', 'open')"
    return int(await tx.fetchval(sql, network))
