"""The errors of each operation in the OpenAPI document, derived from its route and from the errors that it raises."""

import inspect
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from nextbuy.contracts import errors
from nextbuy.contracts.errors import KINDS, AppError
from nextbuy.kit.service import Act, Route
from nextbuy.kit.wire import PROBLEM, READS

Json = dict[str, Any]
_GATEWAY: Final = frozenset({400, 405, 408, 413, 414, 422, 429, 431})
"""Statuses with which the gateway refuses any request: malformed, too large, too slow or too frequent."""
_SERVICE: Final = frozenset({502, 503, 504})
"""Statuses of any service that is unavailable, replies wrongly, or is too slow."""
_RAISES: Final = re.compile(r"^ {4}(\w+): ", re.MULTILINE)
_HEADERS: Final[dict[int, Json]] = {
    401: {"WWW-Authenticate": {"description": "The scheme of access tokens.", "schema": {"type": "string"}}},
    405: {"Allow": {"description": "The methods of the endpoint.", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    503: {"Retry-After": {"description": "Seconds to wait, if known.", "schema": {"type": "integer"}}},
}


def statuses_of(route: Route) -> list[int]:
    """Return the statuses of the errors that a route can answer with."""
    found = {*_GATEWAY, *_SERVICE, *(kind.status for kind in raised_by(route.act))}
    if route.who is not None or route.checks_token:
        found |= {401, 403}
    if "{" in route.path:
        found.add(404)
    if route.method not in READS:
        found |= {409, 415}
    if route.takes_if_match:
        found.add(412)
    return sorted(found)


def gateway_statuses() -> list[int]:
    """Return the statuses of the errors of the gateway's own endpoints."""
    return sorted(_GATEWAY)


def raised_by(act: Act) -> list[type[AppError]]:
    """Return the errors that the docstring of a use case lists under `Raises:`."""
    listed = (inspect.getdoc(act) or "").partition("\nRaises:\n")[2]
    names = _RAISES.findall(listed)
    known = {**vars(errors), **inspect.unwrap(act).__globals__}
    return [known[name] for name in names]


def error_responses(used: Iterable[str]) -> Json:
    """Return the component of each status among `used`."""
    described = {kind.status: (kind.__doc__ or "").partition("\n")[0] for kind in KINDS}
    return {
        status: {
            "description": described.get(int(status), f"{HTTPStatus(int(status)).phrase}."),
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": _HEADERS[int(status)]} if int(status) in _HEADERS else {}),
        }
        for status in sorted(set(used))
    }
