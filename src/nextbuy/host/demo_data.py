"""The demo catalogue, put into a new marketplace at its first start."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from nextbuy.demo.seed import seed
from nextbuy.kit.rpc.transports import Transport
from nextbuy.kit.wire import Request

ADMIN: Final = "admin@demo.nextbuy.test"
_LIMIT: Final = 15.0


def marked(data: Path) -> str:
    """Return `filled` or `empty`, as decided at the first start, or nothing before it."""
    path = data / "demo"
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def mark(data: Path, word: str) -> None:
    """Remember the decision."""
    (data / "demo").write_text(f"{word}\n", encoding="utf-8")


class Direct:
    """Asks services by their public API without the gateway: there is no rate limit on filling one's own shop."""

    def __init__(self, transports: Mapping[str, Transport]) -> None:
        """Speak over these transports."""
        self._transports = transports

    async def __call__(
        self, method: str, path: str, body: object | None = None, token: str | None = None
    ) -> tuple[int, Any]:
        """Return status and decoded answer."""
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        where, _, query = path.partition("?")
        payload = b"" if body is None else msgspec.json.encode(body)
        request = Request(method, where, query, headers, payload)
        answer = await self._transports[where.split("/", 2)[1]].deliver(request, _LIMIT)
        return answer.status, msgspec.json.decode(answer.body) if answer.body else None


async def fill(transports: Mapping[str, Transport], password: str) -> None:
    """Fill the marketplace; the demo admin exists already.

    Raises:
        SeedError: a step was refused; another start goes on where this one stopped.
    """
    ask = Direct(transports)
    status, answer = await ask("POST", "/auth/api/login", {"email": ADMIN, "password": password})
    if status != 200:  # noqa: PLR2004
        message = f"the demo admin cannot log in: {answer}"
        raise RuntimeError(message)
    await seed(ask, admin_token=answer["access_token"])
