"""Documents match the code: every path and link exists, and every name is in its file."""

import re
from pathlib import Path

import click
import pytest

from nextbuy.cli.main import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|toml|md|lock)")
_LINK = re.compile(r"\]\(([^)#:]+)\)")


def missing(text: str, root: Path, folder: Path | None = None) -> list[str]:
    """Return the paths, names and links of a document that do not exist; its links start at its own folder."""
    found = []
    for code in _CODE.findall(text):
        path, _, name = code.partition(": ")
        if not _PATH.fullmatch(path) or path.startswith(("/", "var/", ".venv/")):
            continue
        places = [root / path, root / "src" / path, root / "src" / "nextbuy" / path]
        places += (root / "src" / "nextbuy").glob(f"*/{path.rstrip('/')}")
        place = next((place for place in places if place.exists()), None)
        if place is None:
            found.append(f"{path} does not exist")
        elif (
            name
            and place.is_file()
            and not re.search(
                rf"^\s*(?:async def|def|class) {re.escape(name)}\b|^{re.escape(name)}\b",
                place.read_text(),
                re.MULTILINE,
            )
        ):
            found.append(f"{path} has no {name}")
    folder = folder or root
    return found + [f"{link} does not exist" for link in _LINK.findall(text) if not (folder / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_names_and_links_of_a_document_exist(document: Path) -> None:
    assert missing(document.read_text(encoding="utf-8"), ROOT, document.parent) == []


def unknown_commands(text: str) -> list[str]:
    """Return the `nextbuy …` and `make …` commands of a document that do not exist."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    found = []
    for code in _CODE.findall(text):
        if (target := re.search(r"\bmake ([a-z-]+)", code)) and target[1] not in targets:
            found.append(f"make {target[1]}")
        if line := re.match(r"nextbuy ([a-z][a-z -]*[a-z])", code):
            command: click.Command = main
            for word in line[1].split():
                if not isinstance(command, click.Group):
                    break
                command = command.commands.get(word, click.Command(None))
            if command.name is None:
                found.append(f"nextbuy {line[1]}")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_a_document_exist(document: Path) -> None:
    assert unknown_commands(document.read_text(encoding="utf-8")) == []


def test_planted_unknown_commands_are_found() -> None:
    assert unknown_commands("`nextbuy events replay ID`, `nextbuy up --empty`, `PORT=1 make up`, `make test`") == []
    assert unknown_commands("`nextbuy events revive`, `nextbuy down`, `A=1 make fish`") == [
        "nextbuy events revive",
        "nextbuy down",
        "make fish",
    ]
    assert unknown_commands("`callers` may make it. `CALLS`") == []


def test_planted_wrong_path_name_and_link_are_found(tmp_path: Path) -> None:
    (tmp_path / "src" / "nextbuy" / "kit" / "rpc").mkdir(parents=True)
    (tmp_path / "src" / "nextbuy" / "kit" / "rpc" / "calls.py").write_text("class Calls: ...\n")
    (tmp_path / "docs").mkdir()
    assert missing("see `kit/rpc/calls.py: Calls` and `kit/rpc/calls.py`", tmp_path) == []
    assert missing("see `kit/gone.py`", tmp_path) == ["kit/gone.py does not exist"]
    assert missing("see `kit/rpc/calls.py: Sent`", tmp_path) == ["kit/rpc/calls.py has no Sent"]
    assert missing("see [it](docs/adr/none.md)", tmp_path) == ["docs/adr/none.md does not exist"]
    assert missing("see [it](../src)", tmp_path, tmp_path / "docs") == []
    assert missing("see [it](docs)", tmp_path, tmp_path / "docs") == ["docs does not exist"]
