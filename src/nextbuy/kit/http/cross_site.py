"""Refuse requests that a page of another site makes a browser send.

For the forms of pages, and for the cookie of a guest's basket, which has no session to bind a CSRF token to. A
browser names the origin of a request in Sec-Fetch-Site (Fetch Metadata) and in Origin (RFC 6454), and no script can
change either. A client that sends neither cannot be directed by a page.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from nextbuy.contracts.errors import Forbidden
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import ORIGIN

ForeignPage: Final = Forbidden.of(
    "cross-site", "This request comes from a page of another site. Open the marketplace and try again there."
)


def refuse_cross_site(headers: Mapping[str, str], settings: Settings) -> None:
    """Raise ForeignPage for a request of a page that is neither the marketplace's own nor of an allowed origin."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site in ("same-origin", "none") or (site is None and origin is None):
        return
    public = urlsplit(settings.public_url)
    if origin not in {f"{public.scheme}://{public.netloc}", headers.get(ORIGIN), *settings.cors_origins} - {None}:
        raise ForeignPage
