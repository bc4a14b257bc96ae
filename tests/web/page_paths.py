"""The paths of the pages."""

import re
from uuid import UUID

from starlette.routing import compile_path

from nextbuy.web.app import PAGES

_PATTERNS = [compile_path(path)[0] for path in PAGES]


def is_page(path: str) -> bool:
    """Return whether a path without its query is that of a page."""
    return any(pattern.match(path.partition("?")[0]) for pattern in _PATTERNS)


def example(path: str) -> str:
    """Return a path with an id in place of each parameter."""
    return re.sub(r"\{[^}]*\}", str(UUID(int=7)), path)
