"""The planted faults of `make mutants` still fit the code."""

import tomllib

import pytest

from tools.mutants import FAULTS, ROOT

ALL = tomllib.loads(FAULTS.read_text(encoding="utf-8"))["fault"]


def test_there_are_enough_faults() -> None:
    assert len({fault["name"] for fault in ALL}) == len(ALL) >= 40


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: str(fault["name"]))
def test_fault_can_be_planted_and_its_tests_exist(fault: dict[str, str]) -> None:
    assert (ROOT / fault["file"]).read_text(encoding="utf-8").count(fault["old"]) == 1
    assert [path for path in fault["tests"].split() if not (ROOT / path).exists()] == []
