"""The names, strings, and comments of a source file, for the checks of names and of prose."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
_SKIPPED: Final = frozenset({"__pycache__", "node_modules"})


class Kind(StrEnum):
    """The kinds of token that a check reads."""

    NAME = "name"
    STRING = "string"
    COMMENT = "comment"


class Token(NamedTuple):
    """A piece of source text and the line on which it starts."""

    kind: Kind
    text: str
    line: int


def files(root: Path, folders: tuple[str, ...], *suffixes: str) -> Iterator[Path]:
    """List the files below some folders of `root` that end in one of `suffixes`, sorted."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file() and not _SKIPPED & {*path.parts}:
                yield path


def tokens(path: Path) -> Iterator[Token]:
    """Read the tokens of a Python, JavaScript, or SQL file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _python(text)
    elif path.suffix == ".sql":
        yield from sql(text)
    else:
        yield from _scan(_JAVASCRIPT, text)


def sql(text: str) -> Iterator[Token]:
    """Read the tokens of SQL."""
    return _scan(_SQL, text)


def _python(text: str) -> Iterator[Token]:
    yield from _python_nodes(ast.parse(text))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield Token(Kind.COMMENT, token.string.lstrip("#!: "), token.start[0])


def _python_nodes(node: ast.AST, line: int = 1) -> Iterator[Token]:
    line = getattr(node, "lineno", line)
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield Token(Kind.STRING, node.value, line)
        return
    parts: list[ast.AST] = [*ast.iter_child_nodes(node)]
    if isinstance(node, ast.JoinedStr):
        # A message is one sentence, with a placeholder for each value.
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        yield Token(Kind.STRING, text, line)
        parts = [part for part in parts if not isinstance(part, ast.Constant)]
    for _, value in ast.iter_fields(node):
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                yield Token(Kind.NAME, item, line)
    for part in parts:
        yield from _python_nodes(part, line)


# In order: what is tried first wins, so that a quote in a comment starts no string.
_SQL: Final = re.compile(r"--(?P<comment>[^\n]*)|'(?P<string>(?:[^']|'')*)'|(?P<name>[A-Za-z_]\w*)")
_JAVASCRIPT: Final = re.compile(
    r"""
      //(?P<comment>[^\n]*) | /\*(?P<block>.*?)\*/
    | "(?P<string>(?:[^"\\\n]|\\.)*)" | '(?P<single>(?:[^'\\\n]|\\.)*)' | `(?P<template>(?:[^`\\]|\\.)*)`
    | (?<=[(,=:\[!&|?{};])\s*/(?![*/])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*   # a regular expression
    | (?P<name>[A-Za-z_$][\w$]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_HOLE: Final = re.compile(r"\$\{(?P<code>[^{}]*)\}")
"""An expression in a template literal; one that holds braces itself is read as text."""


def _scan(pattern: re.Pattern[str], text: str) -> Iterator[Token]:
    for match in pattern.finditer(text):
        group, found = match.lastgroup, match.group(match.lastgroup or 0)
        line = text.count("\n", 0, match.start()) + 1
        if group == "name":
            yield Token(Kind.NAME, found, line)
        elif group in {"comment", "block"}:
            yield Token(Kind.COMMENT, found, line)
        elif group == "template":
            yield Token(Kind.STRING, _HOLE.sub("{}", found), line)
            for hole in _HOLE.finditer(found):
                yield from (token._replace(line=line) for token in _scan(pattern, hole["code"]))
        elif group is not None:
            yield Token(Kind.STRING, found, line)
