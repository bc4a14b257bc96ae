"""Data folders and engines for one test."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from nextbuy.embedded import start_postgres
from nextbuy.embedded.folder import socket_folder


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder with a path short enough for sockets, unlike pytest's own on some machines."""
    folder = Path(tempfile.mkdtemp(prefix="nb-"))
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def deep(data: Path) -> Iterator[Path]:
    """A data folder with a path too long for sockets."""
    folder = data / ("a-folder-with-a-long-name/" * 6)
    yield folder
    with suppress(FileNotFoundError):
        socket_folder(folder).rmdir()


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """A data folder with a PostgreSQL cluster: copying it is faster than creating one."""
    folder = Path(tempfile.mkdtemp(prefix="nb-"))
    start_postgres(folder / "data", fast_and_unsafe=True).stop()
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def used(data: Path, initialised: Path) -> Path:
    """A data folder that has been started before."""
    # Unlike shutil, cp keeps the owner.
    subprocess.run(["cp", "-a", initialised, data], check=True)
    return data


@pytest.fixture
def query() -> Callable[[str, str], object]:
    """Runs one SQL statement and returns its value."""

    async def fetch(url: str, sql: str) -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return lambda url, sql: asyncio.run(fetch(url, sql))


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Run as an ordinary user, because root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    daemon = pwd.getpwnam("daemon")
    os.seteuid(daemon.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


MARKETPLACE = """
import sys, time
from pathlib import Path
from nextbuy.embedded import start_engines
engines = start_engines(Path(sys.argv[1]))
print(engines.postgres.pid, engines.redis.pid, engines.postgres.url, engines.redis.url, flush=True)
time.sleep(120)
"""


class Marketplace:
    """A process that runs both engines on a data folder."""

    def __init__(self, data: Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", MARKETPLACE, data], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        self.engines = [psutil.Process(int(pid)) for pid in words[:2]]
        self.postgres_url, self.redis_url = words[2:]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Stop it and its engines, even if a test broke them."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for engine in psutil.wait_procs(self.engines, timeout=20)[1]:
            engine.kill()


@pytest.fixture
def marketplace() -> Iterator[Callable[[Path], Marketplace]]:
    """Starts marketplaces that stop with the test."""
    started: list[Marketplace] = []

    def start(data: Path) -> Marketplace:
        started.append(Marketplace(data))
        return started[-1]

    yield start
    for one in started:
        one.close()
