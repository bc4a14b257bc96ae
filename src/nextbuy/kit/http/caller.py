"""The caller of a public route, as a use case sees it."""

from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import Role
from nextbuy.kit.http.idempotency import IdempotentRequest
from nextbuy.kit.http.tokens import Identity
from nextbuy.kit.storage.database import Transaction


class Caller(Struct):
    """Who makes a public request; `identity` is None for somebody who is not logged in."""

    token: str
    identity: Identity | None
    address: str
    headers: Mapping[str, str]
    idempotent_request: IdempotentRequest | None = None

    @property
    def account_id(self) -> UUID:
        """The account that asks.

        Raises:
            Unauthenticated: nobody is logged in.
        """
        if self.identity is None:
            raise Unauthenticated("Log in first.")
        return self.identity.account_id

    @property
    def role(self) -> Role | None:
        """The account's role, or None."""
        return None if self.identity is None else self.identity.role

    async def store_response(self, tx: Transaction, reply: object) -> None:
        """Keep the answer to this request in the transaction of its act; nothing where it came without a key."""
        if self.idempotent_request is not None:
            await self.idempotent_request.store_response(tx, reply)
