"""Carries the outbox to the bus: each event at least once, those of one key in the order of their writing.

Any number of relays may run. Each leases the key buckets in which something waits, reads their rows in order,
publishes them in one go, and then, in one statement that names its lease's token, takes them off the outbox and gives
the buckets back. A relay that dies gives its buckets back by the passing of time, on the database's clock. One that was
only slow can then take nothing off: its rows were published again by another, all of them from the first that waited,
so that what arrives for the first time still arrives in order.

Claiming and reading are two statements on purpose: the reading one must see what the last holder of the lease has taken
off. Neither the claim nor the taking off waits for the disk: should the database lose one in a crash, events are
published again, which is allowed.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from nextbuy.kit.events.bus.interface import Bus, BusMessage, BusUnavailable
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.rpc.retry import backoff
from nextbuy.kit.storage.database import Database

log: Final = logging.getLogger(__name__)

LEASE: Final = 15.0
"""Seconds that a bucket stays with a relay which is heard of no more."""
BATCH: Final = 2_000
"""Events that are carried at a time, about: two megabytes of usual ones."""
MAX_BATCH_BYTES: Final = 4_000_000
"""Bytes of envelopes after which a batch ends, however few they are: what a bus takes in its time."""
POLL_INTERVAL: Final = 1.0
"""Seconds between looks at the outbox when nobody calls: for rows that a dead process left."""
_PUBLISH_TIMEOUT: Final = 8.0
"""Seconds that the bus may take; with the statements around it, less than a lease."""
_GIVE_BACK_TIMEOUT: Final = 1.0
_WAIT_BASE: Final = 0.1
_WAIT_CAP: Final = 3.0

_NO_FSYNC: Final = "hasty AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"

_CLAIM: Final = f"""
    WITH {_NO_FSYNC}, due AS (
        SELECT bucket FROM outbox_leases AS lease
        WHERE (until IS NULL OR until < clock_timestamp())
          AND EXISTS (SELECT FROM outbox WHERE outbox.bucket = lease.bucket)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox_leases AS lease SET token = $1, until = clock_timestamp() + make_interval(secs => $2)
    FROM due, hasty WHERE lease.bucket = due.bucket
    RETURNING lease.bucket
"""  # noqa: S608  made of constants

_READ: Final = """
    SELECT id, topic, key, parent_span, envelope FROM (
        SELECT log.*, sum(octet_length(envelope)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM unnest($1::smallint[]) AS leased (bucket) CROSS JOIN LATERAL (
            SELECT id FROM outbox WHERE outbox.bucket = leased.bucket ORDER BY id LIMIT $2
        ) AS waiting JOIN event_log AS log USING (id)
    ) AS waiting
    WHERE bytes - octet_length(envelope) < $3
    ORDER BY id
"""

_TAKE_OFF: Final = f"""
    WITH {_NO_FSYNC}, held AS (
        UPDATE outbox_leases SET token = NULL, until = NULL FROM hasty WHERE token = $1 RETURNING bucket
    )
    DELETE FROM outbox USING held WHERE outbox.bucket = held.bucket AND outbox.id = ANY($2::bigint[])
    RETURNING outbox.id
"""  # noqa: S608  made of constants

_GIVE_BACK: Final = "UPDATE outbox_leases SET token = NULL, until = NULL WHERE token = $1"


class _Traced(Struct):
    """The part of an envelope that its log line needs."""

    traceparent: str
    correlation_id: str


_traced: Final = msgspec.json.Decoder(_Traced).decode


def _trace(envelope: str, parent_span: str) -> SpanContext:
    """Return the span in which an event was published."""
    traced = _traced(envelope)
    _, trace_id, span_id, flags = traced.traceparent.split("-")
    return SpanContext(trace_id, span_id, parent_span, flags == "01", traced.correlation_id)


class Relay:
    """Carries the outbox of one database."""

    def __init__(self, database: Database, bus: Bus, journal: Journal, *, batch: int = BATCH) -> None:
        """Carry at most about `batch` events at a time."""
        self._database = database
        self._bus = bus
        self._journal = journal
        self._batch = batch
        self._called = asyncio.Event()
        self._away = False

    def wake(self) -> None:
        """Say that something was put into the outbox."""
        self._called.set()

    async def run(self) -> None:
        """Carry for ever: woken by each commit of this process, and by the clock; cancel it to stop it."""
        self._database.after_publish = self.wake
        failures = 0
        while True:
            self._called.clear()
            try:
                carried = await self.carry()
            except Exception as error:  # noqa: BLE001  whatever it was, events wait in the outbox, and must not wait for ever
                self._tell(error)
                await asyncio.sleep(backoff(failures, base=_WAIT_BASE, cap=_WAIT_CAP, random=random.random))
                failures += 1
                continue
            failures = 0
            if carried:
                self._tell(None)
            elif carried is None:
                await self._wait()

    async def carry(self) -> int | None:
        """Carry one batch and return its size; None where nothing waits that is not in another relay's hands.

        Raises:
            BusUnavailable: the bus is away; the buckets were given back.
        """
        token = uuid4()
        buckets = [row["bucket"] for row in await self._database.fetch(_CLAIM, token, LEASE)]
        if not buckets:
            return None
        began = time.perf_counter()
        try:
            rows = await self._database.fetch(_READ, buckets, -(-self._batch // len(buckets)), MAX_BATCH_BYTES)
            await self._publish([BusMessage(row["topic"], row["key"], row["envelope"].encode()) for row in rows])
        except BaseException:
            await self._give_back(token)
            raise
        done = await self._database.fetch(_TAKE_OFF, token, [row["id"] for row in rows])
        if len(done) < len(rows):
            log.warning("A lease passed while %d events were being published; they are published twice.", len(rows))
        self._journal.interactions(
            "publish",
            self._database.service,
            "kafka",
            [(row["topic"], _trace(row["envelope"], row["parent_span"])) for row in rows],
            began=began,
        )
        return len(rows)

    async def _publish(self, packets: Sequence[BusMessage]) -> None:
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT):
                await self._bus.publish(packets)
        except TimeoutError as error:
            message = f"the bus took longer than {_PUBLISH_TIMEOUT} s"
            raise BusUnavailable(message) from error

    async def _give_back(self, token: UUID) -> None:
        try:
            async with asyncio.timeout(_GIVE_BACK_TIMEOUT):
                await self._database.execute(_GIVE_BACK, token)
        except Exception as error:  # noqa: BLE001  then the lease passes by itself
            log.debug("A lease could not be given back: %r", error)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._called.wait()
        except TimeoutError:
            return

    def _tell(self, error: Exception | None) -> None:
        """Log the beginning of an outage and its end, and none of the tries between them."""
        if error is None:
            if self._away:
                log.info("Events of %s are being published again.", self._database.service)
        elif not self._away:
            known = isinstance(error, BusUnavailable)
            log.warning(
                "Events of %s cannot be published now and wait in the outbox: %r",
                self._database.service,
                error,
                exc_info=None if known else error,
            )
        self._away = error is not None
