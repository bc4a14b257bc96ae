"""The SQL of the kafka service's own tables; dead letters are the kit's."""

from collections.abc import Sequence
from datetime import date

from nextbuy.kafka.model import Figure
from nextbuy.kit.storage.database import Executor, Transaction


async def add_figures(tx: Transaction, generation: int, figures: Sequence[Figure]) -> None:
    """Add to a generation of the daily figures, in a fixed order, so that two consumers cannot lock each other out."""
    ordered = sorted(figures, key=lambda f: (f.day, f.topic, str(f.shop_id)))
    await tx.execute(
        """
        INSERT INTO daily_figures AS f (generation, day, topic, shop_id, events, units, amount)
        SELECT $1, * FROM unnest($2::date[], $3::text[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[])
        ON CONFLICT (generation, day, topic, shop_id) DO UPDATE
           SET events = f.events + excluded.events, units = f.units + excluded.units,
               amount = f.amount + excluded.amount
        """,
        generation,
        [f.day for f in ordered],
        [f.topic for f in ordered],
        [f.shop_id for f in ordered],
        [f.events for f in ordered],
        [f.units for f in ordered],
        [f.amount for f in ordered],
    )


async def daily_figures(db: Executor, since: date, until: date, *, limit: int) -> list[Figure]:
    """Return the figures of some days, newest day first."""
    rows = await db.fetch(
        """
        SELECT day, topic, shop_id, events, units, amount FROM daily_figures
         WHERE generation = (SELECT generation FROM projections WHERE name = 'daily-figures')
           AND day BETWEEN $1 AND $2
         ORDER BY day DESC, topic, shop_id LIMIT $3
        """,
        since,
        until,
        limit,
    )
    return [Figure(*row.values()) for row in rows]
