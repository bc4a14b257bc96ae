"""The caller of a public route, as a use case sees it."""

from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import Role
from nextbuy.kit.http.conditional import if_match
from nextbuy.kit.http.idempotency import IdempotentRequest
from nextbuy.kit.http.tokens import Identity
from nextbuy.kit.storage.database import Transaction
from nextbuy.kit.wire import ORIGIN


class Caller(Struct):
    """The sender of a public request; `identity` is None without a login."""

    token: str
    identity: Identity | None
    ip_address: str
    headers: Mapping[str, str]
    idempotent_request: IdempotentRequest | None = None

    @property
    def account_id(self) -> UUID:
        """The account that is signed in; raises Unauthenticated if none is."""
        if self.identity is None:
            raise Unauthenticated
        return self.identity.account_id

    @property
    def role(self) -> Role | None:
        """The role of the account, or None."""
        return None if self.identity is None else self.identity.role

    def link(self, url: str, public_url: str) -> str:
        """Return a URL of the marketplace, at `public_url`, with the origin that the client uses."""
        origin = self.headers.get(ORIGIN)
        if origin is None or not url.startswith(f"{public_url}/"):
            return url
        return f"{origin}{url.removeprefix(public_url)}"

    def if_match(self) -> list[str] | None:
        """Return the entity tags of If-Match, or None without a condition (`conditional.if_match`).

        Raises:
            BadRequest: If-Match is invalid.
        """
        return if_match(self.headers)

    async def store_response(self, tx: Transaction, reply: object) -> None:
        """Store the response in the use case's transaction, so that the same Idempotency-Key gets it again.

        Does nothing if the request has no such key.
        """
        if self.idempotent_request is not None:
            await self.idempotent_request.store_response(tx, reply)
