"""Tests that need Kafka are skipped without Java, and fail in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka_broker import ROOT

A_TEST = "tests/kit/events/bus/test_kafka.py::test_event_on_the_wire_is_a_cloud_event_under_its_key"


@pytest.mark.parametrize(("ci", "status", "word"), [("", 0, "SKIPPED"), ("true", 1, "ERROR")])
def test_kafka_tests_are_skipped_with_one_line_and_fail_in_ci(tmp_path: Path, ci: str, status: int, word: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NEXTBUY_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", A_TEST, "-n", "0", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/t"],
        cwd=ROOT,
        env=own | {"PATH": str(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == status, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(word)]
    assert "Java not found; Kafka needs 17 or newer." in done.stdout
    assert status or "Java not found; Kafka needs 17 or newer." in line
