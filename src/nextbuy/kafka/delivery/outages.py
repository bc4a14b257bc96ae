"""The outage of a destination: since when it accepts no events, in a row while that lasts.

Deliveries that succeed leave nothing in the database. With several copies of the kafka service the earliest start
counts. A row that no copy refreshes, because none delivers or the destination recovered, is ignored.
"""

import asyncio
import logging
import time
from typing import Final

from nextbuy.kit.storage.database import Database
from nextbuy.kit.stuck import STUCK_AFTER, StuckKind, StuckWork

log: Final = logging.getLogger(__name__)
RECORD_INTERVAL: Final = 5.0
"""Seconds between two writes of a row."""
_CURRENT: Final = "failed_at > now() - interval '30 seconds'"
"""A row that its dispatcher refreshes: several times `RECORD_INTERVAL`."""

_RECORD: Final = f"""
    INSERT INTO outages (destination, since, failed_at, attempts, reason)
    VALUES ($1, now() - make_interval(secs => $2), now(), $3, $4)
    ON CONFLICT (destination) DO UPDATE
       SET since = CASE WHEN outages.{_CURRENT} THEN least(outages.since, excluded.since) ELSE excluded.since END,
           attempts = CASE WHEN outages.{_CURRENT} THEN outages.attempts ELSE 0 END + excluded.attempts,
           failed_at = now(), reason = excluded.reason
"""  # noqa: S608  constants, as below
STUCK: Final = StuckWork(
    StuckKind(
        "destination",
        f"""
        SELECT 'destination' AS kind, destination AS id, since, attempts, reason
          FROM outages WHERE since < now() - interval '{STUCK_AFTER} seconds' AND {_CURRENT}
        """,  # noqa: S608
    )
)


class Outage:
    """The outage of one destination, as one dispatcher sees it."""

    def __init__(self, destination: str, database: Database) -> None:
        self._destination = destination
        self._database = database
        self._since: float | None = None
        """Monotonic seconds of the first failure; None while there is no outage."""
        self._reason = ""
        self._attempts = 0
        """Failed attempts that the row does not count yet."""

    def failed(self, reason: str) -> None:
        """Count a delivery that failed."""
        if self._since is None:
            self._since = time.monotonic()
        self._reason = reason
        self._attempts += 1

    def ended(self) -> None:
        """Note that the destination took an event."""
        self._since, self._attempts = None, 0

    async def run(self) -> None:
        """Keep the row up to date until cancelled; a failure to write it delays no delivery."""
        recorded = False
        while True:
            await asyncio.sleep(RECORD_INTERVAL)
            try:
                recorded = await self._record(recorded=recorded)
            except Exception as error:  # noqa: BLE001  the next write may succeed
                log.debug("outage of %s not recorded; retrying: %r", self._destination, error)

    async def _record(self, *, recorded: bool) -> bool:
        if self._since is not None:
            attempts, seconds = self._attempts, time.monotonic() - self._since
            await self._database.execute(_RECORD, self._destination, seconds, attempts, self._reason)
            self._attempts = max(0, self._attempts - attempts)
            return True
        if recorded:
            await self._database.execute("DELETE FROM outages WHERE destination = $1", self._destination)
        return False
