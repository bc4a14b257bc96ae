"""`nextbuy up`: the whole marketplace, on embedded engines where no others are named, in one process or many."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from socket import socket
from typing import Final

from msgspec.structs import replace

from nextbuy.demo.catalogue import PASSWORD
from nextbuy.embedded import start_engines, start_postgres, start_redis
from nextbuy.host import demo_data as filling
from nextbuy.host.accounts import make_admin
from nextbuy.host.console import StartupProgress
from nextbuy.host.databases import prepare
from nextbuy.host.gateway_server import serving_gateway
from nextbuy.host.log import open_journal
from nextbuy.host.process import Process
from nextbuy.host.running import busy_port, run, user_facing_errors
from nextbuy.host.secrets import kept_secret
from nextbuy.host.supervisor import Supervisor, free_port
from nextbuy.host.table import BEHIND
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.http.server import listen
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.transports import HttpTransport, Transport

_KAFKA_SECONDS: Final = 5.0
"""How long a Kafka is waited for before it is said that it does not answer."""


def up(settings: Settings, *, empty: bool, processes: bool) -> None:
    """Start everything, say so, serve until Ctrl-C, stop everything.

    Raises:
        CannotRun: something stands in the way; the message says what to do.
    """
    steps = StartupProgress()
    try:
        door = listen(settings.host, settings.port)
    except OSError as error:
        raise busy_port(settings.host, settings.port, error) from error
    with contextlib.closing(door), user_facing_errors():
        settings = replace(settings, secret=settings.secret or kept_secret(settings.data))
        with _engines(settings) as with_engines:
            steps.done("PostgreSQL and Redis are up")
            run(lambda stop: _serve(with_engines, steps, stop, door=door, empty=empty, processes=processes))
    steps.console.print("Stopped.")


@contextlib.contextmanager
def _engines(settings: Settings) -> Iterator[Settings]:
    with contextlib.ExitStack() as stack:
        if not (settings.postgres_url or settings.redis_url):
            engines = start_engines(settings.data)
            stack.callback(engines.stop)
            settings = replace(settings, postgres_url=engines.postgres.url, redis_url=engines.redis.url)
        elif not settings.postgres_url:
            postgres = start_postgres(settings.data)
            stack.callback(postgres.stop)
            settings = replace(settings, postgres_url=postgres.url)
        elif not settings.redis_url:
            redis = start_redis(settings.data)
            stack.callback(redis.stop)
            settings = replace(settings, redis_url=redis.url)
        yield settings


async def _serve(
    settings: Settings, steps: StartupProgress, stop: asyncio.Event, *, door: socket, empty: bool, processes: bool
) -> None:
    journal = open_journal(settings.data, settings.log_level)
    await _tell_of_the_bus(settings, steps)
    migrated = await prepare(settings, BEHIND)
    steps.done(f"databases are ready ({len(migrated)} migrations)" if migrated else "databases are ready")
    word = filling.marked(settings.data) or ("empty" if empty else "")
    demo = word != "empty"
    if processes:
        settings = replace(settings, service_urls={name: f"http://127.0.0.1:{free_port()}" for name in BEHIND})
    topology = _in_processes(settings, door, demo=demo) if processes else _in_one(settings, journal, door, demo=demo)
    async with topology as (transports, open_door):
        steps.done("one process per service" if processes else "seven services in one process")
        if not word:
            await make_admin(settings, filling.ADMIN, PASSWORD, name="Noor")
            await filling.fill(transports, PASSWORD)
            steps.done("a demo market: shops, products, accounts")
        filling.mark(settings.data, "filled" if demo else "empty")
        await open_door()
        steps.ready(settings, demo=demo)
        await stop.wait()
        steps.console.print("\nStopping …")


async def _tell_of_the_bus(settings: Settings, steps: StartupProgress) -> None:
    """Say what carries the events; a Kafka that is away keeps nobody from selling, since outboxes wait for it."""
    if not settings.kafka.servers:
        steps.done("events go over Redis Streams")
        return
    name = f"Apache Kafka at {settings.kafka.servers}"
    kafka = KafkaBus(settings.kafka)
    try:
        await kafka.ping(_KAFKA_SECONDS)
    except BusUnavailable as error:
        steps.warn(f"{name} does not answer ({error}): events wait for it. Look at NEXTBUY_KAFKA_SERVERS and its like.")
    else:
        steps.done(f"events go over {name}")
    finally:
        await kafka.close()


Topology = tuple[Mapping[str, Transport], Callable[[], Awaitable[None]]]
"""How to reach each service, and what opens the gateway once there is something to see."""


@contextlib.asynccontextmanager
async def _in_one(settings: Settings, journal: Journal, door: socket, *, demo: bool) -> AsyncIterator[Topology]:
    process = Process(settings, BEHIND, journal)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(process.stop)
        await process.start()

        async def open_door() -> None:
            await stack.enter_async_context(serving_gateway(settings, process, door, demo=demo))

        yield process.transports, open_door


@contextlib.asynccontextmanager
async def _in_processes(settings: Settings, door: socket, *, demo: bool) -> AsyncIterator[Topology]:
    supervisor = Supervisor(settings, demo=demo)
    async with contextlib.AsyncExitStack() as stack:
        transports = {name: HttpTransport(name, url) for name, url in settings.service_urls.items()}
        for transport in transports.values():
            stack.push_async_callback(transport.close)
        stack.push_async_callback(supervisor.stop)
        await supervisor.start(BEHIND)

        async def open_door() -> None:
            # The port was ours until now, so that nobody else could take it; the gateway's process takes it itself.
            door.close()
            await supervisor.start(["gateway"])

        yield transports, open_door
