"""Code that nothing uses, as vulture finds it, less what only looks unused.

A field of a struct is read and written by name when it becomes JSON, and an argument in a protocol is its
documentation: of those vulture cannot know.
"""

import ast
import sys
import tomllib
from pathlib import Path

import vulture

ROOT = Path(__file__).resolve().parent.parent


def unused(root: Path) -> list[str]:
    """All that nothing uses, one line for each, with its file and line.

    Args:
        root: the folder whose `pyproject.toml` says, under `tool.vulture`, where to look and what to leave out.
    """
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["vulture"]
    finder = vulture.Vulture(ignore_names=settings["ignore_names"], ignore_decorators=settings["ignore_decorators"])
    finder.scavenge([str(root / path) for path in settings["paths"] if (root / path).exists()])
    only_looks: dict[Path, set[int]] = {}
    found = []
    for item in finder.get_unused_code():
        path = Path(item.filename)
        if path not in only_looks:
            only_looks[path] = _fields_and_protocols(path)
        if item.typ != "variable" or item.first_lineno not in only_looks[path]:
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
    """Prints what nothing in this project uses, and says with its exit code whether there is anything."""
    found = unused(ROOT)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
