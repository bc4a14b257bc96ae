"""Requests that pages in a process of their own send to the API, in the name of a visitor (`host/serve_web.py`).

The page's own request has passed the rate limits, so the requests that it sends are not counted again, as in one
process (`page_requests.py`). Only `web` may name another client than the one that is connected, and it signs that.
"""

from collections.abc import Sequence
from typing import Final

from nextbuy.gateway.headers import Pair
from nextbuy.kit.service_identity import WEB, ServiceIdentity, ServiceIdentityRequired
from nextbuy.kit.wire import AGE, CLIENT, IDENTITY, ORIGIN, Request, Response

_CLAIMED: Final = {name.encode(): name for name in (IDENTITY, CLIENT, ORIGIN)}


def claimed_headers(raw: Sequence[Pair]) -> dict[str, str]:
    """Return what a request claims of its sender and its visitor; empty unless it is signed."""
    claimed = {_CLAIMED[name]: value.decode("latin-1") for name, value in raw if name in _CLAIMED}
    return claimed if IDENTITY in claimed else {}


def require_web(identity: ServiceIdentity, request: Request) -> None:
    """Refuse a request with claims that `web` has not signed for the gateway, which `identity` is.

    Raises:
        ServiceIdentityRequired: the signature is missing, wrong, expired, or of a service.
    """
    headers = request.headers
    if identity.verify(headers[IDENTITY], request.method, request.target, request.body, headers) != WEB:
        raise ServiceIdentityRequired


def age_header(response: Response) -> list[Pair]:
    """Return the header with the age of a response's data, from which `web` computes that of its page."""
    return [(AGE.encode(), value.encode()) for name, value in response.headers if name == AGE]
