"""`docs/specification.md` has every line of the specification, with how it holds, and code and tests that exist."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tools.documents import missing
from tools.tokens import ROOT

DOCS: Final = ROOT / "docs"
PAGE: Final = (DOCS / "specification.md").read_text(encoding="utf-8")
SPECIFICATION: Final = (DOCS / "service-interaction-patterns.md").read_text(encoding="utf-8")
LINES: Final = 48
_ROW: Final = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_NOTE: Final = re.compile(r"^- \*\*(\d+)\*\* (.+?)(?=^- |^$|\Z)", re.MULTILINE | re.DOTALL)
_HOLDS: Final = re.compile(r"to the letter|same code|\[ADR (\d+)\]\((adr/(\d{4})-[\w-]+\.md)\)")
_STATEMENT: Final = re.compile(r"^\s*(?:- (?!\*\*Depends on)|\d+\. ).+|^.*-> ?.+|^.*->>.+", re.MULTILINE)
_DECISION: Final = re.compile(r"ADR (\d+)")
_CODE: Final = re.compile(r"`((?:\w+/)+\w+\.py)(?:: \w+)?`")
_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


class Row(NamedTuple):
    """A line of the specification, in its own words; `…` stands for words between its parts."""

    number: int
    words: str
    holds: str


def problems(page: str, specification: str) -> list[str]:
    """Return the differences between a page and the specification, the code and the tests."""
    rows = [Row(int(number), words, holds) for number, words, _, holds in _ROW.findall(page)]
    notes = {int(number): text for number, text in _NOTE.findall(page)}
    found = []
    if [row.number for row in rows] != list(range(1, LINES + 1)):
        found.append(f"the rows are not 1 to {LINES} in order")
    if list(notes) != [row.number for row in rows]:
        found.append("the notes differ from the rows")
    found += _differences(rows, specification)
    found += [f"{row.number}: {problem}" for row in rows for problem in _reading(row.holds)]
    found += [f"{number}: {problem}" for number, text in notes.items() for problem in _evidence(text)]
    return found + missing(page, ROOT, DOCS)


def _differences(rows: list[Row], specification: str) -> Iterator[str]:
    """Yield rows whose words do not follow in the specification, and statements of it that no row has."""
    position, covered = 0, []
    for row in rows:
        parts = row.words.split(" … ")
        begins = specification.find(parts[0], position)
        for part in parts:
            place = specification.find(part, position)
            if place < 0:
                yield f"{row.number}: not in the specification, or not in this order: {part}"
                break
            position = place + len(part)
        covered.append(range(begins, position))
    for statement in _STATEMENT.finditer(specification):
        if not any(statement.end() - 1 in span for span in covered):
            yield f"no row has: {statement[0].strip()}"


def _reading(holds: str) -> Iterator[str]:
    known = _HOLDS.fullmatch(holds)
    if known is None:
        yield f"not a way to hold: {holds}"
    elif known[1] and (int(known[1]) != int(known[3]) or not (DOCS / known[2]).is_file()):
        yield f"no such decision: {holds}"


def _evidence(text: str) -> Iterator[str]:
    for number in _DECISION.findall(text):
        if not [*(DOCS / "adr").glob(f"{int(number):04}-*.md")]:
            yield f"no such decision: ADR {number}"
    tests = _TEST.findall(text)
    if not any(not path.startswith("tests/") for path in _CODE.findall(text)):
        yield "names no code"
    if not tests:
        yield "names no test"
    for path, name in tests:
        if name not in _test_names(ROOT / path):
            yield f"the test {path}::{name} does not exist"


@cache
def _test_names(path: Path) -> frozenset[str]:
    if not path.is_file() or not path.name.startswith("test_"):
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, functions) and node.name.startswith("test_"))


def test_page_has_every_line_of_the_specification_with_its_proof() -> None:
    assert problems(PAGE, SPECIFICATION) == []


def replaced(old: str, new: str) -> Callable[[], str]:
    """Return a function that returns the page with one change."""
    assert PAGE.count(old) == 1, old
    return lambda: PAGE.replace(old, new)


def without_row(number: int) -> str:
    """Return the page without a row."""
    row = next(row[0] for row in _ROW.finditer(PAGE) if row[1] == str(number))
    return PAGE.replace(f"{row}\n", "")


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (lambda: without_row(7), "the rows are not 1 to 48 in order"),
        (lambda: without_row(7), "no row has: - Non-critical updates"),
        (lambda: without_row(24), "no row has: OrderService->>ProductService: Update stock"),
        (lambda: _NOTE.sub("", PAGE, count=1), "the notes differ from the rows"),
        (replaced("| Notifications |", "| Announcements |"), "5: not in the specification, or not in this order"),
        (replaced("| 6 | Analytics | ", "| 6 | Notifications | "), "6: not in the specification, or not in this order"),
        (replaced("compute figures from events. | to the letter", "… | partly"), "6: not a way to hold: partly"),
        (replaced("adr/0021-publish-a-product-that-moderation-accepts", "adr/0021-gone"), "28: no such decision"),
        (replaced("[ADR 21](", "[ADR 20]("), "28: no such decision"),
        (replaced("(ADR 18)", "(ADR 98)"), "42: no such decision: ADR 98"),
        (replaced("::test_line_of_a_closed_shop_refuses_the_whole_basket", "::test_gone"), "15: the test"),
        (replaced("`tests/product/test_count_activity.py::", "`tests/product/"), "7: names no test"),
        (replaced("`seller/get_shops.py: get_shops`", "`get_shops`"), "15: names no code"),
        (replaced("`seller/get_shops.py: get_shops`", "`seller/get_shops.py: gone`"), "has no gone"),
    ],
)
def test_planted_difference_is_found(page: Callable[[], str], problem: str) -> None:
    assert [found for found in problems(page(), SPECIFICATION) if problem in found] != []


def test_new_statement_of_the_specification_needs_a_row() -> None:
    longer = f"{SPECIFICATION}6. **Bulkheads**: Limit concurrency\n"

    assert problems(PAGE, longer) == ["no row has: 6. **Bulkheads**: Limit concurrency"]
