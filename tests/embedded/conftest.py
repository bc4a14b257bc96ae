"""Data folders and engines of a test's own."""

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
    """A data folder with a path short enough for sockets, which pytest's own is not everywhere."""
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
def made() -> Iterator[Path]:
    """A data folder in which PostgreSQL has been started once: copying it is quicker than making one."""
    folder = Path(tempfile.mkdtemp(prefix="nb-"))
    start_postgres(folder / "data", fast_and_unsafe=True).stop()
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def used(data: Path, made: Path) -> Path:
    """A data folder that is not new: PostgreSQL's data is in it."""
    # Unlike shutil, cp keeps the owner.
    subprocess.run(["cp", "-a", made, data], check=True)
    return data


@pytest.fixture
def ask() -> Callable[[str, str], object]:
    """Runs one SQL statement and gives its only value."""

    async def answer(url: str, sql: str) -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return lambda url, sql: asyncio.run(answer(url, sql))


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Within it this process has no more rights than an ordinary user: root may write everywhere."""
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
    """Another process that runs both engines on a data folder."""

    def __init__(self, data: Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", MARKETPLACE, data], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        self.engines = [psutil.Process(int(pid)) for pid in words[:2]]
        self.postgres_url, self.redis_url = words[2:]

    def kill(self) -> None:
        """As the kernel does when memory runs out: without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Ends it with all its engines, whatever a test did to them."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for engine in psutil.wait_procs(self.engines, timeout=20)[1]:
            engine.kill()


@pytest.fixture
def marketplace() -> Iterator[Callable[[Path], Marketplace]]:
    """Starts marketplaces that end with the test."""
    started: list[Marketplace] = []

    def start(data: Path) -> Marketplace:
        started.append(Marketplace(data))
        return started[-1]

    yield start
    for one in started:
        one.close()
