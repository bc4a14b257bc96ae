"""Answers `GetAccounts`: many accounts at once."""

from typing import Final

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.contracts.auth import Accounts, GetAccounts
from nextbuy.contracts.errors import Unprocessable

_MOST: Final = 100


async def get_accounts(deps: Deps, call: GetAccounts) -> Accounts:
    """Return those of these accounts that exist; `Unprocessable` where more than 100 are asked for."""
    if len(call.account_ids) > _MOST:
        raise Unprocessable(f"Ask for at most {_MOST} accounts at once.")
    return Accounts(await store.accounts_by_id(deps.database, call.account_ids))
