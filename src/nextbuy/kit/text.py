"""Text by users, made safe for use inside our own sentences."""

import unicodedata
from typing import Final

_INVISIBLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_MAX_LINE: Final = 500


def single_line(text: str, *, limit: int = _MAX_LINE) -> str:
    """Return text by a user as one line of at most `limit` characters, so that it cannot start a line or a header."""
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in text)
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def quoted(name: str) -> str:
    """Return a name in quotation marks."""
    return f"“{single_line(name)}”"


def as_sentence(text: str) -> str:
    """Return text as one line that begins with a capital and ends with a full stop."""
    line = single_line(text)
    line = line[:1].upper() + line[1:]
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."
