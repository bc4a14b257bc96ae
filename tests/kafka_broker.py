"""A real Kafka for tests: one broker for the whole run, however many workers; what a test makes on it is its own.

`NEXTBUY_TEST_KAFKA_SERVERS` names one that is there already; tests that hurt the broker are then skipped.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import msgspec
import psutil
import pytest
from msgspec import Struct

from nextbuy.kit.bus_kafka import KafkaBus
from nextbuy.kit.config import Kafka
from tools import kafka as tool

GIVEN = os.environ.get("NEXTBUY_TEST_KAFKA_SERVERS", "")
PARTITIONS = 3
# Ends the broker when the run has ended in a way that left no time for it.
_WATCH = """
while kill -0 "$1" && kill -0 "$2"; do sleep 1; done
kill -0 "$1" || { kill -9 "$2"; rm -rf "$3"; }
"""


class _State(Struct):
    ports: list[int]
    pid: int = 0
    users: int = 0


class KafkaBroker:
    """The broker of a test run, which a test that has it for itself may hurt."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self._file = folder / "state.json"
        self.in_use = folder / "in_use.lock"
        with tool.locked(folder / "lock"):
            state = self._state()
            self._broker = tool.Broker(folder / "data", *state.ports)
            state.users += 1
            if not _is_alive(state.pid):
                self._start_anywhere(state)
            self._keep(state)
        self.servers = self._broker.servers

    def leave(self) -> None:
        """Say that this worker needs it no more."""
        with tool.locked(self._folder / "lock"):
            state = self._state()
            state.users -= 1
            if not state.users:
                _end(state.pid)
            self._keep(state)
        for process in self._started:
            with suppress(subprocess.TimeoutExpired):  # a watch, when the run is not over; it ends with it
                process.wait(2)
            process.returncode = process.returncode or 0

    def freeze(self) -> None:
        os.kill(self._state().pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._state().pid, signal.SIGCONT)

    def kill(self) -> None:
        _end(self._state().pid)

    def restart(self) -> None:
        state = self._state()
        state.pid = self._start()
        self._keep(state)

    def mend(self) -> None:
        """Have it run, whatever a test has done to it."""
        pid = self._state().pid
        if _is_alive(pid):
            os.kill(pid, signal.SIGCONT)
        else:
            self.restart()

    def _start_anywhere(self, state: _State) -> None:
        """Start it; where somebody has taken a port since it was found free, on others."""
        for tries_left in (3, 2, 1, 0):
            try:
                state.pid = self._start()
            except tool.CannotRun:
                if not tries_left:
                    raise
                state.ports = tool.free_ports(2)
                self._broker = tool.Broker(self._folder / "data", *state.ports)
            else:
                return

    def _start(self) -> int:
        self._broker.start()
        assert self._broker.process is not None
        pid = self._broker.process.pid
        self._started.append(self._broker.process)
        run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
        watch = subprocess.Popen(
            ["sh", "-c", _WATCH, "sh", str(run), str(pid), str(self._broker.data)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(watch)
        return pid

    def _state(self) -> _State:
        if not self._file.exists():
            return _State(tool.free_ports(2))
        return msgspec.json.decode(self._file.read_bytes(), type=_State)

    def _keep(self, state: _State) -> None:
        self._file.write_bytes(msgspec.json.encode(state))


def _is_alive(pid: int) -> bool:
    try:
        return bool(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end(pid: int) -> None:
    if _is_alive(pid):
        os.kill(pid, signal.SIGKILL)
    while _is_alive(pid):  # another worker's child stays a zombie
        time.sleep(0.01)


def _need() -> None:
    if not os.environ.get("NEXTBUY_TEST_KAFKA"):
        pytest.skip("Kafka is tested where NEXTBUY_TEST_KAFKA is set, as `make test-kafka` does")
    if problem := tool.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)


@pytest.fixture(scope="session")
def shared_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The broker of this run."""
    _need()
    base = tmp_path_factory.getbasetemp()
    broker = KafkaBroker((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kafka")
    yield broker
    broker.leave()


@pytest.fixture
def kafka_servers(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a Kafka is that nobody hurts meanwhile."""
    if GIVEN:
        yield GIVEN
        return
    broker: KafkaBroker = request.getfixturevalue("shared_kafka")
    with tool.locked(broker.in_use, fcntl.LOCK_SH):
        yield broker.servers


@pytest.fixture
def own_kafka(request: pytest.FixtureRequest) -> Iterator[KafkaBroker]:
    """A Kafka that the test has for itself, to hurt it."""
    if GIVEN:
        pytest.skip("A Kafka that was given is not hurt.")
    broker: KafkaBroker = request.getfixturevalue("shared_kafka")
    with tool.locked(broker.in_use, fcntl.LOCK_EX):
        yield broker
        broker.mend()


def bus_on(servers: str) -> KafkaBus:
    """Return a bus whose topics and groups nobody else has."""
    return KafkaBus(Kafka(servers=servers, partitions=PARTITIONS), f"{uuid4().hex[:12]}.")


@pytest.fixture
async def kafka_bus(kafka_servers: str) -> AsyncIterator[KafkaBus]:
    bus = bus_on(kafka_servers)
    yield bus
    await bus.close()


@pytest.fixture
async def own_kafka_bus(own_kafka: KafkaBroker) -> AsyncIterator[KafkaBus]:
    bus = bus_on(own_kafka.servers)
    yield bus
    await bus.close()
