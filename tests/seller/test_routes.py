"""Routes of seller, requested as the gateway does."""

import time
from collections.abc import Mapping

import msgspec

from nextbuy.contracts.auth import Account, ValidateSeller, ValidateUser
from nextbuy.contracts.values import new_id
from nextbuy.kit.http.app import App
from nextbuy.kit.http.tokens import Identity, TokenVerifier
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import Request
from nextbuy.seller.deps import Deps
from nextbuy.seller.service import SERVICE
from tests.callers import GATEWAY
from tests.doubles import StubCalls

TOKEN = f"of.seller.{86 * 'x'}"


class KnownToken(TokenVerifier):
    """A verifier that accepts one token."""

    def __init__(self, who: Account) -> None:
        super().__init__(self._no_keys)
        self._who = who

    async def _no_keys(self) -> Mapping[str, str]:
        return {}

    async def verify(self, token: str) -> Identity:
        assert token == TOKEN
        return Identity(self._who.id, self._who.role, new_id(), time.time() + 60)


async def test_shop_is_created_and_read_through_routes(deps: Deps, calls: StubCalls, owner: Account) -> None:
    calls.replies[ValidateSeller] = calls.replies[ValidateUser] = owner
    identity = ServiceIdentity(b"a secret of sixteen bytes or more", "seller")
    app = App(SERVICE, deps, identity=identity, verifier=KnownToken(owner), database=deps.database)
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    body = msgspec.json.encode({"name": "Kiln & Clay", "bio": "", "category": "ceramics"})

    made = await app.handle(Request("POST", "/seller/api/create-shop", "", headers, body, sender=GATEWAY))

    assert made.status == 201

    mine = await app.handle(Request("GET", "/seller/api/my-shop", "", headers, sender=GATEWAY))
    assert (mine.status, msgspec.json.decode(mine.body)["seller_status"]) == (200, "pending")

    shop = msgspec.json.decode(made.body)["shop"]
    found = await app.handle(Request("GET", f"/seller/api/get-shop/{shop['id']}", "", headers, sender=GATEWAY))

    public = msgspec.json.decode(found.body)["shop"]
    assert public.pop("created_at")
    assert public == shop
