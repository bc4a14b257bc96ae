"""A pytest plugin that fails a run with coverage if a part of the code is below its floor."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

FLOORS: Final = {
    "src/nextbuy/": 90.0,
    "src/nextbuy/contracts/": 95.0,
    "src/nextbuy/kit/": 95.0,
    "*/model.py": 95.0,
}
"""Percent of lines and branches, by the beginning or the end of a path."""
_REPORT: Final = Path("coverage.json")


def percentages(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> dict[str, float]:
    """Return the covered percent of lines and branches for each key of `FLOORS`, from a JSON report of coverage.py."""
    found = {}
    for pattern in FLOORS:
        summaries = [file["summary"] for path, file in report["files"].items() if _matches(path, pattern)]
        covered = sum(one["covered_lines"] + one.get("covered_branches", 0) for one in summaries)
        total = sum(one["num_statements"] + one.get("num_branches", 0) for one in summaries)
        found[pattern] = 100.0 * covered / total if total else 0.0
    return found


def _matches(path: str, pattern: str) -> bool:
    return path.endswith(pattern.removeprefix("*")) if pattern.startswith("*") else path.startswith(pattern)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Fail the session if a floor is missed."""
    _REPORT.unlink(missing_ok=True)
    result = yield
    if hasattr(session.config, "workerinput"):
        return result
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    found = percentages(json.loads(_REPORT.read_text()))
    for pattern, percent in found.items():
        reporter.write_line(f"coverage of {pattern}: {percent:.1f} % (floor {FLOORS[pattern]:.0f} %)")
    session.testsfailed += sum(percent < FLOORS[pattern] for pattern, percent in found.items())
    return result
