"""`/robots.txt`: the pages that search engines read."""

from typing import Final

from starlette.responses import PlainTextResponse, Response

from nextbuy.web.visit import Visit

_PRIVATE: Final = (
    "/basket",
    "/orders",
    "/order/",
    "/session/",
    "/notifications",
    "/sell",
    "/admin",
    "/trace",
    "/dead-letters",
    "/mails",
    "/search",
)


async def robots(_visit: Visit) -> Response:
    """Return the rules for robots: public pages only."""
    rules = "".join(f"Disallow: {path}\n" for path in _PRIVATE)
    return PlainTextResponse(f"User-agent: *\n{rules}", headers={"cache-control": "public, max-age=3600"})
