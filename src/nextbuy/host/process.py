"""The services of one process, put together, started and stopped."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, Final

from redis.asyncio import Redis

from nextbuy.contracts.auth import AuthClient
from nextbuy.host.databases import service_url
from nextbuy.host.table import BEHIND, ENTRIES, Entry
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.consumer import Consumer
from nextbuy.kit.events.inbox import purge_inbox
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.http.app import App
from nextbuy.kit.http.idempotency import purge_idempotency_keys
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.http.tokens import TokenVerifier
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import HttpTransport, LocalTransport, Transport
from nextbuy.kit.service import Job
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database, as_app_error
from nextbuy.kit.wire import Handler

log: Final = logging.getLogger(__name__)
_JOB_LIMIT: Final = 30.0
"""Seconds that one run of a job may take, calls included."""
_FORGET_EVERY: Final = 60.0
"""Seconds between looks for rows whose time is over; each look drops all there are."""


class Process:
    """Some services, in this process; the others are where the settings say."""

    def __init__(self, settings: Settings, names: Iterable[str], journal: Journal) -> None:
        """Be the process that serves these services (and the gateway, which needs none of what is made here)."""
        self.settings = settings
        self.names = [name for name in BEHIND if name in set(names)]
        self.journal = journal
        self.apps: dict[str, App[Any]] = {}
        self.databases: dict[str, Database] = {}
        # Who uses it sets the time: with a `socket_timeout` redis-py loses cancellations on Python 3.11.
        self.redis: Redis = Redis.from_url(
            settings.redis_url, socket_timeout=None, socket_connect_timeout=0.5, max_connections=64
        )
        self.interactions = Interactions(self.redis)
        self.breakers = {name: Breaker(asyncio.get_running_loop().time) for name in BEHIND}
        self.transports: dict[str, Transport] = {name: self._transport(name) for name in BEHIND}
        self.verifier = TokenVerifier(self._public_keys)
        self._keys = AuthClient(self.calls("gateway").send)
        self.kafka = KafkaBus(settings.kafka) if settings.kafka.servers else None
        self._bus: Bus = self.kafka or RedisBus(self.redis)
        self._running: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()
        journal.recorder = self.interactions.record

    def _transport(self, name: str) -> Transport:
        url = self.settings.service_urls.get(name)
        if url and name not in self.names:
            return HttpTransport(name, url)
        return LocalTransport(name, lambda: self.handler(name))

    def handler(self, name: str) -> Handler | None:
        """Return what answers for a service in this process, or None where it is not here (yet)."""
        app = self.apps.get(name)
        return None if app is None else app.handle

    def calls(self, caller: str) -> Calls:
        """Return what carries the calls of one service."""
        identity = ServiceIdentity(self.settings.secret, caller)
        return Calls(identity, self.transports, self.journal, breakers=self.breakers)

    async def _public_keys(self) -> dict[str, str]:
        return {key.kid: key.pem for key in (await self._keys.get_public_keys()).keys}

    async def start(self) -> None:
        """Open databases and start services, each with its relay, consumer and jobs.

        Raises:
            OSError, asyncpg.PostgresError: a database cannot be reached.
        """
        self._stack.push_async_callback(self.redis.aclose)
        self._stack.push_async_callback(self._bus.close)
        for transport in self.transports.values():
            self._stack.push_async_callback(transport.close)
        self._keep("interactions", self.interactions.run)
        stored = [name for name in self.names if ENTRIES[name].service.has_database]
        opened = await asyncio.gather(*(self._connect(name) for name in stored))
        self.databases = dict(zip(stored, opened, strict=True))
        for name in self.names:
            await self._start(ENTRIES[name])

    async def _connect(self, name: str) -> Database:
        database = await Database.connect(service_url(self.settings, name), name)
        self._stack.push_async_callback(database.close)
        return database

    async def _start(self, entry: Entry) -> None:
        service, database = entry.service, self.databases.get(entry.name)
        calls = self.calls(entry.name)
        deps = entry.assemble(
            ServiceContext(
                send=calls.send,
                settings=self.settings,
                journal=self.journal,
                clock=utc_now,
                interactions=self.interactions,
                database_or_none=database,
            )
        )
        if service.opens is not None:
            await service.opens(deps)
        if service.closes is not None:
            self._stack.push_async_callback(service.closes, deps)
        self.apps[entry.name] = App(
            service,
            deps,
            identity=ServiceIdentity(self.settings.secret, entry.name),
            verifier=self.verifier,
            database=database,
        )
        for job in service.jobs:
            self._keep(f"{entry.name}.{job.name}", _repeated(job, deps))
        if database is None:
            return
        for forget in (purge_idempotency_keys, purge_inbox):
            self._keep(
                f"{entry.name}.{forget.__name__}", _repeated(Job(forget.__name__, forget, _FORGET_EVERY), database)
            )
        if service.publishes:
            relay = Relay(database, self._bus, self.journal)
            database.after_publish = relay.wake
            self._keep(f"{entry.name}.relay", relay.run)
        if service.listens:
            consumer = Consumer(service, deps, database, self._bus, self.journal, group=entry.name)
            self._keep(f"{entry.name}.consumer", consumer.run)
            self._keep(f"{entry.name}.replays", consumer.replayer.run)

    def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._running.append(asyncio.create_task(_kept(name, run), name=name))

    async def stop(self) -> None:
        """Stop what runs in the background, then let go of databases and engines; 5 s at most."""
        self.apps.clear()
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running, timeout=4)
        self._running.clear()
        try:
            await asyncio.wait_for(self._stack.aclose(), 4)
        except TimeoutError:
            log.warning("not everything let go in time; going anyway")


async def _kept(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run something for ever; what breaks is logged and begun again, more slowly each time."""
    pause = 0.1
    while True:
        try:
            await run()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s broke; it is begun again in %.1f s", name, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 10.0)


def _repeated(job: Job, deps: object) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        while True:
            more = False
            try:
                with telemetry.use_span(telemetry.start_span()):
                    set_deadline(_JOB_LIMIT)
                    more = bool(await job.act(deps))
            except Exception as error:
                if as_app_error(error) is None and not getattr(error, "transient", False):
                    raise
                log.warning("%s: %s: %s", job.name, type(error).__name__, error)
            if not more:
                await asyncio.sleep(job.every * random.uniform(0.9, 1.1))  # noqa: S311  spreads copies; no secret

    return run
