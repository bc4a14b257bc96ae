"""What a crash leaves behind is cleared up by the next start, and nothing that was answered is lost."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import redis

from nextbuy.embedded import start_engines, start_postgres, start_redis
from nextbuy.embedded.process import end_orphans
from tests.embedded.conftest import Marketplace

Ask = Callable[[str, str], object]
Start = Callable[[Path], Marketplace]


def test_the_engines_of_a_killed_marketplace_end_with_it(used: Path, marketplace: Start) -> None:
    killed = marketplace(used)
    killed.kill()
    assert psutil.wait_procs(killed.engines, timeout=20)[1] == []


def test_what_a_killed_marketplace_had_answered_is_there_at_once_after_it(
    used: Path, marketplace: Start, ask: Ask
) -> None:
    killed = marketplace(used)
    ask(killed.postgres_url, "create table kept as select 7 as seven")
    with redis.Redis.from_url(killed.redis_url) as client:
        client.set("kept", "7")
    killed.kill()
    engines = start_engines(used)
    try:
        assert ask(engines.postgres.url, "select seven from kept") == 7
        with redis.Redis.from_url(engines.redis.url) as client:
            assert client.get("kept") == b"7"
    finally:
        engines.stop()


def test_what_was_answered_survives_the_death_of_the_engines_themselves(
    used: Path, marketplace: Start, ask: Ask
) -> None:
    killed = marketplace(used)
    ask(killed.postgres_url, "create table kept as select 7 as seven")
    with redis.Redis.from_url(killed.redis_url) as client:
        client.set("kept", "7")
    for engine in killed.engines:
        engine.send_signal(signal.SIGKILL)
    killed.kill()
    engines = start_engines(used)
    try:
        assert ask(engines.postgres.url, "select seven from kept") == 7
        with redis.Redis.from_url(engines.redis.url) as client:
            assert client.get("kept") == b"7"
    finally:
        engines.stop()


def test_ctrl_c_in_the_terminal_reaches_the_marketplace_and_not_its_engines(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        for pid in (engines.postgres.pid, engines.redis.pid):
            assert os.getsid(pid) == pid != os.getsid(0)
    finally:
        engines.stop()


def test_an_engine_that_outlived_its_marketplace_is_ended_in_order(used: Path) -> None:
    # Where the kernel knows no leash, an engine lives on: here it is asked to end as that start would ask it.
    engines = start_engines(used, fast_and_unsafe=True)
    end_orphans(used / "postgres", "postgres", signal.SIGINT)
    end_orphans(used / "redis", "redis-server", signal.SIGTERM)
    engines.stop()
    assert "database system is shut down" in (used / "postgres.log").read_text()
    assert "ready to exit" in (used / "redis.log").read_text()


def test_the_number_of_a_dead_server_may_belong_to_another_program_by_now(used: Path, ask: Ask) -> None:
    lines = [str(os.getpid()), str(used / "postgres"), "0", "5432", str(used / "run"), "", "0 0", "ready"]
    (used / "postgres" / "postmaster.pid").write_text("\n".join(lines))
    postgres = start_postgres(used, fast_and_unsafe=True)
    try:
        assert ask(postgres.url, "select 1") == 1
    finally:
        postgres.stop()


def test_redis_loads_a_file_whose_end_is_missing(data: Path) -> None:
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


def test_a_first_start_that_was_broken_off_is_begun_again(data: Path, ask: Ask) -> None:
    (data / "postgres.new" / "base").mkdir(parents=True)
    (data / "postgres.new-password").write_text("half")
    postgres = start_postgres(data, fast_and_unsafe=True)
    try:
        assert ask(postgres.url, "select 1") == 1
    finally:
        postgres.stop()
    assert not (data / "postgres.new").exists()
    assert not (data / "postgres.new-password").exists()
