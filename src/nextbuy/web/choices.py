"""The choices of a visitor in a list, as in its URL."""

from collections.abc import Mapping
from functools import cache
from typing import Final, Literal, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

_MAX_TEXT: Final = 200
"""Characters of a choice; the API takes no longer ones."""

C = TypeVar("C", bound="Choices")


class Choices(Struct, frozen=True, omit_defaults=True):
    """The choices of a visitor in a list, as in its URL; an empty text stands for all."""

    cursor: str = ""

    def url(self, path: str, **changes: str) -> str:
        """Return the URL of this list with other choices; a change other than of the page leads to the first page."""
        chosen = {**msgspec.to_builtins(self), "cursor": "", **changes}
        pairs = {name: value for name, value in chosen.items() if value}
        return f"{path}?{urlencode(pairs)}" if pairs else path


def choices_of(kind: type[C], query: Mapping[str, str], *, max_text: int = _MAX_TEXT) -> C:
    """Return the choices in a URL; unknown names and invalid values are ignored, as a shared link may be old.

    Texts are cut after `max_text` characters.
    """
    known = {}
    for name, values in _values(kind).items():
        value = query.get(name, "").strip()[:max_text]
        if name in query and (not values or value in values):
            known[name] = value
    return msgspec.convert(known, kind)


@cache
def _values(kind: type[Choices]) -> dict[str, tuple[str, ...]]:
    """Return the possible values of each choice, none for any text."""
    hints = get_type_hints(kind).items()
    return {name: get_args(hint) if get_origin(hint) is Literal else () for name, hint in hints}
