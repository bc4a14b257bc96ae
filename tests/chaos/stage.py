"""A marketplace of many processes on engines of its own, each of which may be killed."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.engines import Broker, OwnKafka, OwnPostgres, OwnRedis
from tests.journeys.marketplace import Marketplace, Topology, ended, make_admin
from tests.kafka_broker import need_kafka, own_broker


@dataclass(frozen=True)
class Stage:
    """A marketplace, and what it runs on."""

    market: Marketplace
    postgres: OwnPostgres
    broker: Broker


@contextmanager
def staged(carrier: str) -> Iterator[Stage]:
    """Put up a marketplace whose events are carried by `redis` or `kafka`; its log holds no secret at the end."""
    if carrier == "kafka":
        need_kafka()
    # Not pytest's own folder, whose path is too long for a socket on some machines.
    market = Marketplace(Path(tempfile.mkdtemp(prefix="nbc-")) / "data", Topology.MANY, {})
    told: list[str] = []
    with ExitStack() as stack:
        stack.callback(lambda: told.extend(ended(market)))
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
        yield Stage(market, postgres, broker)
        assert market.stop() == 0, market.said()
    assert told == []


def _end(market: Marketplace) -> None:
    if market.process is not None and market.process.poll() is None:
        market.kill()
