"""Texts by people have one form: NFC, nothing invisible, no control characters, and joiners only where they join."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.text import clean_line, clean_lines, look_alike_key, normal_secret, slug_words

PERSIAN = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    "text",
    [
        *("Brass lamp", "Caf\u00e9", "+", "5", PERSIAN, FAMILY, SCOTLAND, "\u2764\ufe0f", "\u0600\u0661", "\ud55c"),
        *("\u0915\u094d\u200d\u0937", "\u845b\U000e0100", "\u05d0\u200e1\u200f\u05d1", "\u2067\u05d0\u05d1\u2069 lamp"),
    ],
)
def test_good_text_stays_as_it_is(text: str) -> None:
    assert clean_line(text) == text
    assert clean_lines(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  Brass \u00a0 lamp\u3000", "Brass lamp"),
        ("\nBrass lamp\t", "Brass lamp"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("Cafe\u200b\u0301", "Caf\u00e9"),
        ("\u212b", "\u00c5"),
        (f"\u200c{PERSIAN}\u200d \u200clamp\u200c", f"{PERSIAN} lamp"),
        ("\u200e\ufeffBrass\u200b la\u00admp\u2060\u200f", "Brass lamp"),
        ("\u202aBrass lamp\u202c", "Brass lamp"),
        ("Brass \u2067lamp", "Brass lamp"),
        ("Brass\u2069 \u2066lamp", "Brass lamp"),
        ("Brass\U000e0067\U000e007f", "Brass"),
    ],
)
def test_text_has_one_form(text: str, cleaned: str) -> None:
    assert clean_line(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\u00a0", "\u200b\u200b", "\u3164", "\u2800 \u2800", "\u200d", "\u0301", "\ufe0f", "\u2066\u2069"),
        *("\u115f\u1160", "\u034f"),
    ],
)
def test_text_without_a_visible_character_is_empty(text: str) -> None:
    assert clean_line(text) == ""
    assert clean_lines(text) == ""


@pytest.mark.parametrize(
    "char", [*map(chr, [*range(9), 11, 12, *range(14, 32), *range(127, 160)]), "\ud800", "\ufffe", "\ufdd0", "\u202e"]
)
def test_control_character_is_refused(char: str) -> None:
    for text in (f"Quirk{char}lamp", f"{char}lamp", f"lamp{char}", char):
        for clean in (clean_line, clean_lines):
            with pytest.raises(ValueError, match="Remove it"):
                clean(text)


@pytest.mark.parametrize("char", ["\n", "\r\n", "\r", "\t", "\u2028", "\u2029"])
def test_line_breaks_and_tabs_are_for_texts_with_lines(char: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        clean_line(f"Brass{char}lamp")
    assert clean_lines(f"Brass{char}lamp") == ("Brass\tlamp" if char == "\t" else "Brass\nlamp")


def test_isolate_ends_with_its_line() -> None:
    assert clean_lines("\u2067one\ntwo\u2069\n\u2067three\u2069") == "one\ntwo\n\u2067three\u2069"


def test_many_accents_are_refused_at_once() -> None:
    marks = "\u0301\u0316" * 20_000
    started = time.process_time()
    for text in (f"a{marks}", "a" + ("\u0301\u0316" * 15 + "\u200b") * 500):
        with pytest.raises(ValueError, match="accents"):
            clean_lines(text)
    assert normal_secret(marks) == marks
    assert time.process_time() - started < 1


def test_password_has_one_spelling_on_all_keyboards() -> None:
    assert normal_secret(" pa\u0308ss  word\t") == " p\u00e4ss  word\t"


@given(st.text(max_size=60))
def test_cleaning_is_idempotent_and_canonical(text: str) -> None:
    for clean in (clean_line, clean_lines):
        try:
            cleaned = clean(text)
        except ValueError:
            continue
        assert clean(cleaned) == cleaned
        assert unicodedata.is_normalized("NFC", cleaned)
        assert look_alike_key(cleaned) == look_alike_key(text)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("\u0141opata ogrodowa", "lopata-ogrodowa"),
        ("Stra\u00dfe \u1e9e", "strasse-ss"),
        ("\u00d8rsted \u0110or\u0111e \u0131\u015f\u0131k", "orsted-dorde-isik"),
        ("\u00c6sir \u0153uvre \u00deorn \u0126al \u014bo", "aesir-oeuvre-thorn-hal-ngo"),
        ("Cafe\u0301 Cr\u00e8me & M\u00fcsli", "cafe-creme-musli"),
        ("\u041a\u0440\u0430\u0441\u043d\u0430\u044f", "krasnaya"),
        ("\U0001f642 \u2605 \u20ac", ""),
        ("a" * 70, "a" * 60),
        ("Mug, 50 % off!", "mug-50-off"),
    ],
)
def test_slug_is_latin(text: str, slug: str) -> None:
    assert slug_words(text, 60) == slug


@pytest.mark.parametrize("char", ["\u2065", "\ufff0", "\U000e0fff", "\u180f", "\U00016fe4", "\U0001d159", "\u17b4"])
def test_characters_without_an_image_are_not_visible(char: str) -> None:
    assert clean_line(char) == ""
    assert look_alike_key(f"Ki{char}ln") == look_alike_key("Kiln")


@pytest.mark.parametrize("char", ["\ufffe", "\U0001fffe", "\U0010ffff"])
def test_noncharacter_is_refused(char: str) -> None:
    with pytest.raises(ValueError, match="Remove it"):
        clean_line(f"lamp{char}")
