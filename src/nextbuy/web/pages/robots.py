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
    "/account",
    "/figures",
    "/sign-in",
    "/forgot-password",
    "/reset-password",
    "/confirm-email",
    "/styleguide",
    "/too-many-requests",
)


async def robots(visit: Visit) -> Response:
    """Return the rules for robots: public pages only, which the sitemaps list."""
    rules = "".join(f"Disallow: {path}\n" for path in _PRIVATE)
    sitemap = f"Sitemap: {visit.site.settings.public_url}/sitemap.xml\n"
    return PlainTextResponse(f"User-agent: *\n{rules}\n{sitemap}", headers={"cache-control": "public, max-age=3600"})
