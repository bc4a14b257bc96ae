"""Real Kafkas for tests: one that all workers of a run share and nobody hurts, and brokers of a test's own.

`NEXTBUY_TEST_KAFKA_SERVERS` names one that is shared instead of ours. Where there is no Java the tests that need a
Kafka are skipped, and in CI they fail.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.kafka import KafkaBus
from tests.ports import free_port
from tools import kafka as tool

PARTITIONS: Final = 3
ROOT: Final = tool.ROOT
_TRIES: Final = 4
# Ends a broker, and takes its data away, when the process that it was for has ended in whatever way.
_WATCH: Final = """
{
    while kill -0 "$1" && kill -0 "$2"; do sleep 0.5; done
    kill -0 "$1" || { kill -9 "$2"; rm -rf "$3"; }
} >/dev/null 2>&1 </dev/null &
"""
_SHARED: Final[list["KafkaBroker"]] = []
"""The broker of the run, where this worker has started it; it outlives the worker."""


class KafkaBroker:
    """A broker that may be killed, frozen, and started again on the same data and port; `start` blocks for seconds."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: str = "",
        users: Mapping[str, str] | None = None,
        cluster: str = "",
        owner: int | None = None,
    ) -> None:
        """Start it; it ends with the process `owner`, or with this one."""
        self._folder = folder
        self._owner = owner or os.getpid()
        for tries_left in reversed(range(_TRIES)):
            ports = free_port(), free_port()
            self._broker = tool.Broker(folder, *ports, settings=settings, users=users or {}, cluster=cluster)
            self.servers = self._broker.servers
            try:
                self.restart()
            except tool.CannotRun:
                # Somebody may have taken a port since it was found free.
                if not tries_left:
                    raise
            else:
                return

    @property
    def cluster(self) -> str:
        """The id of its cluster."""
        return self._broker.cluster

    @property
    def controller(self) -> str:
        """Where it controls its cluster, `HOST:PORT`."""
        return f"{tool.HOST}:{self._broker.controller}"

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        assert self._broker.process is not None
        return self._broker.process.pid

    def restart(self) -> None:
        """Start it again after it was killed."""
        self._broker.start()
        watch = ["sh", "-c", _WATCH, "sh", str(self._owner), str(self.pid), str(self._folder)]
        subprocess.run(watch, check=True, start_new_session=True)

    def kill(self) -> None:
        """`kill -9`."""
        self._broker.kill()

    def freeze(self) -> None:
        """Have it stand still."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        os.kill(self.pid, signal.SIGCONT)


def need_kafka() -> None:
    """Skip a test where this machine can run no Kafka; in CI it fails."""
    if problem := _problem():
        if os.environ.get("CI") == "true":
            pytest.fail(problem, pytrace=False)
        pytest.skip(problem)


@cache
def _problem() -> str | None:
    if problem := tool.missing():
        return problem
    try:
        tool.fetch_jars()
    except tool.CannotRun as error:
        return str(error)
    return None


@contextmanager
def own_broker(
    *, settings: str = "", users: Mapping[str, str] | None = None, cluster: str = ""
) -> Iterator[KafkaBroker]:
    """Give a broker that nobody else uses; `settings` are lines of its own, `users` may log in by SCRAM."""
    need_kafka()
    folder = Path(tempfile.mkdtemp(prefix="nbk-"))
    broker = KafkaBroker(folder, settings=settings, users=users, cluster=cluster)
    try:
        yield broker
    finally:
        broker.kill()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def kafka_servers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a Kafka is that nobody hurts; the first worker that asks starts it, and it ends with the run."""
    if given := os.environ.get("NEXTBUY_TEST_KAFKA_SERVERS"):
        return given
    need_kafka()
    base, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base, owner = base.parent, os.getppid()
    kept = base / "kafka.servers"
    with tool.locked(base / "kafka.lock"):
        if not kept.exists():
            _SHARED.append(KafkaBroker(base / "kafka", owner=owner))
            kept.write_text(_SHARED[0].servers)
    return kept.read_text()


@pytest.fixture
def own_kafka() -> Iterator[KafkaBroker]:
    """A Kafka that the test has for itself, to hurt it."""
    with own_broker() as broker:
        yield broker


def own_prefix() -> str:
    """Return a prefix of topics and groups that nobody else has."""
    return f"{uuid4().hex[:12]}."


def bus_on(servers: str) -> KafkaBus:
    """Return a bus whose topics and groups nobody else has."""
    return KafkaBus(Kafka(servers=servers, prefix=own_prefix(), partitions=PARTITIONS))


@pytest.fixture
async def kafka_bus(kafka_servers: str) -> AsyncIterator[KafkaBus]:
    """A bus on the Kafka that is shared."""
    bus = bus_on(kafka_servers)
    yield bus
    await bus.close()


@pytest.fixture
async def own_kafka_bus(own_kafka: KafkaBroker) -> AsyncIterator[KafkaBus]:
    """A bus on the Kafka that the test has for itself."""
    bus = bus_on(own_kafka.servers)
    yield bus
    await bus.close()
