"""A process: its services with their connections and background tasks, started and stopped together."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.comparison import missing_events_of
from nextbuy.contracts.delivery import receive_events_of
from nextbuy.contracts.status import get_status_of
from nextbuy.contracts.traces import TracesClient
from nextbuy.host.background import BackgroundTask
from nextbuy.host.databases import service_url
from nextbuy.kit.activity import Activity
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.log_listing import log_calls
from nextbuy.kit.events.missing_events import MissingEventFinder
from nextbuy.kit.events.parking import parking_handlers
from nextbuy.kit.events.receiver import Receiver
from nextbuy.kit.http.app import App
from nextbuy.kit.http.tokens import TokenVerifier
from nextbuy.kit.observability.recorder import SilentJournal, TraceRecorder
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.restart import keep_running
from nextbuy.kit.rpc.breaker import DEFAULT_BREAKER_POLICY, BreakerPolicy
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import HttpTransport, LocalTransport, Transport
from nextbuy.kit.service import CallHandler, Service, answers
from nextbuy.kit.service_context import Destination, Publisher, ServiceContext
from nextbuy.kit.service_identity import GATEWAY, ServiceIdentity
from nextbuy.kit.status import StatusReporter
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.cache_server import CacheServer
from nextbuy.kit.storage.database import Database
from nextbuy.kit.storage.migrations import RELEASE
from nextbuy.kit.wire import Handler

log: Final = logging.getLogger(__name__)
_DELIVERY_POLICY: Final = BreakerPolicy(reset_after=0.9, reset_cap=0.9, probes=1, successes_to_close=1)
_STOP_TIMEOUT: Final = 4.0
"""Seconds for the background tasks to stop, and again for connections to close."""
_LAST_FLUSH: Final = 1.0
"""Seconds to store the last interactions."""
_NEVER_OPENS: Final = BreakerPolicy(min_calls=1_000_000, consecutive_failures=1_000_000)


@dataclass(frozen=True)
class HostedService:
    """A service's table of contents, and the function that assembles its `Deps`."""

    service: Service
    assemble: Callable[[ServiceContext], Any]

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name


class Process:
    """The services that run in this process. Other services are called at their URLs in the settings."""

    def __init__(  # noqa: PLR0913
        self,
        settings: Settings,
        services: Sequence[HostedService],
        *,
        callees: Sequence[str],
        journal: Journal,
        redis: Redis,
        cache: CacheServer | None,
        bus: Bus,
        destinations: Sequence[Destination],
        publishers: Sequence[Publisher],
        service_tasks: Callable[[Service, Any, Database, Bus, Journal, Activity], Iterable[BackgroundTask]],
    ) -> None:
        """Prepare a process; `start` starts `services` in order, each with its `service_tasks`."""
        self.settings = settings
        self.names = [hosted.name for hosted in services]
        self.journal = journal
        self.redis = redis
        self.cache = cache
        self.bus = bus
        self.databases: dict[str, Database] = {}
        self._services = services
        self._apps: dict[str, App[Any]] = {}
        self._service_tasks = service_tasks
        self._destinations = destinations
        self._publishers = publishers
        self._breakers: dict[str, Breakers] = {}
        """The breakers of each service that makes calls here, for its status."""
        self.transports: dict[str, Transport] = {name: self._transport(name) for name in callees}
        self.verifier = TokenVerifier(self._public_keys)
        self._keys = AuthClient(self._calls("gateway").send)
        self._running: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()
        self._recorder = TraceRecorder(TracesClient(self._trace_calls().send))
        journal.recorder = self._recorder.record

    def _transport(self, name: str) -> Transport:
        url = self.settings.service_urls.get(name)
        if url and name not in self.names:
            return HttpTransport(name, url)
        return LocalTransport(name, lambda: self.handler(name))

    def handler(self, name: str) -> Handler | None:
        """Return the handler of a service in this process; None before it has started and after it has stopped."""
        app = self._apps.get(name)
        return None if app is None else app.handle

    async def is_up(self, name: str) -> bool:
        """Return whether a service in this process has started and not stopped."""
        return name in self._apps

    def _calls(self, caller: str) -> Calls:
        breakers = self._breakers[caller] = self._new_breakers(caller)
        return Calls(self._identity(caller), self.transports, self.journal, breakers=breakers)

    def _delivery_calls(self, caller: str) -> Calls:
        breakers = self._new_breakers(caller, _DELIVERY_POLICY, logged=False)
        return Calls(self._identity(caller), self.transports, self.journal, breakers=breakers, record_success=False)

    def status_calls(self) -> Calls:
        """Return the gateway's calls for the status of services; their breakers never open, nor affect other calls."""
        breakers = self._new_breakers(GATEWAY, _NEVER_OPENS)
        return Calls(self._identity(GATEWAY), self.transports, self.journal, breakers=breakers)

    def _new_breakers(
        self, caller: str, policy: BreakerPolicy = DEFAULT_BREAKER_POLICY, *, logged: bool = True
    ) -> Breakers:
        return Breakers(caller, self.transports, asyncio.get_running_loop().time, policy, logged=logged)

    def _identity(self, service: str) -> ServiceIdentity:
        return ServiceIdentity(self.settings.secret, service)

    def _trace_calls(self) -> Calls:
        caller = self.names[0] if self.names else GATEWAY
        breakers = self._new_breakers(caller, _NEVER_OPENS, logged=False)
        return Calls(self._identity(caller), self.transports, SilentJournal(), breakers=breakers)

    async def _public_keys(self) -> dict[str, str]:
        return {key.kid: key.pem for key in (await self._keys.get_public_keys()).keys}

    async def start(self) -> None:
        """Connect to the databases and start the services."""
        self._stack.push_async_callback(self.redis.aclose)
        if self.cache is not None:
            self._stack.push_async_callback(self.cache.close)
        self._stack.push_async_callback(self.bus.close)
        for transport in self.transports.values():
            self._stack.push_async_callback(transport.close)
        self._run(BackgroundTask("record-interactions", self._recorder.run))
        databases = await asyncio.gather(*(self._connect(name) for name in self.names))
        self.databases = dict(zip(self.names, databases, strict=True))
        log.info("events travel over %s", self.bus.carrier)
        for hosted in self._services:
            await self._start(hosted, self.databases[hosted.name])

    async def _connect(self, name: str) -> Database:
        database = await Database.connect(
            service_url(self.settings, name), name, max_connections=self.settings.postgres_connections
        )
        self._stack.push_async_callback(database.close)
        return database

    async def _start(self, hosted: HostedService, database: Database) -> None:
        service = hosted.service
        cache = SharedCache(
            self.cache,
            self.settings.cache_prefix(RELEASE, hosted.name),
            bytes.fromhex(self.settings.derive(f"cache:{hosted.name}")),
        )
        deps = hosted.assemble(
            ServiceContext(
                send=self._calls(hosted.name).send,
                deliver=self._delivery_calls(hosted.name).send,
                settings=self.settings,
                journal=self.journal,
                clock=utc_now,
                database=database,
                cache=cache,
                bus=self.bus,
                destinations=self._destinations,
                publishers=self._publishers,
            )
        )
        if service.startup is not None:
            await service.startup(deps)
        if service.shutdown is not None:
            self._stack.push_async_callback(service.shutdown, deps)
        calls: list[CallHandler] = log_calls(service)
        status = StatusReporter(service, database, cache, self._breakers[hosted.name])
        calls.append(answers(get_status_of(hosted.name), status.report))
        if service.subscriptions:
            receiver = Receiver(service, deps, database, self.journal)
            await receiver.start()
            calls.append(answers(receive_events_of(hosted.name), receiver.receive))
            finder = MissingEventFinder(service, database)
            calls.append(answers(missing_events_of(hosted.name), finder.find))
        if service.publishes:
            calls += parking_handlers(hosted.name, database)
        self._apps[hosted.name] = app = App(
            service,
            deps,
            identity=self._identity(hosted.name),
            verifier=self.verifier,
            database=database,
            calls=calls,
            journal=self.journal,
        )
        for task in self._service_tasks(service, deps, database, self.bus, self.journal, app.activity):
            self._run(task)

    def _run(self, task: BackgroundTask) -> None:
        self._running.append(asyncio.create_task(keep_running(task.name, task.run), name=task.name))

    async def stop(self) -> None:
        """Stop the services and their background tasks, then close databases and connections to engines."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._recorder.flush(), _LAST_FLUSH)
        self._apps.clear()
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running, timeout=_STOP_TIMEOUT)
        self._running.clear()
        try:
            await asyncio.wait_for(self._stack.aclose(), _STOP_TIMEOUT)
        except TimeoutError:
            log.warning("shutdown timed out; exiting without closing all connections")
