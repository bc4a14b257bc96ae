"""The log of a caller."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nextbuy.kit.observability.telemetry import Journal
from tests.kit.rpc.sample_callee import Lines


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Lines]:
    """A journal in a temporary file."""
    path = tmp_path / "log"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    yield Lines(path, Journal(fd))
    os.close(fd)
