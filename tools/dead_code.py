"""Find code that nothing uses: the report of vulture without its false positives.

A field of a struct is used by name when it is encoded as JSON, and a protocol is documentation; vulture sees neither.
"""

import ast
import sys
import tomllib
from pathlib import Path

import vulture

ROOT = Path(__file__).resolve().parent.parent


def unused(root: Path) -> list[str]:
    """Return one line per unused name, with its file and line.

    Args:
        root: the folder of a `pyproject.toml`, whose section `tool.vulture` lists the folders to read and the names to
            ignore.
    """
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["vulture"]
    finder = vulture.Vulture(ignore_names=settings["ignore_names"], ignore_decorators=settings["ignore_decorators"])
    finder.scavenge([str(root / path) for path in settings["paths"] if (root / path).exists()])
    false_positives: dict[Path, set[int]] = {}
    found = []
    for item in finder.get_unused_code():
        path = Path(item.filename)
        if path not in false_positives:
            false_positives[path] = _fields_and_protocols(path)
        if item.first_lineno not in false_positives[path]:
            found.append(f"{path.relative_to(root)}:{item.first_lineno}: {item.message}")
    return found


def _fields_and_protocols(path: Path) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            lines |= {part.lineno for part in node.body if isinstance(part, ast.AnnAssign)}
            if any(ast.unparse(base).startswith("Protocol") for base in node.bases):
                lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def main() -> int:
    """Print the unused code of this project; fail if there is any."""
    found = unused(ROOT)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
