"""Starts after a crash: leftovers are removed and no acknowledged write is lost."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import redis

from nextbuy.embedded import start_engines, start_postgres, start_redis
from nextbuy.embedded.process import stop_orphans
from tests.embedded.conftest import Marketplace

Query = Callable[[str, str], object]
Start = Callable[[Path], Marketplace]


def test_engines_stop_when_their_marketplace_is_killed(used: Path, marketplace: Start) -> None:
    killed = marketplace(used)
    killed.kill()
    assert psutil.wait_procs(killed.engines, timeout=20)[1] == []


def test_acknowledged_writes_survive_a_killed_marketplace(used: Path, marketplace: Start, query: Query) -> None:
    killed = marketplace(used)
    query(killed.postgres_url, "create table stored as select 7 as seven")
    with redis.Redis.from_url(killed.redis_url) as client:
        client.set("stored", "7")
    killed.kill()
    engines = start_engines(used)
    try:
        assert query(engines.postgres.url, "select seven from stored") == 7
        with redis.Redis.from_url(engines.redis.url) as client:
            assert client.get("stored") == b"7"
    finally:
        engines.stop()


def test_acknowledged_writes_survive_killed_engines(used: Path, marketplace: Start, query: Query) -> None:
    killed = marketplace(used)
    query(killed.postgres_url, "create table stored as select 7 as seven")
    with redis.Redis.from_url(killed.redis_url) as client:
        client.set("stored", "7")
    for engine in killed.engines:
        engine.send_signal(signal.SIGKILL)
    killed.kill()
    engines = start_engines(used)
    try:
        assert query(engines.postgres.url, "select seven from stored") == 7
        with redis.Redis.from_url(engines.redis.url) as client:
            assert client.get("stored") == b"7"
    finally:
        engines.stop()


def test_ctrl_c_does_not_reach_the_engines(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        for pid in (engines.postgres.pid, engines.redis.pid):
            assert os.getsid(pid) == pid != os.getsid(0)
    finally:
        engines.stop()


def test_orphaned_engines_are_stopped_cleanly(used: Path) -> None:
    # On systems without PR_SET_PDEATHSIG an engine outlives its marketplace, and the next start does this.
    engines = start_engines(used, fast_and_unsafe=True)
    stop_orphans(used / "postgres", "postgres", signal.SIGINT)
    stop_orphans(used / "redis", "redis-server", signal.SIGTERM)
    engines.stop()
    assert "database system is shut down" in (used / "postgres.log").read_text()
    assert "ready to exit" in (used / "redis.log").read_text()


def test_pid_file_with_the_pid_of_another_program_is_ignored(used: Path, query: Query) -> None:
    lines = [str(os.getpid()), str(used / "postgres"), "0", "5432", str(used / "run"), "", "0 0", "ready"]
    (used / "postgres" / "postmaster.pid").write_text("\n".join(lines))
    postgres = start_postgres(used, fast_and_unsafe=True)
    try:
        assert query(postgres.url, "select 1") == 1
    finally:
        postgres.stop()


def test_redis_loads_a_truncated_file(data: Path) -> None:
    first = start_redis(data)
    with redis.Redis.from_url(first.url) as client:
        client.set("first", "1")
        client.set("second", "2")
    first.stop()
    file = next(
        path for path in sorted((data / "redis").rglob("appendonly.aof*")) if path.read_bytes().endswith(b"2\r\n")
    )
    file.write_bytes(file.read_bytes()[:-3])
    again = start_redis(data)
    try:
        with redis.Redis.from_url(again.url) as client:
            assert client.get("first") == b"1"
            assert client.get("second") is None
    finally:
        again.stop()


def test_interrupted_first_start_is_repeated(data: Path, query: Query) -> None:
    (data / "postgres.new" / "base").mkdir(parents=True)
    (data / "postgres.new-password").write_text("half")
    postgres = start_postgres(data, fast_and_unsafe=True)
    try:
        assert query(postgres.url, "select 1") == 1
    finally:
        postgres.stop()
    assert not (data / "postgres.new").exists()
    assert not (data / "postgres.new-password").exists()
