"""POST /auth/api/addresses: save a postal address for the caller's next orders."""

from msgspec import Struct
from msgspec.structs import asdict

from nextbuy.auth import address_store, link_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import SavedAddress, TooManyAddresses
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.values import PostalAddress, new_id
from nextbuy.kit.http.caller import Caller


class SaveAddress(PostalAddress, frozen=True):
    """A postal address, with the fields of a checkout."""


class AddressSaved(Struct, frozen=True):
    """The saved postal address."""

    address: SavedAddress


async def save_address(deps: Deps, caller: Caller, request: SaveAddress) -> AddressSaved:
    """Save a postal address.

    Raises:
        Conflict: 20 are saved (`too-many-addresses`).
    """
    account = await require_account(deps, caller)
    address = SavedAddress(id=new_id(), **asdict(request))
    async with deps.database.transaction() as tx:
        await link_store.lock_account(tx, account.id)
        if not await address_store.insert_address(tx, account.id, address, at=deps.clock()):
            raise TooManyAddresses
        reply = AddressSaved(address)
        await caller.store_response(tx, reply)
    return reply
