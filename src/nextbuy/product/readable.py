"""A text as a reader sees it, its words, and what a disguised word looks like.

The readable form is Unicode's compatibility form (full-width letters are ordinary ones) without invisible characters.
Each of its characters knows its place in the original, so that an excerpt shows what the seller wrote. All of it takes
time in proportion to the length of the text.
"""

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from importlib.resources import files
from itertools import takewhile
from typing import Final, NamedTuple

from nextbuy.contracts.text import HANGUL_FILLERS, INVISIBLE, MAX_MARKS

_MAX_CLUSTER: Final = 1 + MAX_MARKS
"""Characters of a letter and its marks. Normalising sorts marks in quadratic time."""

_MAX_GROWTH: Final = 3
"""Characters that a normal form may add. What becomes longer is a phrase in Arabic, up to eighteen times as long."""

MAX_SPLIT_WORD: Final = 60
"""Characters of a word with signs inside; a longer one is read as several words only."""

_LETTERS_OR_SIGNS: Final = re.compile(r"[^\W_]+|[^\w\s\x00-\x7f]+")
_CHUNK: Final = re.compile(r"\S+")
_REPEATS: Final = re.compile(r"(.)\1\1+")

# The controls that are not white space, and annotations, must not hide a word either.
_INVISIBLE: Final = re.compile(rf"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f{INVISIBLE}\ufff9-\ufffb]")

_ACCENTS: Final = frozenset({1, *range(200, 241)})
"""Canonical combining classes."""

_SYMBOLS: Final = str.maketrans("@$!|€£+", "asilelt")
_DIGITS: Final = str.maketrans("i0134567890", "loleasgtbgo")
"""Letters that digits stand for; `i` becomes `l`, because `1` stands for both."""

_EMBLEMS: Final = {first + place: chr(ord("A") + place) for first in (0x1F150, 0x1F170, 0x1F1E6) for place in range(26)}
"""White letters in circles and squares, and the letters of flags, which have no compatibility form."""

_LOOK_ALIKES: Final = {
    ord(look_alike): letter
    for letter, look_alikes in tomllib.loads(
        files("nextbuy.product").joinpath("moderation_look_alikes.toml").read_text("utf-8")
    ).items()
    for look_alike in look_alikes
}


class Span(NamedTuple):
    """A word of a readable text."""

    word: str
    start: int
    end: int


class Readable(NamedTuple):
    """A text as a reader sees it, and where each of its characters begins and ends in the original."""

    text: str
    original: str
    starts: Sequence[int]
    ends: Sequence[int]

    def written(self, start: int, end: int, context: int = 0) -> str:
        """Return what the seller wrote in a part of the readable text, with some of the text around it."""
        first, last = self.starts[start], self.ends[end - 1]
        return self.original[max(0, first - context) : last + context].strip()


def read(original: str) -> Readable:
    """Return the readable form of a text."""
    if original.isascii() and not _INVISIBLE.search(original):
        return Readable(original, original, range(len(original)), range(1, len(original) + 1))
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for cluster, start, end in _clusters(original):
        part = unicodedata.normalize("NFKC", cluster.translate(_EMBLEMS))
        if len(part) > len(cluster) + _MAX_GROWTH:
            part = cluster
        parts.append(part)
        starts += [start] * len(part)
        ends += [end] * len(part)
    return Readable("".join(parts), original, starts, ends)


def _clusters(text: str) -> list[tuple[str, int, int]]:
    """Return each visible character with the marks that follow it, and its place; marks beyond a limit are dropped."""
    clusters: list[tuple[str, int, int]] = []
    for index, char in enumerate(text):
        if _INVISIBLE.match(char):
            continue
        if _is_mark(char) and clusters:
            cluster, start, _ = clusters[-1]
            clusters[-1] = cluster + char if len(cluster) < _MAX_CLUSTER else cluster, start, index + 1
        else:
            clusters.append((" " if char in HANGUL_FILLERS else char, index, index + 1))
    return clusters


def words(text: str) -> list[Span]:
    """Return the words of a readable text as written, without the `s` of possessives."""
    spans: list[tuple[int, int]] = []
    for piece in _LETTERS_OR_SIGNS.finditer(text):
        start, end = piece.span()
        follows = bool(spans) and spans[-1][1] == start
        if not piece[0][0].isalnum():
            if not follows:
                continue
            end = start + sum(1 for _ in takewhile(_is_mark, piece[0]))
        if follows:
            spans[-1] = spans[-1][0], end
        elif piece[0] not in "sS" or text[start - 1 : start] not in ("'", "\u2019"):
            spans.append((start, end))
    return [Span(text[start:end], start, end) for start, end in spans]


def split_words(text: str) -> list[tuple[Span, ...]]:
    """Return the words that signs may split ("co-caine", "vi@gra"), each in the ways in which it can be read."""
    found: list[tuple[Span, ...]] = []
    for match in _CHUNK.finditer(text):
        chunk = match[0].strip("\"'!?.,;:()[]{}\u2013\u2014\u2018\u2019\u201c\u201d\u2026-*")
        if len(chunk) <= MAX_SPLIT_WORD and (together := _alphanumeric(chunk)) != chunk:
            start = match.start() + match[0].index(chunk)
            readings = dict.fromkeys((_alphanumeric(chunk.translate(_SYMBOLS)), together))
            found.append(tuple(Span(reading, start, start + len(chunk)) for reading in readings))
    return found


def fold(word: str) -> str:
    """Return a word of a readable text without the difference of upper and lower case."""
    if word.isascii():
        return word.lower()
    # Case folding can undo the normal form.
    return unicodedata.normalize("NFKC", word.casefold())


def unmask(word: str) -> str:
    """Return a word with letters of other scripts replaced by the Latin letters that they look like."""
    return word.translate(_LOOK_ALIKES)


def skeleton(word: str) -> str:
    """Return what words that look alike have in common: no accents, digits as letters, no letter repeated twice."""
    if not word.isascii():
        word = unicodedata.normalize("NFD", unmask(word))
        word = "".join(char for char in word if not _is_accent(char)).casefold()
    # Repeats first: the three letters of "ill" become one letter below.
    return _REPEATS.sub(r"\1", word.lower()).translate(_DIGITS)


def has_accent(word: str) -> bool:
    """Return whether a word has an accent."""
    return not word.isascii() and any(_is_accent(char) for char in unicodedata.normalize("NFD", word))


def _alphanumeric(text: str) -> str:
    return "".join(char for char in text if char.isalnum() or _is_mark(char))


def _is_accent(char: str) -> bool:
    """Return whether a mark stands above, below or across a letter, unlike the vowel signs of other scripts."""
    return unicodedata.combining(char) in _ACCENTS


def _is_mark(char: str) -> bool:
    return unicodedata.category(char).startswith("M")
