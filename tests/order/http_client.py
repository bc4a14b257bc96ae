"""A client of the order service over bytes, as the gateway calls it."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from uuid import UUID

from joserfc.jwk import ECKey

from nextbuy.contracts.auth import Account, ValidateUser
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.http.app import App
from nextbuy.kit.http.tokens import Identity, TokenVerifier, sign_token
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import Request, Response
from nextbuy.order.deps import Deps
from nextbuy.order.service import SERVICE
from tests.callers import GATEWAY, account, confirm
from tests.order.market import Market

KEY = ECKey.generate_key("P-256")


class HttpClient:
    """A client of the service, with tokens for accounts."""

    def __init__(self, market: Market) -> None:
        market.calls.replies[ValidateUser] = _account_of

        async def load() -> dict[str, str]:
            return {"k": KEY.as_pem(private=False).decode()}

        self.app: App[Deps] = App(
            SERVICE,
            market.deps,
            identity=ServiceIdentity(b"0123456789abcdef", "order"),
            verifier=TokenVerifier(load),
            database=market.database,
        )

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: Account | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request; a body of bytes is sent unchanged."""
        headers = {"content-type": "application/json", **(headers or {})}
        if by is not None:
            identity = Identity(by.id, by.role, new_id(), time.time() + 900)
            headers["authorization"] = f"Bearer {sign_token(identity, kid='k', key=KEY)}"
        if key is not None:
            headers["idempotency-key"] = key
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        return await self.app.handle(Request(method, f"/order/api/{path}", query, headers, raw, sender=GATEWAY))


def _account_of(call: ValidateUser) -> Account:
    """Answer as auth does: return the account that a token names."""
    if call.token.startswith("token-of-"):
        return confirm(call)
    payload = call.token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return account(Role(claims["role"]), account_id=UUID(claims["sub"]))
