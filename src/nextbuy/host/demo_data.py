"""The demo market, created at the first start unless refused; a file in the data folder stores that choice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from nextbuy.demo.seed import seed
from nextbuy.kit.rpc.transports import Transport
from nextbuy.kit.service_identity import GATEWAY, ServiceIdentity
from nextbuy.kit.wire import Request

ADMIN: Final = "admin@demo.nextbuy.test"
_REQUEST_TIMEOUT: Final = 15.0
"""Seconds. Far longer than a request takes, because the machine is busy during a first start."""
_FILE: Final = "demo"
_FILLED: Final = "filled"
_EMPTY: Final = "empty"


def stored_choice(data: Path) -> bool | None:
    """Return whether this marketplace has the demo market, or None before its first start has completed."""
    path = data / _FILE
    return path.read_text(encoding="utf-8").strip() == _FILLED if path.exists() else None


def store_choice(data: Path, *, demo: bool) -> None:
    """Store whether this marketplace has the demo market."""
    (data / _FILE).write_text(f"{_FILLED if demo else _EMPTY}\n", encoding="utf-8")


class DirectClient:
    """A client of the services' public APIs that stands in for the gateway, to bypass its rate limits."""

    def __init__(self, transports: Mapping[str, Transport], secret: bytes) -> None:
        self._transports = transports
        self._gateway = ServiceIdentity(secret, GATEWAY)

    async def __call__(
        self, method: str, path: str, body: object | None = None, token: str | None = None
    ) -> tuple[int, Any]:
        """Send a request and return the status and the decoded body."""
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        path, _, query = path.partition("?")
        payload = b"" if body is None else msgspec.json.encode(body)
        request = Request(method, path, query, headers, payload, sender=self._gateway)
        response = await self._transports[path.split("/", 2)[1]].deliver(request, _REQUEST_TIMEOUT)
        return response.status, msgspec.json.decode(response.body) if response.body else None


async def create(transports: Mapping[str, Transport], secret: bytes, password: str) -> None:
    """Create the demo shops, products and accounts; the demo admin must exist.

    Raises:
        SeedError: a request was refused. The next call continues at that request.
    """
    client = DirectClient(transports, secret)
    status, reply = await client("POST", "/auth/api/login", {"email": ADMIN, "password": password})
    if status != 200:  # noqa: PLR2004
        raise RuntimeError(f"the demo admin cannot sign in: {reply}")
    await seed(client, admin_token=reply["access_token"])
