"""Every figure of `make bench` can be measured."""

from pathlib import Path

import msgspec
import pytest

from bench.__main__ import main


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_short_run_measures_every_figure(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"

    assert main(["--quick", "--json", str(written)]) == 0

    figures = {figure["name"] for figure in msgspec.json.decode(written.read_bytes())["figures"]}
    assert {
        "product page, nothing cached",
        "event to notification, p99",
        "projection rebuilt",
        "ready after start",
    } <= figures
