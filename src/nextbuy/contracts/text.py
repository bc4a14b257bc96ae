"""The rules of texts that people type: one form of each text, nothing that cannot be seen, and keys to compare by."""

import re
from typing import Final
from unicodedata import category, combining, normalize

from anyascii import anyascii

MAX_MARKS: Final = 30
"""Marks on one letter: as in the Stream-Safe Text Format (UAX #15), which no word of a language exceeds."""
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
"""Control characters besides tab and line breaks; surrogates and noncharacters, which XML and mail cannot carry."""
_LINE_BREAK: Final = re.compile("\r\n?|[\u2028\u2029]")
_OVERRIDE: Final = re.compile("[\u202d\u202e]")
_UNNEEDED: Final = re.compile(
    # A flag, such as Scotland's, contains tags; elsewhere they are invisible.
    "(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|"
    "[\u00ad\u034f\u180e\u200b\u202a-\u202c\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
"""Invisible characters without a meaning in the text of a page, such as zero-width spaces and soft hyphens."""
_JOINER_AT_END: Final = re.compile(r"(?<!\S)[\u200c\u200d]+|(?<![\u200c\u200d])[\u200c\u200d]+(?!\S)")
"""A joiner that joins nothing. Inside words, Persian, Indic scripts and emoji need it."""
_OPEN_ISOLATES, _CLOSE_ISOLATE = "\u2066\u2067\u2068", "\u2069"
ISOLATES: Final = _OPEN_ISOLATES + _CLOSE_ISOLATE
"""Invisible characters around a part of a text that has a direction of its own."""
_ISOLATE: Final = re.compile(f"[{ISOLATES}]")
_WITHOUT_ISOLATES: Final = str.maketrans("", "", ISOLATES)
_EDGES: Final = "\u061c\u200b\u200c\u200d\u200e\u200f\u2060\u00ad\ufeff"
HANGUL_FILLERS: Final = "\u115f\u1160\u3164\uffa0"
"""Letters in Unicode that look blank."""
_BLANKS: Final = str.maketrans(dict.fromkeys(f"{HANGUL_FILLERS}\u2800", " "))
"""Characters that look like a blank: also the empty Braille pattern."""
INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufff8"
    "\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Ranges of characters without an image: Unicode's Default_Ignorable_Code_Point, and two that are not in it.

The fillers of Hangul, which belong to it, are not here: they take the space of a letter.
"""
_IGNORABLE: Final = re.compile(f"[{INVISIBLE}{HANGUL_FILLERS}]")
_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")


def clean_line(text: str) -> str:
    """Return a text of one line in NFC, without invisible characters, and with single blanks; "" if nothing is visible.

    Raises:
        ValueError: it contains a control character, a line break, or a character that reverses its direction.
    """
    if not (text.isascii() and text.isprintable()):
        text = trim(_cleaned(text))
        if "\n" in text or "\t" in text:
            raise ValueError("Write this text in one line. Remove line breaks and tabs.")
    return " ".join(text.split())


def clean_lines(text: str) -> str:
    """Return a text that may have several lines, in the form of `clean_line` except for its blanks.

    Raises:
        ValueError: as `clean_line`, but line breaks and tabs are allowed.
    """
    return trim(_cleaned(text)) if not (text.isascii() and text.isprintable()) else text.strip()


def normal_secret(text: str) -> str:
    """Return a password in NFC, so that every keyboard writes the same one."""
    return normalize("NFC", text) if _has_few_marks(text) else text


def trim(text: str, more: str = "") -> str:
    """Remove white space, invisible characters, and the characters of `more` from the ends of a text."""
    while (trimmed := text.strip().strip(_EDGES + more)) != text:
        text = trimmed
    return text


def look_alike_key(name: str) -> str:
    """Return a key that is equal for names that look the same: NFKC, no case, single blanks, nothing invisible."""
    folded = normalize("NFKC", normalize("NFKC", name).casefold()).translate(_BLANKS)
    return " ".join("".join(char for char in folded if not _is_ignorable(char)).split())


def slug_words(text: str, limit: int) -> str:
    """Return the words of a text in ASCII, at most `limit` characters, joined by hyphens; "" without letters."""
    words = "".join(" " if category(char)[0] in "CPSZ" else char for char in normalize("NFKC", text))
    return _NOT_IN_SLUG.sub("-", anyascii(words).lower()).strip("-")[:limit].strip("-")


def _cleaned(text: str) -> str:
    if control := _CONTROL.search(text):
        raise ValueError(f"This text contains the control character U+{ord(control[0]):04X}. Remove it.")
    if _OVERRIDE.search(text):
        raise ValueError("This text contains a character that reverses its direction. Remove it.")
    text = _JOINER_AT_END.sub("", _UNNEEDED.sub(r"\1", _LINE_BREAK.sub("\n", text)))
    if _ISOLATE.search(text):
        text = "\n".join(map(_isolated, text.split("\n")))
    if not _has_few_marks(text):
        raise ValueError("This text has too many accents on one letter. Remove some.")
    text = normalize("NFC", text)
    return text if any(_is_visible(char) for char in text.translate(_BLANKS)) else ""


def _is_visible(char: str) -> bool:
    # Letters that are newer than our tables are unassigned in them.
    return (category(char)[0] in "LNPS" or category(char) in ("Cn", "Co")) and not _IGNORABLE.match(char)


def _has_few_marks(text: str) -> bool:
    """Return whether no letter has more marks than a word needs; ordering many marks takes quadratic time."""
    marks = 0
    for char in text:
        marks = marks + 1 if char >= "\u0300" and combining(char) else 0
        if marks > MAX_MARKS:
            return False
    return True


def _isolated(line: str) -> str:
    """Remove isolates (UAX #9) unless each is closed in its line, so that none reaches beyond the text."""
    depth = 0
    for char in line:
        if char in _OPEN_ISOLATES:
            depth += 1
        elif char == _CLOSE_ISOLATE:
            depth -= 1
        if depth < 0:
            break
    return line if depth == 0 else line.translate(_WITHOUT_ISOLATES)


def _is_ignorable(char: str) -> bool:
    return category(char) == "Cf" or _IGNORABLE.match(char) is not None
