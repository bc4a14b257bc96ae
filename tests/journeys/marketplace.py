"""A whole marketplace in processes of its own, as `nextbuy up` starts it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
import pytest

from nextbuy.embedded import running_urls
from nextbuy.kit.config import SERVICES, Settings
from nextbuy.kit.http import webhook_signature
from tests.kafka_broker import own_prefix
from tests.log_lines import decode_line
from tests.ports import free_port

ADMIN: Final = "noor@journeys.nextbuy.test"
PASSWORD: Final = "swordfish-of-every-journey"
"""The password of every account, so that logs can be searched for it."""
READY_TIMEOUT: Final = 240.0
"""Seconds. Generous, because other tests share the machine."""
STOP_TIMEOUT: Final = 120.0
"""Seconds. Generous, for the same reason."""
Line = dict[str, Any]


class Topology(StrEnum):
    """The distribution of services over processes."""

    ONE = "one process"
    MANY = "one process per service"


class Bus(StrEnum):
    """The event bus."""

    REDIS = "redis"
    KAFKA = "kafka"


class Deployment(NamedTuple):
    """A topology on a bus."""

    topology: Topology
    bus: Bus

    def __str__(self) -> str:
        return f"{self.topology} on {self.bus}"


TOPOLOGIES: Final = [Topology.ONE, pytest.param(Topology.MANY, marks=pytest.mark.chaos)]
"""Every topology; many processes, which take long to start, run in `make test-chaos`."""
DEPLOYMENTS: Final = [
    Deployment(Topology.ONE, Bus.REDIS),
    Deployment(Topology.MANY, Bus.KAFKA),
    pytest.param(Deployment(Topology.MANY, Bus.REDIS), marks=pytest.mark.chaos),
    pytest.param(Deployment(Topology.ONE, Bus.KAFKA), marks=pytest.mark.chaos),
]
"""Every deployment: `make test` has each topology and each bus once, and `make test-chaos` has the others."""


def on_kafka(servers: str) -> dict[str, str]:
    """Return the settings of a marketplace with its own topics on a Kafka cluster."""
    return {"NEXTBUY_KAFKA_SERVERS": servers, "NEXTBUY_KAFKA_PREFIX": own_prefix()}


def nextbuy(*arguments: str) -> list[str]:
    """Return a `nextbuy` command line."""
    return [sys.executable, "-m", "nextbuy", *arguments]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with these settings and without the test runner's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NEXTBUY_")}
    return own | {"COLUMNS": "200", **settings}


class Marketplace:
    """One marketplace on a data folder; it can be started and stopped repeatedly."""

    def __init__(self, data: Path, topology: Topology, settings: Mapping[str, str]) -> None:
        self.data = data
        self.topology = topology
        self.settings = {"NEXTBUY_RATE_LIMITS": "off", **settings}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.secrets: set[str] = {PASSWORD}
        """Secrets that no log line may hold."""
        self.stock: dict[str, int] = {}
        """The initial stock of each product."""
        self.process: subprocess.Popen[bytes] | None = None
        self._output_path = data.parent / "output"

    # ── start and stop ──

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready."""
        processes = ["--processes"] if self.topology is Topology.MANY else []
        # Tracing them would double the time of a journey, and the tests of each service measure the same code.
        settings = {
            name: value for name, value in environment(self.settings).items() if not name.startswith("COVERAGE_PROCESS")
        }
        with self._output_path.open("ab") as output:
            self.process = subprocess.Popen(
                nextbuy("up", "--empty", "--data", str(self.data), "--port", str(self.port), *processes),
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until the marketplace is ready."""
        ends = time.monotonic() + timeout
        while not self._is_ready():
            assert self.process is not None
            assert self.process.poll() is None, f"it has ended: {self.output()}"
            assert time.monotonic() < ends, f"not ready within {timeout} s: {self.output()}"
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        with suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"{self.url}/health/ready", timeout=5).close()  # noqa: S310  our own
            return True
        return False

    def output(self) -> str:
        """Return the terminal output of all its starts."""
        return self._output_path.read_text() if self._output_path.exists() else ""

    def stop(self) -> int:
        """Send SIGINT to the process group, as Ctrl-C does, and return the exit code."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(STOP_TIMEOUT)

    def tree(self) -> list[psutil.Process]:
        """Return all its processes, engines included; the parent comes first."""
        assert self.process is not None
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def kill(self, tree: list[psutil.Process] | None = None) -> None:
        """Kill all processes, or only a `tree` that was read before."""
        assert self.process is not None
        tree = self.tree() if tree is None else tree
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(STOP_TIMEOUT)
        psutil.wait_procs(tree, STOP_TIMEOUT)

    def service(self, name: str) -> psutil.Process:
        """Return the process of one service."""
        return next(one for one in self.tree() if _words(one)[-4:] == ["serve", name, "--log", "file"])

    def redis(self, name: str = "redis") -> psutil.Process:
        """Return the process of the embedded Redis that stores the events, or of the `cache`."""
        return next(
            one for one in self.tree() if "redis-server" in "".join(_words(one)[:1]) and one.cwd().endswith(name)
        )

    # ── log, settings, databases ──

    def log_size(self) -> int:
        """Return the current size of its log in bytes, for `lines(since)`."""
        path = self.data / "nextbuy.log"
        return path.stat().st_size if path.exists() else 0

    def lines(self, since: int = 0) -> list[Line]:
        """Return the whole lines of its log from `since` on; a line that began before `since` is skipped."""
        with (self.data / "nextbuy.log").open("rb") as log:
            if since:
                log.seek(since - 1)
                log.readline()
            return [decode_line(line) for line in log if line.endswith(b"\n")]

    def settings_inside(self) -> Settings:
        """Return the settings from which its secrets are derived."""
        return Settings(secret=(self.data / "secret").read_bytes().strip())

    def signed(self, body: bytes, *, at: float | None = None) -> dict[str, str]:
        """Return the headers of a webhook that the payment provider signed."""
        moment = int(time.time() if at is None else at)
        header = webhook_signature.sign(body, self.settings_inside().signing_secrets(), at=moment)
        self.secrets.add(header.partition("v1=")[2])
        return {"Stripe-Signature": header, "Content-Type": "application/json"}

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Connect to the database of one service as superuser."""
        server, _ = running_urls(self.data)
        assert server is not None
        url = urlunsplit(urlsplit(server)._replace(path=f"/nextbuy_{service}"))
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()

    async def rows(self, service: str, query: str, *values: object) -> list[dict[str, Any]]:
        """Return the rows of one query."""
        async with self.database(service) as connection:
            return [dict(row) for row in await connection.fetch(query, *values)]

    def leaked_secrets(self) -> list[str]:
        """Return the secrets found in its log or its terminal output."""
        settings = self.settings_inside()
        own = {settings.secret.decode(), *settings.signing_secrets(), (self.data / "postgres.password").read_text()}
        own |= {settings.derive(f"postgres:{name}")[:40] for name in SERVICES}
        texts = [(self.data / "nextbuy.log").read_text(), self.output()]
        return [secret for secret in self.secrets | own if any(secret in text for text in texts)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class MarketplaceFactory:
    """Creates marketplaces, each on a copy of data that was prepared once and has an admin."""

    def __init__(self) -> None:
        # The path of pytest's own folder is too long for a socket on some machines.
        self._folder = Path(tempfile.mkdtemp(prefix="nbj-"))
        self._prepared: Path | None = None

    def prepared(self) -> Path:
        """Return a data folder on which a marketplace has run and stopped."""
        if self._prepared is None:
            first = Marketplace(self._folder / "first" / "data", Topology.ONE, {})
            first.data.parent.mkdir()
            try:
                first.start()
                make_admin(first)
                assert first.stop() == 0, first.output()
            except BaseException:
                destroy(first)
                raise
            self._prepared = first.data
        return self._prepared

    def empty(self, name: str) -> Path:
        """Return a data folder that does not exist yet."""
        (self._folder / name).mkdir()
        return self._folder / name / "data"

    def marketplace(self, name: str, topology: Topology, **settings: str) -> Marketplace:
        """Return a marketplace that has not started yet."""
        data = self.empty(name)
        # cp keeps the owner of each file; shutil does not.
        subprocess.run(["cp", "-a", self.prepared(), data], check=True)
        return Marketplace(data, topology, settings)

    def clear(self) -> None:
        """Delete all data."""
        shutil.rmtree(self._folder)


def make_admin(market: Marketplace) -> str:
    """Run `nextbuy create-admin` and return its output."""
    made = subprocess.run(
        nextbuy("create-admin", ADMIN, "--data", str(market.data)),
        env=environment({"NEXTBUY_ADMIN_PASSWORD": PASSWORD}),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return made.stdout


StartMarketplace = Callable[..., Marketplace]


@contextmanager
def marketplace_starter(factory: MarketplaceFactory) -> Iterator[StartMarketplace]:
    """Yield a function that starts marketplaces; all of them are destroyed at the end."""
    made: list[Marketplace] = []

    def start_marketplace(topology: Topology = Topology.ONE, *, start: bool = True, **settings: str) -> Marketplace:
        market = factory.marketplace(f"own-{time.monotonic_ns():x}", topology, **settings)
        made.append(market)
        if start:
            market.start()
        return market

    try:
        yield start_marketplace
    finally:
        leaked = [secret for market in made for secret in destroy(market)]
    assert leaked == []


def destroy(market: Marketplace) -> list[str]:
    """Kill a marketplace if it runs, delete its data, and return the secrets found in its log."""
    if market.process is not None and market.process.poll() is None:
        market.kill()
    leaked = market.leaked_secrets() if (market.data / "nextbuy.log").exists() else []
    shutil.rmtree(market.data.parent)
    return leaked
