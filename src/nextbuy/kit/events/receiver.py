"""The receiver applies the events that the kafka service delivers to this service, each once per subscription.

All events of a call are applied in one transaction: inbox rows first, then each handler with its new events. If that
fails, each subscription is tried alone, then in halves, each part committed by itself, down to the event that fails. An
event that its handler refuses, or that fails `MAX_FAILURES` times, is rejected: its inbox row holds the reason. After a
transient failure nothing is stored, and the rest of the topic waits, so that events of one key stay in order. A handler
that fails or stalls delays neither other subscriptions nor other topics: each gets a share of the time that is left.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.delivery import EventEntry, EventsReceived, Outcome, ReceiveEvents, Result
from nextbuy.contracts.errors import AppError, DeadlinePassed
from nextbuy.contracts.values import Timestamp
from nextbuy.kit.deadline import time_left
from nextbuy.kit.events.error_text import describe, describe_chain, storable
from nextbuy.kit.events.inbound import EventDecoder, InboundEvent, UndecodableEvent
from nextbuy.kit.events.inbox import InboxKey, first_kept_id, record, rejections, update_rejected
from nextbuy.kit.events.old_events import TOO_OLD, OldEvent, Verdict, judge
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.ids import Ids, kind_of
from nextbuy.kit.observability.redaction import redact
from nextbuy.kit.service import Inbox, Service, Subscription
from nextbuy.kit.storage.database import Database, Transaction, transient

log: Final = logging.getLogger(__name__)

MAX_FAILURES: Final = 3
"""Unforeseen errors of one event, after which it is rejected."""
TIME_LIMIT: Final = 2.5
"""Seconds. Less than the caller waits, so that a late transaction is rolled back before the events are sent again."""
_MARGIN: Final = 0.25
"""Seconds to store rejections after the last handler, and as many again until the caller's deadline."""


_MAX_REASON: Final = 400
"""Characters of a reason in a log line; the result has all of it."""
_APPLIED: Final = Result(Outcome.APPLIED)
_DUPLICATE: Final = Result(Outcome.DUPLICATE)
_UNKNOWN: Final = Result(Outcome.UNKNOWN)
_RETRY: Final = Result(Outcome.RETRY)


class _Item(Struct):
    """One event for one subscription; `result` is None until its outcome is known."""

    subscription: str
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
        self._subscribed = {(one.name, event.topic) for one in service.subscriptions for event in one.events}
        self._decoder = EventDecoder(event for one in service.subscriptions for event in one.events)
        self._begin: dict[str, Timestamp] = {}

    async def start(self) -> None:
        """Store when each new subscription begins, and read when the others began; earlier events are not applied.

        A subscription begins with a whole millisecond, because the comparison knows the time of an event from its id.
        """
        await self._database.execute(
            "INSERT INTO subscriptions (name, begins_at)"
            " SELECT name, CASE WHEN from_start THEN '-infinity' ELSE date_trunc('milliseconds', now()) END"
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
        await self._judge_old([item for item in items if item.result is None])
        new = [item for item in items if item.result is None]
        if new:
            deadline = time.monotonic() + time_left(TIME_LIMIT) - 2 * _MARGIN
            await _Run(self._database, self._deps, self._subscriptions, deadline).apply(new)
        self._log(items, began)
        return EventsReceived([[one if isinstance(one, Result) else _result(one) for one in row] for row in results])

    def _read(self, entry: EventEntry) -> list[Result | _Item]:
        """Decode an event; return an item for each of its subscriptions, or results if it has no valid envelope."""
        body = bytes(entry.envelope)
        event: InboundEvent | None = None
        rejection = _rejected(entry.reject) if entry.reject else None
        try:
            envelope = self._decoder.envelope(body, entry.position)
        except UndecodableEvent as error:
            return [_rejected(str(error)) for _ in entry.subscriptions]
        found: list[Result | _Item] = []
        for name in entry.subscriptions:
            result: Result | None = None
            if (name, envelope.type) not in self._subscribed:
                result = _UNKNOWN
            elif name in self._begin and envelope.time < self._begin[name]:
                result = _DUPLICATE
            elif event is None and rejection is None:
                try:
                    event = self._decoder.event(envelope, body, entry.position)
                except UndecodableEvent as error:
                    rejection = _rejected(str(error))
            found.append(_Item(name, envelope.type, envelope.id, event, entry.replay, rejection, result))
        return found

    async def _judge_old(self, items: Sequence[_Item]) -> None:
        """Decide about events whose inbox rows may have been purged; a replay's row was not."""
        first_kept = first_kept_id().int
        old = [one for one in items if one.event_id.int < first_kept and not one.replay and one.rejection is None]
        if not old:
            return
        async with self._database.transaction() as tx:
            inboxes = {
                name: tuple(inbox.name for inbox in await _inboxes(tx, self._subscriptions[name]))
                for name in {one.subscription for one in old}
            }
            verdicts = await judge(
                tx, [OldEvent(one.subscription, one.topic, one.event_id, inboxes[one.subscription]) for one in old]
            )
        for item, verdict in zip(old, verdicts, strict=True):
            if verdict is Verdict.DUPLICATE:
                item.result = _DUPLICATE
            elif verdict is Verdict.REJECTED:
                item.rejection = _rejected(TOO_OLD)
        skipped = sum(verdict is Verdict.DUPLICATE for verdict in verdicts)
        if skipped:
            log.info("events older than the inbox skipped as duplicates", extra={"events": skipped})

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
                        "subscription": item.subscription,
                        "reason": result.reason,
                    },
                )
            if result.outcome is not Outcome.DUPLICATE:
                by_event[item.event_id].append(item)
        consumed = [_consumed(event_id, of_event) for event_id, of_event in by_event.items()]
        self._journal.consumed(self._service, consumed, began=began)


def _result(item: _Item) -> Result:
    return item.result or _RETRY


def _consumed(event_id: UUID, items: Sequence[_Item]) -> telemetry.ConsumedEvent:
    event = next((item.event for item in items if item.event), None)
    span = (
        telemetry.resume_span(event.envelope.traceparent, event.envelope.correlation_id)
        if event
        else telemetry.current_span()
    )
    outcomes: dict[str, str] = {item.subscription: _result(item).outcome for item in items}
    reason = next((_result(item).reason for item in items if _result(item).reason), "")
    ids: Ids = {"event": [event_id]}
    if event and (kind := kind_of(event.event.key)):
        ids[kind] = [event.envelope.key]
    return telemetry.ConsumedEvent(items[0].topic, ids, outcomes, redact(reason)[:_MAX_REASON], span)


class _Run:
    """The work of one call: what is left of its items is retried once `deadline` (monotonic seconds) has passed."""

    def __init__(
        self,
        database: Database,
        deps: Any,  # noqa: ANN401  each service has its own
        subscriptions: Mapping[str, Subscription],
        deadline: float,
    ) -> None:
        self._database = database
        self._deps = deps
        self._subscriptions = subscriptions
        self._deadline = deadline
        self._waiting: set[tuple[str, str]] = set()
        """Subscriptions and topics with a transient failure."""
        self._rejected: list[_Item] = []

    async def apply(self, items: Sequence[_Item]) -> None:
        """Set the result of every item."""
        by_subscription = _grouped(items, attrgetter("subscription"))
        if len(by_subscription) == 1:
            await self._apply_part(items, self._deadline)
        elif await self._try(items, _halfway(self._deadline)):
            await self._apply_each(by_subscription, self._deadline)
        if self._rejected and (error := await self._try(self._rejected, self._deadline + _MARGIN)):
            _retry(self._rejected, error)

    async def _apply_each(self, groups: Sequence[Sequence[_Item]], deadline: float) -> None:
        """Apply each group by itself, in an equal share of the time that is left."""
        for index, group in enumerate(groups):
            now = time.monotonic()
            await self._apply_part(group, now + (deadline - now) / (len(groups) - index))

    async def _apply_part(self, items: Sequence[_Item], deadline: float) -> None:
        """Apply items of one subscription: together or, if that fails for good, each half by itself."""
        items = [item for item in items if (item.subscription, item.topic) not in self._waiting]
        if not items:
            return
        alone = len(items) == 1
        by_topic = _grouped(items, attrgetter("topic"))
        error: Exception | None = None
        for _ in range(MAX_FAILURES if alone else 1):
            error = await self._try(items, deadline if len(by_topic) == 1 else _halfway(deadline))
            if error is None:
                return
            if transient(error) is not None:
                if len(by_topic) > 1:
                    await self._apply_each(by_topic, deadline)
                else:
                    _retry(items, error)
                    self._waiting.add((items[0].subscription, items[0].topic))
                return
            if isinstance(error, AppError):
                break
        if alone and error is not None:
            items[0].rejection = _rejected(describe(error), describe_chain(error))
            self._rejected.append(items[0])
            return
        middle = len(items) // 2
        await self._apply_part(items[:middle], deadline)
        await self._apply_part(items[middle:], deadline)

    async def _try(self, items: Sequence[_Item], deadline: float) -> Exception | None:
        """Apply items in one transaction and set their results, or return the error that undid it."""
        try:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            async with asyncio.timeout(left), self._database.transaction() as tx:
                results = await self._apply_in(tx, items)
        except TimeoutError:
            return DeadlinePassed("The handlers took too long.")
        except Exception as error:  # noqa: BLE001  a handler may raise anything; the caller decides by the error
            return error
        for item, result in zip(items, results, strict=True):
            item.result = result
        return None

    async def _apply_in(self, tx: Transaction, items: Sequence[_Item]) -> list[Result]:
        names = dict.fromkeys(item.subscription for item in items)
        inboxes = {name: await _inboxes(tx, self._subscriptions[name]) for name in names}
        keys = [[(inbox.name, item.event_id) for inbox in inboxes[item.subscription]] for item in items]
        rows = [
            (key, item.rejection.reason if item.rejection else None, item.replay)
            for item, of_item in zip(items, keys, strict=True)
            for key in of_item
        ]
        new = await record(tx, [(key, reason) for key, reason, _ in rows])
        new |= await update_rejected(tx, {key: reason for key, reason, replay in rows if replay and key not in new})
        rejected = await rejections(tx, {key for key, _, _ in rows} - new)
        for name, of_name in inboxes.items():
            for inbox in of_name:
                await self._handle(tx, inbox, [item for item in items if item.subscription == name], new)
        return [_outcome(item, of_item, new, rejected) for item, of_item in zip(items, keys, strict=True)]

    async def _handle(self, tx: Transaction, inbox: Inbox, items: Sequence[_Item], new: AbstractSet[InboxKey]) -> None:
        """Run a handler on the new events, in order, each once."""
        events: dict[UUID, InboundEvent] = {}
        for item in items:
            if item.event and not item.rejection and (inbox.name, item.event_id) in new:
                events.setdefault(item.event_id, item.event)
        if events:
            await inbox.act(self._deps, tx, list(events.values()))


async def _inboxes(tx: Transaction, subscription: Subscription) -> Sequence[Inbox]:
    if subscription.inboxes is None:
        return [Inbox(subscription.name, subscription.act)]
    inboxes: Sequence[Inbox] = await subscription.inboxes(tx)
    return inboxes


def _grouped(items: Iterable[_Item], key: Callable[[_Item], str]) -> list[list[_Item]]:
    """Return items in groups with the same key, each group and its items in order."""
    groups: dict[str, list[_Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.values())


def _halfway(deadline: float) -> float:
    """Return the deadline of an attempt that leaves as much time for its parts."""
    return (time.monotonic() + deadline) / 2


def _outcome(
    item: _Item, keys: Sequence[InboxKey], new: AbstractSet[InboxKey], rejected: dict[InboxKey, str]
) -> Result:
    if not new.isdisjoint(keys):
        return item.rejection or _APPLIED
    reason = next((rejected[key] for key in keys if key in rejected), None)
    return _DUPLICATE if reason is None else _rejected(reason)


def _rejected(reason: str, errors: Sequence[str] = ()) -> Result:
    return Result(Outcome.REJECTED, storable(reason), list(errors))


def _retry(items: Iterable[_Item], error: BaseException) -> None:
    """Have items sent again, and say why."""
    for item in items:
        item.result = Result(Outcome.RETRY, describe(error))
