"""The receiver applies the events that the kafka service delivers to this service, each once per subscription.

All events of a call are applied in one transaction: inbox rows first, then each handler with its new events. If that
fails, each subscription is tried alone, then in halves, each part committed by itself, down to the event that fails. An
event that its handler refuses, or that fails `MAX_FAILURES` times, is rejected: its inbox row holds the reason. After a
transient failure nothing is stored, and the rest of the topic waits, so that events of one key stay in order.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from nextbuy.contracts.delivery import EventEntry, EventsReceived, Outcome, ReceiveEvents, Result
from nextbuy.contracts.errors import AppError, DeadlinePassed
from nextbuy.contracts.values import Timestamp
from nextbuy.kit.deadline import time_left
from nextbuy.kit.events.error_text import describe, describe_chain
from nextbuy.kit.events.inbound import EventDecoder, InboundEvent, UndecodableEvent
from nextbuy.kit.events.inbox import InboxKey, record, rejections, take_rejected
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import Inbox, Service, Subscription
from nextbuy.kit.storage.database import Database, Transaction, transient

log: Final = logging.getLogger(__name__)

MAX_FAILURES: Final = 3
"""Unforeseen errors of one event, after which it is rejected."""
TIME_LIMIT: Final = 2.5
"""Seconds. Less than the caller waits, so that a late transaction is rolled back before the events are sent again."""
_MARGIN: Final = 0.25
"""Seconds between the end of the last transaction and the caller's deadline."""


@dataclass(slots=True)
class _Item:
    """One event for one subscription; `result` is None until its outcome is known."""

    subscription: Subscription
    topic: str
    event_id: UUID
    event: InboundEvent | None
    replay: bool
    rejection: Result | None = None
    result: Result | None = None


class Receiver:
    """The receiver of one service."""

    def __init__(
        self,
        service: Service,
        deps: Any,  # noqa: ANN401  each service has its own
        database: Database,
        journal: telemetry.Journal,
    ) -> None:
        self._service = service.name
        self._deps = deps
        self._database = database
        self._journal = journal
        self._subscriptions = {one.name: one for one in service.subscriptions}
        self._decoder = EventDecoder(event for one in service.subscriptions for event in one.events)
        self._begin: dict[str, Timestamp] = {}

    async def start(self) -> None:
        """Store when each new subscription begins, and read when the others began; earlier events are not applied."""
        await self._database.execute(
            "INSERT INTO subscriptions (name, begins_at)"
            " SELECT name, CASE WHEN from_start THEN '-infinity' ELSE now() END"
            " FROM unnest($1::text[], $2::boolean[]) AS declared (name, from_start) ON CONFLICT DO NOTHING",
            list(self._subscriptions),
            [one.from_start for one in self._subscriptions.values()],
        )
        rows = await self._database.fetch("SELECT name, begins_at FROM subscriptions WHERE begins_at > '-infinity'")
        self._begin = {row["name"]: row["begins_at"] for row in rows}

    async def receive(self, _deps: object, call: ReceiveEvents) -> EventsReceived:
        """Apply events and return the outcome of each for each of its subscriptions."""
        began = time.perf_counter()
        results: list[list[Result | _Item]] = [self._read(entry) for entry in call.entries]
        items = [one for row in results for one in row if isinstance(one, _Item)]
        if items:
            await _Run(self._database, self._deps, time.monotonic() + time_left(TIME_LIMIT) - _MARGIN).apply(items)
        self._log(items, began)
        return EventsReceived([[one if isinstance(one, Result) else _result(one) for one in row] for row in results])

    def _read(self, entry: EventEntry) -> list[Result | _Item]:
        """Decode an event; return an item for each of its subscriptions, or a result that needs no work."""
        body = bytes(entry.envelope)
        event: InboundEvent | None = None
        rejection = Result(Outcome.REJECTED, entry.reject) if entry.reject else None
        try:
            topic, event_id, published_at = self._decoder.header(body)
        except UndecodableEvent as error:
            return [Result(Outcome.REJECTED, str(error)) for _ in entry.subscriptions]
        found: list[Result | _Item] = []
        for name in entry.subscriptions:
            subscription = self._subscriptions.get(name)
            if subscription is None or all(kind.topic != topic for kind in subscription.events):
                found.append(Result(Outcome.UNKNOWN))
                continue
            if name in self._begin and published_at < self._begin[name]:
                found.append(Result(Outcome.DUPLICATE))
                continue
            if event is None and rejection is None:
                try:
                    event = self._decoder.decode(topic, body)
                except UndecodableEvent as error:
                    rejection = Result(Outcome.REJECTED, str(error))
            found.append(_Item(subscription, topic, event_id, event, entry.replay, rejection))
        return found

    def _log(self, items: Iterable[_Item], began: float) -> None:
        """Log one interaction per event that was not a duplicate, with the outcome for each subscription."""
        by_event: dict[UUID, list[_Item]] = defaultdict(list)
        for item in items:
            result = _result(item)
            if result.outcome is Outcome.REJECTED and item.event is not None:
                log.error(
                    "event rejected; it becomes a dead letter",
                    extra={
                        "topic": item.topic,
                        "event_id": item.event_id,
                        "subscription": item.subscription.name,
                        "reason": result.reason,
                    },
                )
            if result.outcome is not Outcome.DUPLICATE:
                by_event[item.event_id].append(item)
        for event_id, of_event in by_event.items():
            outcomes = {item.subscription.name: _result(item).outcome.value for item in of_event}
            event = of_event[0].event
            span = (
                telemetry.start_span(event.envelope.traceparent, event.envelope.correlation_id)
                if event
                else telemetry.current_span()
            )
            self._journal.consumed(self._service, of_event[0].topic, event_id, outcomes, trace=span, began=began)


def _result(item: _Item) -> Result:
    return item.result or Result(Outcome.RETRY)


class _Run:
    """The work of one call: what is left of its items is retried once `deadline` (monotonic seconds) has passed."""

    def __init__(self, database: Database, deps: Any, deadline: float) -> None:  # noqa: ANN401  each service has its own
        self._database = database
        self._deps = deps
        self._deadline = deadline
        self._waiting_topics: set[str] = set()
        self._rejected: list[_Item] = []

    async def apply(self, items: Sequence[_Item]) -> None:
        """Set the result of every item."""
        by_subscription: dict[str, list[_Item]] = defaultdict(list)
        for item in items:
            by_subscription[item.subscription.name].append(item)
        if len(items) == 1 or not await self._apply_all(items):
            for of_one in by_subscription.values():
                self._waiting_topics.clear()
                await self._apply_part(of_one)
        if self._rejected and (error := await self._try(self._rejected)):
            _retry(self._rejected, error)

    async def _apply_all(self, items: Sequence[_Item]) -> bool:
        """Apply all items in one transaction; return false if each subscription is to be tried alone."""
        error = await self._try(items)
        if error is None:
            return True
        if transient(error) is None:
            return False
        _retry(items, error)
        return True

    async def _apply_part(self, items: Sequence[_Item]) -> None:
        """Apply items of one subscription: together or, if that fails for good, each half by itself."""
        items = [item for item in items if item.topic not in self._waiting_topics]
        if not items:
            return
        alone = len(items) == 1
        error: BaseException | None = None
        for _ in range(MAX_FAILURES if alone else 1):
            error = await self._try(items)
            if error is None:
                return
            if transient(error) is not None:
                _retry(items, error)
                self._waiting_topics.update(item.topic for item in items)
                return
            if isinstance(error, AppError):
                break
        if alone and error is not None:
            items[0].rejection = Result(Outcome.REJECTED, describe(error), describe_chain(error))
            self._rejected.append(items[0])
            return
        middle = len(items) // 2
        await self._apply_part(items[:middle])
        await self._apply_part(items[middle:])

    async def _try(self, items: Sequence[_Item]) -> Exception | None:
        """Apply items in one transaction and set their results, or return the error that undid it."""
        try:
            left = self._deadline - time.monotonic()
            if left <= 0:
                return DeadlinePassed()
            async with asyncio.timeout(left), self._database.transaction() as tx:
                results = await self._apply_in(tx, items)
        except Exception as error:  # noqa: BLE001  a handler may raise anything; the caller decides by the error
            return error
        for item, result in zip(items, results, strict=True):
            item.result = result
        return None

    async def _apply_in(self, tx: Transaction, items: Sequence[_Item]) -> list[Result]:
        inboxes = {item.subscription.name: await _inboxes(tx, item.subscription) for item in _first_of_each(items)}
        keys = [[InboxKey(inbox.name, item.event_id) for inbox in inboxes[item.subscription.name]] for item in items]
        pairs = list(zip(items, keys, strict=True))
        new = await record(
            tx,
            [(key, item.rejection.reason if item.rejection else None) for item, of_item in pairs for key in of_item],
        )
        replays = {key for item, of_item in pairs if item.replay and not item.rejection for key in of_item}
        new |= await take_rejected(tx, replays - new)
        known = {key for of_item in keys for key in of_item} - new
        rejected = await rejections(tx, known)
        for name, of_name in inboxes.items():
            for inbox in of_name:
                await self._handle(tx, inbox, [item for item in items if item.subscription.name == name], new)
        return [_outcome(item, of_item, new, rejected) for item, of_item in pairs]

    async def _handle(self, tx: Transaction, inbox: Inbox, items: Sequence[_Item], new: Collection[InboxKey]) -> None:
        """Run a handler on the new events, in order, the first of each id."""
        events = {
            item.event_id: item.event
            for item in reversed(items)
            if item.event and not item.rejection and InboxKey(inbox.name, item.event_id) in new
        }
        if events:
            in_order = [item.event for item in items if item.event and events.get(item.event_id) is item.event]
            await inbox.act(self._deps, tx, in_order)


async def _inboxes(tx: Transaction, subscription: Subscription) -> Sequence[Inbox]:
    if subscription.inboxes is None:
        return [Inbox(subscription.name, subscription.act)]
    inboxes: Sequence[Inbox] = await subscription.inboxes(tx)
    return inboxes


def _first_of_each(items: Iterable[_Item]) -> Iterable[_Item]:
    return {item.subscription.name: item for item in items}.values()


def _outcome(item: _Item, keys: Sequence[InboxKey], new: Collection[InboxKey], rejected: dict[InboxKey, str]) -> Result:
    if any(key in new for key in keys):
        return item.rejection or Result(Outcome.APPLIED)
    reason = next((rejected[key] for key in keys if key in rejected), None)
    return Result(Outcome.DUPLICATE) if reason is None else Result(Outcome.REJECTED, reason)


def _retry(items: Iterable[_Item], error: BaseException) -> None:
    """Have items sent again, and say why."""
    for item in items:
        item.result = Result(Outcome.RETRY, describe(error))
