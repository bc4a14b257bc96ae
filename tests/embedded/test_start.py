"""Starting, using and stopping the engines where all is well."""

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

from nextbuy.embedded import pgbench_path, running, start_engines, start_postgres, start_redis
from nextbuy.embedded.binaries import postgres_bin, with_libraries
from nextbuy.embedded.folder import open_log
from nextbuy.embedded.identity import Identity, open_programs, open_the_way

Ask = Callable[[str, str], object]


def test_what_is_written_is_there_after_the_next_start(data: Path, ask: Ask) -> None:
    first = start_engines(data)
    ask(first.postgres.url, "create table kept as select 7 as seven")
    with redis.Redis.from_url(first.redis.url) as client:
        client.set("kept", "7")
    first.stop()
    second = start_engines(data)
    try:
        assert ask(second.postgres.url, "select seven from kept") == 7
        with redis.Redis.from_url(second.redis.url) as client:
            assert client.get("kept") == b"7"
    finally:
        second.stop()


def test_an_existing_marketplace_has_its_engines_in_well_under_a_second(used: Path) -> None:
    began = time.monotonic()
    engines = start_engines(used)
    took = time.monotonic() - began
    engines.stop()
    assert took < 1


def test_text_is_unicode_and_sorted_the_same_on_every_machine(used: Path, ask: Ask) -> None:
    postgres = start_postgres(used, fast_and_unsafe=True)
    try:
        assert ask(postgres.url, "select upper('rue é') || pg_encoding_to_char(encoding) || datlocale "
                   "from pg_database where datname = 'postgres'") == "RUE ÉUTF8C.UTF-8"  # fmt: skip
        assert ask(postgres.url, "show data_checksums") == "on"
    finally:
        postgres.stop()


def test_no_port_is_opened(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        for pid in (engines.postgres.pid, engines.redis.pid):
            assert psutil.Process(pid).net_connections("inet") == []
    finally:
        engines.stop()


def test_the_password_is_for_its_owner_alone_and_not_in_what_is_printed(used: Path) -> None:
    postgres = start_postgres(used, fast_and_unsafe=True)
    postgres.stop()
    file = used / "postgres.password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() in postgres.url
    assert file.read_text() not in repr(postgres)


def test_the_sockets_are_closed_to_other_users(used: Path) -> None:
    start_redis(used, fast_and_unsafe=True).stop()
    assert stat.S_IMODE((used / "run").stat().st_mode) == 0o700


def test_a_data_folder_with_a_long_path_serves_all_the_same(deep: Path) -> None:
    engines = start_engines(deep, fast_and_unsafe=True)
    try:
        assert running(deep) == (engines.postgres.url, engines.redis.url)
        assert str(deep) not in engines.redis.url
    finally:
        engines.stop()


def test_a_command_beside_a_running_marketplace_finds_its_engines(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        assert running(used) == (engines.postgres.url, engines.redis.url)
    finally:
        engines.stop()
    assert running(used) == (None, None)


def test_stopping_twice_is_stopping_once(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    engines.stop()
    engines.stop()
    assert not psutil.pid_exists(engines.postgres.pid)
    assert not psutil.pid_exists(engines.redis.pid)


def test_all_of_postgresql_stays_small(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        pids = [engines.postgres.pid, engines.redis.pid]
        family = [one for pid in pids for one in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]]
        assert sum(one.memory_full_info().uss for one in family) < 60 * 1024 * 1024
    finally:
        engines.stop()


def test_pgbench_is_there_to_measure_with() -> None:
    said = subprocess.run([pgbench_path(), "--version"], check=True, capture_output=True, text=True).stdout
    assert said.startswith("pgbench (PostgreSQL) 18")
    assert (postgres_bin() / "psql").exists()


def test_engines_are_not_started_from_a_thread_that_may_end_before_them(used: Path) -> None:
    said: list[str] = []

    def start() -> None:
        try:
            start_redis(used)
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in said[0]


def test_under_root_folders_on_the_way_are_opened_to_pass_and_no_further(data: Path) -> None:
    data.mkdir(mode=0o700)
    stranger = Identity(uid=os.geteuid() + 4242, gid=4242)
    os.chmod(data, 0o700)  # noqa: PTH101 - the umask may have taken some of it above
    open_the_way([data / "postgres"], stranger)
    assert stat.S_IMODE(data.stat().st_mode) == 0o701


def test_programs_that_a_strict_umask_closed_can_be_run_again(data: Path) -> None:
    program, text = data / "bin" / "postgres", data / "share" / "words"
    for path, mode in ((program, 0o700), (text, 0o600)):
        path.parent.mkdir(mode=0o700, parents=True)
        path.touch()
        path.chmod(mode)
    data.chmod(0o700)
    open_programs([data], Identity(uid=os.geteuid() + 4242, gid=4242))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (data, program.parent, program, text)] == [
        0o705,
        0o705,
        0o705,
        0o604,
    ]


def test_the_libraries_that_a_wheel_puts_beside_its_package_belong_to_its_programs(data: Path) -> None:
    (data / "engine" / "install" / "bin").mkdir(parents=True)
    (data / "engine.libs").mkdir()
    assert with_libraries(data / "engine" / "install") == [data / "engine" / "install", data / "engine.libs"]


def test_a_log_that_has_grown_large_is_set_aside(data: Path) -> None:
    data.mkdir()
    (data / "redis.log").write_bytes(b"x" * (11 * 1024 * 1024))
    open_log(data, "redis")
    assert not (data / "redis.log").exists()
    assert (data / "redis.log.1").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_under_root_the_engines_run_as_nobody(used: Path) -> None:
    engines = start_engines(used, fast_and_unsafe=True)
    try:
        assert {psutil.Process(pid).username() for pid in (engines.postgres.pid, engines.redis.pid)} == {"nobody"}
    finally:
        engines.stop()
