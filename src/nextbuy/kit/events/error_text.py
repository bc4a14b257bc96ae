"""Errors as text for operators, in delivery results, inbox rows and dead letters."""

import traceback
from typing import Final

from nextbuy.contracts.errors import AppError

_MAX_TEXT: Final = 2_000
"""The highest number of characters that is stored of a reason, or of one error in a chain."""
_MAX_CHAIN: Final = 10


def describe(error: BaseException) -> str:
    """Return an error as text: its slug if it is an `AppError`, otherwise its class, and its message."""
    name = error.slug if isinstance(error, AppError) else type(error).__name__
    return storable(f"{name}: {error}")


def describe_chain(error: BaseException) -> list[str]:
    """Return the error and its causes, the outermost first, each with the line that raised it."""
    chain: list[str] = []
    link: BaseException | None = error
    while link is not None and len(chain) < _MAX_CHAIN:
        frames = traceback.extract_tb(link.__traceback__)
        where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} {frames[-1].name})" if frames else ""
        chain.append(storable(f"{type(link).__name__}: {link}{where}"))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def storable(text: str) -> str:
    """Return text that PostgreSQL can store: without NUL and lone surrogates, cut to `_MAX_TEXT`."""
    return text.replace("\0", "\\0").encode(errors="replace").decode()[:_MAX_TEXT]
