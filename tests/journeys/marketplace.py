"""The whole marketplace as a person starts it, a process of its own: watched, killed and started again from outside."""

import json
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

from nextbuy.embedded import running
from nextbuy.host.supervisor import free_port
from nextbuy.kit.config import Settings
from nextbuy.kit.http import webhook_signature
from tests.kafka_broker import own_prefix

ADMIN: Final = "noor@journeys.nextbuy.test"
PASSWORD: Final = "swordfish-of-every-journey"
"""Everybody's, so that a log can be searched for it."""
READY_WITHIN: Final = 60.0
Line = dict[str, Any]


class Topology(StrEnum):
    """How it is spread over processes."""

    ONE = "one process"
    MANY = "one process per service"


class Bus(StrEnum):
    """What carries its events."""

    REDIS = "redis"
    KAFKA = "kafka"


class Shape(NamedTuple):
    """How it is spread, and on what."""

    topology: Topology
    bus: Bus

    def __str__(self) -> str:
        return f"{self.topology} on {self.bus}"


SHAPES: Final = [Shape(topology, bus) for bus in Bus for topology in Topology]


def on_kafka(servers: str) -> dict[str, str]:
    """The settings of a marketplace that has topics of its own on a Kafka."""
    return {"NEXTBUY_KAFKA_SERVERS": servers, "NEXTBUY_KAFKA_PREFIX": own_prefix()}


def nextbuy(*arguments: str) -> list[str]:
    """The command that a person types."""
    return [sys.executable, "-m", "nextbuy", *arguments]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """These settings, and none of whoever runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NEXTBUY_")}
    return own | {"COLUMNS": "200", **settings}


class Marketplace:
    """One marketplace on a data folder; it may be started and ended again and again."""

    def __init__(self, data: Path, topology: Topology, settings: Mapping[str, str]) -> None:
        self.data = data
        self.topology = topology
        self.settings = {"NEXTBUY_RATE_LIMITS": "off", **settings}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.secrets: set[str] = {PASSWORD}
        """What no line of its log may ever hold."""
        self.stock: dict[str, int] = {}
        """How many units of each product there were before anybody bought."""
        self.process: subprocess.Popen[bytes] | None = None
        self._said = data.parent / "said"

    # ── its life ──

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready."""
        processes = ["--processes"] if self.topology is Topology.MANY else []
        with self._said.open("ab") as said:
            self.process = subprocess.Popen(
                nextbuy("up", "--empty", "--data", str(self.data), "--port", str(self.port), *processes),
                env=environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, within: float = READY_WITHIN) -> None:
        """Return when everything is up."""
        ends = time.monotonic() + within
        while not self._is_ready():
            assert self.process is not None
            assert self.process.poll() is None, f"it has ended: {self.said()}"
            assert time.monotonic() < ends, f"not ready within {within} s: {self.said()}"
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        with suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"{self.url}/health/ready", timeout=5).close()  # noqa: S310  our own
            return True
        return False

    def said(self) -> str:
        """What it has told the person at the terminal, over all its starts."""
        return self._said.read_text() if self._said.exists() else ""

    def stop(self) -> int:
        """Press Ctrl-C, which a terminal says to the whole group of processes, and return the exit code."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(30)

    def tree(self) -> list[psutil.Process]:
        """All of its processes, engines included; the one that was started comes first."""
        assert self.process is not None
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def kill(self, tree: list[psutil.Process] | None = None) -> None:
        """`kill -9` of everything; of those that are named, where their list was made before."""
        assert self.process is not None
        tree = self.tree() if tree is None else tree
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(30)
        psutil.wait_procs(tree, 30)

    def service(self, name: str) -> psutil.Process:
        """The process of one service."""
        return next(one for one in self.tree() if _words(one)[-4:] == ["serve", name, "--log", "file"])

    def engine(self, program: str) -> psutil.Process:
        """The process of an engine."""
        return next(one for one in self.tree() if _words(one) and program in _words(one)[0])

    # ── what can be seen of it ──

    def log_size(self) -> int:
        """How long its log is now: where the lines of what follows begin."""
        path = self.data / "nextbuy.log"
        return path.stat().st_size if path.exists() else 0

    def lines(self, since: int = 0) -> list[Line]:
        """The lines of its log; one that is still being written is left out."""
        with (self.data / "nextbuy.log").open("rb") as log:
            log.seek(since)
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def settings_inside(self) -> Settings:
        """Its settings, as far as secrets are derived from them."""
        return Settings(secret=(self.data / "secret").read_bytes().strip())

    def signed(self, body: bytes, *, at: float | None = None) -> dict[str, str]:
        """The headers with which the payment provider would send a webhook."""
        moment = int(time.time() if at is None else at)
        header = webhook_signature.sign(body, self.settings_inside().signing_secrets(), at=moment)
        self.secrets.add(header.partition("v1=")[2])
        return {"Stripe-Signature": header, "Content-Type": "application/json"}

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """The database of one service, as the superuser sees it."""
        server, _ = running(self.data)
        assert server is not None
        url = urlunsplit(urlsplit(server)._replace(path=f"/nextbuy_{service}"))
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()

    async def rows(self, service: str, query: str, *values: object) -> list[dict[str, Any]]:
        """The rows of one query."""
        async with self.database(service) as connection:
            return [dict(row) for row in await connection.fetch(query, *values)]

    def told_secrets(self) -> list[str]:
        """The secrets that its log, or what it said at the terminal, holds after all."""
        settings = self.settings_inside()
        own = {settings.secret.decode(), *settings.signing_secrets(), (self.data / "postgres.password").read_text()}
        own |= {settings.derive(f"postgres:{name}")[:40] for name in ("auth", "product", "order", "kafka")}
        texts = [(self.data / "nextbuy.log").read_text(), self.said()]
        return [secret for secret in self.secrets | own if any(secret in text for text in texts)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class Lot:
    """Where marketplaces are put up: each on a copy of data that was prepared once, with an admin in it."""

    def __init__(self) -> None:
        # Not pytest's own folder, whose path is too long for a socket on some machines.
        self._folder = Path(tempfile.mkdtemp(prefix="nbj-"))
        self._prepared: Path | None = None

    def prepared(self) -> Path:
        """Data on which a marketplace has run and has been stopped."""
        if self._prepared is None:
            first = Marketplace(self._folder / "first" / "data", Topology.ONE, {})
            first.data.parent.mkdir()
            first.start()
            make_admin(first)
            assert first.stop() == 0, first.said()
            self._prepared = first.data
        return self._prepared

    def empty(self, name: str) -> Path:
        """A folder that is not there yet, in one that is."""
        (self._folder / name).mkdir()
        return self._folder / name / "data"

    def marketplace(self, name: str, topology: Topology, **settings: str) -> Marketplace:
        """A marketplace that is not started yet."""
        data = self.empty(name)
        # Unlike shutil, cp keeps the owner.
        subprocess.run(["cp", "-a", self.prepared(), data], check=True)
        return Marketplace(data, topology, settings)

    def clear(self) -> None:
        """Give back the room."""
        shutil.rmtree(self._folder)


def make_admin(market: Marketplace) -> str:
    """`nextbuy create-admin`, and what it said."""
    made = subprocess.run(
        nextbuy("create-admin", ADMIN, "--data", str(market.data)),
        env=environment({"NEXTBUY_ADMIN_PASSWORD": PASSWORD}),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return made.stdout


PutUp = Callable[..., Marketplace]


@contextmanager
def putting_up(lot: Lot) -> Iterator[PutUp]:
    """Gives a function that starts a marketplace of a test's own; all of them are ended after it."""
    made: list[Marketplace] = []

    def put_up(topology: Topology = Topology.ONE, *, start: bool = True, **settings: str) -> Marketplace:
        market = lot.marketplace(f"own-{time.monotonic_ns():x}", topology, **settings)
        made.append(market)
        if start:
            market.start()
        return market

    try:
        yield put_up
    finally:
        told = [secret for market in made for secret in ended(market)]
    assert told == []


def ended(market: Marketplace) -> list[str]:
    """End a marketplace, whatever state it is in, and return the secrets that its log holds."""
    if market.process is not None and market.process.poll() is None:
        market.kill()
    told = market.told_secrets() if (market.data / "nextbuy.log").exists() else []
    shutil.rmtree(market.data.parent)
    return told
