"""Compare the documents with the code: paths, names, links and commands exist, and code samples are current.

A document names code as `path` or `path: name`, and a test as `path::name`. CONTRIBUTING.md has, for each "Add a …", a
sample below the path of its file; the file contains the sample literally.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from nextbuy.cli.main import main as nextbuy
from tools.tokens import ROOT

CONTRIBUTING: Final = "CONTRIBUTING.md"
SUBJECTS: Final = ("use case", "call between services", "event", "subscription", "service", "setting", "migration")
"""The kinds of additions that CONTRIBUTING.md teaches."""
_CODE: Final = re.compile(r"`([^`\n]+)`")
_PATH: Final = re.compile(r"(?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|toml|md|lock)")
_LINK: Final = re.compile(r"\]\(([^)#:]+)\)")
_SECTION: Final = re.compile(r"^## Add an? (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_SAMPLE: Final = re.compile(r"(?:^`([^`\n]+)`\n+)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documents(root: Path) -> list[Path]:
    """Return the documents of a tree."""
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])


def missing(text: str, root: Path, folder: Path | None = None) -> list[str]:
    """Return the paths, names and links of a document that do not exist; its links start at its own folder."""
    found = []
    for code in _CODE.findall(text):
        path, _, name = code.partition("::" if "::" in code else ": ")
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
                place.read_text(encoding="utf-8"),
                re.MULTILINE,
            )
        ):
            found.append(f"{path} has no {name}")
    folder = folder or root
    return found + [f"{link} does not exist" for link in _LINK.findall(text) if not (folder / link).exists()]


def unknown_commands(text: str) -> list[str]:
    """Return the `nextbuy …` and `make …` commands of a document that do not exist."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    found = []
    for code in _CODE.findall(text):
        if (target := re.search(r"\bmake ([a-z-]+)", code)) and target[1] not in targets:
            found.append(f"make {target[1]} is not a command")
        if line := re.match(r"nextbuy ([a-z][a-z -]*[a-z])", code):
            command: click.Command = nextbuy
            for word in line[1].split():
                if not isinstance(command, click.Group):
                    break
                command = command.commands.get(word, click.Command(None))
            if command.name is None:
                found.append(f"nextbuy {line[1]} is not a command")
    return found


def stale_samples(text: str, root: Path) -> list[str]:
    """Return the subjects without a sample, the samples without a file, and the samples that differ from their file."""
    sections = dict(_SECTION.findall(text))
    found = [
        f"no sample of how to add: {subject}"
        for subject in SUBJECTS
        if not any(path for path, _, _ in _SAMPLE.findall(sections.get(subject, "")))
    ]
    for path, language, code in _SAMPLE.findall(text):
        first = code.partition("\n")[0].strip()
        if not path and language != "sh":
            found.append(f"no file named above: {first}")
        elif path and not (root / path).is_file():
            found.append(f"{path} does not exist")
        elif path and f"\n{code}" not in f"\n{(root / path).read_text(encoding='utf-8')}":
            found.append(f"{path} has changed; update the quoted code: {first}")
    return found


def problems(root: Path) -> Iterator[str]:
    """Yield the differences of a tree, each with its document."""
    for document in documents(root):
        text, name = document.read_text(encoding="utf-8"), document.relative_to(root)
        found = [*missing(text, root, document.parent), *unknown_commands(text)]
        found += stale_samples(text, root) if str(name) == CONTRIBUTING else []
        yield from (f"{name}: {problem}" for problem in found)


def main() -> int:
    """Print the differences of this project; fail if there are any."""
    found = [*problems(ROOT)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
