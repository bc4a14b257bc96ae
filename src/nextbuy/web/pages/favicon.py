"""`/favicon.ico`: the icon for browsers and programs that do not read the page's own link to it."""

from importlib import resources
from typing import Final

from starlette.responses import Response

from nextbuy.web.visit import SECURITY, Visit

_ICON: Final = (resources.files("nextbuy.web") / "favicon.ico").read_bytes()


async def favicon(_visit: Visit) -> Response:
    """Return the icon, drawn from `static/icon.svg`."""
    return Response(_ICON, headers={**SECURITY, "cache-control": "public, max-age=86400"}, media_type="image/x-icon")
