"""Call GetAccounts: return accounts by id."""

from typing import Final

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.contracts.auth import Accounts, GetAccounts
from nextbuy.contracts.errors import Unprocessable

_MAX_IDS: Final = 100


async def get_accounts(deps: Deps, call: GetAccounts) -> Accounts:
    """Return the accounts that exist, in no particular order."""
    if len(call.account_ids) > _MAX_IDS:
        raise Unprocessable(f"Too many accounts. Request at most {_MAX_IDS} at once.")
    return Accounts(await store.accounts_by_id(deps.database, call.account_ids))
