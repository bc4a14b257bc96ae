"""The dispatcher delivers the events of the bus to one destination, in order per topic, with one call at a time.

Everything that waits goes into the next call, up to `MAX_EVENTS` and `MAX_BYTES`. A call that is not answered in time,
or that is refused for its size or content, is halved; other failures mean that the destination is unavailable, and it
gets one call per `RETRY_INTERVAL`. An event that has failed for `GIVE_UP_AFTER` while others were applied is rejected.
A batch is acknowledged once each of its events is applied or a dead letter, so a crash only repeats deliveries, and the
destination's inbox drops the duplicates. Events from an event log (`late_delivery.py`) fill what is left of a call.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from msgspec import Raw

from nextbuy.contracts.delivery import MAX_BYTES, MAX_EVENTS, DeliveryClient, EventEntry, Outcome, Result
from nextbuy.contracts.errors import AppError, DeadlinePassed, TooLarge, Unprocessable
from nextbuy.kafka.dead_letters.store import NewDeadLetter, store_dead_letters
from nextbuy.kafka.delivery.open_batch import Entry, OpenBatch
from nextbuy.kafka.delivery.outages import Outage
from nextbuy.kafka.late_delivery import LateBatch
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.bus.interface import Bus, BusUnavailable, Subscription
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service_context import Destination, Publisher, publisher_by_topic
from nextbuy.kit.storage.database import Database

log: Final = logging.getLogger(__name__)

CALL_TIMEOUT: Final = 3.0
"""Seconds per call; a receiver gives up earlier (`receiver.TIME_LIMIT`)."""
RETRY_INTERVAL: Final = 1.0
"""Seconds between calls to a destination that is unavailable, and between deliveries of an event that fails."""
GIVE_UP_AFTER: Final = 60.0
"""Seconds after which an event that fails alone is rejected: longer than a lock or a restart takes."""
_TOO_MUCH: Final = (DeadlinePassed, TooLarge, Unprocessable)
"""Errors after which a call is repeated with half of its events."""

Chosen = list[tuple[OpenBatch, Entry]]


class Dispatcher:
    """The delivery of events to one destination."""

    def __init__(
        self,
        destination: Destination,
        client: DeliveryClient,
        bus: Bus,
        database: Database,
        late: "asyncio.Queue[LateBatch]",
        publishers: Sequence[Publisher] = (),
    ) -> None:
        self._destination = destination
        self._client = client
        self._bus = bus
        self._database = database
        self._late = late
        self._publisher_of = publisher_by_topic(publishers)
        self._open: list[OpenBatch] = []
        self._wakeup = asyncio.Event()
        self._limit = MAX_EVENTS
        self._paused_until = 0.0
        self._succeeded_at = 0.0
        self._failing = False
        self._outage = Outage(destination.name, database)

    async def run(self) -> None:
        """Deliver until cancelled; then acknowledge what is done and leave the consumer group."""
        subscription = self._bus.subscribe(
            self._destination.name, list(self._destination.topics), batch_size=MAX_EVENTS
        )
        self._open.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(subscription))
                tasks.create_task(self._read_late())
                tasks.create_task(self._deliver())
                tasks.create_task(self._outage.run())
        finally:
            for one in self._open:
                with suppress(BusUnavailable):  # what is delivered again is dropped as a duplicate
                    await one.batch.acknowledge(one.done)
            await subscription.close()

    async def _read(self, subscription: Subscription) -> None:
        """Open the batches that arrive; the bus yields no further one of a topic until it is acknowledged."""
        async for batch in subscription.batches():
            subscriptions = self._destination.topics[batch.topic]
            opened, letters = OpenBatch.read(batch, subscriptions, self._publisher_of.get(batch.topic))
            if letters:
                await self._store(letters)
            self._open.append(opened)
            self._wakeup.set()

    async def _read_late(self) -> None:
        while True:
            batch = await self._late.get()
            self._open.append(OpenBatch.read_late(batch))
            self._wakeup.set()

    async def _deliver(self) -> None:
        while True:
            self._wakeup.clear()
            self._open = [one for one in self._open if not one.withdrawn]
            chosen = list(self._choose(time.monotonic()))
            if chosen:
                traces = (entry.trace_id for _, entry in chosen)
                with telemetry.use_span(telemetry.start_span().linked(traces)):
                    await self._send(chosen)
            await self._acknowledge()
            if not chosen:
                await self._wait()

    def _choose(self, now: float) -> Iterator[tuple[OpenBatch, Entry]]:
        """Yield the events of the next call."""
        if now < self._paused_until:
            return
        count = size = 0
        for one in sorted(self._open, key=lambda one: one.late is not None):
            if now < one.due:
                continue
            for entry in one.entries[:1] if one.alone else one.entries:
                size += len(entry.body)
                if count == self._limit or (count and size > MAX_BYTES):
                    return
                count += 1
                yield one, entry

    async def _wait(self) -> None:
        """Wait for the next batch, or until something is due."""
        due = [max(one.due, self._paused_until) for one in self._open if one.entries]
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(due) - time.monotonic()) if due else None):
                await self._wakeup.wait()

    async def _send(self, chosen: Chosen) -> None:
        set_deadline(CALL_TIMEOUT)
        entries = [
            EventEntry(Raw(entry.body), entry.subscriptions, entry.position, reject=self._rejection(entry))
            for _, entry in chosen
        ]
        try:
            results = (await self._client.receive_events(self._destination.name, entries)).results
        except AppError as error:
            await self._handle_failure(chosen, error)
            return
        if len(chosen) > 1 and all(result.outcome is Outcome.RETRY for row in results for result in row):
            # Too much for the time that a receiver has, or a database that is down; one event alone shows which.
            self._limit = len(chosen) // 2
            return
        self._log_recovery()
        self._limit = min(MAX_EVENTS, self._limit * 2)
        letters = [
            entry.dead_letter(self._destination.name, name, result)
            for (_, entry), row in zip(chosen, results, strict=True)
            for name, result in zip(entry.subscriptions, row, strict=True)
            if result.outcome is Outcome.REJECTED
        ]
        if letters:
            await self._store(letters)
        for (batch, entry), row in zip(chosen, results, strict=True):
            self._conclude(batch, entry, row)

    def _conclude(self, batch: OpenBatch, entry: Entry, results: Sequence[Result]) -> None:
        """Remove the subscriptions whose outcome is final; the others are tried again, the first event alone."""
        pairs = zip(entry.subscriptions, results, strict=True)
        if retried := [(name, result) for name, result in pairs if result.outcome is Outcome.RETRY]:
            entry.subscriptions = [name for name, _ in retried]
            self._fail(batch, entry, retried[0][1].reason)
        else:
            self._succeeded_at = time.monotonic()
            self._outage.ended()
            batch.finish(entry)

    async def _handle_failure(self, chosen: Chosen, error: AppError) -> None:
        """Halve the next call if this one was too much, otherwise pause."""
        batch, entry = chosen[0]
        if not isinstance(error, _TOO_MUCH):
            self._log_outage(error)
            self._outage.failed(f"{error.slug}: {error}")
            self._paused_until = time.monotonic() + RETRY_INTERVAL
        elif len(chosen) > 1:
            self._limit = len(chosen) // 2
        elif self._rejection(entry) or isinstance(error, TooLarge):
            # Not even its rejection is accepted, so the dead letter is its only trace.
            result = Result(Outcome.REJECTED, str(error))
            await self._store([entry.dead_letter(self._destination.name, name, result) for name in entry.subscriptions])
            batch.finish(entry)
        else:
            self._log_outage(error)
            self._fail(batch, entry, str(error))
            self._open.append(self._open.pop(self._open.index(batch)))

    def _fail(self, batch: OpenBatch, entry: Entry, reason: str) -> None:
        """Have an event sent again, and count how long it has failed while others were applied."""
        now = time.monotonic()
        self._outage.failed(reason)
        if entry is batch.entries[0]:
            if entry.failed_at is not None and self._succeeded_at > entry.failed_at:
                entry.failing_alone += min(now - entry.failed_at, RETRY_INTERVAL + CALL_TIMEOUT)
            entry.failed_at = now
        batch.fail(entry, reason, now, RETRY_INTERVAL)

    def _rejection(self, entry: Entry) -> str:
        """Return why an event is given up, or an empty string."""
        if entry.failing_alone < GIVE_UP_AFTER:
            return ""
        return f"given up after {entry.attempts} attempts: {entry.reason}"

    async def _acknowledge(self) -> None:
        for one in [one for one in self._open if not one.entries]:
            self._open.remove(one)
            try:
                await one.batch.acknowledge()
            except BusUnavailable as error:
                log.debug("acknowledgement of %s failed; delivered again: %s", one.batch.topic, error)

    async def _store(self, letters: Sequence[NewDeadLetter]) -> None:
        """Store dead letters, without a time limit: to acknowledge the events before would lose them."""
        failing = False
        while True:
            try:
                await store_dead_letters(self._database, letters)
            except Exception as error:  # noqa: BLE001  whatever failed, the events must not be acknowledged yet
                if not failing:
                    log.warning("%d dead letters not stored; retrying: %r", len(letters), error)
                failing = True
                await asyncio.sleep(RETRY_INTERVAL)
            else:
                return

    def _log_outage(self, error: AppError) -> None:
        if not self._failing:
            log.warning("delivery to %s failed; its events wait: %s: %s", self._destination.name, error.slug, error)
        self._failing = True

    def _log_recovery(self) -> None:
        if self._failing:
            log.info("delivery to %s resumed", self._destination.name)
        self._failing = False
