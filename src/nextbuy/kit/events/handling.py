"""One handler over events: what fails is tried again, waited out, or buried; nothing is skipped in silence.

- **Transient** (the error says so, or the database is away): tried again in place with full jitter, for as long as it
  takes. The events behind it in its topic wait too, which is what keeps the order per key; those of other topics do
  not. None is buried for an outage.
- **Anything else unexpected**: tried `PATIENCE` times, then buried. **Refused by an error of the tree that is not
  transient**: buried at once.
- **Buried** means a dead letter and an inbox row in one transaction. What is behind it goes on.

A batch handler acts in the transaction of its inbox rows; one that makes calls, for single events or for many at once,
acts first and is marked after, see `inbox.py`. Where many fail, each half of them is tried by itself, down to the one
that is to blame: the others are applied, in their order, at the cost of a few attempts more.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from uuid import UUID

from nextbuy.contracts.errors import AppError, BreakerOpen
from nextbuy.kit.events.dead_letters.store import dead_letter
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.events.inbox import mark, seen, unseen
from nextbuy.kit.events.outbox import caused_by
from nextbuy.kit.observability import telemetry
from nextbuy.kit.rpc.retry import backoff
from nextbuy.kit.service import Listening
from nextbuy.kit.storage.database import Database, Transaction, as_app_error

log: Final = logging.getLogger(__name__)

T = TypeVar("T")

MAX_FAILURES: Final = 5
"""How often an event is tried that fails for no reason that would pass by itself."""
WAIT_BASE: Final = 0.05
WAIT_CAP: Final = 5.0
_LONGEST_WAIT: Final = 60.0
"""Seconds; a callee that asks for more is asked again sooner."""
HAND_BACK_AFTER: Final = 2.0
"""Seconds after which single events not begun are given back, to come again: a lost lease does little twice."""


class Stopped(Exception):
    """The consumer is being stopped, and what was in hand is not done."""


class Failure(Exception):
    """What was tried cannot be done; the cause is the error of the last attempt."""

    def __init__(self, error: Exception, attempts: int) -> None:
        """Say what it was, and how often it was tried."""
        super().__init__(str(error))
        self.error = error
        self.attempts = attempts


def transient(error: BaseException) -> AppError | None:
    """Return the error by which this one says that it may pass by itself, or None."""
    if isinstance(error, AppError):
        return error if error.transient else None
    return as_app_error(error)


def outcome_of(error: BaseException) -> str:
    """Return the word for it in a log line."""
    return error.slug if isinstance(error, AppError) else type(error).__name__


class RetryPolicy:
    """Tries and waits; a wait ends at once when the consumer is stopped."""

    def __init__(self, stopping: asyncio.Event) -> None:
        """Wait no longer than until `stopping` is set."""
        self.stopping = stopping

    async def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: it is not worth waiting any more.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return
        raise Stopped

    async def attempt(self, what: str, act: Callable[[], Awaitable[None]], *, most: int = MAX_FAILURES) -> int:
        """Act until it succeeds, and return the number of attempts; failures that pass do not count against `most`.

        What an open breaker refused was no attempt: it is waited for as long as the breaker says.

        Raises:
            Failure: it never will, or has failed `most` times.
            Stopped: the consumer is being stopped.
        """
        attempts = failures = waits = 0
        while True:
            attempts += 1
            try:
                await act()
            except Stopped:
                raise
            except Exception as error:
                passing = transient(error)
                if passing is not None:
                    if not waits:
                        log.warning("%s has to wait: %s", what, passing)
                    wait = max(_wait(waits), min(passing.retry_after or 0.0, _LONGEST_WAIT))
                    waits += 1
                    attempts -= isinstance(passing, BreakerOpen)
                else:
                    failures += 1
                    if isinstance(error, AppError) or failures >= most:
                        raise Failure(error, attempts) from error
                    wait = _wait(failures - 1)
                await self.pause(wait)
            else:
                return attempts

    async def retry_until_stopped(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do with the database what must be done before an event may be acknowledged, whatever stands in the way.

        Raises:
            Stopped: the consumer is being stopped; it was not done.
        """
        attempts = 0
        while True:
            try:
                return await act()
            except Exception as error:  # noqa: BLE001  acknowledging what was not written down would lose it
                if not attempts:
                    log.warning("%s has to wait: %r", what, error)
                await self.pause(_wait(attempts))
                attempts += 1


class Handling:
    """One `Listening` of a service, at work."""

    def __init__(
        self,
        listening: Listening,
        deps: Any,  # noqa: ANN401  each service has its own
        database: Database,
        journal: telemetry.Journal,
        patience: RetryPolicy,
    ) -> None:
        """Run the act of `listening` with `deps`."""
        self.listening = listening
        self._name = listening.name
        self._deps = deps
        self._database = database
        self._journal = journal
        self._patience = patience

    async def handle(self, items: Sequence[InboundEvent]) -> int:
        """Apply events in order and return with how many of them we are done: applied now or before, or buried.

        Raises:
            Stopped: the consumer is being stopped, and the first was not done.
        """
        if self.listening.way == "single":
            return await self._one_by_one(items)
        await self._together(items)
        return len(items)

    async def act_again(self, item: InboundEvent) -> None:
        """Have a handler that makes calls tell of an event that was buried."""
        with _about([item]):
            await self._call([item])

    async def apply_again(
        self, items: Sequence[InboundEvent], settle: Callable[[Transaction], Awaitable[set[UUID]]]
    ) -> None:
        """Have a batch handler apply events that were buried: those that `settle` returns, in the same transaction."""
        with _about(items):
            async with self._database.transaction() as tx:
                ours = await settle(tx)
                pairs = [(item.event, item.envelope) for item in items if item.id in ours]
                if pairs:
                    await self.listening.act(self._deps, tx, pairs)

    async def _one_by_one(self, items: Sequence[InboundEvent]) -> int:
        ids = [item.id for item in items]
        done = await self._patience.retry_until_stopped(self._name, lambda: seen(self._database, self._name, ids))
        began = time.monotonic()
        for place, item in enumerate(items):
            if item.id in done:
                continue
            if place and (self._patience.stopping.is_set() or time.monotonic() - began > HAND_BACK_AFTER):
                return place
            try:
                await self._single(item)
            except Stopped:
                if not place:
                    raise
                return place
            done.add(item.id)
        return len(items)

    async def _single(self, item: InboundEvent) -> None:
        async def act() -> None:
            await self._call([item])

        async def marked() -> None:
            await mark(self._database, self._name, [item.id])

        began = time.perf_counter()
        with _about([item]) as trace:
            try:
                attempts = await self._patience.attempt(self._what(item), act)
            except Failure as failure:
                await self._bury(item, failure, trace, began)
                return
            await self._patience.retry_until_stopped(self._what(item), marked)
            self._write(item, trace, began, attempts=attempts)

    async def _call(self, items: Sequence[InboundEvent]) -> None:
        if self.listening.way == "single":
            await self.listening.act(self._deps, items[0].event, items[0].envelope)
        else:
            await self.listening.act(self._deps, [(item.event, item.envelope) for item in items])

    async def _in_transaction(self, items: Sequence[InboundEvent]) -> list[InboundEvent]:
        """Apply those events that are new, and return them; all or none."""
        async with self._database.transaction() as tx:
            fresh = _firsts(items, await unseen(tx, self._name, [item.id for item in items]))
            if fresh:
                await self.listening.act(self._deps, tx, [(item.event, item.envelope) for item in fresh])
        return fresh

    async def _by_calls(self, items: Sequence[InboundEvent]) -> list[InboundEvent]:
        """Tell of those events that are new, mark them, and return them; who is told knows what comes again."""
        ids = [item.id for item in items]
        fresh = _firsts(items, {*ids} - await seen(self._database, self._name, ids))
        if fresh:
            await self._call(fresh)
            told = [item.id for item in fresh]
            await self._patience.retry_until_stopped(self._name, lambda: mark(self._database, self._name, told))
        return fresh

    async def _together(self, items: Sequence[InboundEvent]) -> None:
        """Apply events at once, or, where that cannot be done, each half of them by itself."""
        apply = self._in_transaction if self.listening.way == "batch" else self._by_calls
        fresh: list[InboundEvent] = []

        async def act() -> None:
            fresh[:] = await apply(items)

        if not items:
            return
        alone = len(items) == 1
        began = time.perf_counter()
        with _about(items) as trace:
            try:
                attempts = await self._patience.attempt(self._what(items[0]), act, most=MAX_FAILURES if alone else 1)
            except Failure as failure:
                if alone:
                    await self._bury(items[0], failure, trace, began)
                    return
            else:
                told = [(item.event.topic, trace if alone else _trace_of(item)) for item in fresh]
                self._journal.interactions(
                    "consume", "kafka", self._database.service, told, began=began, attempt=attempts
                )
                return
        middle = len(items) // 2
        await self._together(items[:middle])
        await self._together(items[middle:])

    async def _bury(self, item: InboundEvent, failure: Failure, trace: telemetry.SpanContext, began: float) -> None:
        async def buried() -> None:
            async with self._database.transaction() as tx:
                await unseen(tx, self._name, [item.id])
                await dead_letter(
                    tx,
                    item.event.topic,
                    item.body,
                    failure.error,
                    origin=f"{self._name}/{item.id}",
                    attempts=failure.attempts,
                    handler=self._name,
                    event_id=item.id,
                    event_type=item.envelope.type,
                )

        await self._patience.retry_until_stopped(self._what(item), buried)
        log.error("%s is a dead letter.", self._what(item), exc_info=failure.error)
        self._write(item, trace, began, attempts=failure.attempts, outcome=outcome_of(failure.error))

    def _what(self, item: InboundEvent) -> str:
        return f"{self._name} of {item.event.topic} {item.id}"

    def _write(
        self, item: InboundEvent, trace: telemetry.SpanContext, began: float, *, attempts: int, outcome: str = "ok"
    ) -> None:
        self._journal.interaction(
            "consume",
            "kafka",
            self._database.service,
            item.event.topic,
            trace=trace,
            began=began,
            outcome=outcome,
            attempt=attempts,
        )


def _firsts(items: Sequence[InboundEvent], new: Collection[UUID]) -> list[InboundEvent]:
    """Return those of the events that are new, in order, each once."""
    first = {item.id: item for item in reversed(items)}
    return [item for item in items if item.id in new and item is first[item.id]]


def _trace_of(item: InboundEvent) -> telemetry.SpanContext:
    return telemetry.start_span(item.envelope.traceparent, item.envelope.correlation_id)


@contextmanager
def _about(items: Sequence[InboundEvent]) -> Iterator[telemetry.SpanContext]:
    """Give what is done about one event its trace and cause; many at once have a trace of their own, and no cause."""
    if len(items) > 1:
        with telemetry.use_span(telemetry.start_span()) as trace:
            yield trace
        return
    with caused_by(items[0].id), telemetry.use_span(_trace_of(items[0])) as trace:
        yield trace


def _wait(attempt: int) -> float:
    return backoff(attempt, base=WAIT_BASE, cap=WAIT_CAP, random=random.random)
