"""POST /auth/api/addresses: save a postal address for the caller's next orders."""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

from nextbuy.auth import address_store, link_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import SavedAddress, TooManyAddresses
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.values import NOT_BLANK, Title, new_id
from nextbuy.kit.http.caller import Caller


class SaveAddress(Struct, frozen=True):
    """A postal address, with the fields of a checkout."""

    full_name: Annotated[Title, Meta(examples=["Ada Winter"])]
    line1: Annotated[Title, Meta(examples=["12 Harbour Street"])]
    city: Annotated[Title, Meta(examples=["Portland"])]
    postal_code: Annotated[str, Meta(min_length=1, max_length=20, examples=["97201"]), NOT_BLANK]
    country: Annotated[Title, Meta(examples=["US"])]


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
