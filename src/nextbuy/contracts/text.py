"""The rules of texts that people type."""

from typing import Final

_UNSEEN: Final = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Characters without an appearance of their own, which copying text from a page often adds at its ends."""


def trim(text: str) -> str:
    """Remove white space and invisible characters from the ends of a text."""
    while (trimmed := text.strip().strip(_UNSEEN)) != text:
        text = trimmed
    return text
