"""How well moderation decides about two labelled sets of titles, by the policy of docs/moderation.md.

Rules are tuned on one half. The other was written before the rules, and only this test reads it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from nextbuy.product.moderation import review

TUNING, HELD_BACK = "moderation_titles.tuning.tsv", "moderation_titles.heldback.tsv"
DECISIONS: Final = {"allowed": "active", "pending": "pending", "refused": "rejected"}
_ESCAPE: Final = re.compile(r"\\u([0-9a-f]{4})")


class Judged(NamedTuple):
    """A labelled title and what moderation decides about it."""

    category: str
    title: str
    expected: str
    decision: str


def judged(file: str) -> list[Judged]:
    return [
        Judged(category, title, DECISIONS[label], decision_about(title)) for category, label, title in read_titles(file)
    ]


def read_titles(file: str) -> Iterator[list[str]]:
    for line in (Path(__file__).parent / file).read_text("utf-8").splitlines():
        if not line.startswith("#"):
            yield _ESCAPE.sub(lambda match: chr(int(match[1], 16)), line).split("\t")


def decision_about(title: str) -> str:
    return review(title, "As good as new, and sent within two days.", "other things", []).decision


def share(chosen: list[bool]) -> float:
    return sum(chosen) / len(chosen)


def test_titles_are_many_and_each_category_has_both_sides() -> None:
    titles = [*read_titles(TUNING), *read_titles(HELD_BACK)]

    assert len(titles) == len({title for _, _, title in titles}) >= 400
    assert len({category for category, _, _ in titles}) == 10
    for file in (TUNING, HELD_BACK):
        both = {(category, label) for category, label, _ in read_titles(file)}
        assert len(both) == 10 * len(DECISIONS)


@pytest.mark.parametrize("file", [TUNING, HELD_BACK])
def test_refused_titles_should_be_refused(file: str) -> None:
    refused = [title for title in judged(file) if title.decision == "rejected"]
    assert share([title.expected == "rejected" for title in refused]) >= 0.95


@pytest.mark.parametrize("file", [TUNING, HELD_BACK])
def test_titles_to_stop_are_stopped(file: str) -> None:
    unwanted = [title for title in judged(file) if title.expected != "active"]
    assert share([title.decision != "active" for title in unwanted]) >= 0.95


@pytest.mark.parametrize("file", [TUNING, HELD_BACK])
def test_titles_to_refuse_are_refused(file: str) -> None:
    prohibited = [title for title in judged(file) if title.expected == "rejected"]
    assert share([title.decision == "rejected" for title in prohibited]) >= 0.9


@pytest.mark.parametrize("file", [TUNING, HELD_BACK])
def test_honest_titles_are_for_sale_at_once(file: str) -> None:
    honest = [title for title in judged(file) if title.expected == "active"]
    assert share([title.decision == "active" for title in honest]) >= 0.95


@pytest.mark.parametrize("title", ["Hunting rifle with ammunition", "Viagra pills", "Coc\u0430ine, one gram", "r1fle"])
def test_disguised_and_inflected_words_are_refused(title: str) -> None:
    assert decision_about(title) == "rejected"
