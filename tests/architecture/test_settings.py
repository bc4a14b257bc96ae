"""docs/settings.md is what the settings' descriptions say, and a difference is reported."""

from pathlib import Path

from tools.settings import PAGE, page, problems
from tools.tokens import ROOT

OUTDATED = ["docs/settings.md: out of date. Run `make docs`."]


def test_page_of_this_project_is_up_to_date() -> None:
    assert problems(ROOT) == []


def test_planted_difference_is_found(tmp_path: Path) -> None:
    assert problems(tmp_path) == OUTDATED
    (tmp_path / PAGE).parent.mkdir()
    (tmp_path / PAGE).write_text(page())
    assert problems(tmp_path) == []
    (tmp_path / PAGE).write_text(page().replace("8080", "8081"))
    assert problems(tmp_path) == OUTDATED
