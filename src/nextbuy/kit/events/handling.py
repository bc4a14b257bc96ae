"""One handler applied to events: each event is applied, retried, or dead-lettered; none is skipped.

- **Transient failure**: retried in place. Later events of the topic wait, which keeps the order per key.
- **Permanent or repeated failure** (`retry_policy.py`): a dead letter, stored together with the inbox row.

If a batch fails, each half is tried by itself, down to the event that causes the failure; the order stays.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from nextbuy.contracts.errors import AppError
from nextbuy.kit.events.bus.interface import BUS_PARTICIPANT
from nextbuy.kit.events.dead_letters.store import dead_letter
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.events.inbox import mark, record_new, seen
from nextbuy.kit.events.outbox import caused_by
from nextbuy.kit.events.retry_policy import MAX_FAILURES, Failure, RetryPolicy, Stopped
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import Listening
from nextbuy.kit.storage.database import Database, Transaction

log: Final = logging.getLogger(__name__)

SINGLES_TIME_LIMIT: Final = 2.0
"""Seconds after which single events not yet started are returned to the bus: a lost lease then repeats little work."""


class Handling:
    """The handler of one `Listening`, with its inbox, retries and dead letters."""

    def __init__(
        self,
        listening: Listening,
        deps: Any,  # noqa: ANN401  each service has its own
        database: Database,
        journal: telemetry.Journal,
        retry_policy: RetryPolicy,
    ) -> None:
        self.listening = listening
        self._name = listening.name
        self._deps = deps
        self._database = database
        self._journal = journal
        self._retry_policy = retry_policy

    async def handle(self, items: Sequence[InboundEvent]) -> int:
        """Process events in order and return how many are done: applied now or earlier, or dead-lettered.

        Raises:
            Stopped: the consumer is shutting down, and the first event is not done.
        """
        if self.listening.way == "single":
            return await self._handle_singles(items)
        await self._handle_together(items)
        return len(items)

    async def replay_call(self, item: InboundEvent) -> None:
        """Run a handler that makes calls on a dead-lettered event."""
        with _span_of([item]):
            await self._call([item])

    async def replay_batch(
        self, items: Sequence[InboundEvent], resolve: Callable[[Transaction], Awaitable[set[UUID]]]
    ) -> None:
        """Run a batch handler on the dead-lettered events whose ids `resolve` returns, in the same transaction."""
        with _span_of(items):
            async with self._database.transaction() as tx:
                resolved = await resolve(tx)
                pairs = [(item.event, item.envelope) for item in items if item.id in resolved]
                if pairs:
                    await self.listening.act(self._deps, tx, pairs)

    async def _handle_singles(self, items: Sequence[InboundEvent]) -> int:
        ids = [item.id for item in items]
        done = await self._retry_policy.retry_until_stopped(self._name, lambda: seen(self._database, self._name, ids))
        began = time.monotonic()
        for index, item in enumerate(items):
            if item.id in done:
                continue
            if index and (self._retry_policy.stopping.is_set() or time.monotonic() - began > SINGLES_TIME_LIMIT):
                return index
            try:
                await self._handle_single(item)
            except Stopped:
                if not index:
                    raise
                return index
            done.add(item.id)
        return len(items)

    async def _handle_single(self, item: InboundEvent) -> None:
        async def act() -> None:
            await self._call([item])

        async def mark_done() -> None:
            await mark(self._database, self._name, [item.id])

        began = time.perf_counter()
        with _span_of([item]) as trace:
            try:
                attempts = await self._retry_policy.attempt(self._label(item), act)
            except Failure as failure:
                await self._dead_letter(item, failure, trace, began)
                return
            await self._retry_policy.retry_until_stopped(self._label(item), mark_done)
            self._record(item, trace, began, attempts=attempts)

    async def _call(self, items: Sequence[InboundEvent]) -> None:
        if self.listening.way == "single":
            await self.listening.act(self._deps, items[0].event, items[0].envelope)
        else:
            await self.listening.act(self._deps, [(item.event, item.envelope) for item in items])

    async def _apply_in_transaction(self, items: Sequence[InboundEvent]) -> list[InboundEvent]:
        """Apply the new events, all or none, and return them."""
        async with self._database.transaction() as tx:
            new = _unique(items, await record_new(tx, self._name, [item.id for item in items]))
            if new:
                await self.listening.act(self._deps, tx, [(item.event, item.envelope) for item in new])
        return new

    async def _apply_by_call(self, items: Sequence[InboundEvent]) -> list[InboundEvent]:
        """Call the handler with the new events, mark them, and return them; its callee ignores repetitions."""
        ids = [item.id for item in items]
        new = _unique(items, {*ids} - await seen(self._database, self._name, ids))
        if new:
            await self._call(new)
            new_ids = [item.id for item in new]
            await self._retry_policy.retry_until_stopped(self._name, lambda: mark(self._database, self._name, new_ids))
        return new

    async def _handle_together(self, items: Sequence[InboundEvent]) -> None:
        """Apply events at once or, if that fails, each half by itself."""
        apply = self._apply_in_transaction if self.listening.way == "batch" else self._apply_by_call
        new: list[InboundEvent] = []

        async def act() -> None:
            new[:] = await apply(items)

        if not items:
            return
        alone = len(items) == 1
        began = time.perf_counter()
        with _span_of(items) as trace:
            try:
                attempts = await self._retry_policy.attempt(
                    self._label(items[0]), act, max_failures=MAX_FAILURES if alone else 1
                )
            except Failure as failure:
                if alone:
                    await self._dead_letter(items[0], failure, trace, began)
                    return
            else:
                self._journal.interactions(
                    "consume",
                    BUS_PARTICIPANT,
                    self._database.service,
                    [(item.event.topic, trace if alone else _start_span(item)) for item in new],
                    began=began,
                    attempt=attempts,
                )
                return
        middle = len(items) // 2
        await self._handle_together(items[:middle])
        await self._handle_together(items[middle:])

    async def _dead_letter(
        self, item: InboundEvent, failure: Failure, trace: telemetry.SpanContext, began: float
    ) -> None:
        async def store() -> None:
            async with self._database.transaction() as tx:
                await record_new(tx, self._name, [item.id])
                await dead_letter(
                    tx,
                    item.event.topic,
                    item.body,
                    failure.error,
                    delivery_key=f"{self._name}/{item.id}",
                    attempts=failure.attempts,
                    handler=self._name,
                    event_id=item.id,
                    event_type=item.envelope.type,
                )

        await self._retry_policy.retry_until_stopped(self._label(item), store)
        log.error("%s failed; event dead-lettered", self._label(item), exc_info=failure.error)
        error = failure.error
        outcome = error.slug if isinstance(error, AppError) else type(error).__name__
        self._record(item, trace, began, attempts=failure.attempts, outcome=outcome)

    def _label(self, item: InboundEvent) -> str:
        return f"{self._name} of {item.event.topic} {item.id}"

    def _record(
        self, item: InboundEvent, trace: telemetry.SpanContext, began: float, *, attempts: int, outcome: str = "ok"
    ) -> None:
        self._journal.interaction(
            "consume",
            BUS_PARTICIPANT,
            self._database.service,
            item.event.topic,
            trace=trace,
            began=began,
            outcome=outcome,
            attempt=attempts,
        )


def _unique(items: Sequence[InboundEvent], new: Collection[UUID]) -> list[InboundEvent]:
    """Return the events whose ids are in `new`, in order, the first of each id."""
    first = {item.id: item for item in reversed(items)}
    return [item for item in items if item.id in new and item is first[item.id]]


def _start_span(item: InboundEvent) -> telemetry.SpanContext:
    return telemetry.start_span(item.envelope.traceparent, item.envelope.correlation_id)


@contextmanager
def _span_of(items: Sequence[InboundEvent]) -> Iterator[telemetry.SpanContext]:
    """Continue the trace of a single event, which becomes the cause; several events get a new trace and no cause."""
    if len(items) > 1:
        with telemetry.use_span(telemetry.start_span()) as trace:
            yield trace
        return
    with caused_by(items[0].id), telemetry.use_span(_start_span(items[0])) as trace:
        yield trace
