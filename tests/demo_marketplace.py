"""A marketplace with its demo data, as a newcomer starts it."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.ports import free_port

_START_TIMEOUT: Final = 120.0


@contextmanager
def demo_marketplace(*options: str) -> Iterator[str]:
    """Run a marketplace with its demo accounts, without rate limits, with options of `up`, and yield its URL."""
    # Another run of pytest changes the permissions of the folder that both share, which PostgreSQL does not survive.
    with tempfile.TemporaryDirectory(prefix="nbd-", ignore_cleanup_errors=True) as folder:
        yield from _run(Path(folder), options)


def _run(folder: Path, options: Sequence[str]) -> Iterator[str]:
    port = str(free_port())
    command = [sys.executable, "-m", "nextbuy", "up", "--port", port, "--data", str(folder / "data"), *options]
    settings = {**os.environ, "NEXTBUY_RATE_LIMITS": "off"}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, env=settings, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", process, folder / "output")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=2):  # noqa: S310
                pass
            if b"NextBuy is ready" in output.read_bytes():
                return
        except OSError:
            pass
        time.sleep(0.5)
    pytest.fail(output.read_text())
