"""The paths of the pages."""

from starlette.routing import compile_path

from nextbuy.web.app import PAGES

_PATTERNS = [compile_path(path)[0] for path in PAGES]


def is_page(path: str) -> bool:
    """Return whether a path without its query is that of a page."""
    return any(pattern.match(path.partition("?")[0]) for pattern in _PATTERNS)
