"""Documents match the code: every path, name, link and command exists."""

from pathlib import Path

import pytest

from tools.documents import documents, missing, problems, unknown_commands
from tools.tokens import ROOT


def test_documents_of_this_project_match_its_code() -> None:
    assert [*problems(ROOT)] == []
    assert len(documents(ROOT)) > 15


def test_planted_difference_names_its_document(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "new.md").write_text("see `kit/gone.py`, [it](none.md), and `make fish`")
    assert [*problems(tmp_path)] == [
        "docs/new.md: kit/gone.py does not exist",
        "docs/new.md: none.md does not exist",
        "docs/new.md: make fish is not a command",
    ]
    (tmp_path / "CONTRIBUTING.md").write_text("# Contributing\n")
    assert next(problems(tmp_path)) == "CONTRIBUTING.md: no sample of how to add: use case"


def test_planted_unknown_commands_are_found() -> None:
    assert unknown_commands("`nextbuy events replay ID`, `nextbuy up --empty`, `PORT=1 make up`, `make test`") == []
    assert unknown_commands("`nextbuy events revive`, `nextbuy down`, `A=1 make fish`") == [
        "nextbuy events revive is not a command",
        "nextbuy down is not a command",
        "make fish is not a command",
    ]
    assert unknown_commands("`callers` may make it. `CALLS`") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see `kit/rpc/calls.py: Calls` and `kit/rpc/calls.py`", []),
        ("see `kit/gone.py`", ["kit/gone.py does not exist"]),
        ("see `kit/rpc/calls.py: Sent`", ["kit/rpc/calls.py has no Sent"]),
        ("see `kit/rpc/calls.py::Sent`", ["kit/rpc/calls.py has no Sent"]),
        ("see [it](adr/none.md)", ["adr/none.md does not exist"]),
        ("see [it](../src)", []),
        ("see [it](docs)", ["docs does not exist"]),
    ],
)
def test_planted_wrong_paths_names_and_links_are_found(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "src" / "nextbuy" / "kit" / "rpc").mkdir(parents=True)
    (tmp_path / "src" / "nextbuy" / "kit" / "rpc" / "calls.py").write_text("class Calls: ...\n")
    (tmp_path / "docs").mkdir()
    assert missing(text, tmp_path, tmp_path / "docs") == found
