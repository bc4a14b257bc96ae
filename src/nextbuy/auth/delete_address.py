"""DELETE /auth/api/addresses/{id}: delete one of the caller's saved postal addresses."""

from uuid import UUID

from msgspec import Struct

from nextbuy.auth import address_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import AddressNotFound
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.caller import Caller


class DeleteAddress(Struct, frozen=True):
    """The id of a saved postal address of the caller."""

    id: UUID


async def delete_address(deps: Deps, caller: Caller, request: DeleteAddress) -> Nothing:
    """Delete a saved postal address; orders keep theirs.

    Raises:
        NotFound: it does not exist, or belongs to another account (`address-not-found`).
    """
    account = await require_account(deps, caller)
    async with deps.database.transaction() as tx:
        if not await address_store.delete_address(tx, request.id, account.id):
            raise AddressNotFound
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
