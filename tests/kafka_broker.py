"""Kafka brokers for tests: one that all workers of a run share, and private ones that a test may kill.

`NEXTBUY_TEST_KAFKA_SERVERS` names an existing cluster to share instead. Without Java the tests that need Kafka are
skipped, and in CI they fail.
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
from nextbuy.kit.events import relay
from nextbuy.kit.events.bus import kafka, kafka_connection, kafka_marker
from nextbuy.kit.events.bus.kafka import KafkaBus
from tests.ports import free_port
from tools import kafka as tool

PARTITIONS: Final = 3
BUSY_TIMEOUT: Final = 20.0
"""Seconds for an answer of a broker on a busy machine."""
_BUSY_SESSION: Final = "broker.session.timeout.ms=30000\n"
"""The shared broker is never restarted, and a busy machine may delay its heartbeats by seconds."""
ROOT: Final = tool.ROOT
_TRIES: Final = 4
# Kills a broker and deletes its data when the process that owns it has ended for any reason.
_WATCH: Final = """
{
    while kill -0 "$1" && kill -0 "$2"; do sleep 0.5; done
    kill -0 "$1" || { kill -9 "$2"; rm -rf "$3"; }
} >/dev/null 2>&1 </dev/null &
"""
_SHARED: Final[list["KafkaBroker"]] = []
"""The shared broker, if this worker has started it; it outlives the worker."""


class KafkaBroker:
    """A broker that can be killed, frozen, and restarted on the same data and port; `restart` blocks for seconds."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: str = "",
        users: Mapping[str, str] | None = None,
        cluster: str = "",
        owner: int | None = None,
    ) -> None:
        """Start the broker; it ends with the process `owner`, by default this one."""
        self._folder = folder
        self._owner = owner or os.getpid()
        for tries_left in reversed(range(_TRIES)):
            ports = free_port(), free_port()
            self._broker = tool.Broker(folder, *ports, settings=settings, users=users or {}, cluster=cluster)
            self.servers = self._broker.servers
            try:
                self.restart()
            except tool.CannotRun:
                # Another process may have taken a port since it was found free.
                if not tries_left:
                    raise
            else:
                return

    @property
    def cluster(self) -> str:
        """The id of the cluster."""
        return self._broker.cluster

    @property
    def controller(self) -> str:
        """The `HOST:PORT` of its controller."""
        return f"{tool.HOST}:{self._broker.controller}"

    @property
    def pid(self) -> int:
        """The id of its process while it runs."""
        assert self._broker.process is not None
        return self._broker.process.pid

    def restart(self) -> None:
        """Start the broker, also after a kill."""
        self._broker.start()
        watch = ["sh", "-c", _WATCH, "sh", str(self._owner), str(self.pid), str(self._folder)]
        subprocess.run(watch, check=True, start_new_session=True)

    def kill(self) -> None:
        """Kill the broker with SIGKILL."""
        self._broker.kill()

    def wipe(self) -> None:
        """Delete all data of a broker that was killed; it restarts as the same cluster."""
        shutil.rmtree(self._folder / "logs")

    def freeze(self) -> None:
        """Suspend the process of the broker."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the process of the broker."""
        os.kill(self.pid, signal.SIGCONT)


def need_kafka() -> None:
    """Skip the test if this machine cannot run Kafka; fail in CI."""
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
    """Run a private broker with extra lines of `settings` and SCRAM `users`."""
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
    """The servers of the shared Kafka; the first worker that needs it starts it, and it ends with the run."""
    if servers := os.environ.get("NEXTBUY_TEST_KAFKA_SERVERS"):
        return servers
    need_kafka()
    base, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base, owner = base.parent, os.getppid()
    shared = base / "kafka.servers"
    with tool.locked(base / "kafka.lock"):
        if not shared.exists():
            _SHARED.append(KafkaBroker(base / "kafka", settings=_BUSY_SESSION, owner=owner))
            shared.write_text(_SHARED[0].servers)
    return shared.read_text()


@pytest.fixture
def own_kafka() -> Iterator[KafkaBroker]:
    """A private Kafka, which the test may kill."""
    with own_broker() as broker:
        yield broker


def own_prefix() -> str:
    """Return a unique prefix of topics and groups."""
    return f"{uuid4().hex[:12]}."


def bus_on(servers: str) -> KafkaBus:
    """Return a bus with unique topics and groups."""
    return KafkaBus(Kafka(servers=servers, prefix=own_prefix(), partitions=PARTITIONS))


@pytest.fixture
def patient_kafka(monkeypatch: pytest.MonkeyPatch, kafka_servers: str) -> str:
    """The servers of the shared Kafka, with time for a late answer: no test stops it, but the machine may be busy."""
    monkeypatch.setattr(kafka, "TIMEOUT", BUSY_TIMEOUT)
    monkeypatch.setattr(kafka, "_TOPICS_TIMEOUT", BUSY_TIMEOUT)
    monkeypatch.setattr(kafka_connection, "_TOPICS_TIMEOUT", BUSY_TIMEOUT)
    monkeypatch.setattr(kafka_marker, "_TIMEOUT", BUSY_TIMEOUT)
    monkeypatch.setattr(relay, "_PUBLISH_TIMEOUT", BUSY_TIMEOUT)
    return kafka_servers


@pytest.fixture
async def kafka_bus(patient_kafka: str) -> AsyncIterator[KafkaBus]:
    """A bus on the shared Kafka."""
    bus = bus_on(patient_kafka)
    yield bus
    await bus.close()


@pytest.fixture
async def own_kafka_bus(own_kafka: KafkaBroker) -> AsyncIterator[KafkaBus]:
    """A bus on a private Kafka."""
    bus = bus_on(own_kafka.servers)
    yield bus
    await bus.close()
