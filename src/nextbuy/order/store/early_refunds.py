"""The SQL of early refunds: the provider reports them before the payment, whose session is unknown until then."""

from collections.abc import Sequence
from typing import Final

from nextbuy.kit.storage.database import Database, Transaction, from_row
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement
from nextbuy.order.provider_webhook import ReportedRefund

_PURGE: Final = purge_statement("early_refunds", "reported_at", "now() - interval '40 days'")


async def lock_against_payments(tx: Transaction, payment_ids: Sequence[str]) -> bool:
    """Lock out the recording of payments until the transaction ends; return whether one of these is recorded already.

    Each statement that records a payment reads `early_refunds`. So it either sees what the transaction stores, or has
    ended before the lock. The caller may wait for no other lock afterwards.
    """
    await tx.execute("LOCK TABLE early_refunds IN ACCESS EXCLUSIVE MODE")
    return bool(
        await tx.fetchval(
            """
            SELECT EXISTS (SELECT FROM sessions WHERE payment_id = ANY($1::text[]))
                OR EXISTS (SELECT FROM unmatched_payments WHERE payment_id = ANY($1::text[]))
            """,
            payment_ids,
        )
    )


async def store(tx: Transaction, payment_ids: Sequence[str], refund: ReportedRefund) -> None:
    """Store what is refunded of a payment so far, by each of its ids; a smaller amount is an older report."""
    await tx.execute(
        """
        INSERT INTO early_refunds (payment_id, amount, currency, whole)
        SELECT DISTINCT id, $2::bigint, $3::text, $4::boolean FROM unnest($1::text[]) AS id WHERE id <> ''
        ON CONFLICT (payment_id) DO UPDATE
           SET amount = excluded.amount, currency = excluded.currency, whole = excluded.whole, reported_at = now()
         WHERE NOT early_refunds.whole AND (excluded.whole OR excluded.amount >= coalesce(early_refunds.amount, 0))
        """,
        payment_ids,
        refund.amount,
        refund.currency,
        refund.whole,
    )


async def take(tx: Transaction, payment_id: str) -> ReportedRefund | None:
    """Remove the early refund of a payment and return it, or None."""
    row = await tx.fetchrow(
        "DELETE FROM early_refunds WHERE payment_id = $1 RETURNING amount, currency, whole", payment_id
    )
    return None if row is None else from_row(ReportedRefund, row)


async def purge_early_refunds(db: Database) -> None:
    """Delete refunds whose payments the provider can no longer report, after as many days as its events."""
    await purge(db, _PURGE, FIRST_MOMENT)
