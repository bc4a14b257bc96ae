"""The planted faults of `make mutants` fit the code, and one that does not is reported."""

from pathlib import Path

import pytest

from tools.faults import LIST, problems
from tools.mutants import changed_line, unexplained
from tools.tokens import ROOT

FAULT = """
[[fault]]
name = "a price is negative"
file = "model.py"
old = "price > 0"
new = "price > -1"
tests = ["test_model.py::test_price_is_positive"]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree whose one fault fits."""
    (tmp_path / LIST).parent.mkdir()
    (tmp_path / LIST).write_text(FAULT)
    (tmp_path / "model.py").write_text("assert price > 0\n")
    (tmp_path / "test_model.py").write_text("def test_price_is_positive() -> None: ...\n")
    return tmp_path


def found(root: Path, min_faults: int = 1) -> list[str]:
    return [line.removeprefix(f"{LIST}: ") for line in problems(root, min_faults=min_faults)]


def test_faults_of_this_project_fit_its_code() -> None:
    assert problems(ROOT) == []


@pytest.mark.parametrize("code", ["", "assert price >= 1\n", "assert price > 0\nassert price > 0\n"])
def test_missing_or_repeated_text_of_a_fault_is_found(tree: Path, code: str) -> None:
    assert found(tree) == []
    (tree / "model.py").write_text(code)

    [line] = found(tree)

    assert line.startswith(f"a price is negative: model.py contains the old text {code.count('price > 0')} times.")


def test_fault_of_a_deleted_file_is_found(tree: Path) -> None:
    (tree / "model.py").unlink()
    assert len(found(tree)) == 1


def test_fault_with_a_renamed_test_is_found(tree: Path) -> None:
    (tree / "test_model.py").write_text("def test_price_is_never_negative() -> None: ...\n")

    [line] = found(tree)

    assert "test_model.py::test_price_is_positive does not exist" in line


def test_fault_that_changes_nothing_or_is_listed_twice_is_found(tree: Path) -> None:
    (tree / LIST).write_text(FAULT + FAULT.replace("> -1", "> 0"))
    assert found(tree) == [
        "a price is negative: changes nothing, or has no tests",
        "a price is negative: listed twice",
    ]


def test_short_list_of_faults_is_found(tree: Path) -> None:
    assert found(tree, min_faults=2) == ["too few faults (1). List at least 2."]


def test_surviving_mutant_needs_a_reason_and_a_reason_needs_a_survivor() -> None:
    line = changed_line("--- a\n+++ b\n-    return 1\n+    return 2\n")
    survivor, other = ("model.price", line), ("model.price", "return 3")

    assert unexplained([survivor], {survivor: "Both are the same."}) == []
    assert unexplained([survivor], {other: "Both are the same."}) == [
        "survives without a reason: model.price: return 2",
        "does not survive, remove its reason: model.price: return 3",
    ]
