"""PUT /auth/api/me: change the caller's name."""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import Me, normal_name
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.values import Title
from nextbuy.kit.http.caller import Caller


class ChangeName(Struct, frozen=True):
    """A new name."""

    name: Annotated[Title, Meta(examples=["Ada Winter"])]


async def change_name(deps: Deps, caller: Caller, request: ChangeName) -> Me:
    """Change the caller's name."""
    account, name = await require_account(deps, caller), normal_name(request.name)
    async with deps.database.transaction() as tx:
        await store.set_name(tx, account.id, name)
        reply = Me(replace(account, name=name))
        await caller.store_response(tx, reply)
    return reply
