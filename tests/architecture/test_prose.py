"""A refused phrase is found in each kind of text, and code that only resembles it is not read."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.prose import problems
from tools.tokens import ROOT

HABITS = {r"\bis told\b": "notify", r"\bnone of ours\b": "say what it is"}
NOTIFY = '"is told": notify'


def found(root: Path, name: str, text: str) -> list[str]:
    """Check a tree of one file against `HABITS`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return problems(root, HABITS)


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        pytest.param("src/a.py", '"""Who is told first."""', 1, id="docstring of a module"),
        pytest.param(
            "src/a.py", 'def f():\n    """Return the one.\n\n    Each is told."""', 4, id="line of a docstring"
        ),
        pytest.param("src/a.py", 'X = 1\n"""The one that is told."""', 2, id="docstring of a constant"),
        pytest.param("src/a.py", "x = 1  # It is told.", 1, id="comment"),
        pytest.param("src/a.py", "# A long comment that is\n# told here.", 1, id="comment over two lines"),
        pytest.param("src/a.py", "raise Conflict(f'{x} is told.')", 1, id="error"),
        pytest.param("src/a.py", "raise Conflict(\n    'It is '\n    'told.')", 2, id="error in parts"),
        pytest.param("src/a.py", "log.info('%s Is Told', x)", 1, id="log line in capitals"),
        pytest.param("src/a.py", "@option('--x', help='Who is told.')\ndef f(): ...", 1, id="help"),
        pytest.param("tests/a.py", "# is told", 1, id="test"),
        pytest.param("src/a.js", "// is told", 1, id="comment in JavaScript"),
        pytest.param("src/a.js", "x;\nsay(`${x} is told`);", 2, id="text in JavaScript"),
        pytest.param("src/a.sql", "-- is told", 1, id="comment in SQL"),
        pytest.param("src/a.sql", "RAISE EXCEPTION 'x is told';", 1, id="text in SQL"),
        pytest.param("src/a.html", "<p>\nis <b>told</b></p>", 2, id="text in HTML"),
        pytest.param("src/a.html", '<input placeholder="is told">', 1, id="attribute in HTML"),
        pytest.param("docs/a.md", "# X\n\n- it is\n  told", 3, id="Markdown"),
        pytest.param("README.md", "is told", 1, id="README"),
        pytest.param("Makefile", "x:\nup: ## who is told", 2, id="help of a target"),
        pytest.param("pyproject.toml", "x = 1 # is told", 1, id="comment in TOML"),
        pytest.param(".importlinter", "; is told", 1, id="comment in an INI file"),
        pytest.param("tools/venv", "#!/bin/sh\n# is told", 2, id="comment in a script"),
    ],
)
def test_refused_phrase_is_found(tmp_path: Path, file: str, text: str, line: int) -> None:
    problem = f"{file}:{line}: {NOTIFY}"
    assert [problem.lower() for problem in found(tmp_path, file, text) if NOTIFY in problem.lower()] == [
        problem.lower()
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("src/a.py", "is_told = x.is_told"),
        ("src/a.py", "x = 'is-told'"),
        ("src/a.js", "const x = /is told/;"),
        ("src/a.html", "<script>is told</script>{{ is told }}"),
        ("docs/a.md", "`is told`\n```\nis told\n```"),
        ("Makefile", "is told:"),
    ],
)
def test_code_is_not_read(tmp_path: Path, file: str, text: str) -> None:
    assert found(tmp_path, file, text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"""The shop."""', '"The shop.": says too little; delete it or say more'),
        ('class A:\n    """Which."""', '"Which.": says too little; delete it or say more'),
        ('class A:\n    x: int\n    """Which."""', '"Which.": says too little; delete it or say more'),
        ('def f():\n    """What a shop sells."""', '"What …": start with a verb or a noun'),
        ('X = 1\n"""So many of them at once."""', '"So many …": start with a verb or a noun'),
    ],
)
def test_empty_docstring_is_found(tmp_path: Path, text: str, problem: str) -> None:
    line = text.count("\n") + 1
    assert found(tmp_path, "src/a.py", text) == [f"src/a.py:{line}: {problem}"]


def test_docstring_that_says_something_is_allowed(tmp_path: Path) -> None:
    assert found(tmp_path, "src/a.py", '"""Whatever a shop sells."""\nX = 1\n"""How long one lasts."""') == []
    assert found(tmp_path, "tests/a.py", '"""The shop."""') == []


def test_misspelling_is_found(tmp_path: Path) -> None:
    wrong = "receive".replace("ei", "ie")  # Not spelled out, since this file is checked too.
    (tmp_path / "a.md").write_text(wrong)
    codespell = Path(sys.executable).parent / "codespell"

    done = subprocess.run(
        [codespell, "--toml", ROOT / "pyproject.toml", tmp_path], capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert f"{wrong} ==> receive" in done.stdout


def test_only_some_files_are_read(tmp_path: Path) -> None:
    for file in ("src/a/x.py", "src/b.py"):
        found(tmp_path, file, "# is told")

    assert problems(tmp_path, HABITS, ["src/a/"]) == [f"src/b.py:1: {NOTIFY}"]
    assert problems(tmp_path, HABITS, ["src/b.py"]) == [f"src/a/x.py:1: {NOTIFY}"]
    assert problems(tmp_path, HABITS, only=["src/a/"]) == [f"src/a/x.py:1: {NOTIFY}"]
