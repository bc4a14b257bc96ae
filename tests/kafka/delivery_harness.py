"""The kafka service on a real bus and database, delivering to sample services by real internal calls."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from nextbuy.contracts.comparison import missing_events_of
from nextbuy.contracts.delivery import EventEntry, ReceiveEvents, receive_events_of
from nextbuy.contracts.errors import AppError
from nextbuy.contracts.message import Envelope, Event
from nextbuy.kafka.comparison.compare_events import Rounds
from nextbuy.kafka.comparison.store import StoredFinding, list_findings
from nextbuy.kafka.dead_letters import store
from nextbuy.kafka.dead_letters.run_replays import run_replays
from nextbuy.kafka.dead_letters.store import DeadLetter
from nextbuy.kafka.delivery.deliver_events import deliver_events
from nextbuy.kit.events.bus.interface import Bus, BusMessage, BusUnavailable
from nextbuy.kit.events.log_listing import log_calls
from nextbuy.kit.events.missing_events import MissingEventFinder
from nextbuy.kit.events.receiver import Receiver
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.http.app import App
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breaker import BreakerPolicy
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import LocalTransport
from nextbuy.kit.service import Service, Subscription, answers
from nextbuy.kit.service_context import Destination, Publisher
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import Handler, Request, Response, problem_response
from tests.kafka.bus_probe import BusProbe
from tests.kafka.sample_deps import sample_deps
from tests.kit.events.sample import Counted, CountingDatabase, Measured, commit, message

SECRET: Final = b"a secret for tests"
_NEVER_OPENS: Final = BreakerPolicy(min_calls=1_000_000, consecutive_failures=1_000_000)
"""The dispatcher's own pauses are tested, and not the breaker's."""
_BATCH: Final = 500

Intercept = Callable[[Sequence[EventEntry]], Awaitable[AppError | Response | None]]


async def let_pass(_entries: Sequence[EventEntry]) -> None:
    """Have the receiver answer."""


def data_of(entry: EventEntry) -> Any:  # noqa: ANN401  JSON
    """Return the event of an entry."""
    return msgspec.json.decode(msgspec.json.decode(entry.envelope, type=Envelope).data)


@dataclass
class DeliveryCall:
    """A call that has arrived, in monotonic seconds."""

    entries: list[EventEntry]
    at: float = field(default_factory=time.monotonic)

    @property
    def numbers(self) -> list[int]:
        """The numbers of its events."""
        return [data_of(entry)["n"] for entry in self.entries]

    @property
    def size(self) -> int:
        """The bytes of its events."""
        return sum(len(bytes(entry.envelope)) for entry in self.entries)


class SampleDestination:
    """A service with subscriptions on its own database; `intercept` may answer instead of its receiver."""

    def __init__(self, service: Service, deps: object, database: Database, journal: Journal) -> None:
        self.name, self.service, self.deps = service.name, service, deps
        self.database = CountingDatabase(database._pool, service.name)
        self.journal = journal
        self.calls: list[DeliveryCall] = []
        self.available = True
        self.intercept: Intercept = let_pass

    @property
    def destination(self) -> Destination:
        """The destination as the kafka service sees it."""
        topics: dict[str, list[str]] = defaultdict(list)
        for one in self.service.subscriptions:
            for event in one.events:
                topics[event.topic].append(one.name)
        return Destination(self.name, topics)

    async def start(self) -> None:
        """Start the receiver."""
        receiver = Receiver(self.service, self.deps, self.database, self.journal)
        await receiver.start()
        identity = ServiceIdentity(SECRET, self.name)
        finder = MissingEventFinder(self.service, self.database)
        calls = [
            answers(receive_events_of(self.name), receiver.receive),
            answers(missing_events_of(self.name), finder.find),
        ]
        self._app = App(self.service, self.deps, identity=identity, database=self.database, calls=calls)

    def handler(self) -> Handler | None:
        """Return the handler of requests, or None while the service is unavailable."""
        return self._handle if self.available else None

    async def _handle(self, request: Request) -> Response:
        if not request.path.endswith("/receive-events"):
            return await self._app.handle(request)
        call = DeliveryCall(msgspec.json.decode(request.body, type=ReceiveEvents).entries)
        self.calls.append(call)
        answer = await self.intercept(call.entries)
        if isinstance(answer, AppError):
            return problem_response(answer, "")
        return answer or await self._app.handle(request)


class SamplePublisher:
    """A service that publishes events: its database, its event log, and the relay of its outbox."""

    def __init__(self, database: Database, bus: Bus, journal: Journal, name: str = "shop") -> None:
        self.name = name
        self.database = Database(database._pool, name)
        self.available = True
        self.relay = Relay(self.database, bus, journal)
        service = Service(name=name, deps=SamplePublisher, publishes=[Counted, Measured])
        self.source = Publisher(name, [event.topic for event in service.publishes])
        self._app = App(service, self, identity=ServiceIdentity(SECRET, name), calls=log_calls(service))

    def handler(self) -> Handler | None:
        """Return the handler of requests, or None while the service is unavailable."""
        return self._app.handle if self.available else None

    async def commit(self, *events: Event) -> None:
        """Publish events to the outbox."""
        await commit(self.database, *events)

    async def publish(self, *events: Event) -> None:
        """Publish events on the bus."""
        await self.commit(*events)
        while await self.relay.publish_batch():
            pass


class DeliveryHarness:
    """The kafka service and its destinations."""

    def __init__(
        self,
        database: Database,
        probe: BusProbe,
        journal: Journal,
        destinations: Mapping[str, SampleDestination],
        publishers: Sequence[SamplePublisher] = (),
    ) -> None:
        self.database, self.probe, self.bus = database, probe, probe.bus
        self.destinations, self.publishers = destinations, publishers
        handlers = {one.name: one.handler for one in destinations.values()}
        handlers |= {one.name: one.handler for one in publishers}
        calls = Calls(
            ServiceIdentity(SECRET, "kafka"),
            {name: LocalTransport(name, handler) for name, handler in handlers.items()},
            journal,
            breakers=Breakers("kafka", handlers, asyncio.get_running_loop().time, _NEVER_OPENS),
        )
        self.deps = sample_deps(
            database,
            calls.send,
            self.bus,
            [one.destination for one in destinations.values()],
            [one.source for one in publishers],
        )
        self._rounds = Rounds(self.deps)

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver until the context ends; then shut down."""
        task = asyncio.create_task(deliver_events(self.deps))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def publish(self, *events: Event | BusMessage) -> None:
        """Publish events in this order."""
        messages = [one if isinstance(one, BusMessage) else message(one) for one in events]
        for start in range(0, len(messages), _BATCH):
            await self.bus.publish(messages[start : start + _BATCH])

    async def lag(self, name: str = "sample") -> int:
        """Return the number of events that a destination's group has not acknowledged."""
        return await self.probe.lag(name, self.destinations[name].destination.topics)

    async def is_done(self, name: str = "sample") -> bool:
        """Return whether a destination's group has acknowledged everything."""
        return await self.lag(name) == 0

    async def has_passed(self, name: str = "sample") -> bool:
        """Return whether a destination's group has acknowledged everything that the bus still stores."""
        try:
            ends = await self.bus.ends(self.destinations[name].destination.topics)
            return all(await self.bus.has_passed(name, list(ends.items())))
        except BusUnavailable:
            return False

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first."""
        return (await store.list_dead_letters(self.database, 1_000)).items[::-1]

    async def replay(self) -> None:
        """Run the requested replays that are due."""
        while await run_replays(self.deps):
            pass

    @property
    def publisher(self) -> SamplePublisher:
        """The only publisher."""
        [publisher] = self.publishers
        return publisher

    async def restart(self, *subscriptions: Subscription, name: str = "sample") -> None:
        """Restart a destination with other subscriptions, and the kafka service."""
        one = self.destinations[name]
        one.service = Service(name=name, deps=object, subscriptions=subscriptions)
        await one.start()
        self.deps = replace(self.deps, destinations=[each.destination for each in self.destinations.values()])
        self._rounds = Rounds(self.deps)

    async def compare(self) -> None:
        """Compare event logs with inboxes until no destination is behind."""
        more = True
        while more:
            async with asyncio.TaskGroup() as tasks:
                more = await self._rounds.run(tasks)

    async def findings(self) -> list[StoredFinding]:
        """Return what the comparisons have found, oldest first."""
        return (await list_findings(self.database, 1_000)).items[::-1]
