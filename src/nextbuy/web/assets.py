"""Styles, scripts and the icon, each under an address that changes with its content, so that it may be kept for ever.

A script names what it imports by a relative path, as it lies on disk; here that becomes the hashed address. So a change
in one module changes the addresses of all that import it, and no browser mixes two versions.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources.abc import Traversable
from posixpath import dirname, join, normpath
from typing import Final

from msgspec import Struct

PREFIX: Final = "/assets/"
TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

_ASIDE: Final = re.compile(r"^[ \t]*/\*.*?\*/\n|^[ \t]*//[^\n]*\n|^[ \t]+|^\n", re.MULTILINE | re.DOTALL)
_IMPORT: Final = re.compile(r'(?<=from ")\.{1,2}/[^"\n]+(?=";)')


class Asset(Struct, frozen=True):
    """A file as it is served; `imports` are the names of all modules that it needs, those of its imports among them."""

    name: str
    path: str
    body: bytes
    imports: tuple[str, ...]


def read_folder(folder: Traversable, inside: str = "") -> dict[str, str]:
    """Return the text of each file that can be an asset, by its path inside of the folder."""
    texts: dict[str, str] = {}
    for entry in folder.iterdir():
        name = join(inside, entry.name)
        if entry.is_dir():
            texts |= read_folder(entry, name)
        elif name.rpartition(".")[2] in TYPES:
            texts[name] = entry.read_text(encoding="utf-8")
    return texts


def slim(text: str) -> str:
    """Leave out what is there for a reader alone: comments on lines of their own, indentation, empty lines.

    No text in our scripts goes over the end of a line (a test looks), so none can be hurt.
    """
    return _ASIDE.sub("", text)


def addressed(texts: Mapping[str, str]) -> dict[str, Asset]:
    """Give each file its address, by name.

    Raises:
        ValueError: a module imports what is not there, or itself by a detour.
    """
    done: dict[str, Asset] = {}

    def give(name: str, importers: tuple[str, ...]) -> Asset:
        if name in done:
            return done[name]
        if name not in texts or name in importers:
            wrong = "is not there" if name not in texts else "imports itself"
            message = f"{' > '.join((*importers, name))}: {name} {wrong}"
            raise ValueError(message)
        found: dict[str, None] = {}

        def address(match: re.Match[str]) -> str:
            imported = give(normpath(join(dirname(name), match[0])), (*importers, name))
            found.update(dict.fromkeys((*imported.imports, imported.name)))
            return imported.path

        text = slim(texts[name])
        body = (_IMPORT.sub(address, text) if name.endswith(".js") else text).encode()
        stem, _, kind = name.rpartition(".")
        path = f"{PREFIX}{stem}.{sha256(body).hexdigest()[:12]}.{kind}"
        done[name] = Asset(name, path, body, tuple(found))
        return done[name]

    for name in sorted(texts):
        give(name, ())
    return done
