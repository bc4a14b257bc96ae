"""Automatic moderation: accept a product, reject it, or leave it to an admin, with the reasons for its score.

Whole words are compared as a reader sees them: in Unicode's compatibility form (full-width letters are ordinary ones),
ignoring case and invisible characters. "GUN", "gun-shaped" and a "gun" with a zero-width space contain the word "gun";
"burgundy" does not, nor does "gún", because an accent makes a different word. In scripts without spaces, a run of
letters counts as one word, so a banned word inside it is not found.

Each reason names the rule, the field and the text, so that a seller knows what to change. The time is linear in the
length of the text and hardly depends on the number of banned words.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Final, NamedTuple

from msgspec.structs import replace

from nextbuy.contracts.product import Decision, Finding, Moderation

FULL_SCORE: Final = 100
BANNED_POINTS: Final = -80
SENSITIVE_POINTS: Final = -20
INCOMPLETE_POINTS: Final = -10
TAGS_POINTS: Final = 5
SHORT_TITLE: Final = 5
SHORT_DESCRIPTION: Final = 10
PRICE_MOVE_PERCENT: Final = 20
EXCERPT_CONTEXT: Final = 20

_LETTERS_OR_SIGNS: Final = re.compile(r"[^\W_]+|[^\w\s\x00-\x7f]+")

# Normalising sorts a run of marks in quadratic time; Unicode's stream-safe format (UAX #15) allows runs of thirty.
_MAX_MARKS_IN_A_RUN: Final = 30
_LONG_RUN_OF_SIGNS: Final = re.compile(r"[^\w\s\x00-\x7f]{31,}")

# Unicode's default-ignorable characters, and the controls that are not white space: they must not hide a word.
_INVISIBLE: Final = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# Unicode calls these letters, but they look blank: a word ends there.
_HANGUL_FILLERS: Final = re.compile(r"[\u115f\u1160\u3164\uffa0]")


@dataclass(frozen=True)
class Policy:
    """Banned words, and what needs an admin otherwise: a sensitive category, or a score below the threshold.

    A banned entry of several words matches them in a row, with any separators. Plurals match only if they are listed.
    """

    banned: frozenset[str]
    sensitive_categories: frozenset[str]
    threshold: int = 90


_BANNED: Final = """
    adult cocaine counterfeit drug drugs endangered fake gun guns hacked heroin illegal ivory knife knives marijuana
    porn pornography replica stolen weapon weapons wildlife xxx
"""
_SENSITIVE: Final = "cosmetics, electronics, food, health supplements, jewelry, luxury goods, pharmaceuticals"
DEFAULT_POLICY: Final = Policy(
    banned=frozenset(_BANNED.split()), sensitive_categories=frozenset(_SENSITIVE.split(", "))
)


@dataclass(frozen=True)
class Listing:
    """The fields of a product that moderation reviews; the price is in minor units."""

    title: str
    description: str
    category: str
    tags: tuple[str, ...]
    price_amount: int


def review(
    title: str, description: str, category: str, tags: Sequence[str], *, policy: Policy = DEFAULT_POLICY
) -> Moderation:
    """Review the text of a product.

    The score is 100 plus the points of all reasons, limited to 0 to 100. A banned word counts once per field and
    rejects the product. Otherwise a sensitive category or a score below the threshold leaves it to an admin.
    """
    title, description, category = (_readable(text).strip() for text in (title, description, category))
    tags = [readable for tag in tags if (readable := _readable(tag).strip())]
    banned = [
        *_banned("title", [title], policy),
        *_banned("description", [description], policy),
        *_banned("category", [category], policy),
        *_banned("tags", tags, policy),
    ]
    sensitive = _folded(category) in _entries(policy.sensitive_categories)
    reasons = list(banned)
    if sensitive:
        reasons.append(Finding("sensitive-category", SENSITIVE_POINTS, "category", category))
    if len(title) <= SHORT_TITLE:
        reasons.append(Finding("incomplete-title", INCOMPLETE_POINTS, "title", title))
    if len(description) <= SHORT_DESCRIPTION:
        reasons.append(Finding("incomplete-description", INCOMPLETE_POINTS, "description", description))
    if tags:
        reasons.append(Finding("has-tags", TAGS_POINTS, "tags", tags[0]))
    score = max(0, min(FULL_SCORE, FULL_SCORE + sum(reason.points for reason in reasons)))
    decision: Decision = "rejected" if banned else "pending" if sensitive or score < policy.threshold else "active"
    return Moderation(score, decision, reasons)


def review_update(before: Listing, after: Listing, *, policy: Policy = DEFAULT_POLICY) -> Moderation | None:
    """Review a change of a product, or return None if the text is the same and the price hardly moved.

    A change of the text is reviewed like a new product, so a corrected product may become active. A price change
    of more than `PRICE_MOVE_PERCENT` leaves a product to an admin whose text is accepted.

    `before` has the price that was last accepted, not the one last saved: otherwise small steps would add up unnoticed.
    """
    price_moved = _price_moved(before.price_amount, after.price_amount)
    if not price_moved and _text_of(before) == _text_of(after):
        return None
    verdict = review(after.title, after.description, after.category, after.tags, policy=policy)
    if not price_moved:
        return verdict
    reason = Finding("price-moved", 0, "price", f"{before.price_amount} -> {after.price_amount}")
    decision: Decision = "pending" if verdict.decision == "active" else verdict.decision
    return replace(verdict, decision=decision, reasons=[*verdict.reasons, reason])


def _text_of(listing: Listing) -> tuple[str, str, str, tuple[str, ...]]:
    return listing.title, listing.description, listing.category, listing.tags


def _price_moved(before: int, after: int) -> bool:
    return abs(after - before) * 100 > before * PRICE_MOVE_PERCENT


class _Word(NamedTuple):
    folded: str
    start: int
    end: int


_Entry = tuple[str, ...]


def _readable(text: str) -> str:
    """Return a text as a reader sees it, so that an excerpt shows exactly what was matched."""
    visible = _HANGUL_FILLERS.sub(" ", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFKC", _LONG_RUN_OF_SIGNS.sub(_limit_marks, visible))


def _limit_marks(signs: re.Match[str]) -> str:
    allowed = []
    marks = 0
    for sign in signs[0]:
        marks = marks + 1 if unicodedata.combining(sign) else 0
        if marks <= _MAX_MARKS_IN_A_RUN:
            allowed.append(sign)
    return "".join(allowed)


def _words(readable: str) -> list[_Word]:
    spans: list[tuple[int, int]] = []
    for piece in _LETTERS_OR_SIGNS.finditer(readable):
        start, end = piece.span()
        follows = bool(spans) and spans[-1][1] == start
        if not piece[0][0].isalnum():
            if not follows:
                continue
            end = start + sum(1 for _ in takewhile(_is_mark, piece[0]))
        if follows:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    # Case folding can undo the normal form, so each word is normalised afterwards.
    return [_Word(unicodedata.normalize("NFKC", readable[start:end].casefold()), start, end) for start, end in spans]


def _is_mark(sign: str) -> bool:
    return unicodedata.category(sign).startswith("M")


def _folded(readable: str) -> _Entry:
    return tuple(word.folded for word in _words(readable))


@lru_cache(maxsize=8)
def _entries(listed: frozenset[str]) -> frozenset[_Entry]:
    return frozenset(entry for text in listed if (entry := _folded(_readable(text))))


@lru_cache(maxsize=8)
def _entries_by_first_word(listed: frozenset[str]) -> dict[str, list[_Entry]]:
    by_first: dict[str, list[_Entry]] = {}
    for entry in sorted(_entries(listed)):
        by_first.setdefault(entry[0], []).append(entry)
    return by_first


def _banned(field: str, texts: Iterable[str], policy: Policy) -> list[Finding]:
    """Return one reason for each banned entry in a field, with an excerpt around its first match."""
    findings: dict[_Entry, Finding] = {}
    for text in texts:
        for entry, start, end in _matches(text, _entries_by_first_word(policy.banned)):
            if entry not in findings:
                excerpt = text[max(0, start - EXCERPT_CONTEXT) : end + EXCERPT_CONTEXT].strip()
                findings[entry] = Finding("banned-word", BANNED_POINTS, field, excerpt)
    return list(findings.values())


def _matches(text: str, by_first: dict[str, list[_Entry]]) -> Iterator[tuple[_Entry, int, int]]:
    words = _words(text)
    for index, word in enumerate(words):
        for entry in by_first.get(word.folded, ()):
            phrase = words[index : index + len(entry)]
            if tuple(part.folded for part in phrase) == entry:
                yield entry, word.start, phrase[-1].end
