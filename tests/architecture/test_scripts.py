"""Scripts of pages are formatted, linted and type-checked, each violation planted once."""

from pathlib import Path

import pytest

from tools.scripts import problems
from tools.tokens import ROOT

GOOD = "// @ts-check\n/** Doubles a number. */\n\n/** @param {number} n */\nexport const twice = (n) => 2 * n;\n"


def test_scripts_of_this_project_have_no_problem() -> None:
    assert problems(ROOT) == ""


@pytest.mark.parametrize(
    ("planted", "complaint"),
    [
        ('\ntwice("two");\n', "Argument of type 'string' is not assignable to parameter of type 'number'"),
        ("\nexport const half = (n) => n / 2;\n", "Parameter 'n' implicitly has an 'any' type"),
        ("\nexport const one=1\n", "not formatted"),
        ("\nif (twice(1)) debugger;\n", "no-debugger"),
        ('\neval("1");\n', "no-eval"),
    ],
)
def test_planted_violation_is_reported(tmp_path: Path, planted: str, complaint: str) -> None:
    script = tmp_path / "src" / "nextbuy" / "web" / "static" / "twice.js"
    script.parent.mkdir(parents=True)
    script.write_text(GOOD)
    assert problems(tmp_path) == ""

    script.write_text(GOOD + planted)

    assert complaint in problems(tmp_path)


def test_module_without_type_check_is_reported(tmp_path: Path) -> None:
    script = tmp_path / "src" / "nextbuy" / "web" / "static" / "twice.js"
    script.parent.mkdir(parents=True)
    script.write_text(GOOD.removeprefix("// @ts-check\n"))

    assert problems(tmp_path) == "src/nextbuy/web/static/twice.js: does not start with `// @ts-check`."
