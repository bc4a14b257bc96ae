"""Marked words in a text."""

import pytest

from nextbuy.web.marks import Part, mark


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        ("A Sword and a sword", ["sword"], ["Sword", "sword"]),
        ("Swordfish, party", ["sword", "art"], []),
        ("s.w.o.r.d (new)", ["s.w.o.r.d"], ["s.w.o.r.d"]),
        ("a replica sword", ["sword", "replica sword"], ["replica sword"]),
        ("nothing", ["", " "], []),
    ],
)
def test_words_are_marked_and_no_text_is_lost(text: str, words: list[str], marked: list[str]) -> None:
    parts = mark(text, words)

    assert "".join(part.text for part in parts) == text
    assert [part.text for part in parts if part.marked] == marked


def test_empty_text_has_no_parts() -> None:
    assert mark("", ["word"]) == []
    assert mark("sword", []) == [Part("sword", marked=False)]
