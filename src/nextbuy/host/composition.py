"""Everything that NextBuy runs, in start order: engines, services, bus, background tasks, gateway, health, pages.

This module is the list; how each part starts, restarts and stops is in the other modules of `host`. The routes, calls,
events and jobs of a service are listed in its `service.py`, the pages in `web/app.py: PAGES`.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from socket import socket
from typing import Any, Final

import aiohttp
from msgspec.structs import replace
from redis.asyncio import Redis

import nextbuy
import nextbuy.admin.deps
import nextbuy.admin.service
import nextbuy.analytics.deps
import nextbuy.analytics.service
import nextbuy.auth.deps
import nextbuy.auth.service
import nextbuy.kafka.deps
import nextbuy.kafka.service
import nextbuy.notification.deps
import nextbuy.notification.service
import nextbuy.order.deps
import nextbuy.order.service
import nextbuy.product.deps
import nextbuy.product.service
import nextbuy.seller.deps
import nextbuy.seller.service
import nextbuy.simulator.deps
import nextbuy.simulator.service
from nextbuy.embedded import Engine, launch_cache, launch_postgres, launch_redis
from nextbuy.gateway.app import Gateway
from nextbuy.gateway.status import CACHE
from nextbuy.host.api_index import events_document
from nextbuy.host.background import BackgroundTask, periodic, running
from nextbuy.host.bus_watch import BusWatch
from nextbuy.host.health import PROBE_TIMEOUT, Check, PostgresCheck, Probe, is_live, probe, run_probes
from nextbuy.host.process import HostedService, Process
from nextbuy.host.status import status_collector
from nextbuy.kit.activity import Activity
from nextbuy.kit.apidocs.openapi import openapi
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.inbox import purge_inbox
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.http.idempotency import purge_idempotency_keys
from nextbuy.kit.http.server import serving
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breaker import Breaker, BreakerPolicy
from nextbuy.kit.rpc.transports import HttpTransport, LocalTransport, Transport
from nextbuy.kit.service import Service, Task
from nextbuy.kit.service_context import Destination, Publisher
from nextbuy.kit.service_identity import WEB
from nextbuy.kit.storage.cache_server import CacheServer, cache_client
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import encode
from nextbuy.web.app import pages

_PURGE_INTERVAL: Final = 60.0
"""Seconds. Each purge deletes everything that has expired, so the interval only spreads the work."""

# --- Engines (PostgreSQL, Redis, the cache): embedded unless a setting names a server ---------------------------------

_ENGINES: Final[dict[str, Callable[[Path], Engine]]] = {
    "postgres_url": launch_postgres,
    "redis_url": launch_redis,
    "cache_url": launch_cache,
}


@contextlib.contextmanager
def running_engines(settings: Settings) -> Iterator[Settings]:
    """Run the engines that no setting names, and yield settings with their URLs.

    With a Redis of the operator's own, the shared cache is off unless it has a URL too.
    """
    with contextlib.ExitStack() as stack:
        starting = {}
        for setting, launch in _ENGINES.items():
            if not getattr(settings, setting) and not (setting == "cache_url" and settings.redis_url):
                starting[setting] = engine = launch(settings.data)
                stack.callback(engine.stop)
        yield replace(settings, **{setting: engine.wait().url for setting, engine in starting.items()})


# --- Services: each after the services that it calls while it starts -------------------------------------------------

SERVICES: Final[dict[str, HostedService]] = {
    hosted.name: hosted
    for hosted in (
        HostedService(nextbuy.auth.service.SERVICE, nextbuy.auth.deps.assemble),
        HostedService(nextbuy.seller.service.SERVICE, nextbuy.seller.deps.assemble),
        HostedService(nextbuy.product.service.SERVICE, nextbuy.product.deps.assemble),
        HostedService(nextbuy.simulator.service.SERVICE, nextbuy.simulator.deps.assemble),
        HostedService(nextbuy.order.service.SERVICE, nextbuy.order.deps.assemble),
        HostedService(nextbuy.admin.service.SERVICE, nextbuy.admin.deps.assemble),
        HostedService(nextbuy.notification.service.SERVICE, nextbuy.notification.deps.assemble),
        HostedService(nextbuy.analytics.service.SERVICE, nextbuy.analytics.deps.assemble),
        HostedService(nextbuy.kafka.service.SERVICE, nextbuy.kafka.deps.assemble),
    )
}
"""The services behind the gateway, by name. Each has a database of its own."""

_CACHE_POLICY: Final = BreakerPolicy(
    consecutive_failures=3, reset_after=0.5, reset_cap=5.0, probes=1, successes_to_close=1
)
"""The breaker of the shared cache opens early: a load without it is only slower."""


def make_process(settings: Settings, names: Collection[str], journal: Journal) -> Process:
    """Return a process that runs the named services and calls the others at their URLs in the settings."""
    # Each user of Redis sets its own timeout: with `socket_timeout`, redis-py on Python 3.11 loses cancellations.
    redis = Redis.from_url(settings.redis_url, socket_timeout=None, socket_connect_timeout=0.5, max_connections=64)
    return Process(
        settings,
        [hosted for name, hosted in SERVICES.items() if name in names],
        callees=list(SERVICES),
        journal=journal,
        redis=redis,
        cache=make_cache_server(settings),
        bus=make_bus(settings, redis),
        destinations=destinations(),
        publishers=publishers(),
        service_tasks=service_tasks,
    )


def make_bus(settings: Settings, redis: Redis) -> Bus:
    """Return the bus that the settings name."""
    return KafkaBus(settings.kafka) if settings.kafka.servers else RedisBus(redis, settings.redis_prefix)


def make_cache_server(settings: Settings) -> CacheServer | None:
    """Return the Redis of the shared cache that the settings name; None without one."""
    if not settings.cache_url:
        return None
    return CacheServer(cache_client(settings.cache_url), Breaker(time.monotonic, _CACHE_POLICY))


async def require_safe_bus(settings: Settings) -> list[str]:
    """Check the bus before anything is published, and return sentences for the operator.

    Raises:
        ConfigError: events may be lost, or another marketplace uses the same prefix.
    """
    async with Redis.from_url(settings.redis_url, socket_timeout=None, socket_connect_timeout=1.0) as redis:
        bus = make_bus(settings, redis)
        try:
            return await BusWatch(settings, redis, bus, published_topics()).require_safe()
        finally:
            await bus.close()


def published_topics() -> list[str]:
    """Return the topics of all services."""
    return [event.topic for hosted in SERVICES.values() for event in hosted.service.publishes]


def destinations() -> list[Destination]:
    """Return the services that subscribe to events, with their subscriptions by topic."""
    subscribers: list[Destination] = []
    for hosted in SERVICES.values():
        topics: dict[str, list[str]] = defaultdict(list)
        for subscription in hosted.service.subscriptions:
            for event in subscription.events:
                topics[event.topic].append(subscription.name)
        if topics:
            subscribers.append(Destination(hosted.name, topics))
    return subscribers


def publishers() -> list[Publisher]:
    """Return the services that publish events, with their topics."""
    return [
        Publisher(hosted.name, [event.topic for event in hosted.service.publishes])
        for hosted in SERVICES.values()
        if hosted.service.publishes
    ]


# --- Background tasks of each service --------------------------------------------------------------------------------


def service_tasks(
    service: Service,
    deps: Any,  # noqa: ANN401  each service has its own
    database: Database,
    bus: Bus,
    journal: Journal,
    activity: Activity,
) -> Iterator[BackgroundTask]:
    """Yield a service's jobs and purges, the relay of its outbox, and its background tasks."""
    name = service.name
    for job in service.jobs:
        yield periodic(f"{name}.{job.name}", job.act, deps, activity, every=job.every, idle=job.idle)
    yield periodic(f"{name}.purge-idempotency-keys", purge_idempotency_keys, database, activity, every=_PURGE_INTERVAL)
    yield periodic(f"{name}.purge-inbox", purge_inbox, database, activity, every=_PURGE_INTERVAL)
    if service.publishes:
        yield BackgroundTask(f"{name}.relay", Relay(database, bus, journal, events=service.publishes).run)
    for task in service.tasks:
        yield BackgroundTask(f"{name}.{task.name}", partial(_run_task, task, deps))


async def _run_task(task: Task, deps: object) -> None:
    await task.act(deps)


# --- Gateway: services, documents, health and pages on one port ------------------------------------------------------

_GATEWAY_CONNECTIONS: Final = 200
"""Connections to one service. With 100 from each other service, it stays below its server's limit of 1,000."""


@contextlib.asynccontextmanager
async def serving_gateway(settings: Settings, process: Process, listener: socket, *, demo: bool) -> AsyncIterator[None]:
    """Serve the gateway on a listening socket until the context ends."""
    services = [hosted.service for hosted in SERVICES.values()]
    version = metadata.version("nextbuy")
    async with contextlib.AsyncExitStack() as stack:
        watch = BusWatch(settings, process.redis, process.bus, published_topics())
        await stack.enter_async_context(running(BackgroundTask("gateway.watch-bus", watch.run)))
        postgres = PostgresCheck(settings.postgres_url)
        stack.push_async_callback(postgres.close)
        probes = await _probes(settings, process, postgres, stack)
        probes["bus"] = probe(watch.is_safe, failed="degraded")
        separate = [WEB] if WEB in settings.service_urls else []
        gateway = Gateway(
            {name: _transport(settings, process, name) for name in (*SERVICES, *separate)},
            settings=settings,
            journal=process.journal,
            redis=process.redis,
            verifier=process.verifier,
            ready=lambda: run_probes(probes),
            documents={
                "/health/version": lambda: encode({"version": version}),
                "/openapi.json": lambda: openapi(services, version=version),
                "/asyncapi.json": lambda: events_document(
                    services, kafka=settings.kafka, redis_prefix=settings.redis_prefix
                ),
            },
            collect_status=status_collector(process, list(SERVICES), postgres, watch),
            pages=partial(pages, settings=settings, demo=demo),
        )
        stack.push_async_callback(gateway.close)
        async with serving(gateway, listener):
            yield


def _transport(settings: Settings, process: Process, name: str) -> Transport:
    if name in process.names:
        return LocalTransport(name, partial(process.handler, name), isolated=False)
    return HttpTransport(name, settings.service_urls[name], streaming=True, connections=_GATEWAY_CONNECTIONS)


async def _probes(
    settings: Settings, process: Process, postgres: PostgresCheck, stack: contextlib.AsyncExitStack
) -> dict[str, Probe]:
    session = await stack.enter_async_context(aiohttp.ClientSession())
    checks: dict[str, Check] = {
        name: partial(process.is_up, name)
        if name in process.names
        else partial(is_live, session, settings.service_urls[name])
        for name in SERVICES
    }
    probes = {name: probe(check) for name, check in checks.items()}
    probes |= {"postgres": probe(postgres), "redis": probe(process.redis.ping, failed="degraded")}
    if isinstance(process.bus, KafkaBus):
        probes["apache-kafka"] = probe(partial(process.bus.ping, PROBE_TIMEOUT), failed="degraded")
    if WEB in settings.service_urls:
        probes[WEB] = probe(partial(is_live, session, settings.service_urls[WEB]), failed="degraded")
    if process.cache is not None:
        probes[CACHE] = probe(process.cache.client.ping, failed="degraded")
    return probes
