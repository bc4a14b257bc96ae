"""Requests that pages in a process of their own send to the API, in the name of a visitor (`host/serve_web.py`).

The page's own request has passed the rate limits, so the requests that it sends are not counted again, as in one
process (`page_requests.py`). Only `web` may name another client than the one that is connected, and it signs that.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from nextbuy.gateway.headers import Pair
from nextbuy.kit.service_identity import WEB, ServiceIdentity, ServiceIdentityRequired
from nextbuy.kit.wire import AGE, CLIENT, IDENTITY, ORIGIN, Request, Response

_CLAIMED: Final = {name.encode(): name for name in (IDENTITY, CLIENT, ORIGIN)}


def claimed_headers(raw: Sequence[Pair]) -> dict[str, str]:
    """Return the headers in which a request claims to be of `web` and names its visitor; empty if it claims nothing."""
    claimed = {_CLAIMED[name]: value.decode("latin-1") for name, value in raw if name in _CLAIMED}
    return claimed if claimed.get(IDENTITY, "").startswith(f"{WEB}.") else {}


def as_sent_by_web(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as `web` has signed them: as text that it sends in UTF-8."""
    return {name: value.encode("latin-1").decode(errors="replace") for name, value in headers.items()}


def is_signed_by_web(identity: ServiceIdentity, request: Request) -> bool:
    """Return whether `web` has signed a request; `identity` is that of the gateway."""
    headers = request.headers
    try:
        identity.verify(headers[IDENTITY], request.method, request.target, request.body, headers)
    except ServiceIdentityRequired:
        return False
    return True


def age_header(response: Response) -> list[Pair]:
    """Return the header with the age of a response's data, from which `web` computes that of its page."""
    return [(AGE.encode(), value.encode()) for name, value in response.headers if name == AGE]
