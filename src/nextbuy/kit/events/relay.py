"""The relay publishes events from the outbox to the bus, at least once and in order per key.

It leases buckets of keys and reads their rows in one statement. Another one deletes the published rows if the lease is
still held, releases it, and returns whether more rows wait. A claim that does not see these deletes does not see the
release either, and takes nothing. If a relay stalls, another one publishes the same rows again, and consumers drop the
duplicates. Neither lease nor delete waits for the disk: a loss only repeats events.

A batch with a message that the bus rejects is halved in the next rounds until that message is alone, and then parked
(`parking.py`). A topic that the bus refuses waits (`waiting_topics.py`).
"""

import asyncio
import logging
import random
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.message import Event
from nextbuy.kit.events.bus.interface import (
    Bus,
    BusMessage,
    BusUnavailable,
    MessageRejected,
    TopicRefused,
)
from nextbuy.kit.events.parking import park
from nextbuy.kit.events.waiting_topics import WaitingTopics
from nextbuy.kit.observability.ids import PURCHASE_KINDS, Ids, kind_of
from nextbuy.kit.observability.interaction import REJECTED
from nextbuy.kit.observability.redaction import reason_of, redact
from nextbuy.kit.observability.telemetry import Journal, PublishedEvent, SpanContext
from nextbuy.kit.rpc.retry import backoff
from nextbuy.kit.storage.database import Database, Row
from nextbuy.kit.storage.leases import Leases

log: Final = logging.getLogger(__name__)

LEASES: Final = Leases("outbox_leases", seconds=15, key="bucket", due="leased_until")
"""Longer than `_PUBLISH_TIMEOUT` and the two statements around it."""
BATCH_SIZE: Final = 2_000
"""Events that are published at a time, roughly: two megabytes of typical ones."""
MAX_BATCH_BYTES: Final = 4_000_000
"""Bytes of envelopes after which a batch ends: what a bus stores well within `_PUBLISH_TIMEOUT`."""
POLL_INTERVAL: Final = 5.0
"""Seconds between polls of the outbox, for rows that another process left; commits of this process wake the relay."""
_LEASED_PAUSES: Final = (0.05, 0.2, 1.0)
"""Seconds between polls after a wake-up that found nothing: another relay may have leased the rows, and left them."""
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
_READ: Final = f"""
    WITH leased AS ({_LEASE_BUCKETS})
    SELECT bucket, leased_until, id, topic, key, parent_span, envelope FROM leased LEFT JOIN (
        SELECT * FROM (
            SELECT log.*, sum(octet_length(envelope)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes
            FROM leased CROSS JOIN LATERAL (
                SELECT id FROM outbox {{}} WHERE outbox.bucket = leased.bucket {{}}
                ORDER BY id LIMIT (SELECT coalesce($4::bigint, ceil($2::float8 / count(*))::bigint) FROM leased)
            ) AS pending JOIN event_log AS log USING (id)
        ) AS sized
        WHERE bytes - octet_length(envelope) < $3
        ORDER BY id LIMIT $4
    ) AS next USING (bucket)
    ORDER BY id
"""  # noqa: S608  made of constants, as below
_READ_PENDING: Final = _READ.format("", "")
"""Lease buckets and read their rows; a bucket without a row in this batch is leased as well, and has nulls."""
_READ_BY_TOPIC: Final = _READ.format("JOIN event_log USING (id)", "AND (topic = ANY($5::text[])) = $6")
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


_MAX_REASON: Final = 200
"""Characters of a reason in the line of an event."""


class _Described(Struct):
    """The number of an order, and the reason why a checkout ended; events without them are accepted too."""

    number: Any = ""
    reason: Any = ""


class _TraceFields(Struct):
    """The fields of an envelope that its log line needs."""

    id: UUID
    key: str
    traceparent: str
    correlation_id: str
    data: _Described


_decode_trace: Final = msgspec.json.Decoder(_TraceFields).decode


def _published(row: Row, kind: str) -> PublishedEvent:
    """Return what the log line of an event says; `kind` is that of its key."""
    fields = _decode_trace(row["envelope"])
    _, trace_id, span_id, flags = fields.traceparent.split("-")
    ids: Ids = {"event": [fields.id]}
    reason = ""
    if kind:
        ids[kind] = [fields.key]
    if kind in PURCHASE_KINDS:
        if isinstance(fields.data.number, str) and fields.data.number:
            ids["number"] = [fields.data.number]
        if isinstance(fields.data.reason, str):
            reason = redact(fields.data.reason[:_MAX_REASON])
    span = SpanContext(trace_id, span_id, row["parent_span"], flags == "01", fields.correlation_id)
    return PublishedEvent(row["topic"], ids, reason, span)


class Relay:
    """The relay of one database's outbox."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        journal: Journal,
        *,
        events: Iterable[type[Event]] = (),
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """Publish to `bus`; log lines name the keys of these `events` with their kind."""
        self._database = database
        self._service = database.service
        self._bus = bus
        self._journal = journal
        self._batch_size = batch_size
        self._kinds = {event.topic: kind_of(event.key) for event in events}
        self._wakeup = asyncio.Event()
        self._more = True
        """Whether more rows may wait: they did in the leased buckets when the last batch was deleted, or it failed."""
        self._failing = False
        self._waiting = WaitingTopics(self._service)
        self._suspects = 0
        """Number of pending events, from the first, that contain one that the bus rejects; zero if none is known."""

    def wake(self) -> None:
        """Publish at once, because an event was committed."""
        self._wakeup.set()

    async def run(self) -> None:
        """Publish until cancelled, after each commit of this process and every `POLL_INTERVAL`."""
        self._database.after_publish = self.wake
        failures = 0
        pauses: Iterator[float] = iter(())
        while True:
            if self._wakeup.is_set():
                self._wakeup.clear()
                pauses = iter(_LEASED_PAUSES)
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
            if published is None:
                await self._wait(next(pauses, POLL_INTERVAL))
            elif not self._more:
                await self._wait(POLL_INTERVAL)

    async def publish_batch(self) -> int | None:
        """Publish one batch and return its size, or None if nothing can be leased and published at present.

        The size is zero if the bus rejected a message or refused a topic: the next batch leaves it out.

        Raises:
            BusUnavailable: the bus did not store the batch; the leases were released.
        """
        self._more = True
        retried = self._waiting.due(time.monotonic())
        leased = await self._read(retried)
        if not leased:
            return None
        buckets, until = sorted({row["bucket"] for row in leased}), leased[0]["leased_until"]
        rows = [row for row in leased if row["id"] is not None]
        began = time.perf_counter()
        try:
            await self._publish(
                [BusMessage(row["topic"], row["key"], row["envelope"].encode(), row["id"]) for row in rows]
            )
        except MessageRejected as error:
            await self._halve_or_park(rows, buckets, until, error)
            return 0
        except BaseException as error:
            await self._release_leases(buckets, until)
            if self._refuse_topics(error, retried):
                return 0
            if isinstance(error, BusUnavailable) and not self._failing:
                self._journal_failure("bus-unavailable", rows, error, began)
            raise
        self._suspects = max(0, self._suspects - len(rows))
        if not rows:
            await self._release_leases(buckets, until)
            self._waiting.postpone(retried, time.monotonic())
            return 0 if retried else None
        self._waiting.accept(retried)
        [after] = await self._database.fetch(_DELETE_PUBLISHED, buckets, until, [row["id"] for row in rows])
        self._more = after["more"]
        if after["deleted"] < len(rows):
            log.warning("lease expired during publishing; %d events of %s published twice", len(rows), self._service)
        self._journal.published(self._service, self._bus.carrier, self._published(rows), began=began)
        return len(rows)

    def _published(self, rows: Sequence[Row]) -> list[PublishedEvent]:
        return [_published(row, self._kinds.get(row["topic"], "")) for row in rows]

    def _journal_failure(self, outcome: str, rows: Sequence[Row], error: Exception, began: float) -> None:
        """Write a journal line for each event that the bus did not accept."""
        failed = [one._replace(reason=reason_of(error)) for one in self._published(rows)]
        self._journal.published(self._service, self._bus.carrier, failed, began=began, outcome=outcome)

    async def _read(self, retried: str | None) -> list[Row]:
        """Lease buckets, and read the events of the topic that is tried again, else of all topics that do not wait."""
        limit = max(1, self._suspects // 2) if self._suspects else None
        limits = (None, self._batch_size, MAX_BATCH_BYTES, limit)
        if not self._waiting.names:
            return await self._database.fetch(_READ_PENDING, *limits)
        topics = [retried] if retried else self._waiting.names
        return await self._database.fetch(_READ_BY_TOPIC, *limits, topics, retried is not None)

    async def _halve_or_park(
        self, rows: Sequence[Row], buckets: Sequence[int], until: datetime, error: MessageRejected
    ) -> None:
        """Have the next batch be half of this one or, if this one is a single event, park it."""
        self._suspects = len(rows) if len(rows) > 1 else 0
        if self._suspects:
            await self._release_leases(buckets, until)
        elif await park(self._database, LEASES, buckets, until, rows[0]["id"], str(error)):
            log.error(
                "the bus rejects an event; it is parked, and later events are published",
                extra={"topic": rows[0]["topic"], "position": rows[0]["id"], "service": self._service, "reason": error},
            )
            self._journal_failure(REJECTED, rows, error, time.perf_counter())

    def _refuse_topics(self, error: BaseException, retried: str | None) -> bool:
        """Have topics wait if an error concerns only them; return whether it does."""
        topics: Collection[str] = ()
        if isinstance(error, TopicRefused):
            topics = error.topics
        elif isinstance(error, BusUnavailable) and retried:
            topics = [retried]
        self._waiting.refuse(topics, str(error), time.monotonic())
        return bool(topics)

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

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
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
