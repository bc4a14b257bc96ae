"""Refuse the phrases that `prose.toml` lists, and docstrings that say nothing, in every text of the project.

Read are docstrings, comments, and strings with a blank in Python; comments and such strings in JavaScript and SQL; the
text and the quoted attributes of HTML; Markdown without code; comments of TOML, shell, and the Makefile. A docstring
outside of tests has at least three words, and none starts with `What` or a word like it. Not read: whether a sentence
is true, clear, or needed (a reviewer does that), spelling (codespell), and the mood of a docstring's first verb (ruff).
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.tokens import ROOT, Kind, Token, files, tokens

LIST: Final = Path(__file__).with_suffix(".toml")
FOLDERS: Final = ("src", "tests", "bench", "tools", "docs", "deploy", ".ci")
_MIN_WORDS: Final = 3
"""Words of a docstring outside of tests, whose functions need none."""
_RIDDLE: Final = re.compile(r"(?:What|Who|Whom|Whose|Where|Those|That|So\s+many|For\s+so\s+long)\b")
"""Openings of a docstring that name no subject. `How long` is fine for a duration."""
_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def problems(
    root: Path, habits: Mapping[str, str], exempt: Sequence[str] = (), only: Sequence[str] = ("",)
) -> list[str]:
    """Return one line for each refused phrase and each empty docstring in a tree, with its file and line.

    Args:
        root: the folder of the project.
        habits: regular expressions, matched without regard to case or to line breaks, and what to write instead.
        exempt: files, and folders (ending with `/`), that are not read.
        only: files, and folders, to read instead of everything.
    """
    patterns = {re.compile(habit.replace(" ", r"\s+"), re.IGNORECASE): advice for habit, advice in habits.items()}
    found = []
    for path in _files(root):
        inside = path.relative_to(root).as_posix()
        if _is_in(inside, exempt) or not _is_in(inside, only):
            continue
        for text in texts(path):
            for pattern, advice in patterns.items():
                for match in pattern.finditer(text.text):
                    line = text.line + text.text.count("\n", 0, match.start())
                    found.append(f'{inside}:{line}: "{" ".join(match[0].split())}": {advice}')
        if path.suffix == ".py":
            found += [f"{inside}:{line}: {problem}" for line, problem in _docstrings(path, inside)]
    return list(dict.fromkeys(found))


def texts(path: Path) -> Iterator[Token]:
    """Read the texts of a file that people read as prose."""
    if path.suffix in {".py", ".js", ".sql"}:
        yield from _prose(tokens(path))
    else:
        text = path.read_text(encoding="utf-8")
        yield from _prose(_READERS.get(path.suffix, _comments)(text))


def _is_in(inside: str, places: Iterable[str]) -> bool:
    return any(inside == place or ((place.endswith("/") or not place) and inside.startswith(place)) for place in places)


def _files(root: Path) -> Iterator[Path]:
    yield from sorted([*root.glob("*.md"), *root.glob("*.toml"), *root.glob("Makefile"), *root.glob(".importlinter")])
    for path in files(root, FOLDERS, ".py", ".js", ".sql", ".html", ".md", ".toml", ".ini", ".sh", ""):
        if path.suffix or path.read_bytes().startswith(b"#!"):
            yield path


def _prose(parts: Iterable[Token]) -> Iterator[Token]:
    """Join the lines of a comment, and drop strings without a blank."""
    comment: Token | None = None
    for part in sorted(parts, key=lambda token: token.line):
        if part.kind == Kind.COMMENT and comment and part.line == comment.line + comment.text.count("\n") + 1:
            comment = comment._replace(text=f"{comment.text}\n{part.text}")
        elif part.kind == Kind.COMMENT:
            if comment:
                yield comment
            comment = part
        elif part.kind == Kind.STRING and " " in part.text.strip():
            yield part
    if comment:
        yield comment


def _markdown(text: str) -> Iterator[Token]:
    text = re.sub(r"^```.*?^```", _blank, text, flags=re.DOTALL | re.MULTILINE)
    yield Token(Kind.COMMENT, re.sub(r"`[^`\n]*`", "`…`", text), 1)


def _html(text: str) -> Iterator[Token]:
    text = re.sub(r"<(script|style)\b.*?</\1>|{%.*?%}|{{.*?}}", _blank, text, flags=re.DOTALL)
    yield Token(Kind.COMMENT, re.sub(r"<[^!][^>]*>", _attributes, text), 1)


def _attributes(tag: re.Match[str]) -> str:
    return " ".join(re.findall(r'"([^"]* [^"]*)"', tag[0])) + _blank(tag)


def _comments(text: str) -> Iterator[Token]:
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.search(r"(?:^|\s)[#;]+ (.*)", line):
            yield Token(Kind.COMMENT, match[1], number)


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


_READERS: Final = {".md": _markdown, ".html": _html}


def _docstrings(path: Path, inside: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for part in getattr(node, "body", ()) if isinstance(node, _DOCUMENTED) else ():
            match part:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    if len(text.split()) < _MIN_WORDS and not inside.startswith("tests/"):
                        yield part.lineno, f'"{text.strip()}": says too little; delete it or say more'
                    elif opening := _RIDDLE.match(text):
                        yield part.lineno, f'"{opening[0]} …": start with a verb or a noun'


def main() -> int:
    """Print the refused phrases of this project, or of the paths given; fail if there are any."""
    settings = tomllib.loads(LIST.read_text(encoding="utf-8"))
    found = problems(ROOT, settings["habits"], settings["exempt"], sys.argv[1:] or [""])
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
