"""Styles, scripts and the icon, each at a path that contains a hash of its content, so that browsers cache it forever.

A script imports modules by relative paths (`from "./x.js";`, no other form); `hash_assets` replaces them by the hashed
paths. A change in a module so changes the path of every module that imports it, and no page loads two versions of one.
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

_IMPORT: Final = re.compile(r'(?<=from ")\.{1,2}/[^"\n]+(?=";)')


class Asset(Struct, frozen=True):
    """A file as served; a page preloads `imports`: all modules that it needs, directly or not, dependencies first."""

    name: str
    path: str
    body: bytes
    imports: tuple[str, ...]


def read_folder(folder: Traversable, base: str = "") -> dict[str, str]:
    """Return the texts of the assets in a folder, by relative path."""
    texts: dict[str, str] = {}
    for entry in folder.iterdir():
        name = join(base, entry.name)
        if entry.is_dir():
            texts |= read_folder(entry, name)
        elif name.rpartition(".")[2] in TYPES:
            texts[name] = entry.read_text(encoding="utf-8")
    return texts


def hash_assets(texts: Mapping[str, str]) -> dict[str, Asset]:
    """Return the assets by name, with their hashed paths.

    Raises:
        ValueError: an imported module is missing, or imports form a cycle.
    """
    assets: dict[str, Asset] = {}

    def resolve(name: str, importers: tuple[str, ...]) -> Asset:
        if name in assets:
            return assets[name]
        if name not in texts or name in importers:
            problem = "does not exist" if name not in texts else "is part of an import cycle"
            message = f"{' > '.join((*importers, name))}: {name} {problem}"
            raise ValueError(message)
        imports: dict[str, None] = {}

        def hashed_path(match: re.Match[str]) -> str:
            imported = resolve(normpath(join(dirname(name), match[0])), (*importers, name))
            imports.update(dict.fromkeys((*imported.imports, imported.name)))
            return imported.path

        source = texts[name]
        body = (_IMPORT.sub(hashed_path, source) if name.endswith(".js") else source).encode()
        stem, _, kind = name.rpartition(".")
        path = f"{PREFIX}{stem}.{sha256(body).hexdigest()[:12]}.{kind}"
        assets[name] = Asset(name, path, body, tuple(imports))
        return assets[name]

    for name in sorted(texts):
        resolve(name, ())
    return assets
