"""Starting, using and stopping the engines."""

import os
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

from nextbuy.embedded import launch_cache, pgbench_path, running_urls, start_engines, start_postgres, start_redis
from nextbuy.embedded.binaries import postgres_bin, with_libraries
from nextbuy.embedded.folder import rotate_log
from nextbuy.embedded.identity import Identity, allow_execution, allow_traversal

Query = Callable[[str, str], object]


def test_data_survives_a_restart(data: Path, query: Query) -> None:
    first = start_engines(data)
    query(first.postgres.url, "create table stored as select 7 as seven")
    with redis.Redis.from_url(first.redis.url) as client:
        client.set("stored", "7")
    first.stop()
    second = start_engines(data)
    try:
        assert query(second.postgres.url, "select seven from stored") == 7
        with redis.Redis.from_url(second.redis.url) as client:
            assert client.get("stored") == b"7"
    finally:
        second.stop()


def test_restart_takes_less_than_a_second(used: Path) -> None:
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        engines = start_engines(used)
        seconds.append(time.monotonic() - began)
        engines.stop()

    # The quickest counts, because other processes may delay one.
    assert min(seconds) < 1


def test_encoding_and_collation_are_the_same_on_every_machine(used: Path, query: Query) -> None:
    postgres = start_postgres(used, fast_and_unsafe=True)
    try:
        assert query(postgres.url, "select upper('rue é') || pg_encoding_to_char(encoding) || datlocale "
                   "from pg_database where datname = 'postgres'") == "RUE ÉUTF8C.UTF-8"  # fmt: skip
        assert query(postgres.url, "show data_checksums") == "on"
    finally:
        postgres.stop()


def test_engines_open_no_port(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        for pid in (engines.postgres.pid, engines.redis.pid):
            assert psutil.Process(pid).net_connections("inet") == []
    finally:
        engines.stop()


def test_password_is_private_and_not_in_repr(used: Path) -> None:
    postgres = start_postgres(used, fast_and_unsafe=True)
    postgres.stop()
    file = used / "postgres.password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() in postgres.url
    assert file.read_text() not in repr(postgres)


def test_sockets_are_private(used: Path) -> None:
    start_redis(used, fast_and_unsafe=True).stop()
    assert stat.S_IMODE((used / "run").stat().st_mode) == 0o700


def test_files_of_engines_are_private_also_those_from_before(used: Path) -> None:
    for log in ("postgres.log", "redis.log"):
        (used / log).touch()
        (used / log).chmod(0o644)
    engines = start_engines(used, fast_and_unsafe=True)
    with redis.Redis.from_url(engines.redis.url) as client:
        client.set("key", "value")
    engines.stop()

    files = [used / "postgres.log", used / "redis.log", *(used / "redis").rglob("*")]
    readable = [str(path) for path in files if path.is_file() and path.stat().st_mode & 0o077]
    assert len(files) > 2
    assert readable == []


def test_data_folder_may_have_a_long_path(deep: Path) -> None:
    engines = start_engines(deep, fast_and_unsafe=True)
    try:
        assert running_urls(deep) == (engines.postgres.url, engines.redis.url)
        assert str(deep) not in engines.redis.url
    finally:
        engines.stop()


def test_urls_of_running_engines_are_found(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        assert running_urls(used) == (engines.postgres.url, engines.redis.url)
    finally:
        engines.stop()
    assert running_urls(used) == (None, None)


def test_cache_stores_nothing_evicts_and_runs_beside_redis(data: Path) -> None:
    engine, cache = start_redis(data), launch_cache(data).wait()
    try:
        with redis.Redis.from_url(cache.url) as client:
            value = b"x" * 100_000
            assert [client.set(f"key {n}", value) for n in range(600)] == [True] * 600
            stats, memory = client.info("stats"), client.info("memory")
            assert stats["evicted_keys"] > 0
            assert (memory["maxmemory"], memory["maxmemory_policy"]) == (32 * 1024 * 1024, "allkeys-lfu")
        with redis.Redis.from_url(engine.url) as client:
            assert client.dbsize() == 0
    finally:
        cache.stop()
        engine.stop()
    assert list((data / "cache").iterdir()) == []

    again = launch_cache(data).wait()
    with redis.Redis.from_url(again.url) as client:
        assert client.dbsize() == 0
    again.stop()


def test_second_stop_does_nothing(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    engines.stop()
    engines.stop()
    assert not psutil.pid_exists(engines.postgres.pid)
    assert not psutil.pid_exists(engines.redis.pid)


def test_engines_use_less_than_60_mb_when_idle(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        pids = [engines.postgres.pid, engines.redis.pid]
        processes = [
            one for pid in pids for one in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        ]
        assert sum(one.memory_full_info().uss for one in processes) < 60 * 1024 * 1024
    finally:
        engines.stop()


def test_pgbench_and_psql_are_installed() -> None:
    version = subprocess.run([pgbench_path(), "--version"], check=True, capture_output=True, text=True).stdout
    assert version.startswith("pgbench (PostgreSQL) 18")
    assert (postgres_bin() / "psql").exists()


def test_start_from_another_thread_is_refused(used: Path) -> None:
    errors: list[str] = []

    def start() -> None:
        try:
            start_redis(used)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in errors[0]


def test_parent_folders_become_traversable_only(data: Path) -> None:
    data.mkdir(mode=0o700)
    stranger = Identity(uid=os.geteuid() + 4242, gid=4242)
    os.chmod(data, 0o700)  # noqa: PTH101  the umask applies to mkdir
    allow_traversal([data / "postgres"], stranger)
    assert stat.S_IMODE(data.stat().st_mode) == 0o701


def test_programs_installed_under_a_strict_umask_become_executable(data: Path) -> None:
    program, text = data / "bin" / "postgres", data / "share" / "words"
    for path, mode in ((program, 0o700), (text, 0o600)):
        path.parent.mkdir(mode=0o700, parents=True)
        path.touch()
        path.chmod(mode)
    data.chmod(0o700)
    allow_execution([data], Identity(uid=os.geteuid() + 4242, gid=4242))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (data, program.parent, program, text)] == [
        0o705,
        0o705,
        0o705,
        0o604,
    ]


def test_libraries_beside_the_package_are_found(data: Path) -> None:
    (data / "engine" / "install" / "bin").mkdir(parents=True)
    (data / "engine.libs").mkdir()
    assert with_libraries(data / "engine" / "install") == [data / "engine" / "install", data / "engine.libs"]


def test_large_log_is_rotated(data: Path) -> None:
    data.mkdir()
    (data / "redis.log").write_bytes(b"x" * (11 * 1024 * 1024))
    rotate_log(data, "redis")
    assert not (data / "redis.log").exists()
    assert (data / "redis.log.1").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_engines_run_as_nobody_under_root(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        assert {psutil.Process(pid).username() for pid in (engines.postgres.pid, engines.redis.pid)} == {"nobody"}
    finally:
        engines.stop()
