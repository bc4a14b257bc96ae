"""A text with marked words, for templates to show what moderation has found in it."""

import re
from collections.abc import Iterable

from msgspec import Struct


class Part(Struct, frozen=True):
    """A part of a text, marked or not."""

    text: str
    marked: bool


def mark(text: str, words: Iterable[str]) -> list[Part]:
    """Split a text into parts, so that each occurrence of one of the words is a marked part, in any case of letters."""
    longest_first = sorted({word for word in words if word.strip()}, key=len, reverse=True)
    if not longest_first:
        return [Part(text, marked=False)] if text else []
    pattern = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in longest_first)
    # The pattern has one group, so every second piece is a match.
    pieces = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return [Part(piece, marked=number % 2 == 1) for number, piece in enumerate(pieces) if piece]
