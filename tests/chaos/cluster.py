"""A marketplace of many processes on its own engines; tests can kill each of them."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.engines import Broker, OwnKafka, OwnPostgres, OwnRedis
from tests.journeys.marketplace import Marketplace, Topology, destroy, make_admin
from tests.kafka_broker import need_kafka, own_broker


@dataclass(frozen=True)
class Cluster:
    """A marketplace and its engines."""

    market: Marketplace
    postgres: OwnPostgres
    broker: Broker

    def is_running(self, name: str) -> bool:
        """Return whether a service has a process; the supervisor restarts one that was killed."""
        try:
            return self.market.service(name).is_running()
        except StopIteration:
            return False


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Pause a process."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def running_cluster(carrier: str) -> Iterator[Cluster]:
    """Start a marketplace on the bus `redis` or `kafka`; its log must hold no secret at the end."""
    if carrier == "kafka":
        need_kafka()
    # The path of pytest's own folder is too long for a socket on some machines.
    market = Marketplace(Path(tempfile.mkdtemp(prefix="nbc-")) / "data", Topology.MANY, {})
    leaked: list[str] = []
    with ExitStack() as stack:
        stack.callback(lambda: leaked.extend(destroy(market)))
        postgres = OwnPostgres(market.data)
        stack.callback(postgres.stop)
        redis = OwnRedis(market.data)
        stack.callback(redis.stop)
        broker: Broker = redis if carrier == "redis" else OwnKafka(stack.enter_context(own_broker()))
        market.settings = {
            **market.settings,
            "NEXTBUY_POSTGRES_URL": postgres.url,
            **redis.settings,
            **broker.settings,
        }
        stack.callback(_end, market)
        market.start()
        make_admin(market)
        yield Cluster(market, postgres, broker)
        assert market.stop() == 0, market.output()
    assert leaked == []


def _end(market: Marketplace) -> None:
    if market.process is not None and market.process.poll() is None:
        market.kill()
