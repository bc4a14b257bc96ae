"""`make up KAFKA=1` runs a Kafka beside the marketplace, and stops it with the marketplace."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.journeys.marketplace import MarketplaceFactory, environment, nextbuy
from tests.kafka_broker import ROOT, need_kafka
from tests.ports import free_port
from tests.waiting import until
from tools.kafka import is_free

pytestmark = pytest.mark.timeout(300)
TOOL = ROOT / "tools" / "kafka.py"


def beside(folder: Path, port: int, *command: str) -> "subprocess.Popen[bytes]":
    """Run a command with a Kafka beside it, in a process group of its own."""
    arguments = [sys.executable, str(TOOL), "--data", str(folder / "kafka"), "--port", str(port), "--", *command]
    return subprocess.Popen(
        arguments, env=environment({}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    )


def port_is_free(port: int) -> Callable[[], bool]:
    return lambda: is_free(port)


def test_make_up_runs_the_tool_only_on_request() -> None:
    def make(*variables: str) -> str:
        return subprocess.run(
            ["make", "-n", "up", *variables], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    up = "python -m nextbuy up --port 8080 --data /srv/x"
    assert f"tools/kafka --data /srv/x/kafka --port 9192 -- .venv/bin/{up}" in make(
        "KAFKA=1", "DATA=/srv/x", "KAFKA_PORT=9192"
    )
    assert "tools/kafka " not in make("DATA=/srv/x")


def test_without_java_one_sentence_says_what_is_missing_and_nothing_starts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TOOL, "--data", tmp_path / "kafka", "--", "touch", tmp_path / "started"],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "Java not found; Kafka needs 17 or newer." in line
    assert not (tmp_path / "started").exists()


async def test_marketplace_uses_the_kafka_beside_it_and_both_stop_together(factory: MarketplaceFactory) -> None:
    need_kafka()
    data, broker_port, port = factory.empty("kafka-beside"), free_port(), free_port()
    command = nextbuy("up", "--empty", "--data", str(data), "--port", str(port))
    process = beside(data.parent, broker_port, *command)

    def checks() -> dict[str, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as response:
                found: dict[str, str] = msgspec.json.decode(response.read())["checks"]
                return found
        except OSError:
            assert process.poll() is None
            return {}

    await until(lambda: checks().get("apache-kafka") == "up", "it is ready on Kafka", timeout=120)
    # As Ctrl-C does.
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, output
    # On a slow machine, Kafka may not answer the first question, and events wait for it.
    assert f"Apache Kafka at 127.0.0.1:{broker_port}".encode() in output
    assert is_free(broker_port)


async def test_kafka_stops_with_its_command_and_passes_on_the_exit_code(tmp_path: Path) -> None:
    need_kafka()
    port = free_port()
    test = 'test "$NEXTBUY_KAFKA_SERVERS" = "$1" && exit 7'

    with beside(tmp_path, port, "sh", "-c", test, "sh", f"127.0.0.1:{port}") as process:
        process.communicate(timeout=120)

    assert process.returncode == 7
    assert is_free(port)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the end of a parent")
async def test_kafka_stops_when_its_tool_is_killed(tmp_path: Path) -> None:
    need_kafka()
    port = free_port()
    with beside(tmp_path, port, "sh", "-c", "echo started; exec sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"

        process.kill()

        await until(port_is_free(port), "the broker has stopped", timeout=60)
        os.killpg(process.pid, signal.SIGKILL)
