"""The relay publishes events from the outbox to the bus, at least once and in order per key.

It leases buckets of keys and reads their rows in one statement. Another one deletes the published rows if the lease is
still held, releases it, and returns whether more rows wait. A claim that does not see these deletes does not see the
release either, and takes nothing. If a relay stalls, another one publishes the same rows again, and consumers drop the
duplicates. Neither lease nor delete waits for the disk: a loss only repeats events.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from nextbuy.kit.events.bus.interface import BUS_PARTICIPANT, Bus, BusMessage, BusUnavailable
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.rpc.retry import backoff
from nextbuy.kit.storage.database import Database
from nextbuy.kit.storage.leases import Leases

log: Final = logging.getLogger(__name__)

LEASES: Final = Leases("outbox_leases", seconds=15, key="bucket", due="leased_until")
"""Longer than `_PUBLISH_TIMEOUT` and the two statements around it."""
BATCH_SIZE: Final = 2_000
"""Events that are published at a time, roughly: two megabytes of typical ones."""
MAX_BATCH_BYTES: Final = 4_000_000
"""Bytes of envelopes after which a batch ends: what a bus stores well within `_PUBLISH_TIMEOUT`."""
POLL_INTERVAL: Final = 1.0
"""Seconds between polls of the outbox, for rows that another process left; commits of this process wake the relay."""
_PUBLISH_TIMEOUT: Final = 8.0
"""Seconds. Longer than either bus needs to report its own timeout."""
_RELEASE_TIMEOUT: Final = 1.0
"""Seconds. Short, because a lease that is not released expires."""
_RETRY_BASE: Final = 0.1
_RETRY_CAP: Final = 3.0
"""Seconds between attempts while publishing fails, with full jitter."""

_NO_FSYNC: Final = "(SELECT set_config('synchronous_commit', 'off', true)) = 'off'"
_LEASE_BUCKETS: Final = LEASES.claim_statement(
    condition=f"EXISTS (SELECT FROM outbox WHERE outbox.bucket = outbox_leases.bucket) AND {_NO_FSYNC}", order="bucket"
)
_LEASE_AND_READ: Final = f"""
    WITH leased AS ({_LEASE_BUCKETS})
    SELECT leased.bucket, leased.leased_until, id, topic, key, parent_span, envelope FROM leased LEFT JOIN (
        SELECT log.*, sum(octet_length(envelope)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM leased CROSS JOIN LATERAL (
            SELECT id FROM outbox WHERE outbox.bucket = leased.bucket
             ORDER BY id LIMIT (SELECT ceil($2::float8 / count(*)) FROM leased)
        ) AS pending JOIN event_log AS log USING (id)
    ) AS sized ON sized.bucket = leased.bucket AND bytes - octet_length(envelope) < $3
    ORDER BY id
"""  # noqa: S608  made of constants, as below
"""A bucket with no row within the bytes is leased as well, and has nulls."""
_DELETE_PUBLISHED: Final = f"""
    WITH held AS (
        UPDATE outbox_leases SET leased_until = now() WHERE {LEASES.held} AND {_NO_FSYNC} RETURNING bucket
    ), deleted AS (
        DELETE FROM outbox USING held WHERE outbox.bucket = held.bucket AND outbox.id = ANY($3::bigint[])
        RETURNING outbox.id
    )
    SELECT (SELECT count(*) FROM deleted) AS deleted,
           EXISTS (SELECT FROM outbox WHERE bucket = ANY($1) AND id <> ALL($3::bigint[])) AS more
"""  # noqa: S608


class _TraceFields(Struct):
    """The fields of an envelope that its log line needs."""

    traceparent: str
    correlation_id: str


_decode_trace: Final = msgspec.json.Decoder(_TraceFields).decode


def _span_of(envelope: str, parent_span: str) -> SpanContext:
    fields = _decode_trace(envelope)
    _, trace_id, span_id, flags = fields.traceparent.split("-")
    return SpanContext(trace_id, span_id, parent_span, flags == "01", fields.correlation_id)


class Relay:
    """The relay of one database's outbox."""

    def __init__(self, database: Database, bus: Bus, journal: Journal, *, batch_size: int = BATCH_SIZE) -> None:
        self._database = database
        self._service = database.service
        self._bus = bus
        self._journal = journal
        self._batch_size = batch_size
        self._wakeup = asyncio.Event()
        self._more = False
        """Whether rows waited in the leased buckets when the last batch was deleted."""
        self._failing = False

    def wake(self) -> None:
        """Publish at once, because an event was committed."""
        self._wakeup.set()

    async def run(self) -> None:
        """Publish until cancelled, after each commit of this process and every `POLL_INTERVAL`."""
        self._database.after_publish = self.wake
        failures = 0
        while True:
            self._wakeup.clear()
            try:
                published = await self.publish_batch()
            except Exception as error:  # noqa: BLE001  whatever failed, the events stay in the outbox and need a retry
                self._log_outage(error)
                await asyncio.sleep(backoff(failures, base=_RETRY_BASE, cap=_RETRY_CAP, random=random.random))
                failures += 1
                continue
            failures = 0
            if published:
                self._log_recovery()
            if not self._more:
                await self._wait()

    async def publish_batch(self) -> int | None:
        """Publish one batch and return its size, or None if no bucket with pending events is free to lease.

        Raises:
            BusUnavailable: the bus did not store the batch; the leases were released.
        """
        self._more = False
        leased = await self._database.fetch(_LEASE_AND_READ, None, self._batch_size, MAX_BATCH_BYTES)
        if not leased:
            return None
        buckets, until = sorted({row["bucket"] for row in leased}), leased[0]["leased_until"]
        rows = [row for row in leased if row["id"] is not None]
        began = time.perf_counter()
        try:
            await self._publish(
                [BusMessage(row["topic"], row["key"], row["envelope"].encode(), row["id"]) for row in rows]
            )
        except BaseException:
            await self._release_leases(buckets, until)
            raise
        [after] = await self._database.fetch(_DELETE_PUBLISHED, buckets, until, [row["id"] for row in rows])
        self._more = after["more"]
        if after["deleted"] < len(rows):
            log.warning("lease expired during publishing; %d events of %s published twice", len(rows), self._service)
        self._journal.interactions(
            "publish",
            self._service,
            BUS_PARTICIPANT,
            [(row["topic"], _span_of(row["envelope"], row["parent_span"])) for row in rows],
            began=began,
        )
        return len(rows)

    async def _publish(self, messages: Sequence[BusMessage]) -> None:
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT):
                await self._bus.publish(messages)
        except TimeoutError as error:
            message = f"the bus did not answer within {_PUBLISH_TIMEOUT} s"
            raise BusUnavailable(message) from error

    async def _release_leases(self, buckets: Sequence[int], until: datetime) -> None:
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT):
                await LEASES.release(self._database, buckets, until)
        except Exception as error:  # noqa: BLE001  the lease expires by itself
            log.debug("outbox leases not released; they expire: %r", error)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._wakeup.wait()
        except TimeoutError:
            return

    def _log_outage(self, error: Exception) -> None:
        """Log the start of an outage, and no further failures until it has ended."""
        if not self._failing:
            log.warning(
                "publishing failed; retrying, events of %s stay in the outbox: %r",
                self._service,
                error,
                exc_info=None if isinstance(error, BusUnavailable) else error,
            )
        self._failing = True

    def _log_recovery(self) -> None:
        if self._failing:
            log.info("publishing resumed; the outbox of %s is being emptied", self._service)
        self._failing = False
