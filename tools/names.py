"""Refuse the names that `names.toml` lists: words that say nothing, and old names where a better one was decided.

Read are the identifiers of Python, JavaScript, and SQL files (names, attributes, arguments, keyword arguments), strings
that are one name (a slug, the name of a job, a stored state), SQL in strings, and the names of files. An identifier is
split at `_` and at capitals, so that `lastShelf` contains `shelf`. Not read: sentences (see `prose.py`), HTML, and CSS.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tools.tokens import ROOT, Kind, Token, files, sql, tokens

FOLDERS: Final = ("src", "tests", "bench", "tools")
LIST: Final = Path(__file__).with_suffix(".toml")
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ONE_NAME: Final = re.compile(r"[A-Za-z_][\w.:-]*")
_SQL: Final = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|SET|EXECUTE|PREPARE)\b")
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

Names = Mapping[str, str]


def problems(root: Path, words: Names, places: Mapping[str, Names], exempt: Iterable[str] = ()) -> list[str]:
    """Return one line for each refused name in a tree, with its file, its line, and what to use instead.

    Args:
        root: the folder that holds `src`, `tests`, `bench`, and `tools`.
        words: refused everywhere. A lower-case entry is refused as a part of any name (`give_back` as two parts in a
            row); an entry with a capital is refused as a whole identifier.
        places: refused in one file, or below one folder (the path ends with `/`), as the name of a function, a class,
            an argument, or a variable; an entry with a suffix (`door.py`) is refused as the name of a file.
        exempt: files that plant refused names.
    """
    refused = cache(lambda kind, name: [*_refused(kind, name, words)])
    found = [f"{LIST.name}: {place} does not exist" for place in places if not (root / place).exists()]
    for path in files(root, FOLDERS, ".py", ".js", ".sql"):
        inside = path.relative_to(root).as_posix()
        if inside in exempt:
            continue
        named = [Token(Kind.NAME, path.stem, 1), *_names(path)]
        found += [
            f"{inside}:{name.line}: {name.text}: {why}" for name in named for why in refused(name.kind, name.text)
        ]
        for place, names in places.items():
            if inside == place or (place.endswith("/") and inside.startswith(place)):
                defined = [(path.name, 1), *(_defined(path) if path.suffix == ".py" else ())]
                found += [f"{inside}:{line}: {name}: use {names[name]}" for name, line in defined if name in names]
    return list(dict.fromkeys(found))


def parts(name: str) -> str:
    """Split a name into lower-case parts, joined by `_`, with one before and after."""
    return f"_{'_'.join(_PARTS.findall(name))}_".lower()


def _refused(kind: Kind, name: str, words: Names) -> Iterator[str]:
    split = parts(name)
    for word, instead in words.items():
        if f"_{word}_" in split if word.islower() else (kind, name) == (Kind.NAME, word):
            yield f"`{word}` is refused; use {instead}"


def _names(path: Path) -> Iterator[Token]:
    for token in tokens(path):
        if token.kind == Kind.NAME or (token.kind == Kind.STRING and _ONE_NAME.fullmatch(token.text)):
            yield token
        elif token.kind == Kind.STRING and _SQL.match(token.text):
            yield from (part._replace(line=token.line) for part in sql(token.text) if part.kind == Kind.NAME)


def _defined(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, _DEFINITIONS):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def main() -> int:
    """Print the refused names of this project; fail if there are any."""
    refused = tomllib.loads(LIST.read_text(encoding="utf-8"))
    found = problems(ROOT, refused["words"], refused["places"], refused["exempt"])
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
