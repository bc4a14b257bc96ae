"""`nextbuy up`: the whole marketplace, in one process or in one process per service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from socket import socket
from typing import Final

from msgspec.structs import replace

from nextbuy.demo.catalogue import PASSWORD
from nextbuy.host import demo_data
from nextbuy.host.accounts import store_admin, store_demo_accounts
from nextbuy.host.composition import (
    SERVICES,
    make_process,
    require_safe_bus,
    running_engines,
    serving_gateway,
)
from nextbuy.host.console import StartupProgress
from nextbuy.host.databases import prepare
from nextbuy.host.log import open_journal
from nextbuy.host.running import bind, run
from nextbuy.host.secrets import installation_secret
from nextbuy.host.shared_cache import require_cache
from nextbuy.host.supervisor import Supervisor, reserve_port
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.transports import HttpTransport, Transport
from nextbuy.kit.service_identity import WEB

_KAFKA_TIMEOUT: Final = 5.0
"""Seconds. A start waits this long for Kafka, then continues without it."""


def up(settings: Settings, *, empty: bool, processes: bool) -> None:
    """Start everything, serve until Ctrl-C or SIGTERM, and stop everything. Call it inside `user_facing_errors`."""
    progress = StartupProgress()
    with bind(settings) as listener:
        settings = replace(settings, secret=settings.secret or installation_secret(settings.data))
        with running_engines(settings) as engines:
            progress.done("PostgreSQL and Redis are running")
            run(lambda stop: _serve(engines, progress, stop, listener=listener, empty=empty, processes=processes))
    progress.console.print("Stopped.")


async def _serve(
    settings: Settings,
    progress: StartupProgress,
    stop: asyncio.Event,
    *,
    listener: socket,
    empty: bool,
    processes: bool,
) -> None:
    journal = open_journal(settings.data, settings.log_level)
    await _report_bus(settings, progress)
    for sentence in [*await require_safe_bus(settings), *await require_cache(settings)]:
        progress.warn(sentence)
    migrations = await prepare(settings, SERVICES)
    progress.done(f"databases are ready ({len(migrations)} migrations)" if migrations else "databases are ready")
    choice = demo_data.stored_choice(settings.data)
    demo = not empty if choice is None else choice
    if processes:
        topology = _in_processes(settings, listener, demo=demo)
    else:
        topology = _in_one(settings, journal, listener, demo=demo)
    async with topology as (transports, open_gateway):
        place = "one process each" if processes else "in one process"
        progress.done(f"{len(SERVICES)} services are running, {place}")
        if choice is None and demo:
            await store_admin(settings, demo_data.ADMIN, PASSWORD, name="Noor")
            await store_demo_accounts(settings, PASSWORD)
            await demo_data.create(transports, settings.secret, PASSWORD)
            progress.done("demo market: shops, products and accounts are ready")
        demo_data.store_choice(settings.data, demo=demo)
        await open_gateway()
        progress.ready(settings, demo=demo)
        await stop.wait()
        progress.console.print("\nStopping …")


async def _report_bus(settings: Settings, progress: StartupProgress) -> None:
    """Report the bus; the start continues without Kafka, because events wait in the outboxes until it answers."""
    if not settings.kafka.servers:
        progress.done("events use Redis Streams")
        return
    kafka = KafkaBus(settings.kafka)
    try:
        await kafka.ping(_KAFKA_TIMEOUT)
    except BusUnavailable as error:
        progress.warn(
            f"Apache Kafka at {settings.kafka.servers} does not answer ({error}). Events wait until it does. "
            "Check the NEXTBUY_KAFKA_… settings."
        )
    else:
        progress.done(f"events use Apache Kafka at {settings.kafka.servers}")
    finally:
        await kafka.close()


Topology = tuple[Mapping[str, Transport], Callable[[], Awaitable[None]]]
"""A transport to each service, and a function that opens the gateway once the marketplace is complete."""


@contextlib.asynccontextmanager
async def _in_one(settings: Settings, journal: Journal, listener: socket, *, demo: bool) -> AsyncIterator[Topology]:
    process = make_process(settings, SERVICES, journal)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(process.stop)
        await process.start()

        async def open_gateway() -> None:
            await stack.enter_async_context(serving_gateway(settings, process, listener, demo=demo))

        yield process.transports, open_gateway


@contextlib.asynccontextmanager
async def _in_processes(settings: Settings, listener: socket, *, demo: bool) -> AsyncIterator[Topology]:
    async with contextlib.AsyncExitStack() as stack:
        ports = {name: stack.enter_context(reserve_port()) for name in (*SERVICES, WEB)}
        urls = {name: f"http://127.0.0.1:{port.getsockname()[1]}" for name, port in ports.items()}
        supervisor = Supervisor(replace(settings, service_urls=urls), demo=demo)
        transports = {name: HttpTransport(name, urls[name]) for name in SERVICES}
        for transport in transports.values():
            stack.push_async_callback(transport.close)
        stack.push_async_callback(supervisor.stop)
        await supervisor.start((*SERVICES, WEB))

        async def open_gateway() -> None:
            # The port was bound until now so that no other program takes it; the gateway's process binds it itself.
            listener.close()
            await supervisor.start(["gateway"])

        yield transports, open_gateway
