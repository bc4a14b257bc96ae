"""Leases on rows: a worker takes due rows for a limited time, and loses them if it stalls.

A claim moves the row's due time ahead on the database's clock, so that a crashed worker's rows become due again. The
time that it wrote, different for each claim, is the fencing token: every later change of the row checks it. Rows that
another worker is claiming are skipped. A row with no due time is never due.

A row may also record, for admins, when its work began to fail, the last error, and the time of the retry
(`kit/stuck.py`).
"""

from collections.abc import Collection
from datetime import datetime

from nextbuy.kit.storage.database import Executor


class Leases:
    """The leases on the rows of one table, and their SQL."""

    def __init__(
        self,
        table: str,
        *,
        seconds: float,
        key: str = "id",
        due: str = "due_at",
        attempts: str = "",
        failures: str | None = None,
    ) -> None:
        """Lease rows of `table` for `seconds`: longer than the work under a lease may take.

        Args:
            table: its `due` column needs an index, partial on `IS NOT NULL` if most rows are never due.
            key: primary key.
            seconds: length of a lease.
            due: when a row is due (timestamptz).
            attempts: column that counts claims, if there is one; a release subtracts its own claim.
            failures: prefix of the columns `failing_since`, set by the first claim that follows another, `failure`
                (the last error), and `delayed_until`, equal to `due` unless the row is claimed; None without them.
        """
        self.seconds = seconds
        self.until = f"now() + interval '{seconds} seconds'"
        """SQL of the due time that a claim writes, for other statements that claim or extend a lease."""
        self.held = f"{key} = ANY($1) AND {due} = $2"
        """SQL condition, for statements that end the work: the rows with keys $1 are still leased until $2."""
        self.table, self.key, self.due, self.attempts, self.failures = table, key, due, attempts, failures
        update = f"UPDATE {table} SET {due} ="  # noqa: S608  constant names, as below
        subtraction = f", {attempts} = {attempts} - 1" if attempts else ""
        later = "now() + make_interval(secs => $3)"
        failure = "" if failures is None else f", {failures}delayed_until = {later}, {failures}failure = $4"
        self._reschedule = f"{update} {later}{failure} WHERE {self.held}"
        self._release = f"{update} now(){subtraction} WHERE {self.held}"

    def claim_statement(self, *, condition: str = "true", order: str = "", returning: str = "claimed.*") -> str:
        """Return the statement that claims up to $1 due rows (null: all): the longest due, or the first by `order`.

        `condition` restricts the rows and may use $2 and on. `returning` names the row `claimed`.
        """
        count = f", {self.attempts} = claimed.{self.attempts} + 1" if self.attempts else ""
        if self.failures is not None:
            since = f"{self.failures}failing_since"
            count += f", {since} = coalesce(claimed.{since}, CASE WHEN claimed.{self.attempts} > 0 THEN now() END)"
        # An array rather than a join: a planner that expects many due rows would otherwise scan the whole table.
        return f"""
            UPDATE {self.table} AS claimed SET {self.due} = {self.until}{count}
             WHERE {self.key} = ANY (ARRAY(
                SELECT {self.key} FROM {self.table} WHERE {self.due} <= now() AND {condition}
                 ORDER BY {order or self.due} LIMIT $1 FOR UPDATE SKIP LOCKED
             ))
            RETURNING {returning}
        """  # noqa: S608

    async def reschedule(
        self, db: Executor, keys: Collection[object], until: datetime, delay: float, failure: str = ""
    ) -> None:
        """Release rows that are still leased until `until`, to be due again in `delay` seconds because of `failure`."""
        failures = [] if self.failures is None else [failure]
        await db.execute(self._reschedule, list(keys), until, delay, *failures)

    async def release(self, db: Executor, keys: Collection[object], until: datetime) -> None:
        """Release rows that are still leased until `until`, without counting an attempt; they are due at once."""
        await db.execute(self._release, list(keys), until)
