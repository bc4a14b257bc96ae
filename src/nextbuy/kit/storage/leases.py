"""Leases on rows: a worker takes due rows for a limited time, and loses them if it stalls.

A claim moves the row's due time ahead on the database's clock, so that a crashed worker's rows become due again. The
time that it wrote, different for each claim, is the fencing token: every later change of the row checks it. Rows that
another worker is claiming are skipped. A row with no due time is never due.
"""

from collections.abc import Collection
from datetime import datetime

from nextbuy.kit.storage.database import Executor


class Leases:
    """The leases on the rows of one table, and their SQL."""

    def __init__(self, table: str, *, seconds: float, key: str = "id", due: str = "due_at", attempts: str = "") -> None:
        """Lease rows of `table` for `seconds`: longer than the work under a lease may take.

        Args:
            table: its `due` column needs an index, partial on `IS NOT NULL` if most rows are never due.
            key: primary key.
            seconds: length of a lease.
            due: when a row is due (timestamptz).
            attempts: column that counts claims, if there is one; a release subtracts its own claim.
        """
        self.seconds = seconds
        self.until = f"now() + interval '{seconds} seconds'"
        """SQL of the due time that a claim writes, for other statements that claim or extend a lease."""
        self.held = f"{key} = ANY($1) AND {due} = $2"
        """SQL condition, for statements that end the work: the rows with keys $1 are still leased until $2."""
        self._table, self._key, self._due, self._attempts = table, key, due, attempts
        update = f"UPDATE {table} SET {due} ="  # noqa: S608  constant names, as below
        subtraction = f", {attempts} = {attempts} - 1" if attempts else ""
        self._reschedule = f"{update} now() + make_interval(secs => $3) WHERE {self.held}"
        self._release = f"{update} now(){subtraction} WHERE {self.held}"

    def claim_statement(self, *, condition: str = "true", order: str = "", returning: str = "claimed.*") -> str:
        """Return the statement that claims up to $1 due rows (null: all): the longest due, or the first by `order`.

        `condition` restricts the rows and may use $2 and on. `returning` names the row `claimed`.
        """
        count = f", {self._attempts} = claimed.{self._attempts} + 1" if self._attempts else ""
        # An array rather than a join: a planner that expects many due rows would otherwise scan the whole table.
        return f"""
            UPDATE {self._table} AS claimed SET {self._due} = {self.until}{count}
             WHERE {self._key} = ANY (ARRAY(
                SELECT {self._key} FROM {self._table} WHERE {self._due} <= now() AND {condition}
                 ORDER BY {order or self._due} LIMIT $1 FOR UPDATE SKIP LOCKED
             ))
            RETURNING {returning}
        """  # noqa: S608

    async def reschedule(self, db: Executor, keys: Collection[object], until: datetime, delay: float) -> None:
        """Release rows that are still leased until `until`, to be due again in `delay` seconds."""
        await db.execute(self._reschedule, list(keys), until, delay)

    async def release(self, db: Executor, keys: Collection[object], until: datetime) -> None:
        """Release rows that are still leased until `until`, without counting an attempt; they are due at once."""
        await db.execute(self._release, list(keys), until)
