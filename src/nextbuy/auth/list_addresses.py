"""GET /auth/api/addresses: the caller's saved postal addresses."""

from nextbuy.auth import address_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import SavedAddress
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.values import Nothing, Page
from nextbuy.kit.http.caller import Caller


async def list_addresses(deps: Deps, caller: Caller, _request: Nothing) -> Page[SavedAddress]:
    """List the caller's saved postal addresses, newest first, at most 20."""
    account = await require_account(deps, caller)
    return Page(await address_store.list_addresses(deps.database, account.id))
