"""Text by users inside our own sentences."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.kit.text import as_sentence, quoted, single_line


@given(st.text(max_size=80))
def test_text_by_users_is_a_single_line(text: str) -> None:
    line = single_line(text, limit=50)

    assert len(line) <= 50
    assert len(line.splitlines()) <= 1
    assert not [char for char in line if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}]


def test_line_at_the_limit_stays_whole_and_a_longer_one_ends_with_an_ellipsis() -> None:
    assert single_line("a" * 50, limit=50) == "a" * 50
    assert single_line("a" * 51, limit=50) == "a" * 49 + "…"
    assert len(single_line("a" * 10_000)) == 500


def test_runs_of_white_space_and_control_characters_become_one_space() -> None:
    assert single_line(" Blue\r\n\t bowl\0\u2028 of clay ") == "Blue bowl of clay"


def test_name_is_quoted_on_one_line() -> None:
    assert quoted("Kiln\n& Clay") == "“Kiln & Clay”"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("card expired", "Card expired."),
        ("Blurred!", "Blurred!"),
        ("why?", "Why?"),
        ("done.", "Done."),
        ("and so on…", "And so on…"),
        ("two\nlines", "Two lines."),
        ("élan", "Élan."),
    ],
)
def test_sentence_begins_with_a_capital_and_ends_with_a_stop(text: str, sentence: str) -> None:
    assert as_sentence(text) == sentence


@given(st.text(min_size=1, max_size=2_000))
def test_sentence_is_one_line_that_ends(text: str) -> None:
    sentence = as_sentence(text)

    assert len(sentence.splitlines()) == 1
    assert sentence.endswith((".", "!", "?", "…"))
